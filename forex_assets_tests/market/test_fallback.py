"""The first source that answers is used; sources are never mixed."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import polars as pl
import pytest

from forex_assets.core.calendar import calendar_of
from forex_assets.core.schemas import COPPER_SCHEMA, empty, fetched_schema, prices_schema
from forex_assets.core.schemas import UTC as UTC_TYPE
from forex_assets.market.answers import Answer, refusal_words, with_answer
from forex_assets.market.fallback import Ingest, ingest, with_monthly_level
from forex_assets.market.history import NO_TERMS, Merge, MergeTerms, merge_history, prices_at
from forex_assets.market.prices import COPPER, COPPER_MONTHLY, USDCLP, PriceSeries, SourceError

DAY = date(2024, 1, 1)
NOW = datetime(2024, 6, 3, 23, tzinfo=UTC)
CALENDAR = calendar_of("COMEX", [date(2024, 2, 19)])


def fetched(first: int, last: int, source: str, series: PriceSeries = USDCLP, scale: float = 1.0) -> pl.DataFrame:
    days = [DAY + timedelta(days=n) for n in range(first, last)]
    return pl.DataFrame(
        {
            "session": days,
            series.value: [(900.0 + n % 7) * scale for n in range(first, last)],
            "source": [source] * len(days),
            "is_provisional": [False] * len(days),
            "is_suspect": [False] * len(days),
            "available_at": [datetime.combine(day, time(22), UTC) for day in days],
        },
        schema=fetched_schema(series.value),
    )


class FakeSource:
    """Fake source: returns or raises its answer, and records requests."""

    def __init__(self, name: str, answer: pl.DataFrame | Exception) -> None:
        self.name = name
        self.answer = answer
        self.asked: list[date | None] = []

    def fetch(self, start: date | None, as_of: datetime) -> pl.DataFrame:
        self.asked.append(start)
        if isinstance(self.answer, Exception):
            raise self.answer
        known = self.answer.filter(pl.col("available_at") <= as_of)
        return known if start is None else known.filter(pl.col("session") >= start)


class FakeStore:
    """Histories in a dictionary."""

    def __init__(self, *fetches: pl.DataFrame) -> None:
        self.kept: dict[tuple[str, str], pl.DataFrame] = {}
        self.noted: dict[tuple[str, str], pl.DataFrame] = {}
        for fetch in fetches:
            self.merge(USDCLP, fetch, NOW - timedelta(days=1))

    def sources(self, series: PriceSeries) -> list[str]:
        return [source for name, source in self.kept if name == series.name]

    def history(self, series: PriceSeries, source: str) -> pl.DataFrame | None:
        return self.kept.get((series.name, source))

    def answers(self, series: PriceSeries, source: str) -> pl.DataFrame | None:
        return self.noted.get((series.name, source))

    def note(self, series: PriceSeries, source: str, answer: Answer) -> None:
        self.noted[series.name, source] = with_answer(self.answers(series, source), answer)

    def merge(
        self,
        series: PriceSeries,
        fetched: pl.DataFrame,
        now: datetime,
        as_of: datetime | None = None,
        terms: MergeTerms = NO_TERMS,
    ) -> Merge:
        source = str(fetched["source"][0]) if fetched.height else ""
        merge = merge_history(self.history(series, source), fetched, series, now, as_of, terms)
        self.kept[series.name, source] = merge.history
        return merge


def ticking() -> Iterator[float]:
    return iter(range(0, 1000, 2))


def at(offset: int) -> datetime:
    return datetime.combine(DAY + timedelta(days=offset), time(23), UTC)


def bring(
    sources: list[FakeSource], store: FakeStore, as_of: datetime | None = None, *, accepts_revision: bool = False
) -> Ingest:
    """Ingests at an instant; by default at the last row of any answer or store."""
    ticks = ticking()
    tables = [
        *store.kept.values(),
        *(s.answer for s in sources if isinstance(s.answer, pl.DataFrame) and s.answer.height),
    ]
    ends = [table["available_at"].max() for table in tables]
    end = as_of or max((end for end in ends if isinstance(end, datetime)), default=NOW)
    return ingest(USDCLP, sources, store, end, NOW, lambda: float(next(ticks)), accepts_revision=accepts_revision)


def test_the_first_source_wins_and_the_second_is_not_asked() -> None:
    first, second = FakeSource("yahoo", fetched(0, 5, "yahoo")), FakeSource("bcch", fetched(0, 9, "bcch"))
    store = FakeStore()
    result = bring([first, second], store)
    assert result.source == "yahoo"
    assert (result.added, result.revised) == (5, 0)
    assert result.prices.schema == pl.Schema(prices_schema("clp_per_usd"))
    assert [(a.source, a.is_ok, a.answer, a.seconds) for a in result.attempts] == [
        ("yahoo", True, "rows 5, last 2024-01-05, added 5, revised 0", 2.0)
    ]
    assert second.asked == []
    assert store.sources(USDCLP) == ["yahoo"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (SourceError("yahoo", "HTTP 429", is_retryable=True), "HTTP 429"),
        (fetched(0, 0, "yahoo"), "refused: no rows"),
        (fetched(0, 5, "yahoo", scale=0.001), "refused: median"),
    ],
)
def test_a_source_that_fails_or_is_refused_is_passed_over_and_said_so(
    answer: pl.DataFrame | Exception, message: str
) -> None:
    result = bring([FakeSource("yahoo", answer), FakeSource("bcch", fetched(0, 9, "bcch"))], FakeStore())
    assert result.source == "bcch"
    assert [(a.source, a.is_ok) for a in result.attempts] == [("yahoo", False), ("bcch", True)]
    assert result.attempts[0].answer.startswith(message)


def test_a_series_is_one_sources_own_history_and_never_spliced() -> None:
    store = FakeStore(fetched(0, 50, "yahoo"))
    down = FakeSource("yahoo", SourceError("yahoo", "down"))
    result = bring([down, FakeSource("bcch", fetched(40, 60, "bcch", scale=1.01))], store)
    assert set(result.prices["source"]) == {"bcch"}
    assert result.prices["session"][0] == DAY + timedelta(days=40)
    assert result.prices.height == 20
    again = bring([FakeSource("yahoo", fetched(0, 55, "yahoo"))], store)
    assert set(again.prices["source"]) == {"yahoo"}
    assert again.prices.height == 55


def test_the_whole_history_is_asked_for_once_and_then_ninety_days_back() -> None:
    source, store = FakeSource("yahoo", fetched(0, 600, "yahoo")), FakeStore()
    bring([source], store)
    source.answer = fetched(0, 602, "yahoo")
    result = bring([source], store)
    assert source.asked == [None, DAY + timedelta(days=599 - 90)]
    assert result.added == 2
    assert result.prices.height == 602


def test_the_whole_history_is_asked_for_again_after_a_month() -> None:
    source, store = FakeSource("yahoo", fetched(0, 700, "yahoo")), FakeStore()
    for day in range(600, 662, 2):
        bring([source], store, as_of=at(day))
    assert [n for n, start in enumerate(source.asked) if start is None] == [0, 15, 30]  # every thirty days


def test_a_short_first_answer_is_asked_for_again_and_a_short_history_is_believed_the_third_evening() -> None:
    source, store = FakeSource("yahoo", fetched(560, 600, "yahoo")), FakeStore()
    bring([source], store, as_of=at(599))
    source.answer = fetched(0, 600, "yahoo")
    assert bring([source], store, as_of=at(600)).prices.height == 600
    bring([source], store, as_of=at(601))
    assert [start is None for start in source.asked] == [True, True, False]
    young, store = FakeSource("yahoo", fetched(560, 620, "yahoo")), FakeStore()
    for day in range(600, 606):
        bring([young], store, as_of=at(day))
    assert [start is None for start in young.asked] == [True, True, True, False, False, False]


def without(rows: pl.DataFrame, *offsets: int) -> pl.DataFrame:
    return rows.filter(~pl.col("session").is_in([DAY + timedelta(days=n) for n in offsets]))


def test_a_lost_session_is_refused_twice_and_borne_the_third_evening_whatever_the_hour() -> None:
    source, store = FakeSource("yahoo", fetched(0, 600, "yahoo")), FakeStore()
    bring([source], store, as_of=at(599))
    source.answer = without(fetched(0, 700, "yahoo"), 598, 599)
    refused = [bring([source], store, as_of=at(day)) for day in (600, 600, 601)]
    assert [r.attempts[0].is_ok for r in refused] == [False] * 3
    assert "missing from the answer: 2025-08-21, 2025-08-22" in refused[0].attempts[0].answer
    third = bring([source], store, as_of=at(602))
    assert third.attempts[0].is_ok
    assert "2 stored sessions missing from the answer are kept" in third.attempts[0].answer
    assert third.prices.height == 603  # the lost two as well
    source.answer = without(fetched(0, 700, "yahoo"), 598, 599, 602)
    assert not bring([source], store, as_of=at(603)).attempts[0].is_ok  # another loss begins its own count


def test_evenings_without_an_answer_do_not_count_for_a_loss() -> None:
    source, store = FakeSource("yahoo", fetched(0, 600, "yahoo")), FakeStore()
    bring([source], store, as_of=at(599))
    source.answer = SourceError("yahoo", "down")
    for day in (600, 601, 602):
        bring([source], store, as_of=at(day))
    source.answer = without(fetched(0, 700, "yahoo"), 599)
    assert not bring([source], store, as_of=at(603)).attempts[0].is_ok


def test_a_source_without_finished_sessions_gives_way_to_the_next_and_stays_if_there_is_none() -> None:
    dead = fetched(0, 20, "yahoo")
    living = dead.tail(1).with_columns(
        session=pl.lit(DAY + timedelta(days=39)),
        is_provisional=pl.lit(True),
        available_at=pl.lit(at(39)).cast(UTC_TYPE),
    )
    yahoo = FakeSource("yahoo", pl.concat([dead, living]))
    bank = FakeSource("bcch", fetched(0, 39, "bcch"))
    result = bring([yahoo, bank], FakeStore(), as_of=at(39))
    assert (result.source, result.attempts[0].answer) == ("bcch", "stale: its last finished session is 2024-01-20")
    alone = bring([yahoo], FakeStore(), as_of=at(39))
    assert (alone.source, alone.prices["session"][-1]) == ("yahoo", DAY + timedelta(days=39))


def test_most_closes_rewritten_are_refused_until_a_person_accepts_them() -> None:
    source, store = FakeSource("yahoo", fetched(0, 600, "yahoo")), FakeStore()
    bring([source], store, as_of=at(599))
    source.answer = fetched(0, 601, "yahoo", scale=1.03)
    refused = bring([source], store, as_of=at(600))
    assert refused.attempts[0].answer == (
        "refused: 91 of 91 finished closes differ from those stored by more than a tick, median +3.00%; if the source "
        "is right, run `forex-assets ingest --accept-revision`"
    )
    assert bring([source], store, as_of=at(600), accepts_revision=True).revised == 91


def test_why_a_source_is_not_used_is_told_until_it_is_used_again() -> None:
    source, store = FakeSource("yahoo", fetched(0, 600, "yahoo")), FakeStore()
    bring([source], store, as_of=at(599))
    assert refusal_words("yahoo", store.answers(USDCLP, "yahoo"), at(599)) == ""
    source.answer = SourceError("yahoo", "answered with symbol 'ARS=X', asked for 'CLP=X'")
    for day in (600, 601):
        bring([source], store, as_of=at(day))
    assert refusal_words("yahoo", store.answers(USDCLP, "yahoo"), at(601)) == (
        "yahoo not used since 2025-08-23 (2 evenings): answered with symbol 'ARS=X', asked for 'CLP=X'"
    )
    source.answer = fetched(0, 603, "yahoo")
    bring([source], store, as_of=at(602))
    assert refusal_words("yahoo", store.answers(USDCLP, "yahoo"), at(602)) == ""


def test_a_question_about_the_past_starts_from_what_was_known_then() -> None:
    source, store = FakeSource("yahoo", fetched(0, 150, "yahoo")), FakeStore()
    for day in (97, 98, 99):
        bring([source], store, as_of=at(day))
    bring([source], store, as_of=at(149))
    source.asked.clear()
    result = bring([source], store, as_of=at(100))
    assert source.asked == [DAY + timedelta(days=10)]
    assert result.prices["session"][-1] == DAY + timedelta(days=100)
    bring([source], FakeStore(fetched(120, 150, "yahoo")), as_of=at(100))
    assert source.asked[-1] is None


def test_an_answer_with_nothing_known_by_then_is_passed_over() -> None:
    class Late(FakeSource):
        def fetch(self, start: date | None, as_of: datetime) -> pl.DataFrame:
            assert isinstance(self.answer, pl.DataFrame)
            return self.answer

    result = bring([Late("yahoo", fetched(50, 60, "yahoo"))], FakeStore(), as_of=at(10))
    assert result.source is None
    assert "no row was available by 2024-01-11" in result.attempts[0].answer


def test_with_no_source_the_stored_history_with_the_latest_session_stands_in() -> None:
    store = FakeStore(fetched(0, 50, "yahoo"), fetched(0, 60, "bcch"))
    down = [FakeSource(name, SourceError(name, "down")) for name in ("yahoo", "bcch")]
    result = bring(down, store)
    assert result.source == "bcch"
    assert result.prices.height == 60
    assert (result.attempts[-1].source, result.attempts[-1].is_ok) == ("stored", True)
    assert result.attempts[-1].answer == "rows 60 from bcch, last 2024-02-29"
    earlier = bring(down, store, as_of=at(20))  # both reach that far: the order of sources decides
    assert earlier.source == "yahoo"
    assert earlier.prices.height == 21
    assert bring(down[::-1], store, as_of=at(20)).source == "bcch"


def test_with_nothing_at_all_the_series_is_empty_and_every_answer_is_there() -> None:
    result = bring([FakeSource("yahoo", SourceError("yahoo", "down"))], FakeStore())
    assert result.source is None
    assert result.prices.is_empty()
    assert result.prices.schema == pl.Schema(prices_schema("clp_per_usd"))
    assert [(a.source, a.is_ok, a.answer) for a in result.attempts] == [
        ("yahoo", False, "down"),
        ("stored", False, "nothing stored"),
    ]


def test_a_mistake_in_a_source_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        bring([FakeSource("yahoo", ZeroDivisionError()), FakeSource("bcch", fetched(0, 5, "bcch"))], FakeStore())


def daily(*days: date) -> pl.DataFrame:
    """Copper by session, each bar known at 22:00 of its day."""
    rows = pl.DataFrame(
        {
            "session": list(days),
            "close_usd_lb": [4.0 + n / 100 for n in range(len(days))],
            "source": ["yahoo"] * len(days),
            "is_provisional": [False] * len(days),
            "is_suspect": [False] * len(days),
            "available_at": [datetime.combine(day, time(22), UTC) for day in days],
        },
        schema=fetched_schema("close_usd_lb"),
    )
    return (
        empty(prices_schema("close_usd_lb"))
        if not days
        else prices_at(merge_history(None, rows, COPPER, NOW).history, COPPER, NOW)
    )


def monthly(**published: float) -> pl.DataFrame:
    """Monthly levels, each published on the day given as `mMMDD`."""
    days = [date(2024, int(name[1:3]), int(name[3:])) for name in published]
    return pl.DataFrame(
        {
            "session": [(day.replace(day=1) - timedelta(days=1)).replace(day=1) for day in days],
            "close_usd_lb": list(published.values()),
            "source": ["fred"] * len(days),
            "is_provisional": [False] * len(days),
            "is_suspect": [False] * len(days),
            "available_at": [datetime.combine(day, time(14), UTC) for day in days],
        },
        schema=fetched_schema("close_usd_lb"),
    )


def test_without_fred_the_level_is_null() -> None:
    table = with_monthly_level(daily(date(2024, 1, 15), date(2024, 1, 16)), None, NOW, CALENDAR)
    assert table.schema == pl.Schema(COPPER_SCHEMA)
    assert table["monthly_level_usd_lb"].null_count() == 2


def test_each_daily_row_carries_the_level_known_when_it_was_and_later_levels_follow_alone() -> None:
    days = daily(date(2024, 1, 12), date(2024, 1, 15), date(2024, 1, 16), date(2024, 2, 14))
    levels = monthly(m0115=3.8, m0216=3.9, m0217=3.95, m0315=4.1)
    table = with_monthly_level(days, levels, at(60), CALENDAR)
    assert table.schema == pl.Schema(COPPER_SCHEMA)
    assert table.select("session", "close_usd_lb", "source", "monthly_level_usd_lb").rows() == [
        (date(2024, 1, 12), 4.0, "yahoo", None),
        (date(2024, 1, 15), 4.01, "yahoo", 3.8),
        (date(2024, 1, 16), 4.02, "yahoo", 3.8),
        (date(2024, 2, 14), 4.03, "yahoo", 3.8),
        (date(2024, 2, 16), None, "fred", 3.9),
        (date(2024, 2, 20), None, "fred", 3.95),  # Saturday, Sunday, holiday; March's is not out yet
    ]
    assert table.filter(pl.col("source") == "fred")["is_quarantined"].to_list() == [False, False]


def test_a_level_published_on_the_last_daily_session_makes_no_second_row_of_it() -> None:
    table = with_monthly_level(daily(date(2024, 2, 15), date(2024, 2, 16)), monthly(m0216=3.9), NOW, CALENDAR)
    assert table.select("session", "monthly_level_usd_lb").rows() == [
        (date(2024, 2, 15), None),
        (date(2024, 2, 16), 3.9),
    ]


def test_with_no_daily_rows_there_are_levels_only_and_with_neither_an_empty_table() -> None:
    table = with_monthly_level(daily(), monthly(m0115=3.8, m0215=3.9), NOW, CALENDAR)
    assert table["close_usd_lb"].null_count() == 2
    assert table["monthly_level_usd_lb"].to_list() == [3.8, 3.9]
    for levels in (None, monthly()):
        nothing = with_monthly_level(daily(), levels, NOW, CALENDAR)
        assert nothing.is_empty()
        assert nothing.schema == pl.Schema(COPPER_SCHEMA)


def test_levels_may_come_as_history_or_view_and_a_superseded_or_impossible_one_is_not_carried() -> None:
    first = merge_history(None, monthly(m0115=3.8, m0215=3.9), COPPER_MONTHLY, NOW)
    revised = merge_history(first.history, monthly(m0115=3.8, m0215=3.95, m0315=90.0), COPPER_MONTHLY, NOW)
    for levels in (revised.history, prices_at(revised.history, COPPER_MONTHLY, NOW)):
        table = with_monthly_level(daily(), levels, NOW, CALENDAR)
        assert table["monthly_level_usd_lb"].to_list() == [3.8, 3.95]
