"""Which sources answer at all, asked side by side. `auto` decides by it, `doctor` shows it."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from forex_assets.market.prices import Attempt, PriceSource, SourceError

PROBE_DAYS = 120
"""Long enough that a monthly source has something to show."""


def probe_sources(sources: Mapping[str, PriceSource], as_of: datetime) -> list[Attempt]:
    """Asks every source for its last weeks at once; each keeps its own deadline.

    Returns:
        One attempt a source, in the order given; `answer` says how many rows came, or why none.
    """

    def ask(item: tuple[str, PriceSource]) -> Attempt:
        name, source = item
        started = time.perf_counter()
        try:
            rows = source.fetch((as_of - timedelta(days=PROBE_DAYS)).date(), as_of)
            answer, is_ok = f"{rows.height} rows, last {rows['session'].max()}", rows.height > 0
        except SourceError as error:
            answer, is_ok = error.reason, False
        return Attempt(name, is_ok, answer, time.perf_counter() - started)

    with ThreadPoolExecutor(max_workers=max(1, len(sources))) as pool:
        return list(pool.map(ask, sources.items()))
