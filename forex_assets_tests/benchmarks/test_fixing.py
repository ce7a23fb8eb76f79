"""What a close says of the next fixings, on a walk whose day averages have known variances."""

import re
from datetime import date

import numpy as np
import pytest

import fixing
from forex_assets.core.holidays import market_calendar


def test_the_close_beats_the_last_fixing_by_what_a_walks_averages_say() -> None:
    """In σ² of a day: next average from the close 1/3, from the same day's average 2/3, from the day before's 5/3."""
    days = market_calendar("CLP").between(date(2010, 12, 31), date(2023, 12, 31))
    moves = np.random.default_rng(4).normal(0, 0.006 / 20**0.5, (len(days), 20))
    path = 600 * np.exp(np.cumsum(moves).reshape(moves.shape))
    closes = dict(zip(days, path[:, -1].tolist(), strict=True))
    observado = dict(zip(days[1:], path[:-1].mean(axis=1).tolist(), strict=True))
    table = fixing.nearest(observado, closes, days[0], days[-1])
    rows = {
        (int(j), words): float(gain)
        for j, words, gain in re.findall(r"\| (\d) \| ([a-z ]+) \| \d+ \| ([+-][\d.]+)", table)
    }
    assert rows[1, "out"] == pytest.approx(100 * (1 - (1 / 2) ** 0.5), abs=3)
    assert rows[1, "not out"] == pytest.approx(100 * (1 - (1 / 5) ** 0.5), abs=3)
    assert rows[5, "out"] < rows[2, "out"] < rows[1, "out"]
    assert (0, "out") not in rows
