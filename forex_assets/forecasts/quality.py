"""Rules that a forecast must meet before use."""

from collections.abc import Sequence
from itertools import pairwise

import polars as pl

from forex_assets.core.finding import Finding
from forex_assets.core.schemas import MODEL_QUANTILE_COLUMNS, QUANTILE_COLUMNS, WALK_QUANTILE_COLUMNS


def quantiles_do_not_cross(fans: Sequence[pl.DataFrame]) -> Finding:
    """Blocks fans with quantiles that cross, or are not positive and finite.

    Args:
        fans: tables of `FORECAST_SCHEMA`, one a horizon; no fan fails.
    """
    faults = []
    for fan in fans:
        for columns in (QUANTILE_COLUMNS, MODEL_QUANTILE_COLUMNS, WALK_QUANTILE_COLUMNS):
            values = fan.select(columns)
            is_bad = pl.any_horizontal(
                ~pl.col(columns).is_finite() | (pl.col(columns) <= 0) | pl.col(columns).is_null()
            )
            crosses = pl.any_horizontal(pl.col(low) > pl.col(high) for low, high in pairwise(columns))
            count = values.filter(is_bad | crosses).height
            if count:
                faults.append(f"{fan['horizon'][0]} {columns[0]}…: {count} steps")
    message = "; ".join(faults) or (f"{len(fans)} fans in order" if fans else "no fan")
    return Finding("quantiles_do_not_cross", bool(fans) and not faults, "block", message, {"fans": len(fans)})


def fans_reach_their_target(fans: Sequence[pl.DataFrame]) -> Finding:
    """Blocks fans with a gap, or that miss the target date."""
    faults = []
    for fan in fans:
        is_whole = fan["step"].to_list() == list(range(1, fan.height + 1)) and fan["session"].is_sorted()
        starts, ends = fan["session"][0], fan["session"][-1]
        if not (is_whole and starts > fan["origin_session"][0] and ends == fan["target_date"][0]):
            faults.append(
                f"{fan['horizon'][0]}: {fan.height} steps from {starts} to {ends}, target {fan['target_date'][0]}"
            )
    message = "; ".join(faults) or (f"{len(fans)} fans reach their target" if fans else "no fan")
    return Finding("fans_reach_their_target", bool(fans) and not faults, "block", message, {"fans": len(fans)})
