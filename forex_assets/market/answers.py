"""Record of each source's answers, and its consequences.

Each answer is recorded (`ANSWERS_SCHEMA`): when it was asked for, its reach, what was lost, why it was refused. An
evening is a day in Santiago of the instant asked for, so that a repeated run counts once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import polars as pl

from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.schemas import ANSWERS_SCHEMA, conform, empty

LOOK_BACK: Final = timedelta(days=90)
"""Overlap of a fetch with stored sessions; shows revisions and unit jumps."""
WHOLE_EVERY: Final = timedelta(days=30)
"""Time between requests for the whole history."""
SHORT: Final = 500
"""Rows below which a whole answer may be cut short."""
EVENINGS: Final = 3
"""Evenings after which a repeated loss or beginning is believed."""
KEPT: Final = 400
"""Answers kept of each source, more than a year."""


@dataclass(frozen=True)
class Answer:
    """One answer of a source.

    Attributes:
        as_of: instant asked for.
        answered_at: real time of the answer.
        is_whole: whether the whole history was asked for.
        rows: number of rows; 0 without an answer.
        first_session: None without rows.
        last_session: None without rows.
        lost: stored sessions that were missing.
        refusal: why it was not used; empty if it was.
    """

    as_of: datetime
    answered_at: datetime
    is_whole: bool
    rows: int = 0
    first_session: date | None = None
    last_session: date | None = None
    lost: tuple[date, ...] = ()
    refusal: str = ""

    def reaching(self, sessions: pl.Series) -> "Answer":
        """Returns the answer with the reach of its rows."""
        first, last = sessions.min(), sessions.max()
        if not isinstance(first, date) or not isinstance(last, date):
            return self
        return replace(self, rows=sessions.len(), first_session=first, last_session=last)


def with_answer(answers: pl.DataFrame | None, answer: Answer) -> pl.DataFrame:
    """Appends an answer to the records of its source."""
    row = {
        "as_of": [answer.as_of],
        "answered_at": [answer.answered_at],
        "is_whole": [answer.is_whole],
        "rows": [answer.rows],
        "first_session": [answer.first_session],
        "last_session": [answer.last_session],
        "lost_sessions": [" ".join(str(day) for day in answer.lost)],
        "refusal": [answer.refusal],
    }
    old = empty(ANSWERS_SCHEMA) if answers is None else conform(answers, ANSWERS_SCHEMA, "answers")
    return pl.concat([old, pl.DataFrame(row, schema=ANSWERS_SCHEMA)]).tail(KEPT)


def _before(answers: pl.DataFrame | None, as_of: datetime) -> list[dict[str, Any]]:
    """Returns answers asked for before an instant, oldest first."""
    if answers is None:
        return []
    return answers.filter(pl.col("as_of") < as_of).sort("as_of", maintain_order=True).to_dicts()


def _evening(as_of: datetime) -> date:
    return as_of.astimezone(SANTIAGO).date()


def borne_losses(answers: pl.DataFrame | None, as_of: datetime) -> frozenset[date]:
    """Returns sessions lost on both of the last two evenings.

    Evenings without rows do not count. A third loss of such a session is borne.
    """
    lost: dict[date, set[str]] = {}
    for row in _before(answers, as_of):
        if row["rows"] and _evening(row["as_of"]) < _evening(as_of):
            lost[_evening(row["as_of"])] = set(row["lost_sessions"].split())  # the evening's last answer counts
    evenings = [lost[day] for day in sorted(lost)][-(EVENINGS - 1) :]
    if len(evenings) < EVENINGS - 1:
        return frozenset()
    return frozenset(date.fromisoformat(text) for text in set.intersection(*evenings))


def previous_answer(answers: pl.DataFrame | None, as_of: datetime) -> tuple[datetime, date] | None:
    """Returns instant and first session of the last used answer."""
    used = [row for row in _before(answers, as_of) if row["rows"] and not row["refusal"]]
    return (used[-1]["as_of"], used[-1]["first_session"]) if used else None


def first_session_to_ask(history: pl.DataFrame | None, answers: pl.DataFrame | None, as_of: datetime) -> date | None:
    """Returns the first session to fetch; None for the whole history.

    The whole is asked for once a month, and again the next evening while a whole answer is short: few rows, or later
    than what is stored. Three evenings with the same first session are believed.

    Args:
        history: stored rows (`history_schema`), or None.
    """
    if history is None:
        return None
    known = history.filter(pl.col("available_at") <= as_of)["session"]
    last, first = known.max(), known.min()
    whole = [row for row in _before(answers, as_of + timedelta(seconds=1)) if row["is_whole"] and row["rows"]]
    whole = [row for row in whole if not row["refusal"]]
    if not isinstance(last, date) or not isinstance(first, date) or not whole:
        return None
    newest = whole[-1]
    is_short = newest["rows"] < SHORT or newest["first_session"] > first
    asked_today = _evening(newest["as_of"]) == _evening(as_of)
    if newest["as_of"] <= as_of - WHOLE_EVERY or (is_short and not asked_today and not _is_settled(whole)):
        return None
    return last - LOOK_BACK


def _is_settled(whole: Sequence[dict[str, Any]]) -> bool:
    """Tells whether three evenings gave the same first session."""
    firsts = {_evening(row["as_of"]): row["first_session"] for row in whole}
    latest = [firsts[day] for day in sorted(firsts)][-EVENINGS:]
    return len(latest) == EVENINGS and len(set(latest)) == 1


def refusal_words(source: str, answers: pl.DataFrame | None, as_of: datetime) -> str:
    """Describes why a source is not used; empty if it is."""
    refused: list[dict[str, Any]] = []
    for row in reversed(_before(answers, as_of + timedelta(seconds=1))):
        if not row["refusal"]:
            break
        refused.append(row)
    if not refused:
        return ""
    evenings = len({_evening(row["as_of"]) for row in refused})
    since = _evening(refused[-1]["as_of"])
    return f"{source} not used since {since} ({evenings} evening{'s'[: evenings > 1]}): {refused[0]['refusal']}"
