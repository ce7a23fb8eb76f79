"""Checks of prices and features find faults in stored tables."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from forex_assets.core.calendar import calendar_of
from forex_assets.core.dagster import keys
from forex_assets.core.schemas import COPPER_SCHEMA, USDCLP_SCHEMA, empty
from forex_assets.locations.forecasting import build
from forex_assets.market import checks
from forex_assets.market.findings import findings
from forex_assets.market.prices import COPPER, USDCLP

GRAPH = build().resolve_asset_graph()


def is_blocking(key: dg.AssetKey, name: str) -> bool:
    return GRAPH.get(dg.AssetCheckKey(key, name)).blocking


@pytest.mark.parametrize(("series", "schema"), [(USDCLP, USDCLP_SCHEMA), (COPPER, COPPER_SCHEMA)])
def test_a_check_blocks_in_dagster_if_its_rule_blocks(series: object, schema: dict[str, object]) -> None:
    results = findings(empty(schema), series, calendar_of("x", []), date(2025, 6, 13))  # type: ignore[arg-type]
    key = checks.SERIES[series.name][0]  # type: ignore[attr-defined]
    assert {f.name: f.severity == "block" for f in results} == {f.name: is_blocking(key, f.name) for f in results}


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
    with dg.DagsterInstance.ephemeral() as instance:
        assert build().resolve_job_def("market_refresh").execute_in_process(instance=instance).success
        assert all(evaluate(instance, keys.USDCLP).values())
        corrupt(workspace, "market/usdclp", lambda f: pl.concat([f, f.tail(1)]))
        twice = evaluate(instance, keys.USDCLP)
        assert not twice["sessions_strictly_increase"]
        corrupt(workspace, "market/copper_hgf_usd_lb", lambda f: f.with_columns(pl.col("close_usd_lb") * 2204.62))
        tonnes = evaluate(instance, keys.COPPER)
        assert not tonnes["copper_is_in_usd_per_pound"]
        corrupt(workspace, "market/usdclp", lambda f: f.with_columns(pl.col("session").shift(-1)).drop_nulls("session"))
        assert not evaluate(instance, keys.FEATURES)["copper_and_peso_move_on_the_same_day"]
