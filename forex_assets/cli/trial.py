"""Prices tried as a forecast would fetch them, for `doctor`."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from forex_assets.core.finding import Finding
from forex_assets.core.session import Session
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.market.fallback import Ingest
from forex_assets.market.findings import findings
from forex_assets.market.ingestion import ingest_copper, ingest_usdclp
from forex_assets.market.price_sources import PriceSources, calendar_of, sources_of
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries, describe_attempts
from forex_assets.market.quality import severity_of

Read = TypeVar("Read")


def readable(read: Callable[[], Read]) -> tuple[Read | None, str | None]:
    """Reads; a damaged file is returned in words instead."""
    try:
        return read(), None
    except WarehouseError as error:
        return None, str(error)


def trial_words(trials: list[dict[str, Any]]) -> Iterator[str]:
    """Describes trials: sources asked, and checks that failed."""
    for trial in trials:
        yield f"{trial['table']}: {trial['sources']}"
        for check in trial["checks"]:
            kind = "blocks forecasts" if check["blocks"] else "warns"
            yield f"  check {check['check']} {kind}: {check['message']}"


def trials_of(session: Session) -> list[dict[str, Any]]:
    """Tries prices as a forecast would fetch them now.

    The order of sources, refusals and checks are those of a forecast; nothing is stored.
    """
    sources = replace(sources_of(session), is_trial=True)
    return [_trial(sources, series, ingest) for series, ingest in ((USDCLP, ingest_usdclp), (COPPER, ingest_copper))]


def _trial(sources: PriceSources, series: PriceSeries, ingest: Callable[[PriceSources], Ingest]) -> dict[str, Any]:
    result, fault = readable(lambda: ingest(sources))
    attempts = describe_attempts(result.attempts) if result else str(fault)
    if result is None or result.prices.is_empty():
        results = [Finding("has_prices", False, severity_of(series), f"no price can be had: {attempts}")]
    else:
        results = list(findings(result.prices, series, calendar_of(series), sources.session.today))
    checks = [{"check": f.name, "blocks": f.severity == "block", "message": f.message} for f in results if not f.passed]
    source = result.source if result else None
    return {"table": f"market/{series.name}", "source": source, "sources": attempts, "checks": checks}
