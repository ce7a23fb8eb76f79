"""The decision against truth tables written by hand: who may fire, who is held back, and what is said of it."""

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import product
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forex_assets.core.policy import DriftPolicy, Policy
from forex_assets.monitoring.trigger import DECISION_SCHEMA, RULES, Decision, decide

NOW = datetime(2025, 6, 16, 22, 30, tzinfo=UTC)
TODAY = date(2025, 6, 16)


@dataclass(frozen=True)
class Degraded:
    """Stands for `degradation.Degradation`: by default no degradation, by either rule."""

    ratio_literal: float | None = 1.02
    limit_literal: float = 1.15
    ratio_calibrated: float | None = 1.04
    limit_calibrated: float | None = 1.31
    fires_literal: bool | None = False
    fires_calibrated: bool | None = False
    words: str = "no degradation (ratio 1.04, limit 1.31)"


@dataclass(frozen=True)
class Drifted:
    """Stands for `drift.Drift`: by default no drift."""

    fires_literal: bool | None = False
    fires_calibrated: bool | None = False
    severity: str = "NONE"
    joint: float | None = 0.61
    joint_limit: float | None = 0.97
    since: date | None = None
    words: str = "No drift in 14 statistics."
    is_of_copper_alone: bool = False


DEGRADED = Degraded(ratio_calibrated=1.5, fires_calibrated=True, words="degradation of spread (ratio 1.50, limit 1.31)")
DRIFTED = Drifted(fires_calibrated=True, severity="HIGH", joint=0.99, words="Drift HIGH: variance of peso_return.")


def decision(**changed: Any) -> Decision:
    """By default nothing asks for a search."""
    given_by_default: dict[str, Any] = {
        "degradation": Degraded(),
        "drift": Drifted(),
        "last_optimized": TODAY - timedelta(days=5),
        "last_triggered": None,
        "is_requested": False,
        "policy": Policy(),
        "now": NOW,
    }
    return decide("7d", **(given_by_default | changed))


def row(outcome: Decision, rule: str) -> dict[str, Any]:
    return outcome.table.row(by_predicate=pl.col("rule") == rule, named=True)


def test_the_words_are_those_of_the_issue() -> None:
    outcome = decision(last_optimized=TODAY - timedelta(days=15))
    assert outcome.words == (
        "Search 7d: last optimized 15 days ago; no degradation (ratio 1.04, limit 1.31); "
        "no drift (joint 0.61, limit 0.97)"
    )
    assert outcome.reasons == ("age",)


def test_drift_of_copper_alone_informs_and_does_not_search_where_the_model_reads_none() -> None:
    outcome = decision(drift=Drifted(joint=1.4, is_of_copper_alone=True))
    assert not outcome.fires
    assert "drift of copper alone, which the current model does not read (joint 1.40, limit 0.97)" in outcome.words


def test_without_a_reason_there_is_no_search_and_every_rule_is_said() -> None:
    outcome = decision()
    assert (outcome.fires, outcome.reasons) == (False, ())
    assert outcome.words == (
        "No search 7d: last optimized 5 days ago; no degradation (ratio 1.04, limit 1.31); "
        "no drift (joint 0.61, limit 0.97)"
    )


def test_what_counts_is_said_first() -> None:
    outcome = decision(drift=DRIFTED, is_requested=True)
    assert outcome.reasons == ("drift", "manual")
    assert outcome.words == (
        "Search 7d: drift (joint 0.99, limit 0.97, severity HIGH, acted on from MEDIUM); requested by hand; "
        "last optimized 5 days ago; "
        "no degradation (ratio 1.04, limit 1.31)"
    )


# Worked by hand, days since a search was triggered against a cooldown of 3: 0, 1 and 2 are too few, 3 is enough.
@pytest.mark.parametrize(("days", "is_free"), [(0, False), (1, False), (2, False), (3, True), (4, True), (-2, False)])
def test_the_cooldown_holds_back_degradation_and_drift_and_nothing_else(days: int, is_free: bool) -> None:
    triggered = TODAY - timedelta(days=days)
    assert decision(degradation=DEGRADED, last_triggered=triggered).fires is is_free
    assert decision(drift=DRIFTED, last_triggered=triggered).fires is is_free
    assert decision(last_optimized=None, last_triggered=triggered).fires
    assert decision(is_requested=True, last_triggered=triggered).fires
    assert row(decision(last_triggered=triggered), "cooldown")["calibrated"] is not is_free


def test_no_cooldown_holds_nothing_back_whatever_the_clock_does() -> None:
    for days in (-2, 0, 1):
        triggered = TODAY - timedelta(days=days)
        assert decision(degradation=DEGRADED, last_triggered=triggered, policy=Policy(cooldown_days=0)).fires


@pytest.mark.parametrize(
    ("is_degraded", "is_drifted", "is_old", "is_requested", "is_cooling"), list(product([False, True], repeat=5))
)
def test_the_whole_truth_table(
    is_degraded: bool, is_drifted: bool, is_old: bool, is_requested: bool, is_cooling: bool
) -> None:
    outcome = decision(
        degradation=DEGRADED if is_degraded else Degraded(),
        drift=DRIFTED if is_drifted else Drifted(),
        last_optimized=TODAY - timedelta(days=20 if is_old else 1),
        last_triggered=TODAY - timedelta(days=1 if is_cooling else 9),
        is_requested=is_requested,
    )
    expected = []
    if is_old:
        expected.append("age")
    if is_degraded and not is_cooling:
        expected.append("degradation")
    if is_drifted and not is_cooling:
        expected.append("drift")
    if is_requested:
        expected.append("manual")
    assert list(outcome.reasons) == expected
    assert outcome.fires == bool(expected)
    assert outcome.words.startswith("Search 7d: " if expected else "No search 7d: ")
    assert ("held back" in outcome.words) == (is_cooling and (is_degraded or is_drifted))
    counted = outcome.table.filter("counts")["rule"].to_list()
    assert counted == expected


def test_what_is_held_back_says_by_what() -> None:
    outcome = decision(degradation=DEGRADED, last_triggered=TODAY - timedelta(days=1))
    assert outcome.words == (
        "No search 7d: last optimized 5 days ago; degradation of spread (ratio 1.50, limit 1.31), held back "
        "(triggered 1 day ago, cooldown 3 days); no drift (joint 0.61, limit 0.97)"
    )


@pytest.mark.parametrize(("days", "is_due"), [(13, False), (14, True), (15, True), (0, False), (-3, False)])
def test_age_is_due_from_the_fourteenth_day(days: int, is_due: bool) -> None:
    outcome = decision(last_optimized=TODAY - timedelta(days=days))
    assert outcome.fires is is_due
    assert row(outcome, "age")["value"] == days


def test_a_horizon_that_was_never_optimized_is_due() -> None:
    outcome = decision(last_optimized=None)
    assert outcome.words.startswith("Search 7d: never optimized; ")
    assert row(outcome, "age")["value"] is None


def test_the_day_is_santiagos_whatever_the_zone_of_the_instant() -> None:
    late = datetime(2025, 6, 17, 3, 30, tzinfo=UTC)  # 23:30 of the 16th in Santiago
    on_the_eve = decision(last_optimized=TODAY - timedelta(days=13), now=late)
    assert not on_the_eve.fires
    assert decision(last_optimized=TODAY - timedelta(days=13), now=late + timedelta(hours=1)).fires
    elsewhere = decision(last_optimized=TODAY - timedelta(days=13), now=late.astimezone(timezone(timedelta(hours=9))))
    assert elsewhere.table.equals(on_the_eve.table)


@pytest.mark.parametrize(
    ("decide_by", "literal", "calibrated", "fires"),
    [
        ("calibrated", True, False, False),
        ("calibrated", False, True, True),
        ("literal", True, False, True),
        ("literal", False, True, False),
        ("calibrated", True, None, False),
        ("literal", None, True, False),
    ],
)
def test_the_policy_says_which_verdict_counts_and_both_are_in_the_table(
    decide_by: str, literal: bool | None, calibrated: bool | None, fires: bool
) -> None:
    policy = Policy.model_validate({"decide_by": decide_by})
    degraded = replace(Degraded(), fires_literal=literal, fires_calibrated=calibrated)
    drifted = replace(DRIFTED, fires_literal=literal, fires_calibrated=calibrated)
    for rule, given_ in (("degradation", {"degradation": degraded}), ("drift", {"drift": drifted})):
        outcome = decision(policy=policy, **given_)
        line = row(outcome, rule)
        assert (outcome.fires, line["counts"]) == (fires, fires)
        assert (line["literal"], line["calibrated"]) == (literal, calibrated)


def test_the_published_rule_speaks_for_itself_where_it_decides() -> None:
    literal = Policy(decide_by="literal")
    degraded = replace(Degraded(), ratio_literal=1.2, fires_literal=True)
    outcome = decision(policy=literal, degradation=degraded)
    assert outcome.words.startswith("Search 7d: degradation (RMSE ratio 1.20, limit 1.15); last optimized")
    assert row(outcome, "degradation")["words"] == (
        "degradation (RMSE ratio 1.20, limit 1.15); calibrated rule: no degradation (ratio 1.04, limit 1.31)"
    )
    nothing = replace(Degraded(), ratio_literal=None, fires_literal=None)
    assert "not enough evidence of degradation" in decision(policy=literal, degradation=nothing).words


@pytest.mark.parametrize(
    ("act_from", "firing"),
    [("LOW", ["LOW", "MEDIUM", "HIGH"]), ("MEDIUM", ["MEDIUM", "HIGH"]), ("HIGH", ["HIGH"])],
)
def test_drift_acts_from_the_severity_that_the_policy_names(act_from: str, firing: list[str]) -> None:
    policy = Policy(drift=DriftPolicy.model_validate({"act_from": act_from}))
    for severity in ("NONE", "LOW", "MEDIUM", "HIGH"):
        outcome = decision(drift=replace(DRIFTED, severity=severity), policy=policy)
        assert outcome.fires == (severity in firing)
        assert ("; no drift (" in outcome.words) == (severity not in firing)
        assert row(outcome, "drift")["words"].endswith("; Drift HIGH: variance of peso_return.")


def test_drift_that_was_not_judged_is_no_reason_and_no_pass() -> None:
    nothing = Drifted(None, None, "NONE", math.nan, math.nan, "Drift not judged.")
    outcome = decision(drift=nothing)
    assert outcome.words.endswith("; not enough evidence of drift")
    line = row(outcome, "drift")
    assert (line["value"], line["limit"], line["literal"], line["calibrated"]) == (None, None, None, None)
    assert "not enough evidence of drift" in decision(drift=nothing, policy=Policy(decide_by="literal")).words


def test_published_drift_fires_as_it_is_reported() -> None:
    outcome = decision(drift=Drifted(fires_literal=True), policy=Policy(decide_by="literal"))
    assert outcome.reasons == ("drift",)
    assert outcome.words.startswith("Search 7d: drift by the published rule; ")


def test_the_table_has_a_row_a_rule_with_value_limit_and_verdicts() -> None:
    table = decision(last_triggered=TODAY - timedelta(days=8)).table
    assert dict(table.schema) == DECISION_SCHEMA
    assert tuple(table["rule"]) == RULES
    figures = table.select("rule", "value", "limit", "literal_value", "literal_limit").rows()
    assert figures == [
        ("age", 5.0, 14.0, None, None),
        ("degradation", 1.04, 1.31, 1.02, 1.15),
        ("drift", 0.61, 0.97, None, None),
        ("cooldown", 8.0, 3.0, None, None),
        ("manual", 0.0, 1.0, None, None),
    ]
    assert table["decided_at"].unique().to_list() == [NOW]


def test_an_instant_without_a_zone_and_an_unknown_severity_are_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        decision(now=NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="'SEVERE'; it is one of NONE, LOW, MEDIUM, HIGH"):
        decision(drift=replace(DRIFTED, severity="SEVERE"))


@given(
    days=st.integers(-5, 40),
    since=st.one_of(st.none(), st.integers(-3, 10)),
    literal=st.sampled_from([None, False, True]),
    calibrated=st.sampled_from([None, False, True]),
    decide_by=st.sampled_from(["literal", "calibrated"]),
)
def test_less_cooldown_never_stops_a_search(
    days: int, since: int | None, literal: bool | None, calibrated: bool | None, decide_by: str
) -> None:
    degraded = replace(Degraded(), fires_literal=literal, fires_calibrated=calibrated)
    common = {
        "degradation": degraded,
        "last_optimized": TODAY - timedelta(days=days),
        "last_triggered": None if since is None else TODAY - timedelta(days=since),
    }
    outcomes = [
        decision(**common, policy=Policy.model_validate({"decide_by": decide_by, "cooldown_days": cooldown}))
        for cooldown in (0, 3, 8)
    ]
    reasons = [set(one.reasons) for one in outcomes]
    assert reasons[0] >= reasons[1] >= reasons[2]
    assert all(one.fires == one.table["counts"].any() for one in outcomes)


@pytest.mark.parametrize(("since", "fires"), [(9, False), (8, False), (7, True), (0, True), (None, True)])
def test_a_drift_that_had_its_search_is_no_new_reason_however_long_it_stands(since: int | None, fires: bool) -> None:
    """Days before today on which the alarm began; the last trigger was eight days ago, the cooldown is over."""
    began = None if since is None else TODAY - timedelta(days=since)
    outcome = decision(drift=replace(DRIFTED, since=began), last_triggered=TODAY - timedelta(days=8))
    assert outcome.fires == fires
    assert ("no new drift since the last trigger" in outcome.words) == (not fires)
