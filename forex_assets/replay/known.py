"""Prices and quotes known at each decision date."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

import polars as pl

from forex_assets.accuracy.backtest_run import YEARS, Origins
from forex_assets.accuracy.history_view import MIN_SESSIONS, HistoryView, start_of, unfit
from forex_assets.core.calendar import SessionCalendar, issue_instant
from forex_assets.core.policy import Policy
from forex_assets.core.schemas import USDCLP_SCHEMA, conform
from forex_assets.forecasts.baselines import origin_volatility
from forex_assets.forecasts.forecast import started_fingerprint
from forex_assets.market.gaps import per_session_prices
from forex_assets.market.origin import QuoteBook
from forex_assets.market.prices import COPPER
from forex_assets.market.quality import marked_anew
from forex_assets.optimizer.origins import Split, split_origins


@dataclass(frozen=True, eq=False)
class Known:
    """Prices known on one evening.

    Attributes:
        day: of issue.
        now: 19:00 in Santiago of that day, UTC.
        peso: usable final rows, oldest first.
        copper: rows known, bad ticks marked; may be empty.
        bad: sessions whose price was known and taken for a bad tick.
    """

    day: date
    now: datetime
    peso: pl.DataFrame
    copper: pl.DataFrame
    bad: frozenset[date]


class KnownMarket:
    """Views of price tables at past evenings; later rows are never read.

    Args:
        peso: `USDCLP_SCHEMA`, oldest first; provisional rows are left out.
        copper: `COPPER_SCHEMA`; may be empty.
        book: quotes for the starting levels; None for the last finished price.
        calendar: the peso's sessions.
    """

    def __init__(
        self, peso: pl.DataFrame, copper: pl.DataFrame, book: QuoteBook | None, calendar: SessionCalendar
    ) -> None:
        self.peso = conform(peso, USDCLP_SCHEMA, "market/usdclp").filter(~pl.col("is_provisional")).sort("session")
        self.copper, self.book, self.calendar = copper, book, calendar
        self._views, self._known = HistoryView(self.peso), dict[date, Known]()
        self._fit = dict[date, bool]()
        self._splits = dict[tuple[date, str, str], Split]()

    @cached_property
    def truth(self) -> pl.DataFrame:
        """All final prices without marks: which were usable depends on the evening."""
        return self.peso.with_columns(is_quarantined=pl.lit(False))

    @cached_property
    def final(self) -> pl.DataFrame:
        """Usable prices at the end of the tables."""
        end = self.peso["available_at"].max()
        return self.at(end.date() + timedelta(days=1)).peso if isinstance(end, datetime) else self.peso

    def at(self, day: date) -> Known:
        """Prices known at 19:00 in Santiago of a day."""
        if day not in self._known:
            now = issue_instant(day)
            usable, _ = self._views.at(day)
            seen = self.peso.filter(pl.col("available_at") <= now)["session"]
            copper = self.copper.filter((pl.col("available_at") <= now) & pl.col(COPPER.value).is_not_null())
            bad = frozenset(seen) - frozenset(usable["session"])
            self._known[day] = Known(
                day, now, usable, copper if copper.is_empty() else marked_anew(copper, COPPER), bad
            )
        return self._known[day]

    def is_fit(self, day: date) -> bool:
        """Whether a fan can be made on a day."""
        if day not in self._fit:
            self._fit[day] = not unfit(self._views.at(day)[0], day, self.calendar)
        return self._fit[day]

    def fingerprint(self, day: date) -> str:
        """Fingerprint of a fan's data on a day, without covariates.

        Empty if no fan can be made.
        """
        rows, plain = self._views.at(day)
        if unfit(rows, day, self.calendar):
            return ""
        sd = origin_volatility(per_session_prices(rows))
        return started_fingerprint(plain, rows, start_of(self.book, rows, sd, day, self.calendar))

    def split(self, day: date, horizon: str, policy: Policy) -> Split:
        """Origins of search and validation, as `candidate_backtest_run.splits_of` on that evening."""
        wanted = policy.search
        key = (day, horizon, f"{wanted.origins}/{wanted.every}/{policy.validation.origins}")
        if key not in self._splits:
            sessions = self.at(day).peso["session"]
            if sessions.len() <= MIN_SESSIONS:
                self._splits[key] = Split((), (), f"{sessions.len()} usable sessions")
            else:
                ends = (sessions[MIN_SESSIONS], sessions[-1])
                self._splits[key] = split_origins(self.calendar, *ends, horizon, policy)
        return self._splits[key]


class PastDates:
    """Weekly past test dates of the evenings' backtests.

    Args:
        first: first evening.
        last: last evening.
    """

    def __init__(self, first: date, last: date) -> None:
        earliest = Origins().dates(first)[0]
        self.days = Origins(earliest, last).dates(last + timedelta(days=1))

    def at(self, day: date) -> list[date]:
        """Dates of an evening's backtest, see `backtest_run.Origins`."""
        start = day - timedelta(days=1 + 365 * YEARS)
        return [
            past_day for past_day in self.days[: bisect_right(self.days, day - timedelta(days=1))] if past_day >= start
        ]
