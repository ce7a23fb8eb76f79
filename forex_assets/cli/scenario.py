"""The command that answers what-if questions."""

from typing import Annotated

import typer

from forex_assets.cli.common import BAD_USAGE, DESK, AsCsv, AsJson, AsOf, app, fail, reported, session_of
from forex_assets.cli.desk import percent_of


@app.command(
    rich_help_panel=DESK,
    epilog="Examples:  forex-assets scenario --copper -10%  ·  scenario --copper -10% --dxy +2% --horizon 7d  ·  "
    "scenario --brl +5% --json",
)
@reported
def scenario(
    copper: Annotated[str | None, typer.Option("--copper", metavar="-10%", help="Move of copper.")] = None,
    dxy: Annotated[str | None, typer.Option("--dxy", metavar="+2%", help="Move of the dollar index.")] = None,
    brl: Annotated[str | None, typer.Option("--brl", metavar="+5%", help="Move of Brazilian reals per dollar.")] = None,
    horizon: Annotated[str, typer.Option(metavar="7d|15d|30d|90d", help="By which horizon's date.")] = "30d",
    as_of: AsOf = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the dollar's range if copper, index or real move.

    Beside the fan, with past stretches of such moves. A condition, not a forecast of the drivers.
    """
    from forex_assets.core.horizon import HORIZONS

    if horizon not in HORIZONS:
        fail(f"--horizon {horizon}: there are {', '.join(HORIZONS)}", BAD_USAGE)
    given = {"copper": copper, "dxy": dxy, "brl": brl}
    moves = {name: percent_of(f"--{name}", text) for name, text in given.items() if text is not None}
    session = session_of(as_of)
    from forex_assets.cli.render_desk import show
    from forex_assets.desk.api import scenario_on
    from forex_assets.desk.outlook_store import read_outlook
    from forex_assets.desk.what_if import scenario_answer

    outlook = read_outlook(session)
    result = scenario_on(session, outlook, outlook.target(horizon), moves)
    show(scenario_answer(outlook, result), as_json=as_json, as_csv=as_csv)
