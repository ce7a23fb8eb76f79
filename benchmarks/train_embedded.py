"""Trains the embedded model on generated returns: `python benchmarks/train_embedded.py --out FOLDER`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
err = Console(stderr=True)


@app.command(epilog="Example:  python benchmarks/train_embedded.py --seed 1 --steps 500 --out /tmp/model")
def train(
    out: Annotated[Path, typer.Option(help="Folder for the model; created if missing, files in it are replaced.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of data, weights and batch order.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps; default: the recipe's.")] = None,
) -> None:
    """Train a small Chronos-T5 on generated returns.

    Uses one thread, so that a seed fixes the weights.
    """
    from embedded_training import Recipe
    from embedded_training import train as run

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


if __name__ == "__main__":
    app()
