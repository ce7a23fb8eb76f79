"""A session decides where tables are read and written."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.session import Session, open_session
from forex_assets_tests.places import root_of

REAL = pl.DataFrame({"source": ["yahoo"], "x": [1]})
SAMPLE = pl.DataFrame({"source": [SAMPLE_SOURCE], "x": [2]})


@pytest.fixture
def auto(workspace: Path, environment: Callable[..., None]) -> Session:
    environment(FOREX_MARKET="auto")
    return open_session()


def test_auto_reads_generated_tables_until_a_real_price_table_exists(auto: Session) -> None:
    assert auto.market == "live"
    auto.sample_tables.write("market/usdclp", SAMPLE)
    assert auto.market == "sample"
    assert root_of(auto.tables) == root_of(auto.sample_tables)
    auto.live_tables.write("market/usdclp", REAL)
    assert auto.market == "live"
    assert root_of(auto.tables) == root_of(auto.live_tables)


@pytest.mark.parametrize(("market", "other"), [("live", "sample"), ("sample", "live")])
def test_a_named_market_is_read_whatever_tables_exist(
    market: str, other: str, workspace: Path, environment: Callable[..., None]
) -> None:
    environment(FOREX_MARKET=market)
    session = open_session()
    {"live": session.live_tables, "sample": session.sample_tables}[other].write("market/usdclp", REAL)
    assert session.market == market


def test_a_table_with_one_generated_row_is_never_written_among_real_ones(auto: Session) -> None:
    folder = auto.settings.warehouse
    assert root_of(auto.tables_for("any", REAL)) == folder
    assert root_of(auto.tables_for("any", pl.concat([REAL, SAMPLE]))) == folder / "sample"


@pytest.mark.parametrize("key", ["market/usdclp", "market/copper_hgf_usd_lb"])
def test_an_empty_price_table_is_real_and_another_empty_table_follows_the_market(key: str, auto: Session) -> None:
    auto.sample_tables.write("market/usdclp", SAMPLE)
    assert root_of(auto.tables_for(key, REAL.clear())) == auto.settings.warehouse
    assert root_of(auto.tables_for("features/copper", REAL.clear())) == auto.settings.warehouse / "sample"


def test_policy_and_configs_are_read_from_the_settings_folder(workspace: Path) -> None:
    session = open_session()
    assert session.policy is session.policy
    assert session.configs.read("7d").horizon == "7d"


def test_overrides_go_before_the_environment_and_the_clock_is_fixed(workspace: Path) -> None:
    session = open_session(as_of="2024-03-01")
    assert str(session.today) == "2024-03-01"
    assert session.now == session.now == open_session(as_of="2024-03-01").now


def test_the_day_is_that_of_the_sessions_clock_also_after_midnight(workspace: Path) -> None:
    before_midnight = datetime(2025, 6, 14, 3, 59, tzinfo=UTC)  # 23:59 in Santiago
    session = replace(open_session(), now=before_midnight)
    assert session.today == date(2025, 6, 13)
    assert replace(session, now=before_midnight + timedelta(minutes=1)).today == date(2025, 6, 14)
