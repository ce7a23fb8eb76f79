"""Rules of a forecast table: each fault is found and named."""

from datetime import date, timedelta

import polars as pl
import pytest

from forex_assets.core.schemas import (
    FORECAST_SCHEMA,
    MODEL_QUANTILE_COLUMNS,
    QUANTILE_COLUMNS,
    QUANTILE_LEVELS,
    SAMPLE_SOURCE,
    WALK_QUANTILE_COLUMNS,
    conform,
)
from forex_assets.forecasts.quality import fans_reach_their_target, quantiles_do_not_cross

ORIGIN = date(2025, 6, 13)
SESSIONS = [ORIGIN + timedelta(days=k) for k in (3, 4, 5, 6)]


def fan() -> pl.DataFrame:
    """A sound fan of four steps around 900, each level at its own distance."""
    rows = []
    for step, session in enumerate(SESSIONS, start=1):
        values = [900 + 40 * step * (level - 0.5) for level in QUANTILE_LEVELS]
        bands = {
            name: value
            for columns in (QUANTILE_COLUMNS, MODEL_QUANTILE_COLUMNS, WALK_QUANTILE_COLUMNS)
            for name, value in zip(columns, values, strict=True)
        }
        rows.append({"step": step, "session": session, "mean": 900.0, **bands})
    labels = {
        "as_of": ORIGIN,
        "horizon": "7d",
        "target_date": SESSIONS[-1],
        "origin_session": ORIGIN,
        "origin_clp_per_usd": 900.0,
        "is_origin_provisional": False,
        "model": "ewma",
        "engine": "ewma",
        "representation": "none",
        "is_calibrated": False,
        "calibration_errors": 0,
        "ewma_sd": 0.005,
        "constant_sd": 0.006,
        "source": SAMPLE_SOURCE,
        "config_fingerprint": "0" * 16,
        "data_fingerprint": "0" * 64,
        "engine_seconds": 0.1,
    }
    frame = pl.DataFrame(rows).with_columns(pl.lit(v, dtype=FORECAST_SCHEMA[k]).alias(k) for k, v in labels.items())
    return conform(frame, FORECAST_SCHEMA, "fan")


def test_a_sound_fan_passes_both() -> None:
    assert quantiles_do_not_cross([fan(), fan()]).passed
    assert fans_reach_their_target([fan()]).passed


def test_no_fan_at_all_is_not_green() -> None:
    assert not quantiles_do_not_cross([]).passed
    assert not fans_reach_their_target([]).passed


@pytest.mark.parametrize(
    "change",
    [
        pl.when(pl.col("step") == 3).then(pl.col("q975") + 1).otherwise("q95").alias("q95"),
        pl.when(pl.col("step") == 2).then(None).otherwise("q50").alias("q50"),
        pl.when(pl.col("step") == 2).then(float("nan")).otherwise("model_q10").alias("model_q10"),
        (pl.col("walk_q025") - 2000).alias("walk_q025"),
    ],
)
def test_one_wrong_quantile_at_one_step_is_found_and_its_horizon_named(change: pl.Expr) -> None:
    finding = quantiles_do_not_cross([fan(), fan().with_columns(change)])
    assert not finding.passed
    assert finding.severity == "block"
    assert "7d" in finding.message


@pytest.mark.parametrize(
    "short_fan",
    [
        fan().filter(pl.col("step") != 2),
        fan().head(3),
        fan().with_columns(target_date=pl.lit(SESSIONS[-2])),
        fan().with_columns(origin_session=pl.lit(SESSIONS[0])),
        fan().with_columns(session=pl.col("session").reverse()),
    ],
)
def test_a_gap_or_another_end_is_found(short_fan: pl.DataFrame) -> None:
    assert not fans_reach_their_target([short_fan]).passed
