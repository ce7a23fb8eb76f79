"""The policy has the published values; contradictory settings are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from forex_assets.core.policy import DegradationPolicy, DriftPolicy, Policy


def test_the_default_budget_is_five_per_cent_of_a_fortnight() -> None:
    assert Policy().decide_by == "calibrated"
    assert Policy().budget_per_14_days == pytest.approx(0.05, abs=5e-4)


@given(st.floats(0.3, 12))
def test_the_budgets_of_a_years_fortnights_add_up_to_the_years_false_alarms(yearly: float) -> None:
    policy = Policy(false_alarms_per_year=yearly)
    assert policy.budget_per_14_days * 365 / 14 == pytest.approx(yearly)
    assert 0 < policy.budget_per_14_days < 1


def test_the_published_thresholds_stand_as_they_were_published() -> None:
    policy = Policy()
    assert (policy.drift.recent_sessions, policy.drift.reference_sessions) == (30, 90)
    assert (policy.drift.p_value, policy.drift.psi) == (0.05, 0.2)
    assert (policy.degradation.recent_days, policy.degradation.baseline_days) == (14, 60)
    assert (policy.degradation.rmse_increase, policy.age_days, policy.cooldown_days) == (0.15, 14, 3)


def test_a_history_too_short_to_show_the_budget_is_refused_with_the_length_that_would_do() -> None:
    # .1 a year is .00384 a fortnight; ten looks an alarm: 10 / .00384 = 2607.1.
    with pytest.raises(ValidationError, match="history_sessions 1260 must be at least 2608 with false_alarms_per_year"):
        Policy(false_alarms_per_year=0.1)
    assert Policy(false_alarms_per_year=0.1, drift=DriftPolicy(history_sessions=2608)).drift.history_sessions == 2608


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"psi_bins": 6}, "psi_bins 6 must be at most 5 with recent_sessions 30"),
        ({"reference_sessions": 29, "recent_sessions": 30}, "greater than or equal to 30"),
        (
            {"reference_sessions": 30, "recent_sessions": 40},
            "reference_sessions 30 must be at least recent_sessions",
        ),
        ({"act_from": "NONE"}, "'LOW', 'MEDIUM' or 'HIGH'"),
        ({"p_value": float("nan")}, "finite number"),
        ({"looks": 10.0}, "valid integer"),
        ({"windows": 3}, "Extra inputs are not permitted"),
    ],
)
def test_drift_settings_that_make_no_sense_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        DriftPolicy.model_validate(values)


def test_a_baseline_must_be_longer_than_what_it_judges() -> None:
    with pytest.raises(ValidationError, match="baseline_days 20 must be more than recent_days 20"):
        DegradationPolicy(recent_days=20, baseline_days=20)


def test_a_policy_cannot_be_changed_once_it_is_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Policy().age_days = 1  # type: ignore[misc]
