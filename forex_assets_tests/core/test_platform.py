"""The composition root: which market stands, which table is read, what the probe says."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from forex_assets.core.dagster.io_manager import WarehouseIO
from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.settings import load_settings
from forex_assets.market.prices import SourceError
from forex_assets.market.source_probe import probe_sources
from forex_assets.platform import Platform, PlatformResource
from forex_assets_tests.forecasts.test_quality import fan

CLOSED = "http://127.0.0.1:9"
"""The discard port: nothing listens there."""


@pytest.fixture
def auto(workspace: Path, environment: Callable[..., None]) -> Platform:
    """Leave to use the generated market, and no source that answers."""
    urls = {f"FOREX_{name}_URL": CLOSED for name in ("YAHOO", "FRED", "BCCH")}
    environment(FOREX_MARKET="auto", FOREX_SOURCE_DEADLINE_S="1", **urls)
    return Platform(load_settings())


REAL = pl.DataFrame({"source": ["yahoo"], "x": [1]})
SAMPLE = pl.DataFrame({"source": [SAMPLE_SOURCE], "x": [2]})


def test_auto_is_the_generated_market_only_where_nothing_answers_and_nothing_is_stored(auto: Platform) -> None:
    assert auto.ingest_branch() == "sample"
    auto.live_warehouse.write("market/history/usdclp", REAL, "yahoo")
    assert auto.ingest_branch() == "live"


def test_auto_reads_the_generated_tables_until_there_are_real_ones(auto: Platform) -> None:
    assert auto.reading_branch == "live"
    auto.sample_warehouse.write("market/usdclp", SAMPLE)
    assert auto.reading_branch == "sample"
    auto.live_warehouse.write("market/usdclp", REAL)
    assert auto.reading_branch == "live"


def test_a_table_with_one_generated_row_never_lands_among_the_real_ones(auto: Platform) -> None:
    assert auto.warehouse_for("any", REAL).root == auto.live_warehouse.root
    assert auto.warehouse_for("any", pl.concat([REAL, SAMPLE])).root == auto.sample_warehouse.root


def test_an_empty_price_table_is_a_real_one_even_while_generated_tables_stand(auto: Platform) -> None:
    auto.sample_warehouse.write("market/usdclp", SAMPLE)
    assert auto.warehouse_for("market/copper_hgf_usd_lb", REAL.clear()).root == auto.live_warehouse.root
    assert auto.warehouse_for("features/copper", REAL.clear()).root == auto.sample_warehouse.root


def test_live_and_sample_are_taken_at_their_word(workspace: Path, environment: Callable[..., None]) -> None:
    for market in ("live", "sample"):
        environment(FOREX_MARKET=market)
        platform = Platform(load_settings())
        assert platform.ingest_branch() == platform.reading_branch == market


def test_the_settings_follow_the_model_that_is_found(workspace: Path, environment: Callable[..., None]) -> None:
    own = Platform(load_settings()).configs.read("15d")
    found, used = Platform(load_settings()).model_for(own)
    assert (found.kind, used) == ("ewma", own)
    # The configured model is on no test machine: the embedded one stands in, or the walk where it was not shipped.
    environment(FOREX_MODEL="auto", HF_HUB_OFFLINE="1", HF_HOME=str(workspace / "hub"))
    found, used = Platform(load_settings()).model_for(own)
    expected = ("embedded", "returns") if found.kind == "chronos" else (own.model, own.representation)
    assert (used.model, used.representation) == expected
    assert found.stands_in == (found.kind == "chronos")


class Answering:
    name = "fake"

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def fetch(self, start: date | None, as_of: datetime) -> pl.DataFrame:
        if self.rows < 0:
            raise SourceError("fake", "HTTP 500")
        days = [date(2024, 1, 1 + k) for k in range(self.rows)]
        return pl.DataFrame({"session": days}, schema={"session": pl.Date})


def test_the_probe_asks_all_and_keeps_their_order() -> None:
    sources = {"well": Answering(3), "unwell": Answering(-1), "silent": Answering(0)}
    answers = probe_sources(sources, datetime(2024, 2, 1, tzinfo=UTC))
    assert [(a.source, a.is_ok) for a in answers] == [("well", True), ("unwell", False), ("silent", False)]
    assert answers[0].answer == "3 rows, last 2024-01-03"
    assert answers[1].answer == "HTTP 500"


def test_a_frame_of_several_partitions_is_split_and_one_that_lacks_a_partition_is_refused(workspace: Path) -> None:
    manager = WarehouseIO(session=PlatformResource())
    partitions = dg.StaticPartitionsDefinition(["7d", "15d"])
    both = pl.concat([fan(), fan().with_columns(horizon=pl.lit("15d"))])
    asset = dg.asset(
        key=["forecasts", "latest"],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        io_manager_def=manager,
    )

    @asset
    def whole() -> pl.DataFrame:
        return both

    @asset
    def half() -> pl.DataFrame:
        return fan()

    tags = {"dagster/asset_partition_range_start": "7d", "dagster/asset_partition_range_end": "15d"}
    warehouse = Platform(load_settings()).sample_warehouse
    assert dg.materialize([whole], tags=tags).success
    assert warehouse.partitions("forecasts/latest") == ["15d", "7d"]
    assert warehouse.read("forecasts/latest", "15d") is not None
    result = dg.materialize([half], tags=tags, raise_on_error=False)
    assert not result.success
    assert any("no rows for partition 15d" in str(event.event_specific_data) for event in result.all_events)


def test_a_table_that_is_not_there_says_what_to_materialize(workspace: Path) -> None:
    context = dg.build_input_context(asset_key=dg.AssetKey(["market", "usdclp"]))
    with pytest.raises(FileNotFoundError, match=r"market/usdclp is not in .*materialize it first"):
        WarehouseIO(session=PlatformResource()).load_input(context)
