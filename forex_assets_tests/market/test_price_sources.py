"""Price sources of a run: market choice and probe."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from forex_assets.core.session import open_session
from forex_assets.market.price_sources import PriceSources
from forex_assets.market.prices import COPPER, USDCLP, SourceError
from forex_assets.market.source_probe import probe_sources

CLOSED = "http://127.0.0.1:9"
"""The discard port, where nothing listens."""


@pytest.fixture
def silent(workspace: Path, environment: Callable[..., None]) -> PriceSources:
    """Sources of `FOREX_MARKET=auto`, none of which answers."""
    environment(
        FOREX_MARKET="auto", **{f"FOREX_{name}_URL": CLOSED for name in ("YAHOO", "FRED", "BCCH", "MINDICADOR")}
    )
    return PriceSources(open_session(), 1.0)


@pytest.mark.parametrize("series", ["usdclp", "copper_hgf_usd_lb"])
def test_auto_generates_prices_only_without_answers_and_without_stored_history(
    series: str, silent: PriceSources
) -> None:
    assert silent.branch() == "sample"
    silent.session.live_tables.write(f"market/history/{series}", pl.DataFrame({"x": [1]}), "yahoo")
    assert silent.branch() == "live"


@pytest.mark.parametrize("market", ["live", "sample"])
def test_a_named_market_needs_no_probe(market: str, silent: PriceSources, environment: Callable[..., None]) -> None:
    environment(FOREX_MARKET=market)
    assert PriceSources(open_session(), 1.0).branch() == market


def test_the_peso_has_two_stand_ins_and_copper_has_none(silent: PriceSources) -> None:
    assert [source.name for source in silent.daily(USDCLP)] == ["yahoo", "central_bank", "mindicador"]
    assert [source.name for source in silent.daily(COPPER)] == ["yahoo"]


def test_official_series_come_from_the_central_bank_and_then_from_mindicador(silent: PriceSources) -> None:
    for asked in (silent.observado_sources(), silent.copper_lme_sources(), silent.policy_rate_sources()):
        assert [source.name for source in asked] == ["central_bank", "mindicador"]


class FakeSource:
    """Answers with `rows` sessions; fails below zero."""

    name = "fake"

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def fetch(self, start: date | None, as_of: datetime) -> pl.DataFrame:
        if self.rows < 0:
            raise SourceError("fake", "HTTP 500")
        days = [date(2024, 1, 1 + k) for k in range(self.rows)]
        return pl.DataFrame({"session": days}, schema={"session": pl.Date})


def test_the_probe_asks_every_source_and_keeps_their_order() -> None:
    sources = {"well": FakeSource(3), "failing": FakeSource(-1), "empty": FakeSource(0)}
    answers = probe_sources(sources, datetime(2024, 2, 1, tzinfo=UTC))
    assert [(a.source, a.is_ok) for a in answers] == [("well", True), ("failing", False), ("empty", False)]
    assert answers[0].answer == "3 rows, last 2024-01-03"
    assert answers[1].answer == "HTTP 500"
