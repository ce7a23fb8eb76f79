"""Dashboard in the terminal: fan, record, loop, freshness by horizon."""

import time
from typing import Annotated

import typer

from forex_assets.cli.common import (
    DESK,
    AsJson,
    Horizon,
    answer,
    app,
    horizons_of,
    out,
    report_faults,
    reported,
    session_of,
)


@app.command(
    rich_help_panel=DESK,
    epilog="Examples:  forex-assets dashboard  ·  dashboard --horizon 7d --watch  ·  dashboard --json",
)
@reported
def dashboard(
    horizon: Horizon = "all",
    is_watched: Annotated[bool, typer.Option("--watch", help="Redraw until Ctrl-C.")] = False,
    seconds: Annotated[float, typer.Option("--every", min=1, max=3600, help="Seconds between two drawings.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Show fan, skill, coverage, decision, verdict and watch by horizon."""
    horizons = horizons_of(horizon)
    session = session_of()
    from rich.console import Group
    from rich.live import Live

    from forex_assets.cli.dashboard_data import dashboard_of
    from forex_assets.cli.render_loop import dashboard as drawn

    if as_json or not is_watched:
        record = dashboard_of(session, horizons)
        answer(as_json, record, drawn(record))
        fans = [part["forecast"] for part in record["horizons"]]
        report_faults(entry["fault"] for entry in (*record["prices"], record["starting_price"], *fans))
        report_faults(fault for part in record["horizons"] for fault in part["faults"])
        return
    try:
        with Live(console=out, auto_refresh=False, screen=out.is_terminal) as live:
            while True:
                live.update(Group(*drawn(dashboard_of(session_of(), horizons))), refresh=True)
                time.sleep(seconds)
    except KeyboardInterrupt:
        return
