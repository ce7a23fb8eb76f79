"""Checks: their severities are the domain's, a failed blocking check stops what is downstream, a warning does not."""

import json
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from forex_assets.cli.runner import RunFailed, materialize_forecasts, materialize_market
from forex_assets.core.calendar import calendar_of
from forex_assets.core.dagster import keys
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import COPPER_SCHEMA, USDCLP_SCHEMA, empty
from forex_assets.core.settings import load_settings
from forex_assets.locations.forecasting import build
from forex_assets.market import checks, quality
from forex_assets.market.prices import COPPER, USDCLP
from forex_assets.platform import Platform
from forex_assets_tests.forecasts.test_quality import fan

GRAPH = build().resolve_asset_graph()


def is_blocking(key: dg.AssetKey, name: str) -> bool:
    return GRAPH.get(dg.AssetCheckKey(key, name)).blocking


@pytest.mark.parametrize(("series", "schema"), [(USDCLP, USDCLP_SCHEMA), (COPPER, COPPER_SCHEMA)])
def test_what_blocks_in_dagster_is_what_the_domain_says_blocks(series: object, schema: dict[str, object]) -> None:
    as_of = load_settings().as_of_date
    found = quality.findings(empty(schema), series, calendar_of("x", []), as_of)  # type: ignore[arg-type]
    key = checks.SERIES[series.name][0]  # type: ignore[attr-defined]
    assert {f.name: f.severity == "block" for f in found} == {f.name: is_blocking(key, f.name) for f in found}


def test_copper_never_blocks_a_forecast() -> None:
    for key in (keys.COPPER, keys.FEATURES):
        names = [k.name for k in GRAPH.asset_check_keys if k.asset_key == key]
        assert names
        assert not any(is_blocking(key, name) for name in names)


def corrupt(workspace: Path, key: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    file = workspace / "warehouse/sample" / f"{key}.parquet"
    change(pl.read_parquet(file)).write_parquet(file)


def evaluate(instance: dg.DagsterInstance, *keys: dg.AssetKey) -> dict[str, bool]:
    selection = dg.AssetSelection.checks_for_assets(*keys)
    job = dg.define_asset_job("judge", selection=selection)
    defs = dg.Definitions.merge(build(), dg.Definitions(jobs=[job]))
    result = defs.resolve_job_def("judge").execute_in_process(instance=instance, raise_on_error=False)
    return {e.check_name: e.passed for e in result.get_asset_check_evaluations()}


def test_checks_find_what_is_wrong_in_the_table(workspace: Path) -> None:
    platform = Platform(load_settings())
    materialize_market(platform)
    with dg.DagsterInstance.ephemeral() as instance:
        assert all(evaluate(instance, keys.USDCLP).values())
        corrupt(workspace, "market/usdclp", lambda f: pl.concat([f, f.tail(1)]))
        twice = evaluate(instance, keys.USDCLP)
        assert not twice["sessions_strictly_increase"]
        corrupt(workspace, "market/copper_hgf_usd_lb", lambda f: f.with_columns(pl.col("close_usd_lb") * 2204.62))
        tonnes = evaluate(instance, keys.COPPER)
        assert not tonnes["copper_is_in_usd_per_pound"]
        corrupt(workspace, "market/usdclp", lambda f: f.with_columns(pl.col("session").shift(-1)).drop_nulls("session"))
        assert not evaluate(instance, keys.FEATURES)["copper_and_peso_move_on_the_same_day"]


def test_a_crossing_fan_fails_its_check(workspace: Path) -> None:
    platform = Platform(load_settings())
    platform.sample_warehouse.write("forecasts/latest", fan(), "7d")
    with dg.DagsterInstance.ephemeral() as instance:
        assert evaluate(instance, keys.LATEST) == {"quantiles_do_not_cross": True, "fans_reach_their_target": True}
        platform.sample_warehouse.write("forecasts/latest", fan().with_columns(q05=pl.col("q95") + 1), "7d")
        assert evaluate(instance, keys.LATEST)["quantiles_do_not_cross"] is False


def test_one_broken_config_fails_a_run_over_all_horizons_and_leaves_its_own_table(workspace: Path) -> None:
    platform = Platform(load_settings())
    materialize_market(platform)
    materialize_forecasts(platform, list(HORIZONS))
    folder = workspace / "warehouse/sample/forecasts/latest"
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    config = workspace / "configs/chronos_90d.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"contextlength": 5}))
    with pytest.raises(RunFailed, match=r"chronos_90d\.json.*contextlength"):
        materialize_forecasts(platform, list(HORIZONS))
    after = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert set(after) == set(before)
    assert after["90d.parquet"] == before["90d.parquet"]
