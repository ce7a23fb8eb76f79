"""FRED's monthly copper price (`PCOPPUSDM`): a fallback level, never a daily price.

Dating rule: the value dated the first of a month is that month's average, in USD per metric ton. The date is not rolled
to a session, so that nobody takes it for a daily close. It is published about the middle of the next month; it counts
as known from midnight, New York time, 45 days after its date.
"""

from datetime import date, datetime, timedelta
from datetime import time as clock_time
from math import inf
from typing import Any, Final
from urllib.error import HTTPError
from xml.etree.ElementTree import ParseError

import polars as pl

from forex_assets.core.calendar import NEW_YORK
from forex_assets.market.prices import COPPER, POUNDS_PER_TONNE, SourceError
from forex_assets.market.sources.fetching import (
    AskedSource,
    Row,
    broken_connection,
    fetched_frame,
    redact,
    refusal,
)

NAME: Final = "fred"
PUBLISHED_AFTER: Final = timedelta(days=45)


class FredMonthly(AskedSource):
    """Monthly copper averages, USD per pound.

    `session` is the first of the month.
    """

    name = NAME

    def __init__(
        self,
        series_id: str = "PCOPPUSDM",
        api_key: str | None = None,
        root_url: str | None = None,
        **limits: Any,
    ) -> None:
        """Source of one monthly series.

        Args:
            series_id: monthly, in USD per metric ton.
            api_key: FRED's key; without one every fetch fails.
            root_url: root of the service, such as `http://127.0.0.1:8899/fred`; None: fredapi's own.
            limits: of one fetch, see `ask`.
        """
        super().__init__(**limits)
        self._series_id, self._api_key, self._root_url = series_id, (api_key or "").strip(), root_url

    def fetch(self, start: date | None, as_of: datetime) -> pl.DataFrame:
        """Fetches monthly rows, see `PriceSource.fetch`; errors never contain the key."""
        if not self._api_key:
            raise SourceError(NAME, "no FRED_API_KEY set")
        values = self._ask(lambda _: self._observations(as_of))
        rows = [row for row in map(monthly_row, values, values.values()) if row.available_at <= as_of]
        first = start.replace(day=1) if start else date.min
        return fetched_frame(COPPER.value, NAME, [row for row in rows if row.session >= first])

    def _observations(self, as_of: datetime) -> dict[date, float]:
        """Requests USD per metric ton by date, without missing values."""
        from fredapi import Fred

        client = Fred(api_key=self._api_key)
        if self._root_url:
            client.root_url = self._root_url.rstrip("/")
        last = as_of.astimezone(NEW_YORK).date()
        try:
            series = client.get_series(self._series_id, observation_end=last.isoformat())
            known = series[series.between(0, inf, inclusive="neither")]  # NaN lies between nothing
            values = {stamp.date(): float(value) for stamp, value in known.items()}
            failure = None if values else SourceError(NAME, "empty answer: no observations", is_retryable=True)
        except Exception as error:  # noqa: BLE001 - fredapi lets through whatever urllib, XML and float() raise
            failure = understand(error, self._api_key)
        if failure is not None:  # raised outside `except`: the cause holds the address with the key
            raise failure
        return values


def monthly_row(day: date, usd_per_tonne: float) -> Row:
    """Makes the row of one monthly average, known 45 days later."""
    available_at = datetime.combine(day + PUBLISHED_AFTER, clock_time(), NEW_YORK)
    return Row(day, usd_per_tonne / POUNDS_PER_TONNE, available_at)


def understand(error: Exception, api_key: str) -> SourceError:
    """Converts fredapi's exceptions to a `SourceError` without the key.

    fredapi parses an error's body in its own handler, so the HTTP status is only in the context.
    """
    answer = error if isinstance(error, HTTPError) else error.__context__
    if isinstance(answer, HTTPError):
        said = (
            redact(str(error), api_key) if isinstance(error, ValueError) and not isinstance(error, ParseError) else ""
        )
        return refusal(NAME, answer.code, answer.headers.get("Retry-After"), said if said != "None" else "")
    if isinstance(error, ParseError):
        is_empty = error.position == (1, 0) and "no element" in str(error)
        return SourceError(NAME, "empty answer" if is_empty else "answer is not XML", is_retryable=True)
    if isinstance(error, OSError):
        reason = getattr(error, "reason", None)
        return broken_connection(NAME, reason if isinstance(reason, BaseException) else error)
    return SourceError(NAME, f"answer holds no observations ({type(error).__name__})", is_retryable=True)
