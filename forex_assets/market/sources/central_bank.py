"""Banco Central de Chile's dólar observado (`F073.TCO.PRE.Z.D`) over plain HTTP.

Dating rule: the value dated t is the weighted average of the trades of the banking day *before* t, so it is a row of
that session. It is published the evening before; here it counts as known from 09:00 in Santiago on t, to be safe.
"""

import json
import logging
import time
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
    ATTEMPTS,
    DEADLINE_S,
    REQUEST_LIMIT_S,
    Row,
    ask,
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


class CentralBankSource:
    """Port `PriceSource` of USD/CLP, CLP per USD: a day's average, not its close."""

    def __init__(
        self,
        user: str | None,
        password: str | None,
        base_url: str | None,
        calendar: SessionCalendar,
        *,
        deadline_s: float = DEADLINE_S,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Ask the bank's web service.

        Args:
            user: the account's e-mail; None or empty: every fetch fails at once, saying so.
            password: its password; likewise.
            base_url: another server with the same service; None: the bank's own.
            calendar: Chilean banking days.
            deadline_s: seconds for one fetch, all attempts together.
            attempts: how often a fetch asks at the most.
            sleep: waits between attempts.
        """
        self._user, self._password = user or "", password or ""
        self._url = (base_url or BASE_URL).rstrip("/") + PATH
        self._calendar = calendar
        self._deadline_s, self._attempts, self._sleep = deadline_s, attempts, sleep

    @property
    def name(self) -> str:
        """The `source` of its rows."""
        return NAME

    def fetch(self, start: date | None, as_of: datetime) -> pl.DataFrame:
        """Rows (`fetched_schema`) of sessions from `start` on (all where None) with `available_at` ≤ `as_of`.

        Raises:
            SourceError: no account, no answer, or one without values; never with the account in its text.
        """
        if not (self._user and self._password):
            raise SourceError(NAME, "no BCCH_USER/BCCH_PASSWORD set")
        values = ask(
            NAME,
            lambda left_s: self._values(start, as_of, left_s),
            deadline_s=self._deadline_s,
            attempts=self._attempts,
            sleep=self._sleep,
        )
        rows = observed_rows(values, self._calendar, as_of)
        return fetched_frame(USDCLP.value, NAME, [row for row in rows if start is None or row.session >= start])

    def _values(self, start: date | None, as_of: datetime, left_s: float) -> Values:
        """One request, understood; its failures told without the account."""
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
        return observed_values(text, lambda said: redact(said, self._user, self._password))


def _get(url: str, query: dict[str, str], limit_s: float) -> str:
    """Body of one answer. Failures are raised outside `except`: their causes hold the address with the account."""
    import requests

    # At level DEBUG urllib3 writes whole addresses, and this one holds a password.
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
    """Dated values of one answer, in its order, CLP per USD; days without a value (status not OK, NaN) left out.

    Args:
        text: the answer's body.
        redacted: takes secrets out of what the service says of itself.

    Raises:
        SourceError: not JSON, a refusal of the service, or no values.
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
    # Raised outside of the handler: the decoder's error keeps the body, and an error page may repeat the address.
    raise SourceError(NAME, "answer is not JSON", is_retryable=True)


def observed_rows(values: Values, calendar: SessionCalendar, as_of: datetime) -> list[Row]:
    """Rows under the bank's dating rule, one a session, of what was known at `as_of`.

    Args:
        values: (date of the value, CLP per USD), any order.
        calendar: Chilean banking days.
        as_of: aware instant.
    """
    rows: dict[date, Row] = {}
    for day, value in sorted(values):
        row = Row(calendar.previous(day), value, datetime.combine(day, KNOWN_AT, SANTIAGO))
        # A value on a day that the calendar takes for a holiday is of the session before it; so would be the next
        # one. The first is right: it is the one that follows the session immediately.
        if row.available_at <= as_of:
            rows.setdefault(row.session, row)
    return list(rows.values())
