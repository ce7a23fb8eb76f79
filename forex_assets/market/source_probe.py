"""Asks every source at once which answers; used by `FOREX_MARKET=auto` and `doctor`."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from forex_assets.market.prices import Attempt, PriceSource, SourceError

PROBE_DAYS = 120
"""Days asked for: long enough for a monthly source."""


def probe_sources(sources: Mapping[str, PriceSource], as_of: datetime) -> list[Attempt]:
    """Fetches recent rows from every source at once, each within its deadline.

    Returns:
        One attempt a source, in order; `answer` is the row count or the error.
    """

    def ask(item: tuple[str, PriceSource]) -> Attempt:
        name, source = item
        started = time.perf_counter()
        try:
            rows = source.fetch((as_of - timedelta(days=PROBE_DAYS)).date(), as_of)
            last = max(rows["session"].to_list(), default=None)
            answer, is_ok = f"{rows.height} rows, last {last}", rows.height > 0
        except SourceError as error:
            answer, is_ok = error.reason, False
        return Attempt(name, is_ok, answer, time.perf_counter() - started)

    with ThreadPoolExecutor(max_workers=max(1, len(sources))) as pool:
        return list(pool.map(ask, sources.items()))
