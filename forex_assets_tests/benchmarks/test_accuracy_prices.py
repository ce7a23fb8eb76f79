"""Closes and origins of the accuracy benchmark."""

from datetime import date
from pathlib import Path

from accuracy import origins_of
from accuracy_prices import closes_from
from forex_assets.accuracy.past_dates import parse_every


def test_closes_on_days_without_a_session_are_left_out(tmp_path: Path) -> None:
    """18 September is Chile's national day, 16 September 2023 a Saturday."""
    file = tmp_path / "closes.csv"
    days = ("2023-09-14", "2023-09-15", "2023-09-16", "2023-09-18", "2023-09-20")
    file.write_text("date,close\n" + "".join(f"{day},900.5\n" for day in days))
    assert [str(day) for day in closes_from(file)["session"]] == ["2023-09-14", "2023-09-15", "2023-09-20"]


def test_origins_on_a_weekday_are_its_sessions() -> None:
    """Monday 18 September 2023 is a holiday."""
    origins = origins_of(date(2023, 9, 1), date(2023, 9, 30), parse_every("1w"), "monday")
    assert [day.day for day in origins] == [4, 11, 25]
    assert [day.day for day in origins_of(date(2023, 9, 1), date(2023, 9, 30), parse_every("1w"), None)] == [
        1, 8, 15, 22, 29,
    ]  # fmt: skip
