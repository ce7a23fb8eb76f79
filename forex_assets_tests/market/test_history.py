"""History only grows; bad fetches change nothing; views have no look-ahead."""

import math
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forex_assets.core.schemas import REVISIONS_SCHEMA, fetched_schema, history_schema, prices_schema
from forex_assets.core.schemas import UTC as UTC_TYPE
from forex_assets.market.history import BadFetch, Merge, MergeTerms, merge_history, prices_at, revisions_of
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries

DAY = date(2024, 1, 1)
NOW = datetime(2024, 6, 3, 23, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def at(day: date, hour: int = 22) -> datetime:
    return datetime.combine(day, time(hour), UTC)


def bar(offset: int, value: float, source: str = "yahoo") -> dict[str, Any]:
    day = DAY + timedelta(days=offset)
    return {
        "session": day,
        "price": value,
        "source": source,
        "is_provisional": False,
        "is_suspect": False,
        "available_at": at(day),
    }


def last_price(offset: int, value: float, hour: int) -> dict[str, Any]:
    day = DAY + timedelta(days=offset)
    return {
        "session": day,
        "price": value,
        "source": "yahoo",
        "is_provisional": True,
        "is_suspect": False,
        "available_at": at(day, hour),
    }


def rows(*given: dict[str, Any], series: PriceSeries = USDCLP) -> pl.DataFrame:
    renamed = [{series.value if name == "price" else name: value for name, value in row.items()} for row in given]
    return pl.DataFrame(renamed, schema=fetched_schema(series.value))


def bars(*values: float, start: int = 0, series: PriceSeries = USDCLP, source: str = "yahoo") -> pl.DataFrame:
    return rows(*(bar(start + n, value, source) for n, value in enumerate(values)), series=series)


def merged(*fetches: pl.DataFrame, series: PriceSeries = USDCLP) -> Merge:
    """Fetches merged one after the other, a day apart."""
    merge = merge_history(None, fetches[0], series, NOW)
    for n, fetched in enumerate(fetches[1:], 1):
        merge = merge_history(merge.history, fetched, series, NOW + timedelta(days=n))
    return merge


def test_two_provisional_prices_of_one_fetch_are_both_kept_and_the_later_is_shown() -> None:
    history = merged(rows(last_price(1, 900, 15), last_price(1, 901, 16))).history
    assert history["clp_per_usd"].to_list() == [900, 901]
    assert history["superseded_at"].is_null().all()
    table = prices_at(history, USDCLP, NOW + timedelta(days=9))
    assert table["clp_per_usd"].to_list() == [901]
    again = merged(rows(last_price(1, 900, 15), last_price(1, 901, 16)), rows(last_price(1, 901, 16)))
    assert again.history.equals(history), "a repeated price adds nothing"


def test_the_first_fetch_is_the_history() -> None:
    merge = merged(bars(900, 901, 902))
    assert (merge.added, merge.revised) == (3, 0)
    assert merge.history.schema == pl.Schema(history_schema("clp_per_usd"))
    assert merge.history.select(list(fetched_schema("clp_per_usd"))).equals(bars(900, 901, 902))
    assert merge.history["fetched_at"].to_list() == [NOW] * 3
    assert merge.history["superseded_at"].null_count() == 3
    assert merge.message == "rows 3, last 2024-01-03, added 3, revised 0"


def test_a_fetch_that_repeats_changes_nothing() -> None:
    first = merged(bars(900, 901, 902))
    moved = bars(900, 901, 902).with_columns(pl.col("available_at") + pl.duration(hours=5))
    for repeated in (bars(900, 901, 902), bars(900, 901 * (1 + 1e-9), 902), moved):
        again = merge_history(first.history, repeated, USDCLP, LATER)
        assert (again.added, again.revised) == (0, 0)
        assert again.history.equals(first.history)


def test_a_changed_value_supersedes_and_the_old_one_stays() -> None:
    merge = merged(bars(900, 901, 902), bars(900, 911, 902, 903))
    assert (merge.added, merge.revised) == (1, 1)
    assert merge.history["clp_per_usd"].to_list() == [900, 901, 902, 911, 903]
    assert merge.history["superseded_at"].to_list() == [None, LATER, None, None, None]
    assert prices_at(merge.history, USDCLP, FAR)["clp_per_usd"].to_list() == [900, 911, 902, 903]


def test_a_value_that_changes_and_changes_back_is_two_revisions() -> None:
    merge = merged(bars(900, 901), bars(900, 911), bars(900, 901))
    revisions = revisions_of(merge.history, USDCLP)
    assert revisions.schema == pl.Schema(REVISIONS_SCHEMA)
    assert revisions.rows() == [
        ("usdclp", "yahoo", date(2024, 1, 2), 901.0, 911.0, NOW + timedelta(days=1)),
        ("usdclp", "yahoo", date(2024, 1, 2), 911.0, 901.0, NOW + timedelta(days=2)),
    ]
    assert prices_at(merge.history, USDCLP, FAR)["clp_per_usd"].to_list() == [900, 901]


def test_without_revisions_the_table_of_revisions_is_empty() -> None:
    history = merged(rows(bar(0, 900), last_price(1, 905, 15)), rows(bar(0, 900), bar(1, 906))).history
    assert revisions_of(history, USDCLP).is_empty()  # a bar after a provisional price is no revision
    assert revisions_of(history, USDCLP).schema == pl.Schema(REVISIONS_SCHEMA)


def test_several_provisional_prices_of_one_session_are_kept_and_the_bar_replaces_them() -> None:
    history = merged(
        rows(bar(0, 900), last_price(1, 905, 15)),
        rows(bar(0, 900), last_price(1, 907, 18)),
        rows(bar(0, 900), bar(1, 906)),
    ).history
    assert history.height == 4
    day = DAY + timedelta(days=1)
    seen = [prices_at(history, USDCLP, at(day, hour)).row(-1, named=True) for hour in (14, 16, 19, 23)]
    assert [row["clp_per_usd"] for row in seen] == [900, 905, 907, 906]
    assert [row["is_provisional"] for row in seen] == [False, True, True, False]


def test_a_bar_is_preferred_to_a_provisional_price_of_a_later_moment() -> None:
    history = merged(rows(bar(0, 900), last_price(0, 905, 23))).history
    assert prices_at(history, USDCLP, FAR)["clp_per_usd"].to_list() == [900]


def test_a_provisional_price_that_changes_at_its_own_moment_is_superseded() -> None:
    history = merged(rows(last_price(1, 905, 15)), rows(last_price(1, 906, 15))).history
    assert history["superseded_at"].to_list() == [LATER, None]
    assert prices_at(history, USDCLP, FAR)["clp_per_usd"].to_list() == [906]


BAD: dict[str, tuple[pl.DataFrame, str]] = {
    "empty": (rows(), "no rows"),
    "null": (bars(900, 901).with_columns(available_at=pl.lit(None).cast(UTC_TYPE)), "nulls in available_at"),
    "not a number": (bars(900, math.nan, 902), "nan of 2024-01-02 is no price"),
    "infinite": (bars(900, math.inf, 902), "inf of 2024-01-02 is no price"),
    "zero": (bars(900, 0, 902), "0.0 of 2024-01-02 is no price"),
    "negative": (bars(900, -3, 902), "is no price"),
    "a session twice": (pl.concat([bars(900, 901), bars(901, start=1)]), "not strictly increasing among final"),
    "backwards": (bars(900, 901)[::-1], "not strictly increasing"),
    "a provisional moment twice": (
        rows(last_price(1, 900, 15), last_price(1, 901, 15)),
        "among provisional",
    ),
    "provisional moments backwards": (
        rows(last_price(1, 900, 16), last_price(1, 901, 15)),
        "among provisional",
    ),
    "another unit": (bars(0.9, 0.9, 0.9), "no price in CLP per USD"),
    "two sources": (pl.concat([bars(900), bars(901, start=1, source="bcch")]), r"several sources \(bcch, yahoo\)"),
    "another source": (bars(900, 901, 902, source="bcch"), r"several sources \(bcch, yahoo\)"),
    "a jump where both have values": (bars(2100, 2110, 2120, 2130), "times the stored values of the same sessions"),
    "a jump without overlap": (bars(2500, start=30), "2.773 times the last stored values"),
    "a jump in the new rows": (bars(900, 901, 902, 903, 2500, 2500, 2500), "times the last stored values"),
    "fewer sessions": (
        bars(900, 901, 902, 903)[[0, 1, 3]],
        "1 finished sessions .* missing from the answer: 2024-01-03",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_fetch_is_refused_with_its_reason(name: str) -> None:
    fetched, reason = BAD[name]
    stored = merged(bars(900, 901, 902, 903)).history
    before = stored.clone()
    with pytest.raises(BadFetch, match=reason):
        merge_history(stored, fetched, USDCLP, LATER)
    assert stored.equals(before)


def test_usd_per_tonne_for_usd_per_pound_is_named_with_or_without_history() -> None:
    copper = bars(3.8, 3.9, 3.85, series=COPPER)
    tonnes = copper.with_columns(pl.col("close_usd_lb") * 2204.62)
    cents = copper.with_columns(pl.col("close_usd_lb") * 100)
    for stored in (None, merged(copper, series=COPPER).history):
        with pytest.raises(BadFetch, match="looks like USD/t for USD/lb"):
            merge_history(stored, tonnes, COPPER, NOW)
        with pytest.raises(BadFetch, match="looks like US cents/lb for USD/lb"):
            merge_history(stored, cents, COPPER, NOW)


def test_an_answer_that_ends_before_what_was_known_has_sessions_missing() -> None:
    stored = merged(bars(900, 901, 902, 903)).history
    short = bars(900, 901)
    known = at(DAY + timedelta(days=3), 23)
    with pytest.raises(BadFetch, match=r"2 finished sessions .* missing from the answer: 2024-01-03, 2024-01-04"):
        merge_history(stored, short, USDCLP, LATER, as_of=known)
    past = at(DAY + timedelta(days=1), 23)  # a question about the past ends in the past
    assert merge_history(stored, short, USDCLP, LATER, as_of=past).added == 0


def test_one_old_bar_in_fifty_may_be_lost_and_stays_stored_but_no_recent_one_and_no_two() -> None:
    stored = merged(bars(*(900.0 + k for k in range(60)))).history
    answer = bars(*(900.0 + k for k in range(61)))
    merge = merge_history(stored, answer[[k for k in range(61) if k != 20]], USDCLP, LATER)
    assert (merge.added, merge.history.height) == (1, 61)
    for lost in ({20, 21}, {57}):
        with pytest.raises(BadFetch, match="missing from the answer"):
            merge_history(stored, answer[[k for k in range(61) if k not in lost]], USDCLP, LATER)


def test_a_suspect_bar_is_kept_and_marked_and_gives_way_to_a_last_price() -> None:
    fetched = bars(900, 840, 902, 903).with_columns(is_suspect=pl.col("clp_per_usd") == 840)
    history = merged(fetched).history
    view = prices_at(history, USDCLP, FAR)
    assert view["clp_per_usd"].to_list() == [900, 840, 902, 903]
    assert view["is_quarantined"].to_list() == [False, True, False, False]
    history = merged(rows(last_price(1, 901, 15)), fetched).history
    view = prices_at(history, USDCLP, FAR)
    assert view.select("clp_per_usd", "is_quarantined").rows() == [(v, False) for v in (900, 901, 902, 903)]


def test_a_bar_that_its_source_puts_right_is_suspect_no_longer_and_no_revision() -> None:
    first = bars(900, 901).with_columns(is_suspect=pl.col("clp_per_usd") == 901)
    merge = merged(first, bars(900, 901))
    assert merge.revised == 1
    assert prices_at(merge.history, USDCLP, FAR)["is_quarantined"].to_list() == [False, False]
    assert revisions_of(merge.history, USDCLP).is_empty()


def test_a_few_bad_ticks_do_not_cost_the_fetch() -> None:
    merge = merged(bars(900, 901, 902, 903), bars(900, 5.46, 902, 903, 904, 5.0))
    assert (merge.added, merge.revised) == (2, 1)
    assert merged(bars(900, 901, 902), bars(901, 902, 5.46, start=1)).added == 1


def test_a_real_fall_by_a_quarter_is_no_unit_jump() -> None:
    before, after = bars(5.8, 5.7, series=COPPER), bars(5.7, 4.3, 4.3, 4.3, start=1, series=COPPER)
    assert merged(before, after, series=COPPER).added == 3


def test_wrong_columns_are_a_mistake_and_no_bad_fetch() -> None:
    with pytest.raises(ValueError, match="fetched: missing columns"):
        merge_history(None, bars(900).drop("source"), USDCLP, NOW)
    with pytest.raises(ValueError, match="stored: missing columns"):
        merge_history(bars(900), bars(900), USDCLP, NOW)


def test_the_view_marks_bad_ticks_and_has_the_columns_of_prices() -> None:
    view = prices_at(merged(bars(900, 901, 5.46, 903, 904)).history, USDCLP, FAR)
    assert view.schema == pl.Schema(prices_schema("clp_per_usd"))
    assert view["is_quarantined"].to_list() == [False, False, True, False, False]


def test_a_view_before_everything_is_empty_and_one_over_two_sources_is_an_error() -> None:
    history = merged(bars(900, 901)).history
    assert prices_at(history, USDCLP, datetime(2000, 1, 1, tzinfo=UTC)).is_empty()
    mixed = pl.concat([history, merged(bars(900, source="bcch")).history])
    with pytest.raises(ValueError, match="mixes sources"):
        prices_at(mixed, USDCLP, FAR)


def in_windows(whole: pl.DataFrame, cuts: list[int]) -> Merge:
    """Fetches `whole` in growing windows that overlap."""
    ends = sorted({*cuts, whole.height})
    starts = [0, *(max(0, end - 3) for end in ends[:-1])]
    return merged(*(whole[start:end] for start, end in zip(starts, ends, strict=True)))


VALUES = st.lists(st.floats(800, 1000), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(values=VALUES, data=st.data())
def test_the_view_is_the_same_however_the_fetches_were_split(values: list[float], data: st.DataObject) -> None:
    whole = bars(*values)
    cuts = data.draw(st.lists(st.integers(1, whole.height), max_size=5))
    once, split = merged(whole).history, in_windows(whole, cuts).history
    kept = [name for name in prices_schema("clp_per_usd") if name != "fetched_at"]
    assert prices_at(split, USDCLP, FAR).select(kept).equals(prices_at(once, USDCLP, FAR).select(kept))


FETCH = st.lists(
    st.tuples(st.booleans(), st.floats(800, 1000), st.integers(10, 20)), min_size=6, max_size=6
)  # one session each: provisional or a bar, its value, the hour of a provisional price


@settings(max_examples=60, deadline=None)
@given(fetches=st.lists(FETCH, min_size=1, max_size=4), hours=st.integers(0, 6 * 24))
def test_history_never_loses_a_row_merging_twice_is_merging_once_and_no_view_sees_ahead(
    fetches: list[list[tuple[bool, float, int]]], hours: int
) -> None:
    history: pl.DataFrame | None = None
    as_of = at(DAY, 0) + timedelta(hours=hours)
    for n, fetch in enumerate(fetches):
        cells = [last_price(day, v, h) if live else bar(day, v) for day, (live, v, h) in enumerate(fetch)]
        now = NOW + timedelta(days=n)
        try:
            merge = merge_history(history, rows(*cells), USDCLP, now)
        except BadFetch:
            continue  # a bar that was there is missing
        again = merge_history(merge.history, rows(*cells), USDCLP, now + timedelta(hours=1))
        assert (again.added, again.revised) == (0, 0)
        assert again.history.equals(merge.history)
        if history is not None:
            kept = list(history.columns[:-1])  # all but superseded_at
            assert merge.history.head(history.height).select(kept).equals(history.select(kept))
        history = merge.history
        view = prices_at(history, USDCLP, as_of)
        assert all(instant <= as_of for instant in view["available_at"])
        assert view["session"].is_sorted()
        assert view["session"].n_unique() == view.height
        assert view["clp_per_usd"].to_list() == expected_view(history, as_of)


def expected_view(history: pl.DataFrame, as_of: datetime) -> list[float]:
    """The view's prices by a plain loop."""
    best: dict[date, dict[str, Any]] = {}
    for row in history.iter_rows(named=True):
        if row["superseded_at"] is None and row["available_at"] <= as_of:
            other = best.get(row["session"])
            rank = (not row["is_provisional"], row["available_at"])
            if other is None or rank > (not other["is_provisional"], other["available_at"]):
                best[row["session"]] = row
    return [best[day]["clp_per_usd"] for day in sorted(best)]


WAVE = [900.0 + 3 * ((7 * n) % 11) for n in range(40)]
"""Closes that move every session, so that a shift shows."""


@pytest.mark.parametrize("start", [0, 10])
@pytest.mark.parametrize(("shift", "side"), [(1, "late"), (-1, "early")])
def test_an_answer_dated_a_session_off_is_named_and_refused_even_where_revisions_are_accepted(
    shift: int, side: str, start: int
) -> None:
    stored = merged(bars(*WAVE)).history
    shifted = bars(*WAVE[start + 1 - shift : 39 - shift], start=start + 1)
    for accepts in (False, True):
        with pytest.raises(BadFetch, match=f"the answer is dated a session {side}"):
            merge_history(stored, shifted, USDCLP, LATER, at(DAY), MergeTerms(accepts_revision=accepts))


def test_a_tick_is_no_revision_and_less_than_half_is_one() -> None:
    stored = merged(bars(*WAVE)).history
    ticks = bars(*(value + 0.009 for value in WAVE))
    assert merge_history(stored, ticks, USDCLP, LATER).revised == 40
    some = bars(*(value * (1.03 if n < 19 else 1) for n, value in enumerate(WAVE)))
    assert merge_history(stored, some, USDCLP, LATER).revised == 19
    most = bars(*(value * (1.03 if n < 21 else 1) for n, value in enumerate(WAVE)))
    with pytest.raises(BadFetch, match="21 of 40 finished closes differ"):
        merge_history(stored, most, USDCLP, LATER)


def test_a_rewritten_last_quarter_of_a_long_history_does_not_hide_behind_the_rest() -> None:
    values = WAVE * 10
    stored = merged(bars(*values)).history
    rewritten = bars(*(value * (1.03 if n >= 340 else 1) for n, value in enumerate(values)))
    with pytest.raises(BadFetch, match="60 of 60 finished closes differ"):
        merge_history(stored, rewritten, USDCLP, LATER)


def test_a_bar_that_comes_days_late_is_known_from_when_it_was_seen() -> None:
    whole = bars(*WAVE[:10])
    stored = merged(whole.filter(pl.col("session") != DAY + timedelta(days=5))[:8]).history
    asked, now_asked = at(DAY + timedelta(days=8), 23), at(DAY + timedelta(days=9), 23)
    late = merge_history(stored, whole, USDCLP, LATER, now_asked, MergeTerms(previous=(asked, DAY)))
    known = dict(late.history.select("session", "available_at").iter_rows())
    assert known[DAY + timedelta(days=5)] == now_asked
    assert known[DAY + timedelta(days=9)] == at(DAY + timedelta(days=9))  # new, and in time
    assert prices_at(late.history, USDCLP, asked).height == 8
    older = merge_history(
        stored, whole, USDCLP, LATER, now_asked, MergeTerms(previous=(asked, DAY + timedelta(days=6)))
    )
    assert prices_at(older.history, USDCLP, asked).height == 9  # it was not asked for before


def test_a_loss_that_is_borne_keeps_the_stored_rows_and_merges_the_rest() -> None:
    stored = merged(bars(*WAVE[:20])).history
    gone = DAY + timedelta(days=18)
    answer = bars(*WAVE[:22]).filter(pl.col("session") != gone)
    with pytest.raises(BadFetch) as caught:
        merge_history(stored, answer, USDCLP, LATER)
    assert caught.value.lost == (gone,)
    merge = merge_history(stored, answer, USDCLP, LATER, None, MergeTerms(borne=frozenset([gone])))
    assert (merge.added, merge.lost) == (2, (gone,))
    assert prices_at(merge.history, USDCLP, FAR)["clp_per_usd"].to_list() == WAVE[:22]


def test_recent_means_recent_in_the_answer_and_not_in_the_store() -> None:
    stored = merged(bars(*WAVE, *WAVE[:20])).history
    answer = bars(*WAVE, *WAVE[:28]).filter(pl.col("session") != DAY + timedelta(days=59))
    assert merge_history(stored, answer, USDCLP, LATER).added == 8
