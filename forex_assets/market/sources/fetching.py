"""Requests to price services: one deadline, retries, readable errors."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote, quote_plus

import polars as pl
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, stop_before_delay
from tenacity.wait import wait_exponential, wait_random

from forex_assets.core.schemas import conform, fetched_schema
from forex_assets.market.prices import SourceError

DEADLINE_S: Final = 30.0
"""Seconds for one source, all attempts and waits together."""
REQUEST_LIMIT_S: Final = 15.0
"""Seconds for one request; a stalled one leaves time for another."""
ATTEMPTS: Final = 3
CA_FILE: Final = "FOREX_CA_FILE"
"""Environment name of the certificates that every source trusts."""

T = TypeVar("T")


class RefusedError(SourceError):
    """A service answered with an HTTP error.

    Attributes:
        retry_after_s: seconds to wait, as the service asked; None if it did not.
    """

    def __init__(self, source: str, reason: str, *, is_retryable: bool, retry_after_s: float | None) -> None:
        super().__init__(source, reason, is_retryable=is_retryable)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Row:
    """One dated price of one session; `available_at` is an aware instant."""

    session: date
    value: float
    available_at: datetime
    is_provisional: bool = False
    is_suspect: bool = False


@dataclass
class _Outcome(Generic[T]):
    """Answer or error of the asking thread."""

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
    """Calls a service until it answers, within one deadline.

    Runs on a daemon thread: a client without time-out (urllib) cannot be interrupted, only abandoned, and must not keep
    the interpreter from exiting.

    Args:
        source: name for messages.
        call: one attempt, given the seconds left; `SourceError.is_retryable` decides on another.
        deadline_s: seconds for attempts, waits and stalled sockets together.
        attempts: largest number of calls.
        sleep: waits between attempts, seconds.

    Raises:
        SourceError: the last attempt's error, or `no answer within 30 s`.
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


class AskedSource:
    """Base of price sources: their name, and requests within one deadline.

    Attributes:
        name: value of `source` in their rows.
    """

    name: str

    def __init__(
        self,
        *,
        deadline_s: float = DEADLINE_S,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
        ca_file: Path | None = None,
    ) -> None:
        """Limits of one fetch, see `ask`, and the certificates to trust."""
        self._deadline_s, self._attempts, self._sleep = deadline_s, attempts, sleep
        self._ca_file = ca_file

    def _get(self, url: str, query: dict[str, str], left_s: float, refused: Callable[[str], str] = lambda _: "") -> str:
        return get_text(self.name, url, query, left_s, refused, self._ca_file)

    def _ask(self, call: Callable[[float], T]) -> T:
        return ask(self.name, call, deadline_s=self._deadline_s, attempts=self._attempts, sleep=self._sleep)


def trusted_certificates(source: str, ca_file: Path | None) -> str | None:
    """Returns the file of certificates to trust; None for the usual ones.

    Args:
        ca_file: None: that of the environment.

    Raises:
        SourceError: the file does not exist.
    """
    named = ca_file or os.environ.get(CA_FILE)
    if not named:
        return None
    if not Path(named).is_file():
        raise SourceError(source, f"{CA_FILE}={named} is no file; name the PEM file of your company's certificates")
    return str(named)


def get_text(
    source: str,
    url: str,
    query: dict[str, str],
    left_s: float,
    refused: Callable[[str], str] = lambda _: "",
    ca_file: Path | None = None,
) -> str:
    """Returns the body of one GET request.

    Errors are raised outside `except`, since their causes can hold a password of the address.

    Args:
        left_s: seconds left; one request takes `REQUEST_LIMIT_S` at most.
        refused: finds the service's words, without secrets, in the body of an HTTP error.
        ca_file: certificates to trust, see `trusted_certificates`.
    """
    import requests

    # urllib3 logs whole addresses at DEBUG, and one of them holds a password.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
    limit_s = max(min(left_s, REQUEST_LIMIT_S), 0.001)
    certificates = trusted_certificates(source, ca_file)
    try:
        with requests.Session() as session:
            response = session.get(url, params=query, timeout=limit_s, verify=certificates)
    except requests.exceptions.SSLError:
        failure = untrusted(source)
    except requests.Timeout:
        failure = no_answer(source, limit_s)
    except requests.RequestException as error:
        failure = broken_connection(source, error)
    else:
        text = str(response.content.decode("utf-8", "replace"))
        if response.status_code < 400:
            return text
        failure = refusal(source, response.status_code, response.headers.get("Retry-After"), refused(text))
    raise failure


def hold_to_question(source: str, answer: Mapping[str, object], asked: Mapping[str, object]) -> None:
    """Refuses an answer that names something else than asked for.

    A field that the answer lacks is not compared.

    Args:
        asked: wanted value by field of the answer.

    Raises:
        SourceError: the first field with another value.
    """
    for name, wanted in asked.items():
        named = answer.get(name)
        if named is not None and named != wanted:
            raise SourceError(source, f"answered with {name} {named!r}, asked for {wanted!r}")


def parsed_json(source: str, text: str) -> Any:
    """Parses a body.

    Raises:
        SourceError: blank, or not JSON.
    """
    if not text.strip():
        raise SourceError(source, "empty answer", is_retryable=True)
    with suppress(ValueError):
        return json.loads(text)
    # Raised outside the handler: the decoder's error keeps the body, which may repeat the address.
    raise SourceError(source, "answer is not JSON", is_retryable=True)


_back_off = wait_exponential(multiplier=0.5, max=8) + wait_random(0, 0.5)


def _wait(state: RetryCallState) -> float:
    """Exponential back-off with jitter, at least the service's Retry-After."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, RefusedError) and error.retry_after_s else 0.0
    return max(_back_off(state), asked)


def no_answer(source: str, seconds: float, *, is_retryable: bool = True) -> SourceError:
    """Makes the error of a silent service."""
    return SourceError(source, f"no answer within {round(seconds, 1):g} s", is_retryable=is_retryable)


def broken_connection(source: str, error: BaseException) -> SourceError:
    """Makes the error of a failed connection.

    Only the error's type is shown: its text holds addresses.
    """
    return SourceError(source, f"connection failed ({type(error).__name__})", is_retryable=True)


def untrusted(source: str) -> SourceError:
    """Makes the error of a certificate that nobody trusts."""
    return SourceError(source, f"certificate is not trusted; set {CA_FILE} to your company's certificates (PEM)")


def refusal(source: str, status: int, retry_after: str | None = None, detail: str = "") -> RefusedError:
    """Makes the error of an HTTP status of 400 or above.

    Args:
        retry_after: header; seconds are understood, a date is ignored.
        detail: the service's text, without secrets.
    """
    known = {member.value: member.phrase for member in HTTPStatus}
    reason = f"HTTP {status} {known.get(status, '')}".strip() + (f": {detail}" if detail else "")
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    is_retryable = status in (408, 425, 429) or status >= 500
    return RefusedError(source, reason, is_retryable=is_retryable, retry_after_s=seconds)


def redact(text: str, *secrets: str | None) -> str:
    """Replaces secrets, plain or URL-encoded, by `***`."""
    forms = {
        form for secret in secrets if secret for form in (secret, quote(secret), quote(secret, ""), quote_plus(secret))
    }
    for form in sorted(forms, key=len, reverse=True):  # longest first: one secret may be part of another
        text = text.replace(form, "***")
    return text


def fetched_frame(value: str, source: str, rows: Iterable[Row]) -> pl.DataFrame:
    """Makes a table of rows (`fetched_schema`), oldest session first."""
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
