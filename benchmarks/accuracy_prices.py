"""Prices for `accuracy.py`, as `USDCLP_SCHEMA` with bad ticks marked."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl

from forex_assets.core.calendar import SANTIAGO, issue_instant
from forex_assets.core.holidays import market_calendar
from forex_assets.core.horizon import HORIZON_DAYS
from forex_assets.core.schemas import USDCLP_SCHEMA, conform
from forex_assets.core.session import open_session
from forex_assets.market.prices import COPPER, USDCLP
from forex_assets.market.quality import marked_anew
from forex_assets.market.sample import sample_market

CLOSE_KNOWN = time(18)


def closes_from(file: Path) -> pl.DataFrame:
    """Reads market closes of a CSV (date, close) as `USDCLP_SCHEMA`.

    Each is available at 18:00 in Santiago of its day. Days without a session are left out: their closes repeat or
    interpolate others, and make volatility too small.
    """
    read = pl.read_csv(file, try_parse_dates=True, schema_overrides={"close": pl.Float64})
    if missing := {"date", "close"} - set(read.columns):
        raise SystemExit(f"{file.name} has columns {read.columns}; {sorted(missing)} are wanted")
    closed = pl.col("date").dt.combine(CLOSE_KNOWN).dt.replace_time_zone(SANTIAGO.key).dt.convert_time_zone("UTC")
    known = read.drop_nulls(["date", "close"]).sort("date")
    sessions = market_calendar(USDCLP.calendar).between(known["date"][0] - timedelta(days=1), known["date"][-1])
    rows = known.filter(pl.col("date").is_in(sessions)).select(
        session="date", clp_per_usd="close", source=pl.lit("market close"), available_at=closed
    )  # fmt: skip
    return _whole(rows)


def generated(last: date) -> pl.DataFrame:
    """The generated market, beyond the targets of origin `last`."""
    end = min(issue_instant(last + timedelta(days=max(HORIZON_DAYS.values()) + 10)), datetime.now(UTC))
    calendars = {series.calendar: market_calendar(series.calendar) for series in (USDCLP, COPPER)}
    return _whole(sample_market(end, calendars, years=100).usdclp)


def stored() -> pl.DataFrame:
    """`market/usdclp` as it stands in the warehouse that the environment names."""
    tables = open_session().live_tables
    prices = tables.read("market/usdclp")
    if prices is None:
        raise SystemExit(f"{tables} has no market/usdclp: materialize it, or set FOREX_WAREHOUSE")
    return marked_anew(prices, USDCLP)


def _whole(rows: pl.DataFrame) -> pl.DataFrame:
    """Finished prices with the rest of the schema's columns, bad ticks marked."""
    settled = {"is_provisional": pl.lit(False), "is_suspect": pl.lit(False), "is_quarantined": pl.lit(False)}
    frame = rows.with_columns(fetched_at=pl.col("available_at"), **settled)
    return marked_anew(conform(frame.select(list(USDCLP_SCHEMA)), USDCLP_SCHEMA, "prices"), USDCLP)
