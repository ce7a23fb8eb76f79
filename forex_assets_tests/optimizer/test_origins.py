"""Search and validation never share a price: the blocks are apart by a horizon, whatever history holds."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.horizon import HORIZONS, days_of
from forex_assets.core.policy import Policy, SearchPolicy, ValidationPolicy
from forex_assets.optimizer.origins import Split, apart_from, split_origins

CALENDAR = SessionCalendar("CLP", frozenset({date(2020, 9, 18), date(2021, 1, 1)}))
LAST = date(2025, 6, 13)


def policy(every: str = "1w", search: int = 126, validation: int = 252) -> Policy:
    return Policy(
        search=SearchPolicy(every=every, origins=search), validation=ValidationPolicy(origins=validation, fewest=20)
    )


@pytest.mark.parametrize("horizon", HORIZONS)
def test_with_history_enough_both_blocks_are_as_large_as_the_policy_says(horizon: str) -> None:
    split = split_origins(CALENDAR, date(2008, 1, 1), LAST, horizon, policy())
    assert (len(split.search), len(split.validation)) == (126, 252)
    assert "history allows no more" not in split.words
    assert split.validation[-1] + timedelta(days=days_of(horizon)) <= LAST
    # The newest that can be judged: a week later and the target would not have come true.
    assert split.validation[-1] + timedelta(days=days_of(horizon) + 7) > LAST


@given(
    st.sampled_from(HORIZONS),
    st.sampled_from(["1d", "2d", "1w", "2w", "1m"]),
    st.integers(1, 4000),
    st.integers(20, 200),
    st.integers(40, 300),
)
@settings(max_examples=60, deadline=None)
def test_no_target_of_the_search_lies_in_the_validation(
    horizon: str, every: str, days: int, search: int, validation: int
) -> None:
    split = split_origins(CALENDAR, LAST - timedelta(days=days), LAST, horizon, policy(every, search, validation))
    ahead = timedelta(days=days_of(horizon))
    assert len(split.search) <= search
    assert len(split.validation) <= validation
    assert list(split.search) == sorted(set(split.search))
    assert all(CALENDAR.is_session(day) for day in (*split.search, *split.validation))
    if split.search and split.validation:
        assert max(split.search) + ahead < min(split.validation)
    assert all(day + ahead <= LAST for day in (*split.search, *split.validation))


def test_short_history_is_shared_and_said() -> None:
    split = split_origins(CALENDAR, date(2024, 1, 1), LAST, "7d", policy())
    assert 15 < len(split.search) < 30
    assert len(split.validation) > 1.7 * len(split.search)
    assert f"{len(split.search)} origins" in split.words
    assert "of 126 wanted: history allows no more" in split.words


def test_no_history_gives_no_origins() -> None:
    split = split_origins(CALENDAR, LAST + timedelta(days=1), LAST, "7d", policy())
    assert (split.search, split.validation) == ((), ())


def test_a_validation_after_a_change_begins_when_the_last_target_of_the_search_is_past_by_hand() -> None:
    fridays = [date(2020, 1, 3) + timedelta(weeks=week) for week in range(5)]
    split = Split((fridays[0],), tuple(fridays[1:]), "")
    # Searched up to the 10th, whose 7-day target is the 17th: that day decides already, the 24th is the first apart.
    assert apart_from(split, (date(2019, 6, 7), fridays[1]), "7d").validation == (fridays[3], fridays[4])
    assert apart_from(split, (date(2019, 6, 7), date(2020, 1, 9)), "7d").validation == tuple(fridays[2:])
    assert apart_from(split, (fridays[0], fridays[0]), "7d") is split
    assert apart_from(split, None, "7d") is split
