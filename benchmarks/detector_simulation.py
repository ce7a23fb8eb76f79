"""False alarms and detection rates of the monitoring rules, simulated.

Statistics, ranking and limits are those of `monitoring.drift` and `monitoring.degradation`. Only their arguments are
computed faster, since a report a day for a thousand markets would take hours: statistics of a market's history are
computed once, and of a fault only its ten sessions.

One long market serves many onsets, 40 sessions apart; standard errors are between markets, which allows for it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from drift_batch import (
    Columns,
    is_calibrated_drift,
    is_literal_drift,
    windowed,
)
from forex_assets.core.compute.port import THIS_PROCESS, Compute, run_blocks
from forex_assets.core.fan import Array
from forex_assets.core.policy import DECISION_DAYS, Policy
from forex_assets.core.schemas import Schema
from forex_assets.monitoring.ratio_calibration import Days
from forex_assets.monitoring.realized_sums import SUMS, measure_ratios, rank_of, window_pair
from forex_assets.monitoring.series import COPPER_RETURN, FORECAST_ERROR, PESO_RETURN
from forex_assets.monitoring.statistic_series import EWMA, WARM_UP
from forex_assets.monitoring.statistics import ewma_log_variance_ratio
from market_faults import (
    FAULTS,
    NOTHING,
    STEPS,
    Fault,
    Market,
    ewma_variances,
    inject,
    next_errors,
    simulated_market,
    week_sums,
)

WITHIN: Final = {7: 5, 14: 10}
"""Sessions in so many calendar days."""
FORTNIGHT: Final = WITHIN[14]
APART: Final = 40
"""Sessions between onsets, so that recent windows do not overlap."""
LOOKS: Final = 20
"""Onsets in one market."""

DETECTORS: Final = ("drift", "degradation")
RULES: Final = ("literal", "calibrated")

DETECTORS_SCHEMA: Final[Schema] = {
    "fault": pl.String,  # `nothing`: what is found are false alarms
    "detector": pl.String,  # drift, degradation (of 7-day forecasts)
    "rule": pl.String,  # literal, calibrated
    "n": pl.Int64,  # fortnights
    "found_7_days": pl.Float64,  # share, 0 to 1, of fortnights in which it fired within 5 sessions
    "se_7_days": pl.Float64,  # standard error, between markets; null with one market
    "found_14_days": pl.Float64,  # within 10 sessions
    "se_14_days": pl.Float64,
    "per_year": pl.Float64,  # false alarms: fortnights with an alarm a year; null for a fault
}

Hits = dict[tuple[str, str, str], list[list[tuple[bool, bool]]]]


def measure(
    policy: Policy,
    *,
    worlds: int,
    seed: int = 0,
    looks: int = LOOKS,
    faults: Sequence[Fault] = FAULTS,
    report: Callable[[int, int], None] = lambda done, total: None,
    compute: Compute = THIS_PROCESS,
) -> pl.DataFrame:
    """Measures both rules of both detectors on all faults, `DETECTORS_SCHEMA`.

    A fault is detected if a rule fires on a day since its onset, and for calibrated drift by a look since then. The
    calibrated drift is decided on the 5th and the 10th session, each decision covering the ten looks before; the other
    rules are decided every session.

    Args:
        policy: thresholds and budget.
        worlds: number of generated markets.
        seed: of the markets.
        looks: onsets in a market.
        faults: injected faults.
        report: called with the numbers of finished and of all markets.
        compute: where markets are looked at; the figures do not depend on it.

    Raises:
        ValueError: no market or no look.
    """
    if worlds < 1 or looks < 1:
        raise ValueError(f"{worlds} markets of {looks} looks measure nothing; give one of each at least")
    first = policy.drift.history_sessions + WARM_UP + STEPS
    market = simulated_market(worlds, first + APART * (looks - 1) + FORTNIGHT, seed)
    variances = ewma_variances(market.peso)
    onsets = [first + APART * k for k in range(looks)]
    shared = _Markets(market, variances, tuple(onsets), tuple(faults), policy)
    detections_by_world = dict[int, dict[tuple[str, str, str], list[tuple[bool, bool]]]]()
    for w, detections in run_blocks(compute, look_at, shared, range(worlds), spreads=True):
        detections_by_world[w] = detections
        report(len(detections_by_world), worlds)
    return table_of({key: [detections_by_world[w][key] for w in range(worlds)] for key in detections_by_world[0]})


@dataclass(frozen=True, eq=False)
class _Markets:
    """All markets of a measurement, shipped once to each worker."""

    market: Market
    variances: Array
    onsets: tuple[int, ...]
    faults: tuple[Fault, ...]
    policy: Policy


def look_at(shared: _Markets, w: int) -> dict[tuple[str, str, str], list[tuple[bool, bool]]]:
    """Detections in one market, by case."""
    world = _World.of(shared.market.rows(lambda a: a[w]), shared.variances[w], shared.policy)
    return _look(world, shared.onsets, shared.faults, shared.policy)


def table_of(hits: Hits) -> pl.DataFrame:
    """Detection rates with standard errors, `DETECTORS_SCHEMA`."""
    rows = []
    for (fault, detector, rule), detections in hits.items():
        shares = np.array(detections, dtype=np.float64).mean(axis=1)
        errors = shares.std(axis=0, ddof=1) / math.sqrt(len(shares)) if len(shares) > 1 else (None, None)
        row = [fault, detector, rule, sum(len(pairs) for pairs in detections)]
        row += [shares[:, 0].mean(), errors[0], shares[:, 1].mean(), errors[1]]
        rows.append([*row, shares[:, 1].mean() * 365 / DECISION_DAYS if fault == NOTHING.name else None])
    return pl.DataFrame(rows, schema=DETECTORS_SCHEMA, orient="row")


@dataclass(frozen=True, eq=False)
class _World:
    """One market without a fault, and its statistics by session."""

    market: Market
    variances: Array
    errors: Array
    columns: Columns
    sums: Array
    days: Days

    @classmethod
    def of(cls, market: Market, variances: Array, policy: Policy) -> "_World":
        """Computes the statistics once for all onsets."""
        errors = next_errors(market, variances)
        errors[0] = 0.0
        series = {COPPER_RETURN: market.copper, PESO_RETURN: market.peso, FORECAST_ERROR: errors}
        width = max(WARM_UP, policy.drift.recent_sessions + policy.drift.reference_sessions)
        columns = {
            name: np.concatenate([np.full(len(errors) - len(statistic), np.nan), statistic])
            for name, statistic in windowed(series, policy.drift, len(errors) - width + 1).items()
        } | {(name, EWMA): ewma_log_variance_ratio(values) for name, values in series.items()}
        sums = week_sums(market, variances)
        unknown = np.zeros((len(SUMS), STEPS))
        return cls(market, variances, errors, columns, np.hstack([unknown, sums]), weekdays(len(errors)))


def weekdays(count: int) -> Days:
    """Proleptic ordinals of consecutive weekdays, without holidays."""
    monday = date(2010, 1, 4).toordinal()
    return np.array([monday + 7 * (i // 5) + i % 5 for i in range(count)], dtype=np.int64)


def _look(
    world: _World, onsets: Sequence[int], faults: Sequence[Fault], policy: Policy
) -> dict[tuple[str, str, str], list[tuple[bool, bool]]]:
    """Detections in one market: a pair for each onset, by case."""
    limits = [_limits(world, onset, policy) for onset in onsets]
    detections: dict[tuple[str, str, str], list[tuple[bool, bool]]] = {}
    for fault in faults:
        columns, sums = _with_fault(world, onsets, fault, policy)
        literal = is_literal_drift({name: values for name, values in columns.items() if name[1] != EWMA}, policy.drift)
        detections[fault.name, "drift", "literal"] = [_within(fires) for fires in literal]
        detections[fault.name, "drift", "calibrated"] = [
            _calibrated(world, onset, {name: values[i] for name, values in columns.items()}, policy)
            for i, onset in enumerate(onsets)
        ]
        both = [_degraded(world, onset, sums[i], limits[i], policy) for i, onset in enumerate(onsets)]
        for rule, fires in zip(RULES, zip(*both, strict=True), strict=True):
            detections[fault.name, "degradation", rule] = [_within(alarms) for alarms in fires]
    return detections


def _within(fires: Array) -> tuple[bool, bool]:
    """Whether a rule fires within 5, and within 10 sessions."""
    return bool(fires[: WITHIN[7]].any()), bool(fires[: WITHIN[14]].any())


def _with_fault(world: _World, onsets: Sequence[int], fault: Fault, policy: Policy) -> tuple[Columns, Array]:
    """Effects and sums of the faulty fortnight of each onset.

    Effects have shape (onsets, 10), sums (onsets, SUMS, 10).
    """
    width = max(WARM_UP, policy.drift.recent_sessions + policy.drift.reference_sessions) + FORTNIGHT
    places = np.array(onsets)[:, None] + FORTNIGHT - width + np.arange(width)
    market = inject(world.market.rows(lambda a: a[places]), fault, FORTNIGHT)
    variances = ewma_variances(market.peso, world.variances[places[:, 0] - 1])
    errors = next_errors(market, variances)
    errors[:, 0] = world.errors[places[:, 0]]
    series = {COPPER_RETURN: market.copper, PESO_RETURN: market.peso, FORECAST_ERROR: errors}
    columns = windowed(series, policy.drift, FORTNIGHT)
    whole = {COPPER_RETURN: world.market.copper, PESO_RETURN: world.market.peso, FORECAST_ERROR: world.errors}
    for name, tails in series.items():
        columns[name, EWMA] = np.array([
            ewma_log_variance_ratio(np.concatenate([whole[name][:onset], tail[-FORTNIGHT:]]))[-FORTNIGHT:]
            for onset, tail in zip(onsets, tails, strict=True)
        ])  # fmt: skip
    return columns, week_sums(market, variances)[..., -FORTNIGHT:]


def _calibrated(world: _World, onset: int, fault: Columns, policy: Policy) -> tuple[bool, bool]:
    """Calibrated drift on the 5th and 10th session of a fault."""
    needed = policy.drift.history_sessions + policy.drift.looks
    verdicts = []
    for sessions in WITHIN.values():
        columns = {
            name: np.concatenate([values[onset + sessions - needed : onset], fault[name][:sessions]])
            for name, values in world.columns.items()
        }
        verdicts.append(is_calibrated_drift(columns, policy, min(sessions, policy.drift.looks)))
    return verdicts[0], any(verdicts)


def _limits(world: _World, onset: int, policy: Policy) -> Array:
    """Limits of the calibrated degradation by day, shape (measures, 10).

    They use looks at least 14 days old, before any fault.
    """
    end = onset + FORTNIGHT
    days, sums = world.days[STEPS:end], world.sums[:, STEPS:end]
    dates = (date.fromordinal(int(day)) for day in world.days[onset:end])
    return np.stack([rank_of(days, sums, today, policy).limits for today in dates], axis=1)


def _degraded(world: _World, onset: int, fault: Array, limits: Array, policy: Policy) -> tuple[Array, Array]:
    """Whether literal and calibrated degradation fire, by day."""
    days = world.days[STEPS : onset + FORTNIGHT]
    sums = np.hstack([world.sums[:, STEPS:onset], fault])
    windows = window_pair(days, sums, days[-FORTNIGHT:], policy)
    square, errors = SUMS.index("square"), SUMS.index("errors")
    recent, baseline = (np.sqrt(window[square] / window[errors]) for window in windows)
    literal = np.asarray(recent >= (1 + policy.degradation.rmse_increase) * baseline)
    return literal, np.asarray((measure_ratios(windows) > limits).any(axis=0))
