"""The starting level of a fan: order, agreement, age, and no price of the future."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import exp

import polars as pl
import pytest

from forex_assets.core.calendar import SessionCalendar
from forex_assets.market.origin import Origin, Quote, QuoteBook, observado_quotes, pick_origin, price_quotes

CALENDAR = SessionCalendar("CLP", frozenset({date(2024, 7, 16)}))
THURSDAY, FRIDAY, MONDAY = date(2024, 7, 4), date(2024, 7, 5), date(2024, 7, 8)
AT_SEVEN = datetime(2024, 7, 4, 23, 0, tzinfo=UTC)
"""19:00 in Santiago of Thursday; the clock there is four hours behind UTC in winter."""
SIGMA = 0.01


def local(day: date, hour: int, minute: int = 0) -> datetime:
    """A time of winter in Santiago."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC) + timedelta(hours=4)


def last_price(level: float, at: datetime, session: date = THURSDAY) -> Quote:
    return Quote("last price", session, session, level, at, at, "yahoo")


def observado(level: float, session: date = THURSDAY, known: datetime | None = None) -> Quote:
    out = local(session, 18)
    return Quote("dólar observado", session, session + timedelta(days=1), level, out, known or out, "central_bank")


def opening(level: float, at: datetime = AT_SEVEN) -> Quote:
    return Quote("open of the unfinished bar", THURSDAY, THURSDAY, level, at, at, "yahoo")


def bar(level: float, session: date, known: datetime) -> Quote:
    return Quote("finished bar", session, session, level, local(session, 17), known, "yahoo")


OLD_BAR = bar(940.0, date(2024, 7, 2), local(date(2024, 7, 3), 19, 15))


def picked(*quotes: Quote, at: datetime = AT_SEVEN, sigma: float = SIGMA) -> Origin:
    origin = pick_origin(QuoteBook(quotes), sigma, at, CALENDAR)
    assert origin is not None
    return origin


def test_a_last_price_near_the_observado_of_its_session_is_the_origin() -> None:
    # 3 × .55 × 1 % = 1.65 %
    origin = picked(OLD_BAR, last_price(950 * exp(0.0164), local(THURSDAY, 17)), observado(950.0), opening(930.0))
    assert (origin.kind, origin.age_hours, origin.age_sessions) == ("last price", 2.0, 0)


def test_a_last_price_far_from_the_observado_gives_way_to_it() -> None:
    origin = picked(OLD_BAR, last_price(950 * exp(0.0166), local(THURSDAY, 17)), observado(950.0))
    assert (origin.kind, origin.level, origin.age_hours) == ("dólar observado", 950.0, 1.0)
    assert origin.disagreement_pct == pytest.approx(1.66)
    assert origin.is_disputed


def test_a_last_price_of_the_morning_gives_way_to_the_observado() -> None:
    assert picked(last_price(951.0, local(THURSDAY, 9, 30)), observado(950.0)).level == 950.0


def test_without_the_observado_of_the_session_its_bar_s_open_stands_before_the_last_price() -> None:
    origin = picked(last_price(951.0, local(THURSDAY, 17)), opening(949.0), observado(945.0, date(2024, 7, 3)))
    assert (origin.kind, origin.level, origin.age_hours) == ("open of the unfinished bar", 949.0, 0.0)
    assert picked(last_price(951.0, local(THURSDAY, 17)), observado(945.0, date(2024, 7, 3))).level == 951.0


def test_a_finished_bar_replaces_its_own_open() -> None:
    late = local(FRIDAY, 19, 15)
    finished = bar(948.0, THURSDAY, late)
    assert picked(opening(949.0), finished, at=late).level == 948.0
    assert picked(opening(949.0), finished, at=late - timedelta(minutes=1)).level == 949.0


def test_the_newest_session_counts_before_the_kind_of_price() -> None:
    origin = picked(OLD_BAR, observado(945.0, date(2024, 7, 3)))
    assert (origin.level, origin.session, origin.age_sessions) == (945.0, date(2024, 7, 3), 1)
    assert picked(OLD_BAR).age_sessions == 2


def test_on_a_weekend_friday_s_observado_is_no_session_old() -> None:
    origin = picked(observado(950.0, FRIDAY), at=local(date(2024, 7, 6), 11))
    assert (origin.age_sessions, origin.age_hours) == (0, 17.0)


def test_the_later_of_two_last_prices_counts_and_the_earlier_is_no_disagreement() -> None:
    origin = picked(last_price(960.0, local(THURSDAY, 12, 5)), last_price(950.0, local(THURSDAY, 17)))
    assert (origin.level, origin.disagreement_pct) == (950.0, None)


@pytest.mark.parametrize("level", [5.46, 94_730.0, float("nan"), float("inf"), 0.0, -947.3])
def test_a_level_that_is_no_price_of_a_dollar_is_passed_over(level: float) -> None:
    assert picked(OLD_BAR, last_price(level, local(THURSDAY, 17))).level == 940.0


def test_a_jump_that_no_other_price_confirms_is_passed_over_and_told() -> None:
    before = observado(950.0, date(2024, 7, 3))
    alone = picked(before, last_price(850.0, local(THURSDAY, 17)))
    assert (alone.level, alone.session, alone.age_sessions) == (950.0, date(2024, 7, 3), 1)
    assert alone.is_disputed
    mistyped = picked(before, last_price(951.0, local(THURSDAY, 17)), observado(1150.0))
    assert (mistyped.level, mistyped.kind, mistyped.is_disputed) == (951.0, "last price", True)
    assert picked(before, last_price(900.0, local(THURSDAY, 17))).level == 900.0, "5 % is a move"


def test_a_jump_that_two_kinds_of_prices_show_is_the_market() -> None:
    before = observado(950.0, date(2024, 7, 3))
    crash = picked(before, last_price(850.0, local(THURSDAY, 17)), observado(852.0))
    assert (crash.level, crash.kind) == (850.0, "last price")


def test_nothing_known_gives_no_origin() -> None:
    assert pick_origin(QuoteBook([]), SIGMA, AT_SEVEN, CALENDAR) is None
    assert pick_origin(QuoteBook([observado(950.0, FRIDAY)]), SIGMA, AT_SEVEN, CALENDAR) is None
    old = replace(OLD_BAR, session=date(2023, 1, 3))
    assert pick_origin(QuoteBook([old]), SIGMA, AT_SEVEN, CALENDAR) is None


def test_no_origin_depends_on_a_price_known_later() -> None:
    """Every price known after the issue is poisoned, in many random markets: the origin stays as it was."""
    chance = random.Random(7)
    for _ in range(200):
        quotes = []
        for back in range(8):
            session = THURSDAY - timedelta(days=back - 2)
            if not CALENDAR.is_session(session):
                continue
            level = 950 * exp(chance.gauss(0, 0.01))
            known = local(session, chance.randrange(24)) + timedelta(days=chance.randrange(3))
            make = chance.choice(["bar", "observado", "last"])
            quotes.append(
                bar(level, session, known)
                if make == "bar"
                else observado(level, session, known)
                if make == "observado"
                else last_price(level, local(session, chance.randrange(24)), session)
            )
        known_by = [q for q in quotes if max(q.known_from, q.observed_at) <= AT_SEVEN]
        poisoned = [q if q in known_by else replace(q, level=1234.5) for q in quotes]
        answers = {pick_origin(QuoteBook(some), SIGMA, AT_SEVEN, CALENDAR) for some in (quotes, poisoned, known_by)}
        assert len(answers) == 1


def test_an_observado_without_a_first_sight_is_known_from_the_evening_before_its_date_and_says_so() -> None:
    [quote] = observado_quotes([(MONDAY, 947.3)], CALENDAR)
    assert (quote.session, quote.dated, quote.is_assumed) == (FRIDAY, MONDAY, True)
    assert quote.known_from == datetime(2024, 7, 5, 22, 0, tzinfo=UTC)
    assert pick_origin(QuoteBook([quote]), SIGMA, datetime(2024, 7, 5, 21, 59, tzinfo=UTC), CALENDAR) is None
    origin = picked(quote, at=local(FRIDAY, 19))
    assert origin.words == "947.3 (dólar observado of 2024-07-08, 1 h old, availability assumed)"


def test_an_observado_in_chile_s_summer_is_known_from_21_utc() -> None:
    [quote] = observado_quotes([(date(2024, 1, 9), 900.0)], CALENDAR)
    assert quote.known_from == datetime(2024, 1, 8, 21, 0, tzinfo=UTC)


def test_the_rows_of_a_price_table_become_quotes_of_their_kind() -> None:
    rows = [
        # finished; a last price at 17:00; an open at midnight in London, 23:00 UTC; a bad tick; an average
        (date(2024, 7, 2), 940.0, "yahoo", False, datetime(2024, 7, 3, 23, 15, tzinfo=UTC), False),
        (THURSDAY, 950.0, "yahoo", True, datetime(2024, 7, 4, 21, 0, tzinfo=UTC), False),
        (THURSDAY, 949.0, "yahoo", True, datetime(2024, 7, 4, 23, 0, tzinfo=UTC), False),
        (date(2024, 7, 3), 5.46, "yahoo", False, datetime(2024, 7, 4, 23, 15, tzinfo=UTC), True),
        (FRIDAY, 948.0, "central_bank", False, datetime(2024, 7, 5, 22, 5, tzinfo=UTC), False),
    ]
    names = ["session", "clp_per_usd", "source", "is_provisional", "available_at", "is_suspect"]
    quotes = price_quotes(pl.DataFrame(rows, schema=names, orient="row"), CALENDAR)
    assert [(q.kind, q.level, q.dated) for q in quotes] == [
        ("finished bar", 940.0, date(2024, 7, 2)),
        ("last price", 950.0, THURSDAY),
        ("open of the unfinished bar", 949.0, THURSDAY),
        ("dólar observado", 948.0, MONDAY),
    ]
    assert quotes[0].observed_at == datetime(2024, 7, 2, 21, 0, tzinfo=UTC)
    assert quotes[3].observed_at == datetime(2024, 7, 5, 22, 0, tzinfo=UTC)
    assert quotes[3].known_from == datetime(2024, 7, 5, 22, 5, tzinfo=UTC)
