"""Numbers and dates as their readers write them; expected texts by hand."""

from datetime import UTC, date, datetime

import pytest

from forex_assets.report.formats import Language, chance, day_text, moment_text, number, percent, short_day


def test_numbers() -> None:
    assert number(1234.5, 1, "en") == "1,234.5"
    assert number(1234.5, 1, "es") == "1.234,5"
    assert number(-0.0004, 1, "en") == "0.0"
    assert number(None, 1, "es") == "–"


def test_shares() -> None:
    assert percent(0.0123, 1, "en", is_signed=True) == "+1.2%"
    assert percent(-0.0123, 1, "es", is_signed=True) == "\N{MINUS SIGN}1,2\N{NO-BREAK SPACE}%"
    assert percent(0.0, 1, "en", is_signed=True) == "0.0%"
    assert percent(None, 0, "en") == "–"


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, "<1%"), (0.004, "<1%"), (0.476, "48%"), (0.996, ">99%"), (1.0, ">99%")]
)
def test_no_chance_is_called_certain(share: float, expected: str) -> None:
    assert chance(share, "en") == expected


@pytest.mark.parametrize(
    ("language", "long", "short", "moment"),
    [
        ("es", "5 de marzo de 2026", "5\N{NO-BREAK SPACE}mar", "5 de marzo de 2026, 20:30"),
        ("en", "5 March 2026", "5\N{NO-BREAK SPACE}Mar", "5 March 2026, 20:30"),
    ],
)
def test_dates(language: Language, long: str, short: str, moment: str) -> None:
    assert day_text(date(2026, 3, 5), language) == long
    assert short_day(date(2026, 3, 5), language) == short
    # Chile is three hours behind UTC in summer.
    assert moment_text(datetime(2026, 3, 5, 23, 30, tzinfo=UTC), language) == moment
