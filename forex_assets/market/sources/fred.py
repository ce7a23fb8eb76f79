"""FRED's monthly copper price (`PCOPPUSDM`): a fallback level, never a daily price.

Dating rule: the value dated the first of a month is that month's average, in USD per metric ton. The date is not rolled
to a session, so that nobody takes it for a daily close. It is published about the middle of the next month; it counts
as known from midnight, New York time, 45 days after its date.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Any, Final
from xml.etree import ElementTree

import polars as pl

from forex_assets.core.calendar import NEW_YORK
from forex_assets.market.prices import COPPER, POUNDS_PER_TONNE, SourceError
from forex_assets.market.sources.fetching import (
    AskedSource,
    Row,
    fetched_frame,
    hold_to_question,
    redact,
)
from forex_assets.market.sources.published import dated_values

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
        values = self._ask(lambda left_s: self._observations(as_of, left_s))
        rows = [row for row in map(monthly_row, values, values.values()) if row.available_at <= as_of]
        first = start.replace(day=1) if start else date.min
        return fetched_frame(COPPER.value, NAME, [row for row in rows if row.session >= first])

    def _observations(self, as_of: datetime, left_s: float) -> dict[date, float]:
        """Requests USD per metric ton by date, without missing values."""
        last = as_of.astimezone(NEW_YORK).date()

        def refused(text: str) -> str:
            return redact(refusal_words(text), self._api_key)

        def fetch(url: str) -> ElementTree.Element:
            return readable_observations(self._get(url, {"api_key": self._api_key}, left_s, refused))

        client = fred_client(fetch, self._api_key, self._root_url)
        series = client.get_series(self._series_id, observation_end=last.isoformat())
        return {stamp.date(): float(value) for stamp, value in series.items()}


def fred_client(fetch: Callable[[str], ElementTree.Element], api_key: str, root_url: str | None) -> Any:
    """Makes a fredapi client whose requests go through `fetch`.

    fredapi alone has no time-out and no certificates of one's own, and one unreadable value costs its whole answer.

    Args:
        fetch: gets an address without the key; returns the answer's root.
    """
    from fredapi import Fred

    class Client(Fred):  # type: ignore[misc]
        def _Fred__fetch_data(self, url: str) -> ElementTree.Element:
            return fetch(url)

    client = Client(api_key=api_key)
    if root_url:
        client.root_url = root_url.rstrip("/")
    return client


def readable_observations(text: str) -> ElementTree.Element:
    """Parses one answer (XML) and keeps its readable observations.

    An unreadable value or date costs its own month only; `.` is FRED's missing value.

    Raises:
        SourceError: not XML, transformed units, or no values.
    """
    if not text.strip():
        raise SourceError(NAME, "empty answer", is_retryable=True)
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        raise SourceError(NAME, "answer is not XML", is_retryable=True) from None
    if root.tag != "observations":
        raise SourceError(NAME, f"answer holds no observations, but <{root.tag}>", is_retryable=True)
    hold_to_question(NAME, root.attrib, {"units": "lin"})
    values = dict(dated_values((_month(child.get("date")), child.get("value")) for child in root))
    if not values:
        raise SourceError(NAME, "empty answer: no observations", is_retryable=True)
    readable = ElementTree.Element(root.tag, root.attrib)
    for day, value in values.items():
        ElementTree.SubElement(readable, "observation", date=day.isoformat(), value=repr(value))
    return readable


def _month(text: str | None) -> date | None:
    """Reads the first of a month, yyyy-mm-dd, else None."""
    with suppress(ValueError, TypeError):
        day = date.fromisoformat(text or "")
        return day if day.day == 1 else None
    return None


def refusal_words(text: str) -> str:
    """Returns FRED's own words of an error answer; else empty."""
    with suppress(ElementTree.ParseError):
        return ElementTree.fromstring(text).get("message") or ""
    return ""


def monthly_row(day: date, usd_per_tonne: float) -> Row:
    """Makes the row of one monthly average, known 45 days later."""
    available_at = datetime.combine(day + PUBLISHED_AFTER, clock_time(), NEW_YORK)
    return Row(day, usd_per_tonne / POUNDS_PER_TONNE, available_at)
