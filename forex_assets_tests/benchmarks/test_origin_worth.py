"""The worth of a starting level, on a generated market whose observado is the close."""

import re
from argparse import Namespace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import origin_worth
from forex_assets.core.calendar import previous_weekday
from forex_assets.core.holidays import market_calendar

FIRST, LAST = date(2012, 6, 1), date(2014, 12, 31)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Namespace:
    """A random walk by session; bars a weekday late, the observado dated the next session with that session's close."""
    folder, calendar = tmp_path_factory.mktemp("csv"), market_calendar("CLP")
    sessions = calendar.between(date(2011, 1, 1), LAST)
    closes = 600 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.007, len(sessions))))
    by_day = dict(zip(sessions, closes, strict=True))
    weekdays = [d for k in range((LAST - sessions[0]).days) if (d := sessions[0] + timedelta(days=k)).weekday() < 5]
    bars = [(d, by_day[previous_weekday(d)]) for d in weekdays if previous_weekday(d) in by_day]
    rows = [(d, c, c, c, c) for d, c in bars]
    names = ["date", "open", "high", "low", "close_raw"]
    pl.DataFrame(rows, schema=names, orient="row").write_csv(folder / "bars.csv")
    pl.DataFrame({"date": sessions, "close": closes}).write_csv(folder / "closes.csv")
    pl.DataFrame({"date": sessions[1:], "observado": closes[:-1]}).write_csv(folder / "observado.csv")
    paths: dict[str, Path] = {name: folder / f"{name}.csv" for name in ("bars", "observado", "closes")}
    return Namespace(**paths, first=FIRST, last=LAST)


def gains(text: str, level: str) -> list[float]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {level} |"))
    return [float(value) for value in re.findall(r"([+-]\d+\.\d) \[", line)]


def test_a_level_that_equals_the_close_is_worth_what_the_close_is(files: Namespace) -> None:
    """A fan from two sessions ago has 7 sessions to go instead of 5: its CRPS is √(7 / 5) times as large, 15 % more."""
    text = origin_worth.report(files)
    close = gains(text, "true close")
    assert gains(text, "observado dated t+1") == close
    assert close[0] == pytest.approx(100 * (1 - (5 / 7) ** 0.5), abs=5)
    assert close[0] > gains(text, "observado dated t")[0] > 0
