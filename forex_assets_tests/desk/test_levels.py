"""Watch levels fire once, with hysteresis; two fans are compared by cause; chances are scored."""

import math
from datetime import date

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from forex_assets.core.schemas import REALIZED_SCHEMA
from forex_assets.desk.comparison import change, issue_of, words
from forex_assets.desk.events import Events
from forex_assets.desk.levels import WatchLevel, WatchLevels, watches
from forex_assets.desk.reliability import ALL, DISTANCES, chances_and_outcomes, reliability
from forex_assets.desk.tables import LEVELS_SCHEMA, chances_are_coherent, levels_table
from forex_assets_tests.desk.worlds import ORIGIN, PRICE, SD, fan, outlook

LEVEL = WatchLevel(level=1000, by="30d", probability=0.3)


def test_a_level_fires_when_its_chance_arrives_and_again_only_after_a_fall() -> None:
    settings, crossed, fired = WatchLevels(levels=(LEVEL,), margin=0.05), dict[str, bool](), []
    for chance in (0.2, 0.31, 0.29, 0.26, 0.33, 0.24, 0.29, 0.30, 0.9):
        (watch,) = watches(settings, [chance], crossed)
        crossed = {LEVEL.name: watch.is_crossed}
        fired.append(watch.fires)
    assert fired == [False, True, False, False, False, False, False, True, False]


def test_the_table_keeps_the_state_from_one_run_to_the_next() -> None:
    settings = WatchLevels(levels=(WatchLevel(level=960, by="30d", probability=0.3),))
    first = levels_table(outlook(), settings, None)
    again = levels_table(outlook(), settings, first)
    assert first.schema == LEVELS_SCHEMA
    assert first.filter(pl.col("watch") != "")["is_new_crossing"].to_list() == [True]
    assert again.filter(pl.col("watch") != "")["is_new_crossing"].to_list() == [False]
    assert again.filter(pl.col("watch") != "")["is_crossed"].to_list() == [True]
    assert chances_are_coherent(first) == []


def test_a_level_that_no_fan_reaches_today_keeps_its_state() -> None:
    """The 90-day forecast fails for a day: its level, which had alerted, does not alert again when it is back."""
    settings = WatchLevels(levels=(WatchLevel(level=960, by="90d", probability=0.3),))
    first = levels_table(outlook(), settings, None)
    without = levels_table(outlook("7d", "15d", "30d"), settings, first)
    back = levels_table(outlook(), settings, without)
    states = [table.filter(pl.col("watch") != "") for table in (first, without, back)]
    assert [state["is_crossed"].to_list() for state in states] == [[True]] * 3
    assert [state["is_new_crossing"].to_list() for state in states] == [[True], [False], [False]]


def test_incoherent_chances_are_found() -> None:
    table = levels_table(outlook(), WatchLevels(), None).with_columns(chance_touch=pl.lit(0.0))
    assert chances_are_coherent(table)


def test_a_level_whose_date_has_passed_is_left_out() -> None:
    settings = WatchLevels(levels=(WatchLevel(level=960, by=date(2025, 1, 2), probability=0.3),))
    assert (levels_table(outlook(), settings, None)["watch"] == "").all()


@pytest.mark.parametrize(
    "fields", [{"level": 10}, {"by": "soon"}, {"by": "31d"}, {"probability": 1.5}, {"kind": "near"}, {"price": 3}]
)
def test_faults_of_a_level_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WatchLevel.model_validate({"level": 1000, "by": "30d", "probability": 0.3} | fields)


def test_meetings_ahead_are_named_and_a_list_that_ends_says_so() -> None:
    events = Events(policy_meetings=(date(2025, 6, 18), date(2025, 7, 29)))
    assert "2025-06-18, 2025-07-29" in events.words(date(2025, 6, 13), date(2025, 8, 1))
    assert events.words(date(2025, 6, 18), date(2025, 7, 1)) == ""
    across = events.words(date(2025, 7, 1), date(2026, 2, 1))
    assert "2025-07-29" in across
    assert "No policy meetings of 2026 are listed: add the Banco Central's dates to configs/events.yaml." in across
    assert "of 2025 and 2026 are listed" in Events().words(date(2025, 7, 1), date(2026, 2, 1))
    with pytest.raises(ValidationError):
        Events(policy_meetings=(date(2025, 7, 29), date(2025, 6, 18)))


def test_a_change_is_split_into_causes_that_multiply_to_it() -> None:
    before, after = fan("30d"), fan("30d", price=960, sd=2 * SD)
    wider = after.with_columns((960 * (pl.col("^q.*$") / 960) ** 1.25).name.keep())
    causes = change(issue_of(before), issue_of(wider))
    assert causes.price == pytest.approx(20)
    assert causes.median == pytest.approx(20)
    assert causes.volatility == pytest.approx(2)
    assert causes.sessions == 1
    assert causes.model == pytest.approx(1)
    assert causes.calibration == pytest.approx(1.25)
    product = causes.volatility * causes.sessions * causes.model * causes.calibration
    assert causes.width == pytest.approx(product) == pytest.approx(2.5)
    assert "volatility +100 %" in words(causes)
    assert "+20.0 CLP" in words(causes)


def realized(count: int = 500, width: float = 1.0) -> pl.DataFrame:
    """Fans of four sessions from simulated walks; `width` scales the published quantiles."""
    steps = np.random.default_rng(8).normal(0, SD, (count, 4))
    closes = PRICE * np.exp(np.cumsum(steps, axis=1))
    base = fan("7d").with_columns((PRICE * (pl.col("^q.*$") / PRICE) ** width).name.keep())
    frames = []
    for k in range(count):
        rows = base.with_columns(
            as_of=pl.lit(date.fromordinal(ORIGIN.toordinal() + k)),
            is_target=pl.col("step") == 4,
            realized_clp_per_usd=pl.Series(closes[k]),
        )
        frames.append(rows)
    table = pl.concat(frames)
    missing = {name: dtype for name, dtype in REALIZED_SCHEMA.items() if name not in table.columns}
    fills = {"record": "backtest", "version": 1, "entry_hash": "", "is_shadow": False}
    return table.with_columns(
        pl.lit(fills.get(name), dtype=dtype).alias(name) for name, dtype in missing.items()
    ).select(list(REALIZED_SCHEMA))


def test_right_fans_give_chances_that_come_true() -> None:
    table = reliability(realized())
    for row in table.filter(pl.col("bin") == ALL).to_dicts():
        assert row["questions"] == 500 * len(DISTANCES)
        assert row["observed_share"] == pytest.approx(row["mean_chance"], abs=0.02)
        assert row["brier_skill"] > 0.1
    bins = table.filter((pl.col("bin") != ALL) & (pl.col("questions") > 400))
    assert ((bins["observed_share"] - bins["mean_chance"]).abs() < 0.05).all()


def test_fans_that_are_too_wide_are_seen() -> None:
    """Ends twice as wide: far levels are passed less often than stated."""
    rows = chances_and_outcomes(realized(width=2.0)).filter(pl.col("question") == "above")
    far = rows.filter(pl.col("chance") < 0.3)
    assert far["came"].mean() < far["chance"].mean() - 0.05  # type: ignore[operator]


def test_the_brier_score_is_the_mean_squared_gap() -> None:
    rows = chances_and_outcomes(realized(40))
    above = rows.filter(pl.col("question") == "above")
    expected = np.mean((above["chance"].to_numpy() - above["came"].to_numpy()) ** 2)
    total = reliability(realized(40)).filter((pl.col("bin") == ALL) & (pl.col("question") == "above"))
    assert total["brier"][0] == pytest.approx(expected)
    assert math.isclose(total["observed_share"][0], float(above["came"].mean()))  # type: ignore[arg-type]


def test_no_realized_fan_is_an_empty_table() -> None:
    assert reliability(realized(1).head(0)).is_empty()
