"""Checks of fans, and a run in which one horizon fails."""

import json
from pathlib import Path

import dagster as dg
import polars as pl

from forex_assets.core.dagster import keys
from forex_assets.core.session import open_session
from forex_assets.locations.forecasting import build
from forex_assets_tests.forecasts.test_quality import fan
from forex_assets_tests.market.test_checks import evaluate

ALL_HORIZONS = {"dagster/asset_partition_range_start": "7d", "dagster/asset_partition_range_end": "90d"}


def test_both_checks_of_fans_block_and_every_check_says_whether_it_does() -> None:
    graph = build().resolve_asset_graph()
    checks = [key for key in graph.asset_check_keys if key.asset_key == keys.LATEST]
    assert {key.name for key in checks} == {"quantiles_do_not_cross", "fans_reach_their_target"}
    assert all(graph.get(key).blocking for key in checks)
    for node in (graph.get(key) for key in graph.asset_check_keys):
        says = node.description or ""
        assert ("the run fails" in says, "nothing is stopped" in says) == (node.blocking, not node.blocking), node.key


def test_a_crossing_fan_fails_its_check(workspace: Path) -> None:
    tables = open_session().sample_tables
    tables.write("forecasts/latest", fan(), "7d")
    with dg.DagsterInstance.ephemeral() as instance:
        assert evaluate(instance, keys.LATEST) == {"quantiles_do_not_cross": True, "fans_reach_their_target": True}
        tables.write("forecasts/latest", fan().with_columns(q05=pl.col("q95") + 1), "7d")
        assert evaluate(instance, keys.LATEST)["quantiles_do_not_cross"] is False


def test_one_broken_config_fails_a_run_over_all_horizons_and_keeps_its_old_table(workspace: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:

        def run(job: str, **tags: str) -> dg.ExecuteInProcessResult:
            definition = build().resolve_job_def(job)
            return definition.execute_in_process(instance=instance, tags=tags, raise_on_error=False)

        assert run("market_refresh").success
        assert run("forecast_all_horizons", **ALL_HORIZONS).success
        folder = workspace / "warehouse/sample/forecasts/latest"
        before = {file.name: file.read_bytes() for file in folder.iterdir()}
        config = workspace / "configs/chronos_90d.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"contextlength": 5}))
        result = run("forecast_all_horizons", **ALL_HORIZONS)
        assert not result.success
        messages = " ".join(str(event.event_specific_data) for event in result.all_events)
        assert "chronos_90d.json" in messages
        assert "contextlength" in messages
        after = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert set(after) == set(before)
    assert after["90d.parquet"] == before["90d.parquet"]
