"""Decides whether a failed launch is repeated, awaited or given up.

The rule counts past launches, not requests: a lost request is repeated under the same name, and one that
arrived is never repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

MAX_ATTEMPTS: Final = 3
"""Launches of one decision before a person is needed."""

RETRY_AFTER: Final = timedelta(minutes=10)
"""Wait before the second launch; doubled before the third."""

State = Literal["created", "in progress", "succeeded", "failed", "canceled"]


@dataclass(frozen=True)
class Attempt:
    """One launch of a decision.

    Attributes:
        number: from 1.
        state: `created` is recorded but not started.
        ended_at: time of failure, with a time zone; else None.
    """

    number: int
    state: State
    ended_at: datetime | None = None


@dataclass(frozen=True)
class NextStep:
    """Next action for a decision.

    Attributes:
        launch: attempt to launch now; None for none.
        is_settled: nothing more will be done.
        words: the reason, for people.
    """

    launch: int | None
    is_settled: bool
    words: str


def next_step(
    attempts: Sequence[Attempt],
    now: datetime,
    what: str = "search",
    afterwards: str = "the next decision starts anew",
) -> NextStep:
    """Decides the next action for a decision that fired.

    Args:
        attempts: past launches, in any order.
        now: real time, with a time zone; a clock set back before a failure ends the wait.
        what: the launched work, in words.
        afterwards: remedy after the last failure, in words.
    """
    if not attempts:
        return NextStep(1, False, "launched")
    last = max(attempts, key=lambda attempt: attempt.number)
    match last.state:
        case "created":
            return NextStep(last.number, False, "handed over again: it was created and not launched")
        case "in progress":
            return NextStep(None, False, f"its {what} is under way")
        case "succeeded":
            return NextStep(None, True, f"its {what} is done")
        case "canceled":
            return NextStep(None, True, f"its {what} was canceled by hand; not launched again")
        case "failed":
            return _after_failure(last, now, what, afterwards)


def _after_failure(last: Attempt, now: datetime, what: str, afterwards: str) -> NextStep:
    """Returns the next attempt after a failure, or gives up."""
    if last.number >= MAX_ATTEMPTS:
        return NextStep(None, True, f"given up: {what} {last.number} of {MAX_ATTEMPTS} failed; {afterwards}")
    wait = RETRY_AFTER * last.number
    if last.ended_at is not None and timedelta(0) <= now - last.ended_at < wait:
        return NextStep(None, False, f"{what} {last.number} failed; again {wait.seconds // 60} minutes after it")
    return NextStep(last.number + 1, False, f"launched again: {what} {last.number} of {MAX_ATTEMPTS} failed")
