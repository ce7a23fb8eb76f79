"""Lead and lag against a plain loop and built-in lags."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from forex_assets.core.schemas import prices_schema
from forex_assets.market.alignment import copper_and_peso_move_on_the_same_day, lead_lag, overlap, sources_agree
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries

DAY = date(2020, 1, 1)


def frame(values: np.ndarray, series: PriceSeries, days: list[int] | None = None) -> pl.DataFrame:
    offsets = list(range(len(values))) if days is None else days
    instant = datetime(2024, 1, 1, tzinfo=UTC)
    return pl.DataFrame(
        {
            "session": [DAY + timedelta(days=n) for n in offsets],
            series.value: values,
            "source": ["generated"] * len(values),
            "is_provisional": [False] * len(values),
            "is_suspect": [False] * len(values),
            "available_at": [instant] * len(values),
            "fetched_at": [instant] * len(values),
            "is_quarantined": [False] * len(values),
        },
        schema=prices_schema(series.value),
    )


def markets(count: int, copper_leads_by: int = 0, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Copper and a peso that moves against it, `copper_leads_by` days later."""
    rng = np.random.default_rng(seed)
    shocks = rng.normal(0, 0.01, count + 10)
    noise = rng.normal(0, 0.005, count)
    copper = 4 * np.exp(np.cumsum(shocks[5 : 5 + count]))
    peso = 900 * np.exp(np.cumsum(-0.6 * shocks[5 - copper_leads_by : 5 - copper_leads_by + count] + noise))
    return copper, peso


def plain(copper: dict[date, float], peso: dict[date, float], window: int, lag: int) -> tuple[float, int]:
    """Correlates copper's return of session i with the peso's of i + lag."""
    joint = sorted(set(copper) & set(peso))[-window:]
    c = {i: np.log(copper[joint[i]] / copper[joint[i - 1]]) for i in range(1, len(joint))}
    p = {i: np.log(peso[joint[i]] / peso[joint[i - 1]]) for i in range(1, len(joint))}
    pairs = [(c[i], p[i + lag]) for i in c if i + lag in p]
    return float(np.corrcoef([a for a, _ in pairs], [b for _, b in pairs])[0, 1]), len(pairs)


@pytest.mark.parametrize("window", [60, 250, 10_000])
def test_correlations_are_those_of_a_plain_loop_over_joint_sessions(window: int) -> None:
    rng = np.random.default_rng(4)
    c, p = markets(400)
    c_days, p_days = (sorted(rng.choice(400, 360, replace=False).tolist()) for _ in range(2))
    copper, peso = frame(c[c_days], COPPER, c_days), frame(p[p_days], USDCLP, p_days)
    table = lead_lag(copper, peso, window)
    assert table["lag"].to_list() == [-2, -1, 0, 1, 2]
    by_day = [dict(f.select("session", v).iter_rows()) for f, v in ((copper, COPPER.value), (peso, USDCLP.value))]
    for lag, correlation, n in table.iter_rows():
        expected, pairs = plain(by_day[0], by_day[1], window, lag)
        assert correlation == pytest.approx(expected, abs=1e-12)
        assert n == pairs


@pytest.mark.parametrize("lead", [-2, -1, 0, 1, 2])
def test_a_lead_that_was_built_in_is_found_with_its_sign(lead: int) -> None:
    c, p = markets(400, lead)
    finding = copper_and_peso_move_on_the_same_day(frame(c, COPPER), frame(p, USDCLP))
    assert finding.values["largest_lag"] == lead
    assert finding.values[f"lag_{lead:+d}"] < -0.6
    assert finding.passed == (lead == 0)
    assert finding.severity == "warn"


def test_bad_ticks_and_rows_without_a_close_are_left_out() -> None:
    c, p = markets(300)
    clean = lead_lag(frame(np.delete(c, [290, 295]), COPPER, [n for n in range(300) if n not in (290, 295)]),
                     frame(p, USDCLP))  # fmt: skip
    spoilt = frame(c, COPPER).with_columns(
        pl.when(pl.int_range(pl.len()) == 290).then(0.01).when(pl.int_range(pl.len()) != 295).then(COPPER.value)
        .alias(COPPER.value),
        is_quarantined=pl.int_range(pl.len()) == 290,
    )  # fmt: skip
    assert lead_lag(spoilt, frame(p, USDCLP)).equals(clean)


def test_too_few_joint_sessions_or_a_price_that_stands_still_are_never_green() -> None:
    c, p = markets(59)
    few = copper_and_peso_move_on_the_same_day(frame(c, COPPER), frame(p, USDCLP))
    assert not few.passed
    assert few.message == "not enough: 59 joint sessions, 60 needed"
    c, p = markets(60)
    assert "not enough" not in copper_and_peso_move_on_the_same_day(frame(c, COPPER), frame(p, USDCLP)).message
    still = copper_and_peso_move_on_the_same_day(frame(c, COPPER), frame(np.full(60, 900.0), USDCLP))
    assert not still.passed
    assert still.message.startswith("not measurable")
    nothing = frame(np.array([]), COPPER)
    assert lead_lag(nothing, frame(p, USDCLP))["correlation"].null_count() == 5
    assert not copper_and_peso_move_on_the_same_day(nothing, frame(p, USDCLP)).passed


def test_two_sources_that_differ_by_one_percent_on_one_day_by_hand() -> None:
    a = frame(np.array([900.0, 910, 920, 930]), USDCLP, [0, 1, 2, 3])
    b = frame(np.array([910.0, 920 / 1.01, 930, 940]), USDCLP, [1, 2, 3, 4])
    result = overlap(a, b, USDCLP)
    assert result["n"] == 3
    assert (result["first_session"], result["last_session"]) == ("2020-01-02", "2020-01-04")
    assert result["median_abs_pct"] == pytest.approx(0)
    assert result["max_abs_pct"] == pytest.approx(1.0)
    assert result["max_session"] == "2020-01-03"


def test_a_source_dated_one_day_late_shows_at_lag_one() -> None:
    _, p = markets(300)
    true, late = frame(p, USDCLP), frame(p, USDCLP, list(range(1, 301)))
    result = overlap(true, late, USDCLP)
    assert result["n"] == 299
    assert result["corr_lag_+1"] == pytest.approx(1.0)
    assert abs(result["corr_lag_+0"]) < 0.3
    assert overlap(late, true, USDCLP)["corr_lag_-1"] == pytest.approx(1.0)


def test_sources_that_share_no_session_have_nothing_to_say() -> None:
    result = overlap(frame(np.array([900.0]), USDCLP, [0]), frame(np.array([900.0]), USDCLP, [1]), USDCLP)
    assert result["n"] == 0
    assert all(value is None for name, value in result.items() if name != "n")


def test_sources_that_tell_one_story_agree_and_others_warn() -> None:
    _, p = markets(100)
    yahoo = ("yahoo", frame(p, USDCLP))
    for factor, passes in ((1.01, True), (1.02, False)):
        finding = sources_agree([(yahoo, ("bcch", frame(p * factor, USDCLP)))], USDCLP)
        assert (finding.passed, finding.severity, finding.values["comparisons"]) == (passes, "warn", 1)
        assert finding.values["yahoo / bcch"]["median_abs_pct"] == pytest.approx(100 * (1 - 1 / factor))
    apart = ("bcch", frame(p, USDCLP, list(range(500, 600))))
    assert sources_agree([(yahoo, apart)], USDCLP).values == {"comparisons": 0}


@pytest.mark.parametrize(("today", "day_before", "passes"), [(1.0, 1.1, True), (1.0, 1.6, False), (1.1, 1.0, True)])
def test_a_source_is_dated_apart_only_if_it_is_clearly_more_alike_a_session_later(
    today: float, day_before: float, passes: bool
) -> None:
    """Correlations of .67 and .74, of .53 and .85, of .74 and .67."""
    returns = np.random.default_rng(2).normal(0, 0.004, 801)
    mixed = (today * returns[1:] + day_before * returns[:-1]) / (today + day_before)
    close, average = (900 * np.exp(np.cumsum(values)) for values in (returns[1:], mixed))
    finding = sources_agree([(("yahoo", frame(close, USDCLP)), ("bcch", frame(average, USDCLP)))], USDCLP)
    both = finding.values["yahoo / bcch"]
    assert (both["corr_lag_+1"] > both["corr_lag_+0"]) == (day_before > today)
    assert finding.passed == passes


@pytest.mark.parametrize(("n", "passes"), [(100, False), (50, True)])
def test_a_source_that_dates_a_session_late_is_found_as_soon_as_there_is_enough_to_date_by(
    n: int, passes: bool
) -> None:
    """Its prices are off by only a day's move."""
    _, p = markets(n + 1)
    pair = (("yahoo", frame(p[1:], USDCLP)), ("bcch", frame(p[:-1], USDCLP)))
    finding = sources_agree([pair], USDCLP)
    assert finding.values["yahoo / bcch"]["median_abs_pct"] < 1.5
    assert finding.passed == passes
    assert ("dated apart: alike at lag +1" in finding.message) == (not passes)
