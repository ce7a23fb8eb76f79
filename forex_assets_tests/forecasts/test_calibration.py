"""Conformal calibration against hand-worked values, plain loops and coverage."""

import itertools
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from forex_assets.core.calendar import issue_instant
from forex_assets.core.fan import Fan
from forex_assets.core.schemas import MODEL_QUANTILE_COLUMNS, QUANTILE_COLUMNS, QUANTILE_LEVELS
from forex_assets.core.schemas import UTC as UTC_TYPE
from forex_assets.forecasts.baselines import random_walk
from forex_assets.forecasts.calibration import (
    MIN_ERRORS,
    Calibration,
    PastErrors,
    _overlap,
    calibrated,
    calibrated_history,
    past_errors,
)

NORMAL = norm.ppf(QUANTILE_LEVELS)
START = date(2010, 1, 6)
STEPS = 3


def history(z: np.ndarray, *, stated_sd: float = 0.01, first: date = START) -> pl.DataFrame:
    """Weekly forecasts of a walk with sd `stated_sd`; realized prices lie z of its sds away."""
    frames = []
    for week, row in enumerate(z):
        as_of = first + timedelta(weeks=week)
        fan = random_walk(900.0, stated_sd, len(row))
        steps = np.arange(1, len(row) + 1)
        columns = {
            "as_of": [as_of] * len(row),
            "issued_at": [issue_instant(as_of)] * len(row),
            "step": steps,
            "realized_clp_per_usd": 900.0 * np.exp(row * stated_sd * np.sqrt(steps)),
            "realized_available_at": [issue_instant(as_of + timedelta(days=int(k))) for k in steps],
            "mean": fan.mean,
            **{name: fan.quantiles[:, i] for i, name in enumerate(MODEL_QUANTILE_COLUMNS)},
            **{name: fan.quantiles[:, i] for i, name in enumerate(QUANTILE_COLUMNS)},
        }
        frames.append(pl.DataFrame(columns))
    instants = ("issued_at", "realized_available_at")
    return pl.concat(frames).with_columns(
        *(pl.col(name).cast(UTC_TYPE) for name in instants),
        pl.lit(False).alias("is_calibrated"),
        pl.lit(0, dtype=pl.Int64).alias("calibration_errors"),
    )


def at(weeks: int) -> datetime:
    return issue_instant(START + timedelta(weeks=weeks))


def normal_errors(n: int, sd: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sd, (n, STEPS))


def coverage(rows: pl.DataFrame, low: str, high: str) -> float:
    inside = (pl.col("realized_clp_per_usd") >= pl.col(low)) & (pl.col("realized_clp_per_usd") <= pl.col(high))
    return float(rows.select(inside.mean()).item())


def test_past_errors_are_the_moves_in_the_models_own_deviations() -> None:
    z = normal_errors(5)
    errors = past_errors(history(z))
    np.testing.assert_allclose(errors.scores, z, atol=1e-9)
    assert errors.as_of.tolist() == [(START + timedelta(weeks=w) - date(1970, 1, 1)).days for w in range(5)]


def test_the_later_row_counts_where_a_forecast_stands_twice_and_a_fan_without_width_says_nothing() -> None:
    z = normal_errors(2)
    again = history(z[:1] + 1.0)
    flat = history(z[1:], first=START + timedelta(weeks=9)).with_columns(
        pl.lit(900.0).alias(name) for name in MODEL_QUANTILE_COLUMNS
    )
    errors = past_errors(pl.concat([history(z), again, flat]))
    np.testing.assert_allclose(errors.scores, [z[0] + 1.0, z[1]], atol=1e-9)


def test_only_errors_known_before_the_issue_count() -> None:
    """Step 2 of week w is known two days after its Wednesday: 30 of each step at week 30."""
    errors = past_errors(history(normal_errors(60)))
    assert errors.calibration(at(30), STEPS).errors.tolist() == [30, 30, 30]
    just_known = issue_instant(START + timedelta(weeks=30, days=2))
    assert errors.calibration(just_known, STEPS).errors.tolist() == [31, 30, 30]


def test_what_comes_later_changes_nothing() -> None:
    z = normal_errors(120)
    poisoned = z.copy()
    poisoned[60:] = 50.0
    honest = past_errors(history(z)).calibration(at(60), STEPS)
    np.testing.assert_array_equal(past_errors(history(poisoned)).calibration(at(60), STEPS).scores, honest.scores)
    before = calibrated_history(history(z)).head(60 * STEPS).select(QUANTILE_COLUMNS)
    assert calibrated_history(history(poisoned)).head(60 * STEPS).select(QUANTILE_COLUMNS).equals(before)


def test_few_errors_leave_the_model_as_it_is() -> None:
    calibration = past_errors(history(normal_errors(MIN_ERRORS - 1, sd=3))).calibration(at(500), STEPS)
    np.testing.assert_allclose(calibration.scores, np.tile(NORMAL, (STEPS, 1)), rtol=1e-14)
    assert calibration.errors.tolist() == [0, 0, 0]
    fan = random_walk(900.0, 0.01, STEPS)
    after = calibrated(fan, calibration)
    np.testing.assert_array_equal(after.quantiles, fan.quantiles)
    np.testing.assert_allclose(after.mean, fan.mean, rtol=1e-12)


def plain_scores(z: list[float], age_days: list[float], overlap: float) -> list[float]:
    """The module's rule in loops; neighbouring steps count from step 3 to 4 on only."""
    weights = [0.5 ** (age / 1460) for age in age_days]  # half in four years

    def quantile(values: list[float], level: float) -> float:
        pairs = sorted(zip(values, weights, strict=True))
        total, unseen, done, points = sum(weights), sum(weights) / len(weights), 0.0, []
        for value, weight in pairs:
            done += weight
            points.append((done / (total + unseen), value))
        if level <= points[0][0]:
            return points[0][1]
        for (p0, v0), (p1, v1) in itertools.pairwise(points):
            if p0 <= level <= p1:
                return v0 + (level - p0) / (p1 - p0) * (v1 - v0)
        return points[-1][1]

    independent = sum(weights) ** 2 / sum(w * w for w in weights) / overlap
    share = independent / (independent + 40)
    scores = []
    for level, normal in zip(QUANTILE_LEVELS, NORMAL, strict=True):
        width = quantile([abs(v) for v in z], abs(2 * level - 1)) if level != 0.5 else 0.0
        scores.append(float(normal) * (width / abs(float(normal))) ** share if level != 0.5 else 0.0)
    return scores


@pytest.mark.parametrize("n", [MIN_ERRORS, 77, 300])
def test_scores_are_those_of_a_plain_loop(n: int) -> None:
    z = normal_errors(n, sd=1.4, seed=n)
    calibration = past_errors(history(z)).calibration(at(n), STEPS)
    ages = [7.0 * (n - week) for week in range(n)]  # at(n) is n weeks after the first, in days of Santiago
    for k in range(STEPS):
        overlap = n / (1 + (n - 1) * min(1.0, 7 / (1.4 * (k + 1))))
        expected = plain_scores(z[:, k].tolist(), ages, overlap)
        np.testing.assert_allclose(calibration.scores[k], expected, atol=1e-9)


@pytest.mark.parametrize("step", [5, 20])
def test_errors_of_daily_forecasts_count_once_per_span(step: int) -> None:
    """Weekday origins: a forecast of `step` sessions spans as many, so that number of errors counts as one."""
    weekdays = np.array([day for day in range(20_000, 23_000) if date.fromordinal(719_163 + day).weekday() < 5])
    assert _overlap(weekdays, step) == pytest.approx(step, rel=0.01)


@pytest.mark.parametrize("truth", [0.6, 1.0, 1.8])
def test_bands_of_a_model_that_misjudges_its_width_come_to_cover(truth: float) -> None:
    after = calibrated_history(history(normal_errors(900, sd=truth, seed=3)))
    late = after.filter(pl.col("as_of") > START + timedelta(weeks=300))
    assert coverage(late, "q025", "q975") == pytest.approx(0.95, abs=0.02)
    assert coverage(late, "q10", "q90") == pytest.approx(0.80, abs=0.03)
    claimed = 2 * norm.cdf(norm.ppf(0.975) / truth) - 1
    assert coverage(late, "model_q025", "model_q975") == pytest.approx(claimed, abs=0.02)


def test_the_median_stays_the_models_and_the_shape_is_kept() -> None:
    after = calibrated_history(history(normal_errors(200, sd=2.0)))
    np.testing.assert_allclose(after["q50"].to_numpy(), after["model_q50"].to_numpy(), rtol=1e-12)
    assert after.filter("is_calibrated")["calibration_errors"].min() == MIN_ERRORS
    assert (after["q975"] > after["model_q975"]).filter(after["as_of"] > START + timedelta(weeks=100)).all()


def test_a_scale_of_two_doubles_the_distance_in_logs_worked_by_hand() -> None:
    fan = random_walk(900.0, 0.01, 1)
    wide = calibrated(fan, Calibration(2 * NORMAL[None, :], np.array([99])))
    np.testing.assert_allclose(np.log(wide.quantiles / 900), 2 * np.log(fan.quantiles / 900), atol=1e-12)
    assert wide.mean[0] == pytest.approx(900 * np.exp((2 * 0.01) ** 2 / 2), rel=1e-5)


def test_a_step_without_errors_takes_those_of_the_step_before() -> None:
    calibration = past_errors(history(normal_errors(100, sd=2))).calibration(at(200), STEPS + 2)
    np.testing.assert_allclose(calibration.scores[STEPS - 1], calibration.scores[STEPS + 1], rtol=1e-12)
    assert calibration.errors.tolist() == [100] * (STEPS + 2)


def test_no_errors_at_all_is_no_calibration() -> None:
    nothing = past_errors(history(normal_errors(1)).clear())
    assert isinstance(nothing, PastErrors)
    assert nothing.calibration(at(1), STEPS).errors.tolist() == [0] * STEPS
    assert calibrated_history(history(normal_errors(1)).clear()).is_empty()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.2, 4.0),
    st.floats(-2.0, 2.0),
    st.floats(0.001, 0.03),
)
def test_quantiles_never_cross_and_prices_in_another_unit_give_the_same_fan(
    seed: int, sd: float, shift: float, stated_sd: float
) -> None:
    rng = np.random.default_rng(seed)
    z = rng.standard_t(3, (60, STEPS)) * sd + shift
    calibration = past_errors(history(z)).calibration(at(60), STEPS)
    assert (np.diff(calibration.scores, axis=1) >= 0).all()
    fan = random_walk(900.0, stated_sd, STEPS)
    after = calibrated(fan, calibration)  # a Fan refuses quantiles that cross
    scaled = calibrated(Fan(fan.mean * 7, fan.quantiles * 7), calibration)
    np.testing.assert_allclose(scaled.quantiles, after.quantiles * 7, rtol=1e-9)


def test_two_forecasts_of_one_evening_are_calibrated_alike() -> None:
    """19:05 and 22:30 in Santiago are two days in UTC."""
    errors = past_errors(history(normal_errors(80, sd=1.5)))
    evening = at(80) + timedelta(minutes=5)
    late = evening + timedelta(hours=3, minutes=25)
    assert evening.date() != late.date()
    np.testing.assert_array_equal(errors.calibration(evening, STEPS).scores, errors.calibration(late, STEPS).scores)


def test_more_errors_of_the_same_time_never_weaken_the_correction() -> None:
    """Daily forecasts after a weekly backtest: each day adds a little information."""
    weekly = history(normal_errors(200, sd=2.0, seed=1))
    days = [
        history(normal_errors(1, sd=2.0, seed=9 + day), first=START + timedelta(weeks=200, days=day))
        for day in range(400)
    ]
    when = issue_instant(START + timedelta(weeks=200, days=410))
    before = past_errors(weekly).calibration(when, STEPS).scores[-1, -1]
    for more in (50, 200, 400):
        after = past_errors(pl.concat([weekly, *days[:more]])).calibration(when, STEPS).scores[-1, -1]
        assert after > before * 0.97


def test_corrections_are_averaged_over_neighbouring_steps_and_no_band_narrows() -> None:
    """Errors that alternate between steps by a third: at step 30 the kernel holds both kinds alike."""
    rng = np.random.default_rng(4)
    scale = np.where(np.arange(40) % 2 == 0, 0.85, 1.15)
    errors = PastErrors(
        rng.normal(size=(600, 40)) * scale, np.zeros((600, 40), dtype=np.int64), np.arange(10_000, 14_200, 7)
    )
    calibration = errors.calibration(datetime(2009, 1, 1, tzinfo=UTC), 40)
    jumps = np.abs(np.diff(np.log(calibration.scores[9:, -1])))
    assert jumps.max() < 0.02, "a third from step to step, before smoothing"
    fan = calibrated(random_walk(900.0, 0.01, 40), calibration)
    assert (np.diff(fan.quantiles[5:, -1] - fan.quantiles[5:, 0]) >= 0).all()


def test_a_long_step_stays_nearer_to_the_models_own_band() -> None:
    """Weekly errors of one size at all steps: step 40 spans eight of them."""
    z = np.full((200, 40), 1.0) * np.random.default_rng(5).normal(0, 2, (200, 1))
    errors = PastErrors(z, np.zeros(z.shape, dtype=np.int64), np.arange(10_000, 11_400, 7))
    scores = errors.calibration(datetime(2001, 4, 1, tzinfo=UTC), 40).scores[:, -1]
    assert NORMAL[-1] < scores[39] < scores[19] < scores[4]
