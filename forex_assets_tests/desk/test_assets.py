"""The desk's assets in Dagster: tables, plots, checks, alerts through a run."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.session import open_session
from forex_assets.desk.tables import LEVELS_SCHEMA, SCENARIOS_SCHEMA
from forex_assets.locations.forecasting import build
from forex_assets_tests.desk.worlds import DAYS, fan

DESK = [keys.LEVELS, keys.SCENARIOS, keys.RELIABILITY]


@pytest.fixture
def fans(workspace: Path) -> Path:
    for horizon in DAYS:
        open_session().sample_tables.write(names.LATEST, fan(horizon, source=SAMPLE_SOURCE), horizon)
    levels = "levels:\n  - {level: 960, by: 30d, probability: 0.3}\nmargin: 0.05\n"
    (workspace / "configs/levels.yaml").write_text(levels)
    return workspace


def test_a_run_makes_tables_with_plots_first_and_checks(fans: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        job = build().resolve_implicit_global_asset_job_def()
        chosen = [keys.USDCLP, keys.COPPER, *DESK]
        result = job.execute_in_process(instance=instance, asset_selection=chosen)
        again = job.execute_in_process(instance=instance, asset_selection=[keys.LEVELS])
    assert result.success
    metadata = {e.asset_key: e.step_materialization_data.materialization.metadata
            for e in result.get_asset_materialization_events()}  # fmt: skip
    for key in DESK:
        assert "data:image/png" in str(metadata[key]["plot"].value)
    (crossing,) = metadata[keys.LEVELS][names.CROSSINGS].value
    assert crossing["watch"] == "touch 960 by 30d at 0.3"
    assert "Price 940.00 of 2025-06-13, model ewma, 120 past errors" in crossing["words"]
    (second,) = again.get_asset_materialization_events()
    assert second.step_materialization_data.materialization.metadata[names.CROSSINGS].value == []
    tables = open_session().sample_tables
    levels, scenarios = tables.read(names.LEVELS, None, LEVELS_SCHEMA), tables.read(names.SCENARIOS)
    assert levels is not None
    assert levels.filter(pl.col("watch") != "")["is_crossed"].to_list() == [True]
    assert scenarios is not None
    assert scenarios.schema == SCENARIOS_SCHEMA
    assert set(scenarios["driver"]) == {"copper"}
    failed = {check.check_name for check in result.get_asset_check_evaluations() if not check.passed}
    assert not failed & {"chances_are_coherent", "bands_surround_their_median", "chances_come_true_as_often_as_stated"}


def test_every_input_is_an_edge_of_the_graph() -> None:
    graph = build().resolve_asset_graph()
    assert graph.get(keys.LEVELS).parent_keys == {keys.LATEST}
    parents = {keys.LATEST, keys.USDCLP, keys.COPPER, keys.COPPER_LME, keys.DRIVERS}
    assert graph.get(keys.SCENARIOS).parent_keys == parents
    assert graph.get(keys.RELIABILITY).parent_keys == {keys.REALIZED, keys.BACKTEST}
    for key in DESK:
        assert [check for check in graph.asset_check_keys if check.asset_key == key]
