"""Banco Central de Chile's dólar observado (`F073.TCO.PRE.Z.D`).

Dating rule: the value dated t averages the trades of the banking day *before* t and is a row of that session. It is
published the evening before; it counts as known from 09:00 in Santiago on t.
"""

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from datetime import time as clock_time
from math import isfinite
from typing import Any, Final

import polars as pl

from forex_assets.core.calendar import SANTIAGO, SessionCalendar
from forex_assets.market.prices import USDCLP, SourceError
from forex_assets.market.sources.fetching import (
    REQUEST_LIMIT_S,
    AskedSource,
    Row,
    broken_connection,
    fetched_frame,
    no_answer,
    redact,
    refusal,
)

NAME: Final = "central_bank"
SERIES_ID: Final = "F073.TCO.PRE.Z.D"
BASE_URL: Final = "https://si3.bcentral.cl"
PATH: Final = "/SieteRestWS/SieteRestWS.ashx"
KNOWN_AT: Final = clock_time(9, 0)

Values = list[tuple[date, float]]


class CentralBankSource(AskedSource):
    """USD/CLP of the central bank: a day's average, not its close."""

    name = NAME

    def __init__(
        self,
        user: str | None,
        password: str | None,
        base_url: str | None,
        calendar: SessionCalendar,
        **limits: Any,
    ) -> None:
        """Source with one account.

        Args:
            user: e-mail; without one every fetch fails.
            password: required as well.
            base_url: server; None: the bank's own.
            limits: of one fetch, see `ask`.
        """
        super().__init__(**limits)
        self._user, self._password = user or "", password or ""
        self._url = (base_url or BASE_URL).rstrip("/") + PATH
        self._calendar = calendar

    def fetch(self, start: date | None, as_of: datetime) -> pl.DataFrame:
        """Fetches rows, see `PriceSource.fetch`; errors never contain the account."""
        if not (self._user and self._password):
            raise SourceError(NAME, "no BCCH_USER/BCCH_PASSWORD set")
        values = self._ask(lambda left_s: self._values(start, as_of, left_s))
        rows = observed_rows(values, self._calendar, as_of)
        return fetched_frame(USDCLP.value, NAME, [row for row in rows if start is None or row.session >= start])

    def _values(self, start: date | None, as_of: datetime, left_s: float) -> Values:
        """Sends one request; errors never contain the account."""
        query = {
            "user": self._user,
            "pass": self._password,
            "function": "GetSeries",
            "timeseries": SERIES_ID,
            "lastdate": as_of.astimezone(SANTIAGO).date().isoformat(),
        }
        if start is not None:
            query["firstdate"] = start.isoformat()
        text = _get(self._url, query, min(left_s, REQUEST_LIMIT_S))
        return observed_values(text, lambda text: redact(text, self._user, self._password))


def _get(url: str, query: dict[str, str], limit_s: float) -> str:
    """Returns the body of one answer.

    Errors are raised outside `except`, since their causes hold the password.
    """
    import requests

    # urllib3 logs whole addresses at DEBUG, and this one holds a password.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
    try:
        with requests.Session() as session:
            response = session.get(url, params=query, timeout=max(limit_s, 0.001))
    except requests.Timeout:
        failure = no_answer(NAME, limit_s)
    except requests.RequestException as error:
        failure = broken_connection(NAME, error)
    else:
        if response.status_code < 400:
            return str(response.text)
        failure = refusal(NAME, response.status_code, response.headers.get("Retry-After"))
    raise failure


def observed_values(text: str, redacted: Callable[[str], str]) -> Values:
    """Parses one answer to dated values, CLP per USD.

    Days without a value (status not OK, NaN) are left out.

    Args:
        redacted: removes secrets from the service's text.

    Raises:
        SourceError: not JSON, a refusal, or no values.
    """
    answer = _json(text)
    try:
        if answer["Codigo"] != 0:
            raise SourceError(NAME, redacted(f"refused with code {answer['Codigo']}: {answer.get('Descripcion')}"))
        pairs = [
            (datetime.strptime(one["indexDateString"], "%d-%m-%Y").date(), float(one["value"]))  # noqa: DTZ007 - a date
            for one in answer["Series"]["Obs"] or []
            if one.get("statusCode") == "OK"
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(NAME, f"answer holds no observations ({type(error).__name__})", is_retryable=True) from None
    values = [(day, value) for day, value in pairs if isfinite(value) and value > 0]
    if not values:
        raise SourceError(NAME, "empty answer: no observations", is_retryable=True)
    return values


def _json(text: str) -> Any:
    if not text.strip():
        raise SourceError(NAME, "empty answer", is_retryable=True)
    with suppress(ValueError):
        return json.loads(text)
    # Raised outside the handler: the decoder's error keeps the body, which may repeat the address.
    raise SourceError(NAME, "answer is not JSON", is_retryable=True)


def observed_rows(values: Values, calendar: SessionCalendar, as_of: datetime) -> list[Row]:
    """Dates values by the bank's rule, one row a session.

    Args:
        values: (date, CLP per USD), any order.
        as_of: rows known later are left out.
    """
    rows: dict[date, Row] = {}
    for day, value in sorted(values):
        row = Row(calendar.previous(day), value, datetime.combine(day, KNOWN_AT, SANTIAGO))
        # Two values can map to one session if the calendar has a holiday that the bank worked: the first is right.
        if row.available_at <= as_of:
            rows.setdefault(row.session, row)
    return list(rows.values())
