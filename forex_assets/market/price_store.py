"""Stored price histories: one locked table a series and source."""

from dataclasses import replace
from datetime import datetime
from urllib.parse import quote, unquote

import polars as pl

from forex_assets.core import names
from forex_assets.core.schemas import ANSWERS_SCHEMA, conform, history_schema
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.market.answers import Answer, with_answer
from forex_assets.market.history import NO_TERMS, Merge, MergeTerms, merge_history
from forex_assets.market.prices import PriceSeries


class PriceStore:
    """Stored histories in tables `market/history/<series>/<source>`.

    Args:
        lock_timeout_s: seconds that a merge waits for another run.
    """

    def __init__(self, warehouse: Warehouse, lock_timeout_s: float = 60.0) -> None:
        self._warehouse = warehouse
        self._lock_timeout_s = lock_timeout_s

    def sources(self, series: PriceSeries) -> list[str]:
        """Lists sources with stored history, ascending."""
        return sorted(unquote(name) for name in self._warehouse.partitions(_key(series)))

    def history(self, series: PriceSeries, source: str) -> pl.DataFrame | None:
        """Returns every stored version (`history_schema`), or None.

        Raises:
            WarehouseError: the file is damaged.
            ValueError: the file has other columns.
        """
        stored = self._warehouse.read(_key(series), _partition(source))
        return None if stored is None else self._conformed(series, source, stored)

    def answers(self, series: PriceSeries, source: str) -> pl.DataFrame | None:
        """Returns what a source answered (`ANSWERS_SCHEMA`), or None."""
        key = f"{names.PRICE_ANSWERS}/{series.name}"
        return self._warehouse.read(key, _partition(source), ANSWERS_SCHEMA)

    def answering_sources(self, series: PriceSeries) -> list[str]:
        """Lists sources with recorded answers, ascending."""
        return sorted(unquote(name) for name in self._warehouse.partitions(f"{names.PRICE_ANSWERS}/{series.name}"))

    def note(self, series: PriceSeries, source: str, answer: Answer) -> None:
        """Records an answer of a source."""
        key, tries = f"{names.PRICE_ANSWERS}/{series.name}", list[pl.DataFrame]()

        def noted(stored: pl.DataFrame | None) -> pl.DataFrame | None:
            if tries and _holds(stored, tries[-1].tail(1)):
                return None
            tries.append(with_answer(stored, answer))
            return tries[-1]

        self._warehouse.update(key, noted, _partition(source), self._lock_timeout_s)

    def merge(
        self,
        series: PriceSeries,
        fetched: pl.DataFrame,
        now: datetime,
        as_of: datetime | None = None,
        terms: MergeTerms = NO_TERMS,
    ) -> Merge:
        """Merges a fetch and stores it; concurrent runs lose nothing.

        Raises:
            BadFetch: the fetch is refused; nothing stored has changed.
            WarehouseError: lock or disk fails; nothing stored has changed.
        """
        if fetched.is_empty():
            return merge_history(None, fetched, series, now)  # raises: an empty fetch has no source to lock
        source = str(fetched["source"][0])
        merges = list[Merge]()

        def merged(stored: pl.DataFrame | None) -> pl.DataFrame | None:
            history = None if stored is None else self._conformed(series, source, stored)
            if history is not None and merges and _holds(history, _fetched_at(now, merges[-1])):
                merges.append(replace(merges[-1], history=history))
                return None
            merges.append(merge_history(history, fetched, series, now, as_of, terms))
            return merges[-1].history if merges[-1].added or merges[-1].revised else None

        self._warehouse.update(_key(series), merged, _partition(source), self._lock_timeout_s)
        return merges[-1]

    def _conformed(self, series: PriceSeries, source: str, stored: pl.DataFrame) -> pl.DataFrame:
        place = self._warehouse.place(_key(series), _partition(source))
        return conform(stored, history_schema(series.value), place)


class TrialPriceStore(PriceStore):
    """Stored histories on which a fetch is tried: nothing is written."""

    def note(self, series: PriceSeries, source: str, answer: Answer) -> None:
        """Forgets the answer."""

    def merge(
        self,
        series: PriceSeries,
        fetched: pl.DataFrame,
        now: datetime,
        as_of: datetime | None = None,
        terms: MergeTerms = NO_TERMS,
    ) -> Merge:
        """Returns the merge that would be stored, see `PriceStore.merge`."""
        stored = self.history(series, str(fetched["source"][0])) if fetched.height else None
        return merge_history(stored, fetched, series, now, as_of, terms)


def _fetched_at(now: datetime, merge: Merge) -> pl.DataFrame:
    """Rows that a merge appended."""
    return merge.history.filter(pl.col("fetched_at") == now).drop("superseded_at")


def _holds(stored: pl.DataFrame | None, rows: pl.DataFrame) -> bool:
    """Tells whether a table has all these rows.

    So a second try of a write sees that the first arrived: its answer was lost, and another has written since.
    """
    if stored is None:
        return False
    return rows.join(stored, on=rows.columns, how="anti", nulls_equal=True).is_empty()


def _key(series: PriceSeries) -> str:
    return f"{names.PRICE_HISTORY}/{series.name}"


def _partition(source: str) -> str:
    """Encodes a source name as a file name, reversibly."""
    return quote(source, safe=",=+")
