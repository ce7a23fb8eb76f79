"""Asking a service over the network: one deadline, retries inside it, and failures that people can read.

Here belongs what all sources share about asking. What a service's answer means belongs to its own adapter.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Final, Generic, TypeVar
from urllib.parse import quote, quote_plus

import polars as pl
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, stop_before_delay
from tenacity.wait import wait_exponential, wait_random

from forex_assets.core.schemas import conform, fetched_schema
from forex_assets.market.prices import SourceError

DEADLINE_S: Final = 30.0
"""Outer limit of one source, over all attempts and waits."""
REQUEST_LIMIT_S: Final = 15.0
"""Limit of a single request where the client takes one, so that one stalled answer leaves time for another attempt."""
ATTEMPTS: Final = 3

T = TypeVar("T")


class RefusedError(SourceError):
    """A service answered with an HTTP error.

    Attributes:
        retry_after_s: how long the service asked us to stay away, in seconds; None where it did not say.
    """

    def __init__(self, source: str, reason: str, *, is_retryable: bool, retry_after_s: float | None) -> None:
        super().__init__(source, reason, is_retryable=is_retryable)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Row:
    """One price of one session, as a source's dating rule understands it. `available_at` is an aware instant."""

    session: date
    value: float
    available_at: datetime
    is_provisional: bool = False
    is_suspect: bool = False


@dataclass
class _Outcome(Generic[T]):
    """What the asking thread leaves behind: one answer, or the error it ended with."""

    answers: list[T] = field(default_factory=list)
    error: BaseException | None = None


def ask(
    source: str,
    call: Callable[[float], T],
    *,
    deadline_s: float = DEADLINE_S,
    attempts: int = ATTEMPTS,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What `call` returns, asked again after retryable failures, within one deadline whatever its sockets do.

    The asking happens on a daemon thread: clients without a time-out (urllib) cannot be interrupted, only left behind,
    and a thread left behind must not keep the interpreter from exiting.

    Args:
        source: name for messages.
        call: does one attempt, given the seconds left; raises `SourceError`, whose `is_retryable` decides.
        deadline_s: seconds for everything together: attempts, waits, stalled sockets.
        attempts: how often `call` is tried at the most.
        sleep: waits between attempts (seconds); tests hand in one that does not.

    Raises:
        SourceError: the last attempt's failure, or `no answer within 30 s` when the deadline passed.
    """
    outcome: _Outcome[T] = _Outcome()
    ends_at = time.monotonic() + deadline_s
    retrying = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, SourceError) and error.is_retryable),
        stop=stop_after_attempt(attempts) | stop_before_delay(deadline_s),
        wait=_wait,
        sleep=sleep,
        reraise=True,
    )

    def work() -> None:
        try:
            outcome.answers.append(retrying(lambda: call(ends_at - time.monotonic())))
        except BaseException as error:  # noqa: BLE001 - carried over to the asking thread and raised there
            outcome.error = error

    thread = threading.Thread(target=work, name=f"ask {source}", daemon=True)
    thread.start()
    thread.join(deadline_s)
    if outcome.answers:
        return outcome.answers[0]
    if outcome.error is not None:
        raise outcome.error
    raise no_answer(source, deadline_s, is_retryable=False)


_back_off = wait_exponential(multiplier=0.5, max=8) + wait_random(0, 0.5)


def _wait(state: RetryCallState) -> float:
    """Exponential back-off with jitter, and never less than the service's own Retry-After."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, RefusedError) and error.retry_after_s else 0.0
    return max(_back_off(state), asked)


def no_answer(source: str, seconds: float, *, is_retryable: bool = True) -> SourceError:
    """The failure of a service that stayed silent."""
    return SourceError(source, f"no answer within {round(seconds, 1):g} s", is_retryable=is_retryable)


def broken_connection(source: str, error: BaseException) -> SourceError:
    """The failure of a connection refused, dropped or not found; only the error's kind is told, its text holds URLs."""
    return SourceError(source, f"connection failed ({type(error).__name__})", is_retryable=True)


def refusal(source: str, status: int, retry_after: str | None = None, detail: str = "") -> RefusedError:
    """The failure for an HTTP status of 400 or above.

    Args:
        source: name for messages.
        status: HTTP status.
        retry_after: the header as it came; seconds are understood, a date is not and counts as absent.
        detail: what the service said, already free of secrets.
    """
    known = {member.value: member.phrase for member in HTTPStatus}
    reason = f"HTTP {status} {known.get(status, '')}".strip() + (f": {detail}" if detail else "")
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    is_retryable = status in (408, 425, 429) or status >= 500
    return RefusedError(source, reason, is_retryable=is_retryable, retry_after_s=seconds)


def redact(text: str, *secrets: str | None) -> str:
    """`text` with every secret, plain or in its URL-encoded forms, replaced by `***`."""
    forms = {
        form for secret in secrets if secret for form in (secret, quote(secret), quote(secret, ""), quote_plus(secret))
    }
    for form in sorted(forms, key=len, reverse=True):  # longest first: one secret may be part of another
        text = text.replace(form, "***")
    return text


def fetched_frame(value: str, source: str, rows: Iterable[Row]) -> pl.DataFrame:
    """Rows as the table that a source owes (`fetched_schema`), oldest session first."""
    ordered = sorted(rows, key=lambda row: row.session)
    columns = {
        "session": [row.session for row in ordered],
        value: [row.value for row in ordered],
        "source": [source] * len(ordered),
        "is_provisional": [row.is_provisional for row in ordered],
        "is_suspect": [row.is_suspect for row in ordered],
        "available_at": [row.available_at.astimezone(UTC) for row in ordered],
    }
    return conform(pl.DataFrame(columns, schema=fetched_schema(value)), fetched_schema(value), f"{source} {value}")
