"""Prices known at past test dates: history and starting level."""

import hashlib
from bisect import bisect_right
from datetime import date
from functools import cached_property
from itertools import compress
from typing import Any, Final

import polars as pl

from forex_assets.core.calendar import SessionCalendar, issue_instant
from forex_assets.core.schemas import USDCLP_SCHEMA, conform
from forex_assets.forecasts.forecast import data_fingerprint
from forex_assets.market.origin import Origin as Start
from forex_assets.market.origin import QuoteBook, pick_origin, price_quotes
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import STALE_AFTER, marked_anew, usable

MIN_SESSIONS: Final = 250
"""Fewest usable sessions before an origin, one year."""


def visible(prices: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Final prices known at an origin, bad ticks marked anew.

    Args:
        prices: `USDCLP_SCHEMA`, oldest first. Provisional rows are left out: the final price has replaced them.
        as_of: day of issue.
    """
    is_known = ~pl.col("is_provisional") & (pl.col("available_at") <= issue_instant(as_of))
    return marked_anew(prices.filter(is_known), USDCLP)


class HistoryView:
    """Usable prices and their fingerprint at many origins.

    Equal to `usable(visible(prices, as_of))`, without marking all rows at each origin. If sessions became available in
    their own order, an origin sees a prefix of the table, with the same marks: a bad tick is marked by the row that
    takes it back. Marks at the end of the prefix fall, since no later row has taken those moves back yet.

    Args:
        prices: `USDCLP_SCHEMA`, oldest first.
    """

    def __init__(self, prices: pl.DataFrame) -> None:
        self._prices = conform(prices, USDCLP_SCHEMA, USDCLP.name)
        finals = marked_anew(self._prices.filter(~pl.col("is_provisional")), USDCLP)
        self._finals = finals
        self._available = finals["available_at"].to_list()
        self._is_in_order = finals["available_at"].is_sorted()
        self._is_bad = finals["is_quarantined"].to_numpy()
        is_price = ~pl.col("is_suspect") & pl.col(USDCLP.value).is_between(*USDCLP.plausible)
        self._could_be_price = finals.select(is_price).to_series().to_numpy()
        columns = ["session", USDCLP.value, "source", "is_provisional"]
        # The part of each row that `data_fingerprint` digests.
        self._lines = [
            repr((row[0].isoformat(), float(row[1]).hex(), row[2], bool(row[3]))).encode()
            for row in finals.select(columns).iter_rows()
        ]

    def at(self, as_of: date) -> tuple[pl.DataFrame, str]:
        """Usable rows at an origin, and their `data_fingerprint`."""
        if not self._is_in_order:
            rows = usable(visible(self._prices, as_of))
            return rows, data_fingerprint(rows)
        n = bisect_right(self._available, issue_instant(as_of))
        is_good = ~self._is_bad[:n]
        for row in range(n - 1, -1, -1):
            if not self._could_be_price[row]:
                continue
            if is_good[row]:
                break
            is_good[row] = True
        rows = self._finals.head(n).with_columns(is_quarantined=pl.lit(False)).filter(pl.Series(is_good))
        return rows, hashlib.sha256(b"".join(compress(self._lines, is_good))).hexdigest()


class SharedPrices:
    """Mixin for inputs of blocks: the history of `prices`.

    It is made once a process; a pickle leaves it out.
    """

    prices: pl.DataFrame

    @cached_property
    def past(self) -> HistoryView:
        """History at each origin."""
        return HistoryView(self.prices)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "past"}


def unfit(rows: pl.DataFrame, as_of: date, calendar: SessionCalendar) -> str:
    """Reason why no forecast can start; empty if one can."""
    if rows.height < MIN_SESSIONS:
        return f"{rows.height} usable sessions, {MIN_SESSIONS} are needed"
    age = calendar.age(rows["session"][-1], as_of)
    return f"last price {rows['session'][-1]} is {age} sessions old" if age > STALE_AFTER else ""


def start_of(book: QuoteBook | None, rows: pl.DataFrame, sd: float, as_of: date, calendar: SessionCalendar) -> Start:
    """Picks the starting level at an origin.

    Args:
        book: quotes besides the finished prices, looked at up to the instant of issue; None for the last row's price.
        rows: usable prices known at the origin, oldest first, at least one.
        sd: standard deviation of a session's log return.
        as_of: day of issue.
        calendar: the peso's sessions.
    """
    issued_at = issue_instant(as_of)
    last = price_quotes(rows.tail(1), calendar)
    known = [] if book is None else book.newest(issued_at)
    start = pick_origin(QuoteBook([*last, *known]), sd, issued_at, calendar)
    if start is None:
        raise ValueError(f"the last price known on {as_of} is of {rows['session'][-1]}, too old to start from")
    return start
