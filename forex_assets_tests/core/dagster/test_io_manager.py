"""Tables through Dagster and real files: written, read back, refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from forex_assets.core.dagster.io_manager import WarehouseIO
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.schemas import FORECAST_SCHEMA, empty
from forex_assets.core.session import open_session
from forex_assets_tests.forecasts.test_quality import fan

PARTITIONS = dg.StaticPartitionsDefinition(["7d", "15d", "30d"])
KEY = dg.AssetKey(["accuracy", "realized"])
TAGS = {"dagster/asset_partition_range_start": "7d", "dagster/asset_partition_range_end": "30d"}
TABLES = {"30d": fan().with_columns(horizon=pl.lit("30d")), "7d": fan(), "15d": empty(FORECAST_SCHEMA)}


def run(tables: Mapping[str, pl.DataFrame], read: list[pl.DataFrame]) -> dg.ExecuteInProcessResult:
    """Runs all partitions, and appends what a reader gets to `read`."""
    manager = WarehouseIO(session=SessionResource())
    common: dict[str, Any] = {"partitions_def": PARTITIONS, "backfill_policy": dg.BackfillPolicy.single_run()}

    @dg.asset(key=KEY, io_manager_def=manager, **common)
    def source() -> dict[str, pl.DataFrame]:
        return dict(tables)

    @dg.asset(ins={"source": dg.AssetIn(key=KEY)}, **common)
    def reader(source: pl.DataFrame) -> None:
        read.append(source)

    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize([source, reader], tags=TAGS, instance=instance, raise_on_error=False)


def words_of(result: dg.ExecuteInProcessResult) -> str:
    return " ".join(str(event.event_specific_data) for event in result.all_events)


def test_each_partition_is_a_table_of_its_own_also_one_without_rows(workspace: Path) -> None:
    read: list[pl.DataFrame] = []
    assert run(TABLES, read).success
    tables = open_session().tables
    assert tables.partitions("accuracy/realized") == ["15d", "30d", "7d"]
    for partition, table in TABLES.items():
        stored = tables.read("accuracy/realized", partition)
        assert stored is not None
        assert_frame_equal(stored, table)
    # A reader of all gets them in the partitions' order, the empty one without a trace.
    assert_frame_equal(read[0], pl.concat([TABLES["7d"], TABLES["30d"]]))


def test_partitions_that_are_all_without_rows_read_back_with_their_columns(workspace: Path) -> None:
    read: list[pl.DataFrame] = []
    assert run(dict.fromkeys(TABLES, empty(FORECAST_SCHEMA)), read).success
    assert dict(read[0].schema) == FORECAST_SCHEMA
    assert read[0].is_empty()


def test_an_empty_table_takes_the_place_of_the_one_before(workspace: Path) -> None:
    run(TABLES, [])
    read: list[pl.DataFrame] = []
    assert run(TABLES | {"30d": empty(FORECAST_SCHEMA)}, read).success
    assert set(read[0]["horizon"]) == {"7d"}


def test_a_table_of_real_prices_and_a_generated_one_land_in_folders_of_their_own(workspace: Path) -> None:
    run(TABLES | {"30d": TABLES["30d"].with_columns(source=pl.lit("yahoo"))}, [])
    session = open_session()
    assert session.live_tables.partitions("accuracy/realized") == ["30d"]
    assert session.sample_tables.partitions("accuracy/realized") == ["15d", "7d"]


def test_a_partition_that_was_not_made_is_refused_and_nothing_is_written(workspace: Path) -> None:
    result = run({"7d": fan(), "15d": fan()}, [])
    assert not result.success
    assert "frames for partitions ['15d', '7d'], to be made were ['15d', '30d', '7d']" in words_of(result)
    assert open_session().tables.partitions("accuracy/realized") == []


def test_a_frame_of_several_partitions_is_split_and_one_that_lacks_a_partition_is_refused(workspace: Path) -> None:
    manager = WarehouseIO(session=SessionResource())
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
    tables = open_session().sample_tables
    assert dg.materialize([whole], tags=tags).success
    assert tables.partitions("forecasts/latest") == ["15d", "7d"]
    assert tables.read("forecasts/latest", "15d") is not None
    result = dg.materialize([half], tags=tags, raise_on_error=False)
    assert not result.success
    assert any("no rows for partition 15d" in str(event.event_specific_data) for event in result.all_events)


def test_a_table_that_is_not_there_says_what_to_materialize(workspace: Path) -> None:
    context = dg.build_input_context(asset_key=dg.AssetKey(["market", "usdclp"]))
    with pytest.raises(FileNotFoundError, match=r"market/usdclp is not in .*materialize it first"):
        WarehouseIO(session=SessionResource()).load_input(context)
