"""The optimization location as Dagster sees it, and that forecasts do without it."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.locations import forecasting
from forex_assets.locations.optimization import build

DEFS = build()
GRAPH = DEFS.resolve_asset_graph()
OWN = {
    keys.DRIFT_REPORT,
    keys.DEGRADATION_REPORT,
    keys.TRIGGER_DECISION,
    keys.SEARCH_REQUEST,
    keys.CANDIDATE_CONFIG,
    keys.SHADOW_FORECAST,
    keys.VALIDATION_REPORT,
    keys.DEPLOYMENT,
    keys.DEPLOYMENT_WATCH,
    keys.REPLAY,
}


def test_every_asset_says_what_it_is() -> None:
    assert {key for key in GRAPH.get_all_asset_keys() if GRAPH.get(key).is_materializable} == OWN
    for key in OWN:
        node = GRAPH.get(key)
        assert node.description, key
        in_deployment = key in {keys.DEPLOYMENT, keys.DEPLOYMENT_WATCH}
        assert node.group_name == ("deployment" if in_deployment else key.path[0]), key
        assert node.kinds, key
        assert node.owners, key
        assert "dagster/column_schema" in node.metadata, key


def test_every_stub_is_an_asset_of_the_forecasting_location_with_the_same_partitions() -> None:
    theirs = forecasting.build().resolve_asset_graph()
    stubs = GRAPH.get_all_asset_keys() - OWN
    assert stubs == {keys.USDCLP, keys.COPPER, keys.LEDGER, keys.REALIZED, keys.BACKTEST}
    for key in stubs:
        assert theirs.get(key).is_materializable, key
        assert theirs.get(key).partitions_def == GRAPH.get(key).partitions_def, key
        assert theirs.get(key).group_name == GRAPH.get(key).group_name, key


def test_both_locations_together_have_no_circle() -> None:
    parents = {
        key: graph.get(key).parent_keys
        for graph in (forecasting.build().resolve_asset_graph(), GRAPH)
        for key in graph.get_all_asset_keys()
        if graph.get(key).is_materializable
    }
    done: set[dg.AssetKey] = {keys.INFERENCE_CONFIG}
    while left := set(parents) - done:
        layer = {key for key in left if parents[key] <= done}
        assert layer, left
        done |= layer


def test_decisions_rest_on_the_reports_and_searches_on_decisions() -> None:
    assert GRAPH.get(keys.TRIGGER_DECISION).parent_keys == {keys.DRIFT_REPORT, keys.DEGRADATION_REPORT}
    assert GRAPH.get(keys.SEARCH_REQUEST).parent_keys == {keys.TRIGGER_DECISION}


def test_what_goes_live_rests_on_a_verdict_and_the_loop_closes_through_the_file_alone() -> None:
    assert GRAPH.get(keys.DEPLOYMENT).parent_keys == {keys.VALIDATION_REPORT}
    assert keys.CANDIDATE_CONFIG in GRAPH.get(keys.VALIDATION_REPORT).parent_keys
    assert GRAPH.get(keys.DEPLOYMENT_WATCH).parent_keys == {keys.DEPLOYMENT}
    assert keys.INFERENCE_CONFIG not in GRAPH.get_all_asset_keys()


@pytest.mark.parametrize("name", [names.DRIFT_JOB, names.DECISION_JOB, names.OPTIMIZE_JOB, names.DEPLOY_JOB])
def test_no_job_spans_partitioned_and_unpartitioned_assets(name: str) -> None:
    keys = DEFS.resolve_job_def(name).asset_layer.executable_asset_keys
    assert keys
    assert len({GRAPH.get(key).is_partitioned for key in keys}) == 1


def test_what_happens_by_itself_is_switched_on() -> None:
    for name in (
        "optimize_on_trigger",
        "warn_on_price_fallback",
        "deploy_on_approval",
        "watch_deployments",
        "follow_new_forecasts",
    ):
        assert DEFS.resolve_sensor_def(name).default_status == dg.DefaultSensorStatus.RUNNING
    for name in ("report_drift_on_weekdays", "decide_on_weekdays"):
        assert DEFS.resolve_schedule_def(name).default_status == dg.DefaultScheduleStatus.RUNNING


def test_a_new_forecast_in_the_ledger_starts_the_challenger_on_trial_of_that_horizon() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        first = dg.evaluate_automation_conditions(DEFS, instance)
        assert first.get_num_requested(keys.SHADOW_FORECAST) == 0
        instance.report_runless_asset_event(dg.AssetMaterialization(keys.LEDGER, partition="30d"))
        tick = dg.evaluate_automation_conditions(DEFS, instance, cursor=first.cursor)
        assert tick.get_requested_partitions(keys.SHADOW_FORECAST) == {"30d"}


def test_the_workspace_has_both_locations() -> None:
    text = (Path(__file__).parents[2] / "workspace.yaml").read_text()
    for name in ("forecasting", "optimization"):
        assert f"module_name: forex_assets.locations.{name}" in text


def in_a_fresh_interpreter(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def test_loading_the_location_loads_no_heavy_library() -> None:
    heavy = "{'torch', 'chronos', 'yfinance', 'matplotlib', 'mlflow', 'pandas', 'statsforecast', 'arch'}"
    output = in_a_fresh_interpreter(
        f"import sys, forex_assets.locations.optimization\nprint('LOADED', sorted({heavy} & set(sys.modules)))"
    )
    assert output.splitlines()[-1] == "LOADED []"


def test_the_sensors_load_neither_statistics_nor_a_way_to_the_network() -> None:
    output = in_a_fresh_interpreter(
        "import sys, forex_assets.optimizer.sensors\n"
        "print('LOADED', sorted({'scipy', 'torch', 'requests', 'yfinance', 'matplotlib'} & set(sys.modules)))"
    )
    assert output.splitlines()[-1] == "LOADED []"


BROKEN = """
import sys
class Broken:
    'Fails on everything that only the optimization location needs, as a missing library of a search would.'
    def find_spec(self, name, path=None, target=None):
        last = name.rpartition('.')[2]
        own = ('optimization', 'monitoring', 'sensors', 'schedules', 'validation', 'deployment', 'watch', 'searching',
               'trials', 'validating', 'deploying', 'watching', 'contest', 'shadow', 'timing')
        layer = name.split('.')[1:2]
        if name.startswith('forex_assets.') and layer[0] in ('locations', 'defs', 'resources') and last in own:
            raise ImportError(f'{name} is broken')
sys.meta_path.insert(0, Broken())
"""


def test_forecasts_and_status_load_where_the_optimization_location_cannot() -> None:
    output = in_a_fresh_interpreter(
        BROKEN + "try:\n    import forex_assets.locations.optimization\n"
        "except ImportError as error:\n    print('ERROR', error)\n"
        "import forex_assets.cli.runner, forex_assets.cli.overview, forex_assets.cli.render\n"
        "from forex_assets.locations.forecasting import defs\n"
        "print('JOBS', sorted(job.name for job in defs.jobs))"
    )
    assert "ERROR forex_assets.locations.optimization is broken" in output
    jobs = output.split("JOBS ")[1]
    for name in ("backtest_all_horizons", "forecast_all_horizons", "market_refresh"):
        assert f"'{name}'" in jobs
