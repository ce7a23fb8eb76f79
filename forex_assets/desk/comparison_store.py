"""Reads two issues of each horizon and compares them."""

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from forex_assets.core.session import Session
from forex_assets.desk.answers import Answer, Row, rounded
from forex_assets.desk.comparison import Change, Issue, change, issue_of, words
from forex_assets.desk.outlook import DeskError
from forex_assets.desk.outlook_store import read_outlook
from forex_assets.forecasts.ledger_store import LedgerStore


def comparison_answer(session: Session, horizons: Sequence[str], days: int) -> Answer:
    """Compares the latest fans with those issued some days before.

    Args:
        days: least calendar days between the two issues; the newest such fan counts.

    Raises:
        DeskError: no fan is stored, or none is so old.
    """
    outlook = read_outlook(session)
    rows, notes = list[Row](), list[str]()
    for horizon in (name for name in horizons if name in outlook.fans):
        after = issue_of(outlook.fans[horizon])
        before = _issue_before(session, horizon, after, days)
        if before is None:
            notes.append(f"{horizon}: no fan {days} days older is in the ledger.")
            continue
        causes = change(before, after)
        rows += [_issue_row(horizon, before), _issue_row(horizon, after)]
        rows[-1] |= _change_row(causes)
        notes.append(f"{horizon}: {words(causes)}")
    if not rows:
        oldest = max((_oldest_days(session, name, outlook.basis().as_of) for name in horizons), default=0)
        younger = f"the oldest is {oldest} day{'s' * (oldest != 1)} older: give --days {oldest}"
        raise DeskError(
            f"no fan issued {days} day{'s' * (days != 1)} before {outlook.basis().as_of} is in the ledger; "
            + (younger if oldest else "no earlier one is there either: compare again after the next forecast")
        )
    return Answer("Latest fans beside earlier ones, at the target date", rows, outlook.basis(), notes)


def _issue_before(session: Session, horizon: str, after: Issue, days: int) -> Issue | None:
    """Returns the newest issue at least so many days older."""
    ledger = LedgerStore(session.tables).read(horizon)
    limit = after.as_of - timedelta(days=days)
    older = ledger.filter(~pl.col("is_shadow") & (pl.col("as_of") <= limit))
    if older.is_empty():
        return None
    return issue_of(older.filter(pl.col("sequence") == older["sequence"].max()))


def _oldest_days(session: Session, horizon: str, as_of: date) -> int:
    """Days since the ledger's first forecast; 0 without one."""
    issued = LedgerStore(session.tables).read(horizon).filter(~pl.col("is_shadow"))["as_of"].min()
    return max(0, (as_of - issued).days) if isinstance(issued, date) else 0


def _issue_row(horizon: str, issue: Issue) -> Row:
    return {
        "horizon": horizon,
        "as_of": issue.as_of.isoformat(),
        "target_date": issue.target_date.isoformat(),
        "price": rounded(issue.price, 2),
        "median": rounded(issue.median, 2),
        "low": rounded(issue.low, 2),
        "high": rounded(issue.high, 2),
        "volatility": rounded(issue.volatility, 6),
        **dict.fromkeys(("price_change", "median_change", "width_ratio"), None),
        **dict.fromkeys(("by_volatility", "by_sessions", "by_model", "by_calibration"), None),
    }


def _change_row(causes: Change) -> Row:
    return {
        "price_change": rounded(causes.price, 2),
        "median_change": rounded(causes.median, 2),
        "width_ratio": rounded(causes.width),
        "by_volatility": rounded(causes.volatility),
        "by_sessions": rounded(causes.sessions),
        "by_model": rounded(causes.model),
        "by_calibration": rounded(causes.calibration),
    }
