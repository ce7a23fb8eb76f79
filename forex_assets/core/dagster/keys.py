"""Asset keys and partitions of the graph, made from `core.names`."""

from typing import Final

import dagster as dg

from forex_assets.core import names
from forex_assets.core.horizon import HORIZONS


def table_key(key: dg.AssetKey) -> str:
    """Returns the table name of an asset, such as `market/usdclp`."""
    return "/".join(key.path)


def asset_key(table: str) -> dg.AssetKey:
    """Returns the asset key of a table."""
    return dg.AssetKey(table.split("/"))


COPPER: Final = asset_key(names.COPPER)
USDCLP: Final = asset_key(names.USDCLP)
OBSERVADO: Final = asset_key(names.OBSERVADO)
COPPER_LME: Final = asset_key(names.COPPER_LME)
QUOTES: Final = asset_key(names.QUOTES)
ORIGIN: Final = asset_key(names.ORIGIN)
REVISIONS: Final = asset_key(names.REVISIONS)
FEATURES: Final = asset_key(names.FEATURES)
INFERENCE_CONFIG: Final = asset_key(names.INFERENCE_CONFIG)
LATEST: Final = asset_key(names.LATEST)
LEDGER: Final = asset_key(names.LEDGER)
OBSERVADO_FORECAST: Final = asset_key(names.OBSERVADO_FORECAST)
OBSERVADO_LEDGER: Final = asset_key(names.OBSERVADO_LEDGER)
REALIZED: Final = asset_key(names.REALIZED)
BACKTEST: Final = asset_key(names.BACKTEST)
SCORECARD: Final = asset_key(names.SCORECARD)
OBSERVADO_REALIZED: Final = asset_key(names.OBSERVADO_REALIZED)
OBSERVADO_BACKTEST: Final = asset_key(names.OBSERVADO_BACKTEST)
OBSERVADO_SCORECARD: Final = asset_key(names.OBSERVADO_SCORECARD)
COPPER_EFFECT: Final = asset_key(names.COPPER_EFFECT)
DRIFT_REPORT: Final = asset_key(names.DRIFT_REPORT)
DEGRADATION_REPORT: Final = asset_key(names.DEGRADATION_REPORT)
TRIGGER_DECISION: Final = asset_key(names.TRIGGER_DECISION)
SEARCH_REQUEST: Final = asset_key(names.SEARCH_REQUEST)
CANDIDATE_CONFIG: Final = asset_key(names.CANDIDATE_CONFIG)
SHADOW_FORECAST: Final = asset_key(names.SHADOW_FORECAST)
VALIDATION_REPORT: Final = asset_key(names.VALIDATION_REPORT)
DEPLOYMENT: Final = asset_key(names.DEPLOYMENT)
DEPLOYMENT_WATCH: Final = asset_key(names.DEPLOYMENT_WATCH)
REPLAY: Final = asset_key(names.REPLAY)
DRIVERS: Final = asset_key(names.DRIVERS)
LEVELS: Final = asset_key(names.LEVELS)
SCENARIOS: Final = asset_key(names.SCENARIOS)
RELIABILITY: Final = asset_key(names.RELIABILITY)
DAILY_REPORT: Final = asset_key(names.DAILY_REPORT)

OPTIMIZED: Final = CANDIDATE_CONFIG
"""Asset whose materialization sets the age of a horizon's settings."""

HORIZON_PARTITIONS: Final = dg.StaticPartitionsDefinition(list(HORIZONS))
