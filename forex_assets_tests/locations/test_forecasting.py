"""The location as Dagster sees it: a graph that explains itself, jobs that do not mix partitions, real ticks."""

import json
from pathlib import Path

import dagster as dg
import pytest

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.locations.forecasting import build

DEFS = build()
GRAPH = DEFS.resolve_asset_graph()


def test_every_asset_says_what_it_is() -> None:
    assets = {
        key for key in GRAPH.get_all_asset_keys() if GRAPH.get(key).description
    }  # the report reads the optimizer's too
    assert {key.to_user_string() for key in assets} == {
        "market/usdclp",
        "market/copper_hgf_usd_lb",
        "market/observado",
        "market/copper_lme",
        "market/quotes",
        "market/origin",
        "market/drivers",
        "market/revisions",
        "features/copper",
        "config/inference",
        "forecasts/latest",
        "forecasts/ledger",
        "accuracy/realized",
        "accuracy/backtest",
        "accuracy/scorecard",
        "accuracy/copper_effect",
        "desk/levels",
        "desk/scenarios",
        "desk/reliability",
        "accuracy/observado_backtest",
        "accuracy/observado_realized",
        "accuracy/observado_scorecard",
        "forecasts/observado",
        "forecasts/observado_ledger",
        "report/daily",
    }
    for key in assets:
        node = GRAPH.get(key)
        assert node.group_name == key.path[0], key
        assert node.kinds, key
        if node.is_materializable:  # an observed source takes neither
            assert node.owners, key
            assert "dagster/column_schema" in node.metadata or key == keys.DAILY_REPORT, key  # a page has none


def test_the_graph_runs_from_prices_to_fans() -> None:
    parents = {key: GRAPH.get(key).parent_keys for key in GRAPH.get_all_asset_keys()}
    assert parents[keys.FEATURES] == {keys.COPPER, keys.USDCLP}
    assert parents[keys.LATEST] == {keys.FEATURES, keys.USDCLP, keys.INFERENCE_CONFIG, keys.ORIGIN}
    assert parents[keys.ORIGIN] == {keys.USDCLP, keys.QUOTES}
    assert parents[keys.QUOTES] == {keys.USDCLP, keys.OBSERVADO}
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


def test_an_origin_that_is_picked_again_makes_all_four_forecasts_again_and_once(workspace: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        materialize(instance, keys.USDCLP, keys.COPPER, keys.OBSERVADO, keys.QUOTES, keys.ORIGIN, keys.FEATURES)
        horizons = keys.HORIZON_PARTITIONS.get_partition_keys()
        first = dg.evaluate_automation_conditions(DEFS, instance)
        for horizon in horizons:
            instance.report_runless_asset_event(dg.AssetMaterialization(keys.LATEST, partition=horizon))
        settled = dg.evaluate_automation_conditions(DEFS, instance, cursor=first.cursor)
        assert settled.get_num_requested(keys.LATEST) == 0
        assert materialize(instance, keys.QUOTES, keys.ORIGIN).success
        tick = dg.evaluate_automation_conditions(DEFS, instance, cursor=settled.cursor)
        assert tick.get_num_requested(keys.LATEST) == len(horizons)
        quiet = dg.evaluate_automation_conditions(DEFS, instance, cursor=tick.cursor)
        assert quiet.get_num_requested(keys.LATEST) == 0


@pytest.mark.parametrize("key", [keys.USDCLP, keys.COPPER, keys.ORIGIN, keys.LATEST])
def test_every_table_people_act_on_is_checked(key: dg.AssetKey) -> None:
    assert [k for k in GRAPH.asset_check_keys if k.asset_key == key]


def test_changed_settings_make_one_forecast_of_their_horizon(workspace: Path) -> None:
    """The sensor reads the file and the condition asks for the fan: once, and nothing where only the layout changed."""
    path = workspace / "configs/chronos_15d.json"
    with dg.DagsterInstance.ephemeral() as instance:
        materialize(instance, keys.USDCLP, keys.COPPER, keys.FEATURES)
        for horizon in keys.HORIZON_PARTITIONS.get_partition_keys():
            instance.report_runless_asset_event(dg.AssetMaterialization(keys.LATEST, partition=horizon))
        observed = observe(instance)
        assert {event.partition for event in observed} == {"7d", "15d", "30d", "90d"}
        tick = dg.evaluate_automation_conditions(DEFS, instance)
        assert tick.get_num_requested(keys.LATEST) == 4, "at the first start of all, whatever came before"
        tick = dg.evaluate_automation_conditions(DEFS, instance, cursor=tick.cursor)
        values = json.loads(path.read_text())
        path.write_text(json.dumps(values, indent=7))
        assert observe(instance) == []
        path.write_text(json.dumps(values | {"seed": 5}))
        assert [event.partition for event in observe(instance)] == ["15d"]
        changed = dg.evaluate_automation_conditions(DEFS, instance, cursor=tick.cursor)
        assert changed.get_requested_partitions(keys.LATEST) == {"15d"}
        assert observe(instance) == []
        quiet = dg.evaluate_automation_conditions(DEFS, instance, cursor=changed.cursor)
        assert quiet.get_num_requested(keys.LATEST) == 0
        path.write_text("{")
        assert [event.data_version for event in observe(instance)] == ["cannot be read"]


def observe(instance: dg.DagsterInstance) -> list[dg.AssetObservation]:
    """One tick of the sensor, its events kept as the daemon keeps them."""
    sensor = DEFS.resolve_sensor_def("observe_configs")
    context = dg.build_sensor_context(instance, resources={"session": SessionResource()})
    events = [event for event in sensor.evaluate_tick(context).asset_events if isinstance(event, dg.AssetObservation)]
    for event in events:
        instance.report_runless_asset_event(event)
    return events


def test_the_automation_sensor_that_is_on_watches_the_settings_too() -> None:
    sensor = DEFS.resolve_sensor_def("follow_new_inputs")
    assert isinstance(sensor, dg.AutomationConditionSensorDefinition)
    assert keys.INFERENCE_CONFIG in sensor.asset_selection.resolve(GRAPH)


def test_revisions_follow_prices_while_optional_series_were_never_fetched() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        first = dg.evaluate_automation_conditions(DEFS, instance)
        for key in (keys.USDCLP, keys.COPPER):
            instance.report_runless_asset_event(dg.AssetMaterialization(key))
        tick = dg.evaluate_automation_conditions(DEFS, instance, cursor=first.cursor)
    assert tick.get_num_requested(keys.REVISIONS) == 1
