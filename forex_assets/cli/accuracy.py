"""Commands on accuracy: backtest, scorecard, ledger verify."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from forex_assets.cli.common import (
    BAD_USAGE,
    DESK,
    FAILED,
    LOOP,
    AsJson,
    AsOf,
    Horizon,
    StartingLevel,
    answer,
    app,
    err,
    fail,
    horizons_of,
    need_model,
    reported,
    session_of,
    start_level_of,
)

if TYPE_CHECKING:
    import polars as pl

    from forex_assets.core.session import Session

CARDS = {"usdclp": "accuracy/scorecard", "observado": "accuracy/observado_scorecard"}
"""Scorecard table by series."""

ledger_app = typer.Typer(no_args_is_help=True, help="Check the record of issued forecasts.")
app.add_typer(ledger_app, name="ledger", rich_help_panel=DESK)


@app.command(
    rich_help_panel=LOOP,
    epilog="Examples:  forex-assets backtest  ·  backtest --horizon 7d --engine ewma --from 2018-01-01 --json",
)
@reported
def backtest(
    horizon: Horizon = "all",
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="DATE", help="First past date; five years before the last by default."),
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="Last past date; yesterday by default.")
    ] = None,
    every: Annotated[str, typer.Option(metavar="1d|1w|2w|1m", help="Interval between past dates.")] = "1w",
    engine: Annotated[
        str, typer.Option(help="auto, ewma, random-walk, autoarima, autoets, autotheta, garch, or a model.")
    ] = "auto",
    origin: StartingLevel = "live",
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Forecast from past dates, without look-ahead, and score the outcomes.

    Can be stopped at any time: finished dates are kept. With the engine that forecasts use, the result becomes the
    table `accuracy/backtest`, whose errors calibrate the bands. `--origin stored` is for comparison and leaves that
    table as it is.
    """
    horizons = horizons_of(horizon)
    session = session_of(as_of)
    if engine == "auto":
        need_model(session)
    from forex_assets.accuracy.backtest_run import Origins
    from forex_assets.accuracy.scorecard import scorecard as card_of
    from forex_assets.cli import render_scorecard
    from forex_assets.cli.progress import run_backtests
    from forex_assets.cli.runner import materialize_backtest, materialize_scorecard

    level = start_level_of(origin)
    origins = Origins(_date("--from", first), _date("--to", last), every)
    try:
        origins.dates(session.today)
    except ValueError as error:
        fail(str(error), BAD_USAGE)
    rows = run_backtests(err, session, horizons, engine, origins, level)
    if engine == "auto" and level == "live":
        materialize_backtest(session, horizons, {"first": first, "last": last, "every": every})
        materialize_scorecard(session)
    card = card_of(rows, session.today)
    answer(as_json, card.to_dicts(), render_scorecard.scorecard(card, session.market == "sample", level))


@app.command(
    rich_help_panel=DESK,
    epilog="Examples:  forex-assets scorecard  ·  scorecard --horizon 30d --origin stored  ·  scorecard --series "
    "observado --json",
)
@reported
def scorecard(
    horizon: Horizon = "all",
    series: Annotated[
        str, typer.Option(metavar="usdclp|observado", help="Forecasts of the market's peso or of the fixing.")
    ] = "usdclp",
    origin: StartingLevel = "live",
    as_json: AsJson = False,
) -> None:
    """Show errors, coverage and skill of past forecasts, with intervals.

    Each score stands beside the age of the starting price; below, what that price was worth. `--origin stored` scores
    the backtest's fans from the last finished price, on its dates.
    """
    horizons, level = horizons_of(horizon), start_level_of(origin)
    if series not in CARDS:
        fail(f"--series {series}: no such series; give {' or '.join(CARDS)}", BAD_USAGE)
    session = session_of()
    import polars as pl

    from forex_assets.accuracy.scorecard import SCORECARD_SCHEMA
    from forex_assets.cli import render_scorecard

    card = session.tables.read(CARDS[series], schema=SCORECARD_SCHEMA)
    if card is not None and level == "stored":
        card = _card_from_stored_prices(session, series, card)
    if card is None or (level == "stored" and card.is_empty()):
        commands = "`forex-assets backtest`" + " or `forecast`" * (level == "live")
        what = f"scorecard of {series}" + " from stored prices" * (level == "stored")
        fail(f"no {what} in {session.tables.place()} yet; run {commands}", FAILED)
    card = card.filter(pl.col("horizon").is_in(horizons))
    answer(as_json, card.to_dicts(), render_scorecard.scorecard(card, session.market == "sample", level))


def _card_from_stored_prices(session: "Session", series: str, live: "pl.DataFrame") -> "pl.DataFrame":
    """Scores the backtest's fans from the last finished price.

    Beside them, what the live starting prices were worth.
    """
    import polars as pl

    from forex_assets.accuracy.backtest_run import rows_from_stored_prices
    from forex_assets.accuracy.observado.assets import backtest_rows
    from forex_assets.accuracy.scorecard import GROUP, SCORECARD_SCHEMA
    from forex_assets.accuracy.scorecard import scorecard as card_of
    from forex_assets.core.horizon import HORIZONS
    from forex_assets.core.schemas import REALIZED_SCHEMA, empty

    def rows(horizon: str) -> pl.DataFrame:
        if series == "observado":
            return backtest_rows(session, horizon, "stored")
        return rows_from_stored_prices(session, horizon)

    card = card_of(pl.concat([empty(REALIZED_SCHEMA), *map(rows, HORIZONS)]), session.today)
    worth, same = ["origin_gain", "origin_gain_low", "origin_gain_high"], [*GROUP, "scope"]
    joined = card.drop(worth).join(live.select(*same, *worth), on=same, how="left", maintain_order="left")
    return joined.select(list(SCORECARD_SCHEMA))


@ledger_app.command(epilog="Examples:  forex-assets ledger verify  ·  ledger verify --horizon 7d --json")
@reported
def verify(horizon: Horizon = "all", as_json: AsJson = False) -> None:
    """Check the chains of peso and observado; name the first changed entry.

    Exit code 1 if one was. The chain's end is compared with the head that Dagster noted when it was written.
    """
    horizons = horizons_of(horizon)
    session = session_of()
    from forex_assets.cli.overview import noted_heads
    from forex_assets.core import names
    from forex_assets.forecasts.ledger_store import LedgerStore

    report: list[dict[str, Any]] = []
    for series, table in (("usdclp", names.LEDGER), ("observado", names.OBSERVADO_LEDGER)):
        store, heads = LedgerStore(session.tables, table), noted_heads(session, table)
        for name in horizons:
            noted = heads.get(name, [])
            misfit = store.verify(name, expected_heads=noted)
            record = {"horizon": name, "series": series, "entries": store.count(name), "noted": len(noted)}
            report.append({**record, "misfit": str(misfit) if misfit else None})
    answer(as_json, report, map(_chain, report))
    if any(record["misfit"] for record in report):
        raise typer.Exit(FAILED)


def _chain(record: dict[str, Any]) -> str:
    """State of one horizon's chain."""
    end = "" if record["noted"] else "; its end is not checked: Dagster noted no head"
    state = f"intact{end}" if record["entries"] else "empty"
    if record["misfit"] is not None:
        state = f"broken: {record['misfit']}"
    name = record["horizon"] + " observado" * (record["series"] == "observado")
    return f"{name}: {record['entries']} entries, {state}"


def _date(option: str, text: str | None) -> Any:
    """Parses a date; None if the option was not given."""
    from datetime import date

    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"{option} {text}: no date; give one such as 2023-12-29", BAD_USAGE)
