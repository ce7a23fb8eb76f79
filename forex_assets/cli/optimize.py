"""Commands on searches: request one, decide now."""

from typing import Annotated

import typer

from forex_assets.cli.common import (
    LOOP,
    AsJson,
    Horizon,
    answer,
    app,
    err,
    horizons_of,
    reported,
    session_of,
    user_name,
)

optimize_app = typer.Typer(no_args_is_help=True, help="Request or decide a search for better settings.")
app.add_typer(optimize_app, name="optimize", rich_help_panel=LOOP)


@optimize_app.command(epilog="Examples:  forex-assets optimize request --horizon 7d --reason 'new regime'")
@reported
def request(
    horizon: Horizon,
    reason: Annotated[str, typer.Option(help="Reason, kept with the request.")] = "",
    as_json: AsJson = False,
) -> None:
    """Request a search of better settings.

    The next decision answers it: weekdays at 20:00 in Santiago, or `optimize decide`.
    """
    horizons = horizons_of(horizon)
    session = session_of()
    from forex_assets.monitoring.request_store import requests_of

    who = user_name()
    requests = [requests_of(session).add(name, reason=reason, asked_by=who, asked_at=session.now) for name in horizons]
    words = [
        f"{search_request.horizon}: a search is requested by {search_request.words}" for search_request in requests
    ]
    words.append("Decided weekdays at 20:00 in Santiago where `make ui` runs, or now: forex-assets optimize decide")
    answer(as_json, [search_request.model_dump(mode="json") for search_request in requests], words)


@optimize_app.command(epilog="Examples:  forex-assets optimize decide  ·  optimize decide --horizon 7d --json")
@reported
def decide(horizon: Horizon = "all", as_json: AsJson = False) -> None:
    """Decide now whether to search, and say why.

    A search is launched where `make ui` runs.
    """
    horizons = horizons_of(horizon)
    session = session_of()
    from forex_assets.cli import render
    from forex_assets.cli.overview import optimization_of
    from forex_assets.cli.runner import materialize_decisions

    with err.status("looking at prices and errors …"):
        materialize_decisions(session, horizons)
    records = [record for record in optimization_of(session.at_present()) if record["horizon"] in horizons]
    answer(as_json, records, render.optimization(records))
