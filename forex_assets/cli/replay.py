"""The command that replays the loop over past years."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forex_assets.cli.common import (
    BAD_USAGE,
    LOOP,
    AsJson,
    Horizon,
    answer,
    app,
    err,
    fail,
    horizons_of,
    reported,
    session_of,
)
from forex_assets.cli.limits import FORECAST_MB, need_memory

if TYPE_CHECKING:
    from forex_assets.core.session import Session


@app.command(
    rich_help_panel=LOOP,
    epilog="Examples:  forex-assets replay --from 2023-01-01 --to 2023-12-31  ·  "
    "replay --from 2020-01-01 --to 2023-12-31 --policy mine.yaml --json",
)
@reported
def replay(
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="First evening; needs a year of prices before.")],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="Last evening.")],
    every: Annotated[str, typer.Option(metavar="1d|1w|2w|1m", help="Distance of the evenings.")] = "1w",
    policy: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A further policy to compare, as configs/policy.yaml; may be repeated."),
    ] = None,
    horizon: Horizon = "all",
    as_json: AsJson = False,
) -> None:
    """Replay the loop over past years: would tuning have paid?

    Compares never tuning, the published rules, the calibrated ones, age alone, every fixed setting and an oracle, each
    evening on what was known then. Two seconds of CPU a past date with the embedded model, of which a search alone
    needs seven years; finished ones are kept, so that it can be stopped and goes on where it was.
    """
    horizons = horizons_of(horizon)
    need_memory(FORECAST_MB)
    session = session_of()
    files = [file.resolve() for file in policy or []]
    settings = _checked(session, first, last, every, files)
    import polars as pl

    from forex_assets.cli.progress import progress_bar
    from forex_assets.cli.render_replay import loop as render_loop
    from forex_assets.cli.runner import run_assets
    from forex_assets.core import names
    from forex_assets.core.dagster import keys
    from forex_assets.core.progress import listening
    from forex_assets.locations.optimization import build
    from forex_assets.replay.tables import CHANGES_SCHEMA, LOOP_SCHEMA

    config = {"ops": {"__".join(keys.REPLAY.path): {"config": settings}}}
    with progress_bar(err) as progress:
        task = progress.add_task("fans, then evenings", total=None)
        with listening(lambda done, total, _: progress.update(task, completed=done, total=total)):
            run_assets(session, [keys.REPLAY], horizons, config, build=build)
    parts = {
        name: pl.concat(
            [table for partition in horizons if (table := session.tables.read(key, partition, schema)) is not None]
        ).to_dicts()
        for name, key, schema in (
            ("loop", names.REPLAY, LOOP_SCHEMA),
            ("changes", names.REPLAY_CHANGES, CHANGES_SCHEMA),
        )
    }
    answer(as_json, parts, render_loop(parts["loop"], parts["changes"], is_sample=session.market == "sample"))


def _checked(session: "Session", first: str, last: str, every: str, files: list[Path]) -> dict[str, object]:
    """Settings of the asset; bad usage ends here, in words."""
    from forex_assets.core.policy_store import PolicyError
    from forex_assets.replay.policy_store import policies_of
    from forex_assets.replay.replay_run import Stretch
    from forex_assets.replay.strategies import ReplayError, strategies_of

    days = []
    for option, text in (("--from", first), ("--to", last)):
        try:
            days.append(date.fromisoformat(text))
        except ValueError:
            fail(f"{option} {text}: no date; write it as 2023-12-29", BAD_USAGE)
    try:
        Stretch(days[0], days[1], every).days()
        strategies_of(session.policy, policies_of(map(str, files)))
    except (ReplayError, PolicyError) as error:
        fail(str(error), BAD_USAGE)
    if days[1] > session.today:
        fail(f"--to {last}: later than today, {session.today}", BAD_USAGE)
    return {"first": first, "last": last, "every": every, "policies": [str(file) for file in files]}
