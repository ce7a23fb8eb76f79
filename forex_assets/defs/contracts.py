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

OWNERS: Final = ["team:treasury"]
HORIZON_PARTITIONS: Final = dg.StaticPartitionsDefinition(list(HORIZONS))

MARKET_JOB: Final = "market_refresh"
FORECAST_JOB: Final = "forecast_all_horizons"
SANTIAGO: Final = "America/Santiago"
