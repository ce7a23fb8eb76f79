"""The command that makes the page people read."""

from typing import Annotated

import typer

from forex_assets.cli.common import DESK, AsJson, AsOf, answer, app, err, reported, session_of


@app.command(rich_help_panel=DESK, epilog="Examples:  forex-assets report --open  ·  FOREX_LANG=es forex-assets report")
@reported
def report(
    is_opened: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Write the daily report as one HTML page."""
    session = session_of(as_of)
    from forex_assets.report.daily import write_report

    with err.status("drawing …"):
        path = write_report(session)
    answer(as_json, {"file": str(path), "language": session.settings.lang}, [str(path)])
    if is_opened:
        typer.launch(path.as_uri())
