"""FRED's monthly copper price (`PCOPPUSDM`) through fredapi: a level to fall back on, never a daily price.

Dating rule: the value dated the first of a month is the average of that month, in USD per metric ton. The date is kept
as it is and not rolled to a session, so that nobody takes the row for a day's close. It is published about the middle
of the next month: here it counts as known from midnight, New York time, 45 days after its date.
"""

import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from math import inf
from typing import Final
from urllib.error import HTTPError
from xml.etree.ElementTree import ParseError

import polars as pl

from forex_assets.core.calendar import NEW_YORK
from forex_assets.market.prices import COPPER, POUNDS_PER_TONNE, SourceError
from forex_assets.market.sources.fetching import (
    ATTEMPTS,
    DEADLINE_S,
    Row,
    ask,
    broken_connection,
    fetched_frame,
    redact,
    refusal,
)

NAME: Final = "fred"
PUBLISHED_AFTER: Final = timedelta(days=45)


class FredMonthly:
    """Port `PriceSource`, but monthly: `session` is the first of the month that the average is about, USD per pound."""

    def __init__(
        self,
        series_id: str = "PCOPPUSDM",
        api_key: str | None = None,
        root_url: str | None = None,
        *,
        deadline_s: float = DEADLINE_S,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Ask FRED for one series.

        Args:
            series_id: a monthly series in USD per metric ton.
            api_key: FRED's key; None or empty: every fetch fails at once, saying so.
            root_url: another root of the service, such as `http://127.0.0.1:8899/fred`; None: fredapi's own.
            deadline_s: seconds for one fetch, all attempts together.
            attempts: how often a fetch asks at the most.
            sleep: waits between attempts.
        """
        self._series_id, self._api_key, self._root_url = series_id, (api_key or "").strip(), root_url
        self._deadline_s, self._attempts, self._sleep = deadline_s, attempts, sleep

    @property
    def name(self) -> str:
        """The `source` of its rows."""
        return NAME

    def fetch(self, start: date | None, as_of: datetime) -> pl.DataFrame:
        """Monthly rows (`fetched_schema`), from the month of `start` on, with `available_at` ≤ `as_of`.

        Raises:
            SourceError: no key, no answer, or one without values; never with the key in its text.
        """
        if not self._api_key:
            raise SourceError(NAME, "no FRED_API_KEY set")
        values = ask(
            NAME,
            lambda _: self._observations(as_of),
            deadline_s=self._deadline_s,
            attempts=self._attempts,
            sleep=self._sleep,
        )
        rows = [row for row in map(monthly_row, values, values.values()) if row.available_at <= as_of]
        first = start.replace(day=1) if start else date.min
        return fetched_frame(COPPER.value, NAME, [row for row in rows if row.session >= first])

    def _observations(self, as_of: datetime) -> dict[date, float]:
        """USD per metric ton by date as dated, missing values (`.`) left out. One request."""
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
        if failure is not None:  # raised outside `except`: the cause holds the address, and the address the key
            raise failure
        return values


def monthly_row(day: date, usd_per_tonne: float) -> Row:
    """The row of one monthly average: USD per pound, known 45 days after its date."""
    available_at = datetime.combine(day + PUBLISHED_AFTER, clock_time(), NEW_YORK)
    return Row(day, usd_per_tonne / POUNDS_PER_TONNE, available_at)


def understand(error: Exception, api_key: str) -> SourceError:
    """What went wrong, from the assorted exceptions that fredapi lets through, without the key.

    fredapi parses an error's body inside its own handler, so that the HTTP status is only found in the context.
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
