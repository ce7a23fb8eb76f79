"""Asset checks of the forecast fans; both block."""

import polars as pl

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.checks import check_of
from forex_assets.core.session import Session
from forex_assets.forecasts.quality import fans_reach_their_target, quantiles_do_not_cross


def _fans(session: Session) -> list[pl.DataFrame]:
    tables = session.tables
    frames = (tables.read(names.LATEST, horizon) for horizon in tables.partitions(names.LATEST))
    return [frame for frame in frames if frame is not None]


CHECKS = [
    check_of(
        keys.LATEST,
        "quantiles_do_not_cross",
        lambda session: quantiles_do_not_cross(_fans(session)),
        "Every quantile is finite, above zero and not below the one before it.",
        blocks=True,
    ),
    check_of(
        keys.LATEST,
        "fans_reach_their_target",
        lambda session: fans_reach_their_target(_fans(session)),
        "Each fan's steps run without a gap from the first session after the last price to its target date.",
        blocks=True,
    ),
]
