"""`forex-assets-train`: trains the embedded model anew, on generated returns only."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
err = Console(stderr=True)


@app.command(
    epilog="Examples:  forex-assets-train --out /tmp/model  ·  forex-assets-train --seed 1 --steps 500 --out m"
)
def train(
    out: Annotated[Path, typer.Option(help="Folder for the model; made if need be, files in it are replaced.")],
    seed: Annotated[int, typer.Option(min=0, help="Of data, weights and order.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Of the optimizer; the recipe's own by default.")] = None,
) -> None:
    """Train a small Chronos-T5 on generated returns. One thread: the same seed then gives the same weights."""
    from forex_assets.forecasts.chronos.embedded_training import Recipe
    from forex_assets.forecasts.chronos.embedded_training import train as run

    recipe = Recipe(seed=seed) if steps is None else Recipe(seed=seed, steps=steps)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("training", total=recipe.steps)

        def report(step: int, loss: float) -> None:
            progress.update(task, completed=step, description=f"training, {loss:.4f} nats")

        floor = run(recipe, out, report)
    typer.echo(
        f"{out}: {floor.model:.4f} nats per return on generated GARCH; the truth has {floor.oracle:.4f}, "
        f"a normal with EWMA variance {floor.ewma:.4f}"
    )


def main() -> None:
    """Entry point."""
    app()
