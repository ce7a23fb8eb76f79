"""Splits past dates between search and validation."""

from dataclasses import dataclass
from datetime import date, timedelta

from forex_assets.accuracy.past_dates import origin_dates, parse_every
from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.horizon import days_of
from forex_assets.core.policy import Policy


@dataclass(frozen=True)
class Split:
    """Two blocks of origins, apart.

    Attributes:
        search: days of issue, ascending.
        validation: likewise, the first of them later than the last target of `search`.
        words: how many, from when to when, and what history did not allow.
    """

    search: tuple[date, ...]
    validation: tuple[date, ...]
    words: str


def apart_from(split: Split, searched: tuple[date, date] | None, horizon: str) -> Split:
    """Moves a validation apart from the search's dates.

    A policy or a clock that was changed since would else have the challenger judged on what chose it.

    Args:
        split: by the policy and clock of now.
        searched: first and last day of issue of the search; None where it had none.
        horizon: such as `7d`.
    """
    if searched is None or (split.search and (split.search[0], split.search[-1]) == searched):
        return split
    first_apart = searched[1] + timedelta(days=days_of(horizon))
    kept = tuple(day for day in split.validation if day > first_apart)
    span = f" from {kept[0]} to {kept[-1]}" if kept else ""
    lost = len(split.validation) - len(kept)
    words = (
        f"policy or clock have changed since the search, which was on origins from {searched[0]} to {searched[1]}; "
        f"validation on {len(kept)} origins{span}"
    )
    return Split(split.search, kept, f"{words}, {lost} left out that are not apart from these" if lost else words)


def split_origins(calendar: SessionCalendar, first: date, last: date, horizon: str, policy: Policy) -> Split:
    """Splits origins: the newest validate, earlier ones are searched.

    A gap of one horizon lies between.

    The gap is a horizon: no search origin's target lies on or after the first day of issue of the validation, so that
    no price decides twice. Where history holds fewer than the policy wants, the search gets its share of what there is.

    Args:
        calendar: the peso's sessions.
        first: earliest day of issue for which there is history enough.
        last: last session with a price.
        horizon: such as `7d`.
        policy: how many, how far apart.
    """
    ahead, every = timedelta(days=days_of(horizon)), parse_every(policy.search.every)
    days = [day for day in origin_dates(calendar, first, last, every) if day + ahead <= last] if first <= last else []
    wanted, judged = policy.search.origins, policy.validation.origins
    gap = sum(1 for day in days if days and day >= days[-1] - ahead) - 1 if days else 0
    spare = max(0, len(days) - gap)
    if spare < wanted + judged:
        judged = spare - spare * wanted // (wanted + judged)
    validation = days[-judged:] if judged else []
    before = [day for day in days if not validation or day + ahead < validation[0]]
    search = before[-wanted:]
    return Split(tuple(search), tuple(validation), _words(search, validation, policy))


def _words(search: list[date], validation: list[date], policy: Policy) -> str:
    parts = []
    for name, days, wanted in (
        ("search", search, policy.search.origins),
        ("validation", validation, policy.validation.origins),
    ):
        span = f" from {days[0]} to {days[-1]}" if days else ""
        fewer = f", of {wanted} wanted: history allows no more" if len(days) < wanted else ""
        parts.append(f"{name} on {len(days)} origins{span}{fewer}")
    return "; ".join(parts)
