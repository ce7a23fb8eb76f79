"""Every state of a decision's searches has one next step."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forex_assets.core.retry_policy import Attempt, NextStep, State, next_step

NOW = datetime(2025, 6, 13, tzinfo=UTC)


def test_what_was_never_launched_is_launched() -> None:
    assert next_step([], NOW).launch == 1


@pytest.mark.parametrize(
    ("state", "launch", "is_settled"),
    [("created", 1, False), ("in progress", None, False), ("succeeded", None, True), ("canceled", None, True)],
)
def test_each_state_has_one_step(state: State, launch: int | None, is_settled: bool) -> None:
    step = next_step([Attempt(1, state)], NOW)
    assert (step.launch, step.is_settled) == (launch, is_settled)


@pytest.mark.parametrize(
    ("number", "ago", "launch"),
    [
        (1, timedelta(minutes=9, seconds=59), None),
        (1, timedelta(minutes=10), 2),
        (2, timedelta(minutes=19), None),
        (2, timedelta(minutes=20), 3),
        (1, -timedelta(days=300), 2),  # the clock went back behind the failure
    ],
)
def test_a_failure_is_waited_after_and_then_launched_again(number: int, ago: timedelta, launch: int | None) -> None:
    step = next_step([Attempt(number, "failed", NOW - ago)], NOW)
    assert (step.launch, step.is_settled) == (launch, False)


def test_the_last_failure_is_the_end() -> None:
    attempts = [Attempt(number, "failed", NOW - timedelta(days=1)) for number in (1, 2, 3)]
    assert next_step(attempts, NOW) == NextStep(
        None, True, "given up: search 3 of 3 failed; the next decision starts anew"
    )


@given(st.permutations([1, 2]), st.sampled_from(["in progress", "succeeded", "canceled"]))
def test_the_newest_attempt_decides_in_whatever_order_they_are_read(order: list[int], state: State) -> None:
    attempts = [Attempt(number, "failed", NOW - timedelta(hours=2)) for number in order] + [Attempt(3, state)]
    assert next_step(attempts, NOW).launch is None
    assert next_step(attempts[::-1], NOW) == next_step(attempts, NOW)
