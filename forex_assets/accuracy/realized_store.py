"""Scored rows in the store, by year of issue.

A horizon's table holds the forecasts of its open years. A year of issue whose sessions are all past is settled: its
rows are a table of their own, and a note says from which forecasts and prices they were made. While these are the same
it is neither read nor made again; when one changes it is scored anew.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from itertools import chain
from typing import Final

import polars as pl
from pydantic import BaseModel, ConfigDict

from forex_assets.core.schemas import LEDGER_SCHEMA, empty
from forex_assets.core.store.port import WarehouseError
from forex_assets.core.store.records import Records
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.forecasts.realized import realize, truth_of

ISSUED: Final = ("as_of", "session", "sequence", "entry_hash")
"""Columns of the ledger that identify a year's forecasts."""

_YEAR: Final = pl.col("as_of").dt.year()


class YearInputs(BaseModel):
    """Inputs of a year's scored rows.

    Attributes:
        entries: number of the ledger's entries.
        head: hash of the last of them, which covers every entry before it.
        first_session: first session of these forecasts.
        last_session: last of them.
        outcomes: fingerprint of the known prices between the two.
    """

    model_config = ConfigDict(frozen=True)

    entries: int
    head: str
    first_session: date
    last_session: date
    outcomes: str


class ScoredYear(BaseModel):
    """A settled year's inputs and counts.

    Attributes:
        inputs: forecasts and prices.
        rows: scored steps.
        forecasts: dates of issue.
        at_target: scored steps at a target date.
    """

    model_config = ConfigDict(frozen=True)

    inputs: YearInputs
    rows: int
    forecasts: int
    at_target: int


class Settled(BaseModel):
    """Settled years of one horizon."""

    model_config = ConfigDict(frozen=True)

    years: dict[int, ScoredYear] = {}


@dataclass(frozen=True)
class RealizedStore:
    """Scored rows of one ledger.

    Attributes:
        tables: where they lie.
        key: their table, such as `accuracy/realized`.
    """

    tables: Warehouse
    key: str

    def read(
        self, horizon: str, columns: Sequence[str] | None = None, *, where: pl.Expr | None = None
    ) -> pl.DataFrame | None:
        """Scored rows in the order of `realize`; None if absent.

        Args:
            columns: the only ones that are wanted.
            where: condition on the wanted columns.

        Raises:
            WarehouseError: a table cannot be read, or a settled year is gone.
        """
        needed = None if columns is None else tuple(dict.fromkeys((*columns, "as_of")))
        rows = self.tables.read(self.key, horizon, columns=needed)
        if rows is None:
            return None
        years = sorted((self._notes.get(horizon) or Settled()).years)  # after the table: it gets the rows first
        settled = (self._year(horizon, year, needed) for year in years)
        parts = chain(settled, [rows.filter(~_YEAR.is_in(years))])
        whole = pl.concat(part if where is None else part.filter(where) for part in parts)
        if not whole["as_of"].is_sorted():  # an early year is open; each lies in one part, in order
            whole = whole.sort("as_of", maintain_order=True)
        return whole if columns is None else whole.select(columns)

    def update(
        self, horizon: str, ledger: LedgerStore, prices: pl.DataFrame, now: datetime
    ) -> tuple[pl.DataFrame, Sequence[ScoredYear]]:
        """Scores what is new or changed; settles past years.

        What is stored equals `realize` of the whole ledger, also after a kill at any point.

        Args:
            horizon: one of them.
            ledger: issued forecasts.
            prices: as for `realize`.
            now: as for `realize`.

        Returns:
            Rows of the open years, and the settled ones.
        """
        truth, noted = truth_of(prices, now), self._noted(horizon)
        inputs = years_of(ledger.read(horizon, ISSUED), truth)
        parts = set(self._parts.partitions(self._folder(horizon)))
        kept = {year: noted[year] for year in noted if noted[year].inputs == inputs.get(year) and str(year) in parts}
        open_years = sorted(inputs.keys() - kept.keys())
        issued = _issued_in(ledger, horizon, open_years)
        rows = realize(issued, prices, now, previous=self.tables.read(self.key, horizon))
        self.tables.write(self.key, rows, horizon)
        if kept != noted:  # not before the rows are in the table
            self._notes.put(horizon, Settled(years=kept))
        past = _past(years_of(issued, truth), truth)
        if past:
            for year, made_from in past.items():
                part = rows.filter(year == _YEAR)
                self._parts.write(self._folder(horizon), part, str(year))
                kept[year] = _scored_year(made_from, part)
            self._notes.put(horizon, Settled(years=dict(sorted(kept.items()))))
            rows = rows.filter(~_YEAR.is_in(list(past)))
            self.tables.write(self.key, rows, horizon)
        return rows, list(kept.values())

    @cached_property
    def _notes(self) -> Records[Settled]:
        remedy = "move it away, and the next forecast scores every year anew"
        return Records(self.tables.records.under(f"{self.key}_settled"), Settled, remedy)

    @cached_property
    def _parts(self) -> Warehouse:
        """Tables that no session holds after reading."""
        return Warehouse(self.tables.store)

    def _folder(self, horizon: str) -> str:
        return f"{self.key}_settled/{horizon}"

    def _noted(self, horizon: str) -> dict[int, ScoredYear]:
        try:
            return dict((self._notes.get(horizon) or Settled()).years)
        except WarehouseError:
            return {}  # a damaged note costs one whole scoring

    def _year(self, horizon: str, year: int, columns: Sequence[str] | None) -> pl.DataFrame:
        """Rows of a settled year."""
        rows = self._parts.read(self._folder(horizon), str(year), columns=columns)
        if rows is None:
            place = self._parts.place(self._folder(horizon), str(year))
            raise WarehouseError(f"{place} is gone; the next forecast makes it anew from ledger and prices")
        return rows


def _issued_in(ledger: LedgerStore, horizon: str, years: Sequence[int]) -> pl.DataFrame:
    """Forecasts issued in some years, oldest first."""
    if not years:
        return empty(LEDGER_SCHEMA)
    return ledger.read(horizon, since=date(years[0], 1, 1)).filter(_YEAR.is_in(years))


def _past(inputs: dict[int, YearInputs], truth: pl.DataFrame) -> dict[int, YearInputs]:
    """Years whose sessions are all past."""
    last = truth["session"].max()
    return {year: made_from for year, made_from in inputs.items() if last and made_from.last_session < last}  # type: ignore[operator]


def years_of(issued: pl.DataFrame, truth: pl.DataFrame) -> dict[int, YearInputs]:
    """Inputs of every year of issue.

    Args:
        issued: `ISSUED` of a ledger, oldest entry first.
        truth: `forecasts.realized.truth_of`.
    """
    by_year = issued.group_by(year=_YEAR).agg(
        entries=pl.col("sequence").n_unique().cast(pl.Int64),
        head=pl.col("entry_hash").last(),
        first_session=pl.col("session").min(),
        last_session=pl.col("session").max(),
    )
    return {
        row.pop("year"): YearInputs(**row, outcomes=_fingerprint(truth, row["first_session"], row["last_session"]))
        for row in by_year.iter_rows(named=True)
    }


def _fingerprint(truth: pl.DataFrame, first: date, last: date) -> str:
    """Hash of the known prices of sessions, to the last bit."""
    rows = truth.filter(pl.col("session").is_between(first, last)).sort("session", "source")
    return hashlib.sha256(repr(rows.rows()).encode()).hexdigest()


def _scored_year(inputs: YearInputs, rows: pl.DataFrame) -> ScoredYear:
    at_target = int(rows["is_target"].sum())
    return ScoredYear(inputs=inputs, rows=rows.height, forecasts=rows["as_of"].n_unique(), at_target=at_target)
