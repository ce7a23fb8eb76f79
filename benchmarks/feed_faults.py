"""Detection of broken feeds by the checks and the merge of `market`.

On generated prices with an injected fault. These are no statistics: a rule is broken or it is not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final

import numpy as np
import polars as pl

from detector_simulation import weekdays
from forex_assets.core.calendar import SessionCalendar, calendar_of
from forex_assets.core.fan import Array
from forex_assets.core.finding import Finding
from forex_assets.core.schemas import Schema, fetched_schema, prices_schema
from forex_assets.market.alignment import copper_and_peso_move_on_the_same_day, sources_agree
from forex_assets.market.history import BadFetch, merge_history
from forex_assets.market.prices import COPPER, POUNDS_PER_TONNE, USDCLP, PriceSeries
from forex_assets.market.quality import (
    copper_is_in_usd_per_pound,
    is_current,
    is_not_stale,
    marked_anew,
    moves_are_ordinary,
    prices_keep_moving,
)
from market_faults import simulated_market

SESSIONS: Final = 300
"""Sessions of each table; checks use 250."""
LEVELS: Final = {USDCLP.name: 800.0, COPPER.name: 4.0}

FEED_SCHEMA: Final[Schema] = {
    "fault": pl.String,
    "check": pl.String,
    "severity": pl.String,  # block, warn; mark: the price is used nowhere; refuse: nothing of the answer is stored
    "n": pl.Int64,  # generated markets
    "false_alarms": pl.Float64,  # share, 0 to 1, of markets in which the check fails with nothing wrong
    "found": pl.Float64,  # share found by the last session that was tried
    "tried": pl.Int64,  # that session, counted from 1, the first with the fault
    "soonest": pl.Int64,  # sessions with the fault until the check fails; null where never
    "latest": pl.Int64,  # of those that were found
}


@dataclass(frozen=True, eq=False)
class Feeds:
    """Price tables of one market, and their calendar."""

    peso: pl.DataFrame
    copper: pl.DataFrame
    calendar: SessionCalendar


@dataclass(frozen=True)
class Probe:
    """A fault and the check that should detect it.

    Attributes:
        fault: in words.
        check: name of the check.
        look: what the check says of a market whose fault has lasted so many sessions; 0 is a market without it.
        sessions: how many sessions of fault are tried, ascending.
    """

    fault: str
    check: str
    look: Callable[[Feeds, int], Finding]
    sessions: tuple[int, ...]


def feed_table(
    markets: int, seed: int = 0, report: Callable[[int, int], None] = lambda done, total: None
) -> pl.DataFrame:
    """Every probe on so many generated markets, `FEED_SCHEMA`.

    Raises:
        ValueError: no market.
    """
    if markets < 1:
        raise ValueError(f"{markets} markets show nothing; it takes one at least")
    market = simulated_market(markets, SESSIONS, seed)
    feeds = []
    for i in range(markets):
        peso, copper = prices_of(market.peso[i], USDCLP), prices_of(market.copper[i], COPPER)
        feeds.append(Feeds(peso, copper, calendar_of(USDCLP.calendar, [])))
    rows = []
    for k, probe in enumerate(PROBES):
        rows.append(_measured(probe, feeds))
        report(k + 1, len(PROBES))
    return pl.DataFrame(rows, schema=FEED_SCHEMA, orient="row")


def _measured(probe: Probe, feeds: Sequence[Feeds]) -> list[object]:
    """One row of the table."""
    clean = [probe.look(feed, 0) for feed in feeds]
    false = sum(not finding.passed for finding in clean) / len(feeds)
    delays = [_sessions_until_found(probe, feed) for feed in feeds]
    known = [sessions for sessions in delays if sessions is not None]
    ends = (min(known), max(known)) if known else (None, None)
    share = len(known) / len(feeds)
    severity = OUTCOMES.get(probe.check, clean[0].severity)
    return [probe.fault, probe.check, severity, len(feeds), false, share, probe.sessions[-1], *ends]


def _sessions_until_found(probe: Probe, feeds: Feeds) -> int | None:
    """Fewest faulty sessions at which the check fails; else None."""
    return next((n for n in probe.sessions if not probe.look(feeds, n).passed), None)


def prices_of(returns: Array, series: PriceSeries) -> pl.DataFrame:
    """Prices with given log returns, `prices_schema`.

    Weekdays without holidays, each price known on its day.
    """
    days = [date.fromordinal(int(day)) for day in weekdays(len(returns))]
    return _table(days, LEVELS[series.name] * np.exp(np.cumsum(returns)), series)


def _table(days: Sequence[date], values: Array, series: PriceSeries) -> pl.DataFrame:
    """Makes a price table, bad ticks marked."""
    known = [datetime.combine(day, time(22), UTC) for day in days]
    columns = {
        "session": days,
        series.value: values,
        "source": ["generated"] * len(days),
        "is_provisional": [False] * len(days),
        "is_suspect": [False] * len(days),
        "available_at": known,
        "fetched_at": known,
        "is_quarantined": [False] * len(days),
    }
    return marked_anew(pl.DataFrame(columns, schema=prices_schema(series.value)), series)


def respoken(prices: pl.DataFrame, series: PriceSeries, change: Callable[[Array], Array]) -> pl.DataFrame:
    """Replaces the values and marks bad ticks anew."""
    values = change(prices[series.value].to_numpy().copy())
    return _table(prices["session"].to_list(), values, series)


def last_price_repeated(values: Array, sessions: int) -> Array:
    """Repeats the price before the last sessions."""
    if sessions:
        values[-sessions:] = values[-sessions - 1]
    return values


def in_tonnes(values: Array, sessions: int) -> Array:
    """Converts the last prices to USD/t."""
    values[len(values) - sessions :] *= POUNDS_PER_TONNE
    return values


def dated_late(values: Array, sessions: int) -> Array:
    """Dates the last prices one session late; the first repeats."""
    shifted = np.concatenate([values[:1], values[:-1]])
    values[len(values) - sessions :] = shifted[len(values) - sessions :]
    return values


def _silent(check: Callable[..., Finding]) -> Callable[[Feeds, int], Finding]:
    """Fault: the peso's feed is silent."""

    def look(feeds: Feeds, sessions: int) -> Finding:
        today = feeds.peso["session"][-1]
        return check(feeds.peso.head(feeds.peso.height - sessions), USDCLP, feeds.calendar, today)

    return look


def _repeated(feeds: Feeds, sessions: int) -> Finding:
    return prices_keep_moving(respoken(feeds.peso, USDCLP, lambda v: last_price_repeated(v, sessions)), USDCLP)


def _tonnes_in_table(feeds: Feeds, sessions: int) -> Finding:
    return moves_are_ordinary(respoken(feeds.copper, COPPER, lambda v: in_tonnes(v, sessions)), COPPER)


def _table_in_tonnes(feeds: Feeds, sessions: int) -> Finding:
    rows = feeds.copper.height if sessions else 0
    return copper_is_in_usd_per_pound(respoken(feeds.copper, COPPER, lambda v: in_tonnes(v, rows)))


MARKED: Final = "mark_bad_ticks"


def _marked(feeds: Feeds, sessions: int) -> Finding:
    """Whether the newest price is marked, and so used nowhere."""
    rows = respoken(feeds.copper, COPPER, lambda v: in_tonnes(v, sessions))
    return Finding(MARKED, not rows["is_quarantined"][-1], "block", "the newest price")


MERGE: Final = "merge_history"


def _merged_in_tonnes(feeds: Feeds, sessions: int) -> Finding:
    """Merges an answer of ten sessions in USD/t."""
    columns = list(fetched_schema(COPPER.value))
    now = feeds.copper["available_at"][-1]
    stored = merge_history(None, feeds.copper.head(feeds.copper.height - 1).select(columns), COPPER, now).history
    answer = respoken(feeds.copper, COPPER, lambda v: in_tonnes(v, 10 if sessions else 0)).select(columns).tail(10)
    try:
        merged = merge_history(stored, answer, COPPER, now)
    except BadFetch as refusal:
        return Finding(MERGE, False, "block", refusal.reason)
    return Finding(MERGE, True, "block", merged.message)


def _swapped(feeds: Feeds, sessions: int) -> Finding:
    """Dates all of copper's history a session late."""
    rows = feeds.copper.height if sessions else 0
    late = respoken(feeds.copper, COPPER, lambda v: dated_late(v, rows))
    return copper_and_peso_move_on_the_same_day(late, feeds.peso)


def _redated(feeds: Feeds, sessions: int) -> Finding:
    """Dates copper's latest sessions late."""
    late = respoken(feeds.copper, COPPER, lambda v: dated_late(v, sessions))
    return copper_and_peso_move_on_the_same_day(late, feeds.peso)


def _compared(feeds: Feeds, sessions: int) -> Finding:
    """Compares a provider dated a session late with the old one."""
    rows = feeds.peso.height if sessions else 0
    late = respoken(feeds.peso, USDCLP, lambda v: dated_late(v, rows))
    return sources_agree([(("old", feeds.peso), ("new", late))], USDCLP)


_SAME_DAY: Final = "copper_and_peso_move_on_the_same_day"
PROBES: Final = (
    Probe("stale: no more prices", "is_current", _silent(is_current), tuple(range(1, 13))),
    Probe("stale: no more prices", "is_not_stale", _silent(is_not_stale), tuple(range(1, 13))),
    Probe("stale: last price repeated", "prices_keep_moving", _repeated, tuple(range(1, 13))),
    Probe("unit: newest price in USD/t", MARKED, _marked, (1,)),
    Probe("unit: newest price in USD/t", "moves_are_ordinary", _tonnes_in_table, (1,)),
    Probe("unit: an answer in USD/t", MERGE, _merged_in_tonnes, (1,)),
    Probe("unit: all prices in USD/t", "copper_is_in_usd_per_pound", _table_in_tonnes, (1,)),
    Probe("provider swap: all dated late", _SAME_DAY, _swapped, (1,)),
    Probe("provider swap: all dated late", "sources_agree", _compared, (1,)),
    Probe("provider swap: new rows late", _SAME_DAY, _redated, (5, 10, 20, 40, 60, 90, 120, 150, 180, 210, 249)),
)
"""Faults of a feed, each with its check."""

OUTCOMES: Final = {MARKED: "mark", MERGE: "refuse"}
"""Outcome for the price where no check is concerned."""
