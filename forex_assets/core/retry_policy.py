"""When a decision that fired is launched, launched again, waited for or given up. How runs are recorded is not said.

The rule looks at what was launched so far and not at what was asked for: a request that was lost is made again under
the same name, and one that arrived is never made twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

MAX_ATTEMPTS: Final = 3
"""Launches for one decision; what fails three times needs a person."""

RETRY_AFTER: Final = timedelta(minutes=10)
"""Wait before the second launch, twice as long before the third: most causes go away, or do not within seconds."""

State = Literal["created", "in progress", "succeeded", "failed", "canceled"]


@dataclass(frozen=True)
class Attempt:
    """One launch for a decision.

    Attributes:
        number: from 1.
        state: `created` was written down and not yet handed over.
        ended_at: when it failed, with a time zone; None while it has not.
    """

    number: int
    state: State
    ended_at: datetime | None = None


@dataclass(frozen=True)
class NextStep:
    """What is to be done about a decision.

    Attributes:
        launch: number of the attempt to launch now; None for none.
        is_settled: nothing will be done about this decision any more.
        words: why, for people.
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
    """What to do about a decision that fired, or about what else is launched until it succeeds.

    Args:
        attempts: its launches so far, in any order.
        now: real time, with a time zone. Should the clock have gone back behind a failure, nothing is waited for.
        what: is launched, in words.
        afterwards: what is to be done once it was given up.
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
    """The next attempt, in time, or none any more."""
    if last.number >= MAX_ATTEMPTS:
        return NextStep(None, True, f"given up: {what} {last.number} of {MAX_ATTEMPTS} failed; {afterwards}")
    wait = RETRY_AFTER * last.number
    if last.ended_at is not None and timedelta(0) <= now - last.ended_at < wait:
        return NextStep(None, False, f"{what} {last.number} failed; again {wait.seconds // 60} minutes after it")
    return NextStep(last.number + 1, False, f"launched again: {what} {last.number} of {MAX_ATTEMPTS} failed")
