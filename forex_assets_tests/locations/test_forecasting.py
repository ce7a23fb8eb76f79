"""The location as Dagster sees it: a graph that explains itself, jobs that do not mix partitions, real ticks."""

from pathlib import Path

import dagster as dg
import pytest

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.locations.forecasting import build

DEFS = build()
GRAPH = DEFS.resolve_asset_graph()


def test_every_asset_says_what_it_is() -> None:
    assert {key.to_user_string() for key in GRAPH.get_all_asset_keys()} == {
        "market/usdclp",
        "market/copper_hgf_usd_lb",
        "market/revisions",
        "features/copper",
        "config/inference",
        "forecasts/latest",
        "forecasts/ledger",
        "accuracy/realized",
        "accuracy/backtest",
        "accuracy/scorecard",
        "accuracy/copper_effect",
        "report/daily",
    }
    for key in GRAPH.get_all_asset_keys():
        node = GRAPH.get(key)
        assert node.description, key
        assert node.group_name == key.path[0], key
        assert node.kinds, key
        if node.is_materializable:  # an observed source takes neither
            assert node.owners, key
            assert "dagster/column_schema" in node.metadata or key == keys.DAILY_REPORT, key  # a page has none


def test_the_graph_runs_from_prices_to_fans() -> None:
    parents = {key: GRAPH.get(key).parent_keys for key in GRAPH.get_all_asset_keys()}
    assert parents[keys.FEATURES] == {keys.COPPER, keys.USDCLP}
    assert parents[keys.LATEST] == {keys.FEATURES, keys.USDCLP, keys.INFERENCE_CONFIG}
    assert parents[keys.USDCLP] == parents[keys.COPPER] == set()


def test_no_job_spans_partitioned_and_unpartitioned_assets() -> None:
    for name in (names.MARKET_JOB, names.FORECAST_JOB):
        keys = DEFS.resolve_job_def(name).asset_layer.executable_asset_keys
        assert len({GRAPH.get(key).is_partitioned for key in keys}) == 1, name


def test_the_market_is_refreshed_on_weekday_evenings_in_santiago() -> None:
    schedule = DEFS.resolve_schedule_def("refresh_market_on_weekdays")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 19 * * 1-5", "America/Santiago")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_what_updates_by_itself_is_switched_on() -> None:
    sensor = DEFS.resolve_sensor_def("follow_new_inputs")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING


def materialize(instance: dg.DagsterInstance, *keys: dg.AssetKey) -> dg.ExecuteInProcessResult:
    return DEFS.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, asset_selection=list(keys), raise_on_error=False
    )


def requested(result: dg.EvaluateAutomationConditionsResult) -> set[str]:
    return {key.to_user_string() for key in GRAPH.get_all_asset_keys() if result.get_num_requested(key)}


def test_new_prices_make_features_and_then_all_four_forecasts(workspace: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        first = dg.evaluate_automation_conditions(DEFS, instance)
        again = dg.evaluate_automation_conditions(DEFS, instance, cursor=first.cursor)
        assert "forecasts/latest" not in requested(again)
        materialize(instance, keys.USDCLP, keys.COPPER)
        tick = dg.evaluate_automation_conditions(DEFS, instance, cursor=again.cursor)
        assert "features/copper" in requested(tick)
        materialize(instance, keys.FEATURES)
        later = dg.evaluate_automation_conditions(DEFS, instance, cursor=tick.cursor)
        total = tick.get_num_requested(keys.LATEST) + later.get_num_requested(keys.LATEST)
        assert total == len(keys.HORIZON_PARTITIONS.get_partition_keys())
        quiet = dg.evaluate_automation_conditions(DEFS, instance, cursor=later.cursor)
        assert quiet.get_num_requested(keys.LATEST) == 0


@pytest.mark.parametrize("key", [keys.USDCLP, keys.COPPER, keys.LATEST])
def test_every_table_people_act_on_is_checked(key: dg.AssetKey) -> None:
    assert [k for k in GRAPH.asset_check_keys if k.asset_key == key]
