"""Every name that more than one file shares: asset keys, groups, partitions, tags. Nothing else belongs here."""

from typing import Final

import dagster as dg

from forex_assets.domain.horizon import HORIZONS

COPPER: Final = dg.AssetKey(["market", "copper_hgf_usd_lb"])
USDCLP: Final = dg.AssetKey(["market", "usdclp"])
REVISIONS: Final = dg.AssetKey(["market", "revisions"])
FEATURES: Final = dg.AssetKey(["features", "copper"])
INFERENCE_CONFIG: Final = dg.AssetKey(["config", "inference"])
LATEST: Final = dg.AssetKey(["forecasts", "latest"])
LEDGER: Final = dg.AssetKey(["forecasts", "ledger"])
REALIZED: Final = dg.AssetKey(["accuracy", "realized"])
BACKTEST: Final = dg.AssetKey(["accuracy", "backtest"])
SCORECARD: Final = dg.AssetKey(["accuracy", "scorecard"])
COPPER_EFFECT: Final = dg.AssetKey(["accuracy", "copper_effect"])

LEDGER_HEAD: Final = "chain_head"
"""Metadata of `forecasts/ledger`: the last hash of the chain, noted where the chain itself cannot be cut."""

OWNERS: Final = ["team:treasury"]
HORIZON_PARTITIONS: Final = dg.StaticPartitionsDefinition(list(HORIZONS))

MARKET_JOB: Final = "market_refresh"
FORECAST_JOB: Final = "forecast_all_horizons"
BACKTEST_JOB: Final = "backtest_all_horizons"
SANTIAGO: Final = "America/Santiago"
