"""mindicador.cl's daily series, which need no key.

Dating rule: `fecha` is midnight in Chile, in UTC. Nothing dated after the day of asking is shown, so the observado
comes a banking day later than from the Banco Central.
"""

from contextlib import suppress
from datetime import date, datetime
from typing import Any, Final

import polars as pl

from forex_assets.core.calendar import SANTIAGO, SessionCalendar
from forex_assets.market.prices import SourceError
from forex_assets.market.sources.fetching import AskedSource, fetched_frame, hold_to_question, parsed_json
from forex_assets.market.sources.published import (
    MINDICADOR_CLOSE,
    PublishedSeries,
    Values,
    dated_values,
    published_rows,
)

NAME: Final = "mindicador"
BASE_URL: Final = "https://mindicador.cl"
YEARS: Final = 12
"""Calendar years of a whole history; one request each."""


class MindicadorSource(AskedSource):
    """One series of mindicador.cl; by default the peso's stand-in."""

    name = NAME

    def __init__(
        self,
        base_url: str | None,
        calendar: SessionCalendar,
        published: PublishedSeries = MINDICADOR_CLOSE,
        **limits: Any,
    ) -> None:
        """Source of one series.

        Args:
            base_url: server, before `/api`; None: mindicador's own.
            calendar: Chile's banking days.
            published: series asked for, and its dating rule.
            limits: of one fetch, see `ask`.
        """
        super().__init__(**limits)
        self._url = (base_url or BASE_URL).rstrip("/") + "/api/" + published.code
        self._calendar, self._published = calendar, published

    def fetch(self, start: date | None, as_of: datetime) -> pl.DataFrame:
        """Fetches rows year by year, see `PriceSource.fetch`."""
        last = as_of.astimezone(SANTIAGO).year
        years = range(start.year if start else last - YEARS + 1, last + 1)
        answered: dict[int, Values] = {}  # kept over a retry: the years that answered are not asked again

        def collect(left_s: float) -> Values:
            for year in years:
                if year not in answered:
                    answered[year] = indicator_values(
                        self._get(f"{self._url}/{year}", {}, left_s), self._published, year
                    )
            return [value for year in years for value in answered[year]]

        values = self._ask(collect)
        if not values:
            raise SourceError(NAME, "empty answer: no observations")
        rows = published_rows(values, self._published, self._calendar, as_of)
        rows = [row for row in rows if start is None or row.session >= start]
        return fetched_frame(self._published.series.value, NAME, rows)


def indicator_values(text: str, published: PublishedSeries, year: int) -> Values:
    """Parses one year's answer to dated values.

    A year without values, such as on 1 January, is empty.

    Args:
        published: names the code and unit that the answer must repeat.
        year: days of another year are left out.

    Raises:
        SourceError: not JSON, another series or unit, or no list of values.
    """
    answer = parsed_json(NAME, text)
    if not isinstance(answer, dict):
        raise SourceError(NAME, "answer is no object", is_retryable=True)
    hold_to_question(NAME, answer, {"codigo": published.code, "unidad_medida": published.unit})
    entries = answer.get("serie")
    if not isinstance(entries, list):
        raise SourceError(NAME, "answer holds no observations", is_retryable=True)
    pairs = ((_day(one.get("fecha")), one.get("valor")) for one in entries if isinstance(one, dict))
    return [(day, value) for day, value in dated_values(pairs) if day.year == year]


def _day(text: object) -> date | None:
    """Reads an ISO instant as a day in Chile, else None."""
    with suppress(ValueError, TypeError, OverflowError):
        moment = datetime.fromisoformat(text)  # type: ignore[arg-type]
        return moment.astimezone(SANTIAGO).date() if moment.tzinfo else None
    return None
