"""Rules of the watch: faults, states, observations due, review of outcomes."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from forex_assets.core.fan import Fan
from forex_assets.core.policy import DeploymentPolicy
from forex_assets.deployment.outcome_review import review_outcomes
from forex_assets.deployment.plan import outcome_of, to_take_back
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.deployment.watch import FINAL, FailedRuns, due_observation, fan_faults, state_of
from forex_assets.forecasts.baselines import random_walk

NOW = datetime(2025, 6, 13, 15, 0, tzinfo=UTC)
POLICY = DeploymentPolicy()
WALK = random_walk(900.0, 0.006, 5)


def record(**more: object) -> DeploymentRecord:
    fields: dict[str, object] = {
        "id": "d1",
        "horizon": "7d",
        "kind": "deploy",
        "state": "deployed",
        "at": NOW,
        "by": "loop",
        "reason": "better",
        "from_fingerprint": "old",
        "to_fingerprint": "new",
        "backup": "b1",
        "watch_until": NOW + timedelta(minutes=60),
    }
    return DeploymentRecord.model_validate(fields | more)


def moved(fan: Fan, logs: float) -> Fan:
    return Fan(fan.mean * np.exp(logs), fan.quantiles * np.exp(logs))


def widened(fan: Fan, times: float) -> Fan:
    median = fan.quantiles[:, [4]]
    return Fan(fan.mean, median * np.exp(np.log(fan.quantiles / median) * times))


@pytest.mark.parametrize(
    ("fan", "champion", "words"),
    [
        (WALK, WALK, ""),
        (WALK, None, ""),
        (moved(WALK, 3.9 * 0.006 * np.sqrt(5)), WALK, ""),
        (moved(WALK, 4.1 * 0.006 * np.sqrt(5)), WALK, "4.1 standard deviations from the last price"),
        (widened(WALK, 2.9), WALK, ""),
        (widened(WALK, 3.2), WALK, "times as wide"),
        (widened(WALK, 0.3), WALK, "times as wide"),
        (widened(WALK, 3.2), None, "3.20 times as wide as that of the no-change benchmark"),
        (WALK, widened(WALK, 4.3), ""),
        (widened(WALK, 4.3), widened(WALK, 4.3), ""),
        (widened(WALK, 0.0), WALK, "a 95 % band without width"),
    ],
)
def test_a_probe_is_faulted_for_an_implausible_forecast(fan: Fan, champion: Fan | None, words: str) -> None:
    result = "; ".join(fan_faults(fan, 900.0, 0.006, champion))
    assert words in result
    assert bool(result) is bool(words)


@pytest.mark.parametrize(
    ("current", "failures", "is_ok", "minutes", "expected"),
    [
        ("new", 0, True, 5, "watching"),
        ("new", 2, False, 59, "watching"),
        ("new", 3, False, 5, "failed"),
        ("new", 3, True, 61, "failed"),
        ("new", 2, True, 60, "passed"),
        ("new", 2, False, 60, "watching"),
        ("new", 0, None, 5, "watching"),
        ("new", 0, None, 60, "watching"),
        ("new", 2, None, 6000, "watching"),
        ("other", 0, True, 5, "replaced"),
        ("other", 3, False, 5, "replaced"),
        (None, 1, False, 5, "watching"),
        (None, 3, False, 5, "failed"),
    ],
)
def test_a_watch_ends_after_an_hour_three_failures_or_an_edit_by_hand(
    current: str | None, failures: int, is_ok: bool | None, minutes: int, expected: str
) -> None:
    assert state_of(record(), current, failures, is_ok, NOW + timedelta(minutes=minutes), POLICY) == expected


@pytest.mark.parametrize(("is_ok", "expected"), [(True, 5), (None, 5), (False, 9)])
def test_a_run_of_several_horizons_counts_while_the_probe_fails_too(is_ok: bool | None, expected: int) -> None:
    assert FailedRuns(alone=2, shared=4, watches=3).against(is_ok) == expected


def test_observations_are_due_every_five_minutes_then_once_then_daily() -> None:
    def key(minutes: float, state: str | None, policy: DeploymentPolicy = POLICY) -> str | None:
        due = due_observation(record(), state, NOW + timedelta(minutes=minutes), "2025-06-13", policy)
        return due.key if due else None

    assert [key(0, None), key(4.9, "watching"), key(5, "watching"), key(59.9, "watching")] == [
        "d1/0", "d1/0", "d1/1", "d1/11"
    ]  # fmt: skip
    assert [key(60, "watching"), key(64.9, "watching"), key(65, "watching")] == [
        "d1/closing/12", "d1/closing/12", "d1/closing/13"
    ]  # fmt: skip
    assert key(5000, None) == "d1/closing/1000"
    assert key(61, "passed") == "d1/probation/2025-06-13"
    assert key(61, "passed", DeploymentPolicy(probation="off")) is None
    for state in FINAL:
        assert key(5, state) is None
        assert key(5000, state) is None
    died = [
        due_observation(record(), "watching", NOW, "2025-06-13", POLICY, failed_watches=died) is None
        for died in (0, 5, 6)
    ]
    assert died == [False, False, True], "three dead looks take the settings back, three more and nobody looks"
    assert due_observation(None, None, NOW, "2025-06-13", POLICY) is None
    assert due_observation(record(state="refused", watch_until=None), None, NOW, "2025-06-13", POLICY) is None


@pytest.mark.parametrize(
    ("current", "before", "expected"),
    [
        ("new", "old", "finish"),
        ("old", "old", "undo"),
        (None, None, "undo"),
        ("x", "old", "leave"),
        (None, "old", "leave"),
    ],
)
def test_current_settings_decide_how_an_interrupted_deployment_ends(
    current: str | None, before: str | None, expected: str
) -> None:
    assert outcome_of(current, before, "new") == expected


def test_rollbacks_go_back_version_by_version_and_never_forth() -> None:
    first, second = record(id="d1", backup="b0"), record(id="d2", backup="b1")
    assert to_take_back([second, first]) == second
    back = record(id="r1", kind="rollback", undoes="d2", backup="b2")
    assert to_take_back([back, second, first]) == first
    again = record(id="r2", kind="rollback", undoes="d1", backup="b1")
    assert to_take_back([again, back, second, first]) is None
    later = record(id="d3", backup="b0")
    assert to_take_back([later, again, back, second, first]) == later
    by_name = record(id="r3", kind="rollback", undoes=None, backup="b3")
    assert to_take_back([by_name, later]) == by_name
    assert to_take_back([record(id="x", state="refused", backup=None), later]) == later


def outcomes(shift: float, count: int = 80) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Losses of current settings, higher by `shift`, and of those before."""
    rng = np.random.default_rng(3)
    base = 3.0 + rng.gamma(2.0, 2.0, count)
    days = [date(2025, 1, 3) + timedelta(days=7 * i) for i in range(count)]
    frame = pl.DataFrame({"as_of": days, "target_date": [day + timedelta(days=7) for day in days]})
    current = frame.with_columns(crps=pl.Series(base + shift + rng.normal(0, 0.2, count)))
    return current, frame.with_columns(crps=pl.Series(base))


@pytest.mark.parametrize(
    ("shift", "count", "verdict"),
    [(0.5, 80, "worse"), (0.0, 80, "proven"), (-0.5, 80, "proven"), (0.5, 59, "waiting"), (5.0, 0, "waiting")],
)
def test_outcomes_are_reviewed_once_there_are_enough(shift: float, count: int, verdict: str) -> None:
    current, before = outcomes(shift)
    result = review_outcomes(current.head(count), before, POLICY)
    assert result.verdict == verdict
    assert f"{count}" in result.words
