"""Banco Central de Chile's daily series, such as the dólar observado.

`published` dates the values. The bank is asked past the day of asking: in the evening it shows the observado of the
next banking day.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any, Final

import polars as pl

from forex_assets.core.calendar import SANTIAGO, SessionCalendar
from forex_assets.market.prices import SourceError
from forex_assets.market.sources.fetching import (
    AskedSource,
    fetched_frame,
    hold_to_question,
    parsed_json,
    redact,
)
from forex_assets.market.sources.published import BANK_CLOSE, PublishedSeries, Values, dated_values, published_rows

NAME: Final = "central_bank"
BASE_URL: Final = "https://si3.bcentral.cl"
PATH: Final = "/SieteRestWS/SieteRestWS.ashx"
AHEAD: Final = timedelta(days=10)
"""Days asked for after today; include the next banking day."""


class CentralBankSource(AskedSource):
    """One series of the central bank; by default the peso's stand-in.

    The observado is a day's average, not its close.
    """

    name = NAME

    def __init__(
        self,
        user: str | None,
        password: str | None,
        base_url: str | None,
        calendar: SessionCalendar,
        published: PublishedSeries = BANK_CLOSE,
        **limits: Any,
    ) -> None:
        """Source of one series with one account.

        Args:
            user: e-mail; without one every fetch fails.
            password: required as well.
            base_url: server; None: the bank's own.
            calendar: Chile's banking days.
            published: series asked for, and its dating rule.
            limits: of one fetch, see `ask`.
        """
        super().__init__(**limits)
        self._user, self._password = user or "", password or ""
        self._url = (base_url or BASE_URL).rstrip("/") + PATH
        self._calendar, self._published = calendar, published

    def fetch(self, start: date | None, as_of: datetime) -> pl.DataFrame:
        """Fetches rows, see `PriceSource.fetch`; errors never contain the account."""
        if not (self._user and self._password):
            raise SourceError(NAME, "no BCCH_USER/BCCH_PASSWORD set")
        values = self._ask(lambda left_s: self._values(start, as_of, left_s))
        rows = published_rows(values, self._published, self._calendar, as_of)
        rows = [row for row in rows if start is None or row.session >= start]
        return fetched_frame(self._published.series.value, NAME, rows)

    def _values(self, start: date | None, as_of: datetime, left_s: float) -> Values:
        """Sends one request; errors never contain the account."""
        query = {
            "user": self._user,
            "pass": self._password,
            "function": "GetSeries",
            "timeseries": self._published.code,
            "lastdate": (as_of.astimezone(SANTIAGO).date() + AHEAD).isoformat(),
        }
        if start is not None:
            query["firstdate"] = start.isoformat()
        text = self._get(self._url, query, left_s)
        return bank_values(text, self._published.code, lambda text: redact(text, self._user, self._password))


def bank_values(text: str, series_id: str, redacted: Callable[[str], str]) -> Values:
    """Parses one answer to dated values.

    Days without a value (status not OK, ND, NeuN, blank) are left out.

    Args:
        series_id: the series asked for, which the answer must name.
        redacted: removes secrets from the service's text.

    Raises:
        SourceError: not JSON, a refusal, another series, or no values.
    """
    answer = parsed_json(NAME, text)
    try:
        if answer["Codigo"] != 0:
            raise SourceError(NAME, redacted(f"refused with code {answer['Codigo']}: {answer.get('Descripcion')}"))
        series = answer["Series"]
        named = {"seriesId": series.get("seriesId")}
        rows = [one for one in series["Obs"] or [] if isinstance(one, dict)]
        observations = [one for one in rows if one.get("statusCode") == "OK"]
    except (KeyError, TypeError, AttributeError) as error:
        raise SourceError(NAME, f"answer holds no observations ({type(error).__name__})", is_retryable=True) from None
    hold_to_question(NAME, named, {"seriesId": series_id})
    values = dated_values((_day(one.get("indexDateString")), one.get("value")) for one in observations)
    if not values:
        raise SourceError(NAME, "empty answer: no observations", is_retryable=True)
    return values


def _day(text: object) -> date | None:
    """Reads dd-mm-yyyy; None for anything else."""
    with suppress(ValueError, TypeError):
        return datetime.strptime(text, "%d-%m-%Y").date()  # type: ignore[arg-type]  # noqa: DTZ007 - a date
    return None
