"""`optimizer/candidate_config` as Dagster runs it: several horizons in one run, what its metadata says."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from forex_assets.core import names
from forex_assets.core.dagster.io_manager import WarehouseIO
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.optimizer.assets import candidate_config
from forex_assets.optimizer.plots import CUT, candidates_figure, candidates_plot
from forex_assets.optimizer.tables import CANDIDATES_SCHEMA
from forex_assets_tests.optimizer.contests import Setup, WidthResource, fill, set_live

RANGE = ("7d", "15d")


@pytest.fixture
def scene(workspace: Path, tables: Path) -> Setup:
    policy = "search:\n  origins: 40\n  every: 2w\nvalidation:\n  origins: 60\n"
    (workspace / "configs/policy.yaml").write_text(policy)
    set_live(workspace, temperature=1.6, is_calibrated=False)
    return fill(workspace, tables)


def materialize() -> dg.ExecuteInProcessResult:
    """Both horizons by one step, as a range of partitions runs."""
    session = SessionResource()
    return dg.materialize(
        [candidate_config],
        resources={"session": session, "engines": WidthResource(), "io_manager": WarehouseIO(session=session)},
        tags={"dagster/asset_partition_range_start": RANGE[0], "dagster/asset_partition_range_end": RANGE[1]},
    )


def test_a_range_of_horizons_is_one_step_and_a_table_each(scene: Setup) -> None:
    result = materialize()
    assert result.success
    events = result.asset_materializations_for_node("optimizer__candidate_config")
    assert {event.partition for event in events} == set(RANGE)
    for event in events:
        table = scene.session.tables.read("optimizer/candidate_config", str(event.partition))
        assert table is not None
        assert dict(table.schema) == CANDIDATES_SCHEMA
        assert set(table["horizon"]) == {event.partition}
        metadata = {name: value.value for name, value in event.metadata.items()}
        assert metadata[names.SEARCH_ID] == table["search_id"][0]
        assert [metadata[names.CHAMPION]] == table.filter("is_incumbent")["candidate"].to_list()
        assert [metadata[names.CHALLENGER]] == table.filter("is_chosen")["candidate"].to_list()
        assert metadata[names.MARKET] == "sample"
        assert str(metadata[names.CLOCK]).startswith("2025-06-13")
        assert "grid: all" in str(metadata[names.WORDS])
        assert any("data:image/png" in str(value) for value in metadata.values())
    wide = next(event for event in events if event.partition == "7d").metadata
    assert wide[names.CHALLENGER].value != wide[names.CHAMPION].value


def table_of(gains: list[tuple[float, float | None, float | None]]) -> pl.DataFrame:
    columns = {
        "gain": [gain for gain, _, _ in gains],
        "gain_low": [low for _, low, _ in gains],
        "gain_high": [high for _, _, high in gains],
        "is_incumbent": [place == 1 for place in range(len(gains))],
        "is_chosen": [place == 0 for place in range(len(gains))],
    }
    return pl.DataFrame(columns, schema={name: CANDIDATES_SCHEMA[name] for name in columns})


def test_the_plot_has_each_candidates_gain_in_per_cent_and_cuts_the_hopeless() -> None:
    figure = candidates_figure(table_of([(0.1, 0.05, 0.15), (0.0, 0.0, 0.0), (-3.0, -4.0, -2.0)]), "t", True)
    lines = [list(line.get_ydata()) for line in figure.axes[0].lines]
    assert [10.0, 0.0, -CUT] in [[round(float(y), 9) for y in line] for line in lines]
    assert {text.get_text() for text in figure.axes[0].get_legend().get_texts()} == {"live", "chosen"}


@pytest.mark.parametrize("gains", [[], [(0.0, None, None), (0.0, None, None)]])
def test_the_plot_is_a_picture_where_there_is_little_to_show(
    gains: list[tuple[float, float | None, float | None]],
) -> None:
    assert candidates_plot(table_of(gains), "t", False).startswith(b"\x89PNG")
