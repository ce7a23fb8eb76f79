"""Asset of the ten copper features."""

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.conditions import on_new_inputs
from forex_assets.core.dagster.metadata import column_schema, frame_metadata
from forex_assets.core.plots import markdown_image
from forex_assets.features.copper import COPPER_FEATURES, FEATURES_SCHEMA, copper_features
from forex_assets.features.plots import features_plot


@dg.asset(
    key=keys.FEATURES,
    ins={"copper": dg.AssetIn(key=keys.COPPER), "usdclp": dg.AssetIn(key=keys.USDCLP)},
    group_name="features",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(FEATURES_SCHEMA)
    | {
        "features": dg.MetadataValue.md("\n".join(f"- `{f.name}` ({f.unit}): {f.description}" for f in COPPER_FEATURES))
    },
    automation_condition=on_new_inputs(),
    description="Ten features by copper session: returns, volatility, averages, trend, RSI and the correlation with "
    "the peso. Empty, with a warning, without copper prices.",
)
def copper(context: dg.AssetExecutionContext, copper: pl.DataFrame, usdclp: pl.DataFrame) -> pl.DataFrame:
    """Returns the features; null before a window is full."""
    features = copper_features(copper, usdclp)
    if features.is_empty():
        context.log.warning("no copper price: no features; forecasts go on without them")
    plot = markdown_image(features_plot(features), "the ten copper features")
    context.add_output_metadata(frame_metadata(features, plot))
    return features
