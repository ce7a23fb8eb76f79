"""The daily commands: forecast, ingest, status, doctor."""

from typing import Annotated

import typer

from forex_assets.cli.common import (
    DESK,
    FAILED,
    OPERATIONS,
    AsJson,
    AsOf,
    Horizon,
    answer,
    app,
    err,
    fail,
    horizons_of,
    need_model,
    print_json,
    report_faults,
    reported,
    say,
    session_of,
    warn,
)
from forex_assets.cli.limits import FORECAST_MB, need_memory


@app.command(
    rich_help_panel=DESK,
    epilog="Examples:  forex-assets forecast  ·  forecast --horizon 7d --full  ·  forecast --as-of 2023-12-29 --json",
)
@reported
def forecast(
    horizon: Horizon = "all",
    as_of: AsOf = None,
    stored: Annotated[bool, typer.Option("--stored", help="Use stored prices; ask no source.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Print every session instead of about one a week.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring prices in, forecast, record and score, print each fan.

    Exit code 1 if a horizon failed; the others are still forecast.
    """
    horizons = horizons_of(horizon)
    need_memory(FORECAST_MB)
    session = session_of(as_of)
    need_model(session)
    from forex_assets.cli import render
    from forex_assets.cli.runner import (
        RunFailed,
        materialize_forecasts,
        materialize_market,
        materialize_scorecard,
        materialize_shadow_forecasts,
    )
    from forex_assets.core.schemas import FORECAST_SCHEMA
    from forex_assets.forecasts.engines import engines_of

    with err.status("prices …") as status:
        if not stored:
            materialize_market(session)
        status.update(f"forecasting {', '.join(horizons)} …")
        failure = None
        try:
            materialize_forecasts(session, horizons)
        except RunFailed as error:
            if not error.horizons:
                raise
            horizons, failure = error.horizons, error
        shadow_fault = materialize_shadow_forecasts(session, horizons)
        status.update("scoring …")
        materialize_scorecard(session)
    fans = [session.tables.read("forecasts/latest", name, FORECAST_SCHEMA) for name in horizons]
    if as_json:
        print_json([row for fan in fans if fan is not None for row in fan.to_dicts()])
    else:
        for fan in fans:
            if fan is not None:
                say(render.fan(fan, is_full=full))
        fixings = [session.tables.read("forecasts/observado", name, FORECAST_SCHEMA) for name in horizons]
        say(render.fixings([fan for fan in fixings if fan is not None and not fan.is_empty()]))
        models = (engines_of(session.settings).find(session.configs.read(name).model) for name in horizons)
        say(render.closing_words(session, list(dict.fromkeys((model.model, model.why) for model in models))))
    if shadow_fault:
        warn(shadow_fault)
    if failure:
        fail(str(failure), FAILED)


@app.command(
    rich_help_panel=DESK, epilog="Examples:  forex-assets ingest  ·  FOREX_MARKET=live forex-assets ingest --json"
)
@reported
def ingest(
    as_of: AsOf = None,
    accept_revision: Annotated[
        bool, typer.Option("--accept-revision", help="Take prices although most stored closes change.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring in copper and USD/CLP, note revisions, make the copper features.

    A source that changes most stored closes at once is refused; --accept-revision takes its prices.
    """
    session = session_of(as_of)
    from forex_assets.cli import render
    from forex_assets.cli.runner import materialize_market

    with err.status("prices …"):
        report = materialize_market(session, with_drivers=True, accepts_revision=accept_revision)
    answer(as_json, report, render.ingest(report))


@app.command(rich_help_panel=DESK, epilog="Examples:  forex-assets status  ·  status --json")
@reported
def status(as_json: AsJson = False) -> None:
    """Show stored prices, their age, latest forecasts and recent runs."""
    from forex_assets.cli import render
    from forex_assets.cli.overview import status_of

    report = status_of(session_of())
    answer(as_json, report, render.status(report))
    report_faults(record["fault"] for record in (*report["prices"], report["starting_price"], *report["forecasts"]))


@app.command(rich_help_panel=OPERATIONS, epilog="Examples:  forex-assets doctor  ·  doctor --json")
@reported
def doctor(as_json: AsJson = False) -> None:
    """Show installed packages, sources, the model in use, stale data.

    Exit code 1 if no forecast can be made.
    """
    from forex_assets.cli import render
    from forex_assets.cli.overview import doctor_of

    with err.status("asking every source …"):
        report = doctor_of(session_of())
    answer(as_json, report, render.doctor(report))
    report_faults(report["damaged"])
    if not report["can_forecast"]:
        raise typer.Exit(FAILED)
