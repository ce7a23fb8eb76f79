"""Fans of the fixing against paths simulated within the day, and against values worked out by hand."""

import math
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

from forex_assets.core.calendar import calendar_of
from forex_assets.core.horizon import target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import QUANTILE_COLUMNS, USDCLP_SCHEMA
from forex_assets.forecasts.baselines import EwmaEngine
from forex_assets.forecasts.forecast import make_forecast
from forex_assets.forecasts.observado.fixing import Fixing, deviation_of_fixing, fixing_fan, weight_of_fixing

MONDAY, TUESDAY, WEDNESDAY = date(2024, 1, 8), date(2024, 1, 9), date(2024, 1, 10)
PLAIN = calendar_of("no holidays", [])
TICKS, DAYS, PATHS = 40, 22, 4000
SIGMA = 0.007


def peso_fan(horizon: str = "30d", last: float = 900.0) -> pl.DataFrame:
    """The EWMA benchmark's fan of Monday, from a history that ends on `last`."""
    sessions = PLAIN.between(date(2023, 6, 1), MONDAY)
    values = 900 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, SIGMA, len(sessions))))
    values *= last / values[-1]
    seen = datetime(2024, 1, 8, 21, tzinfo=UTC)
    flags = dict.fromkeys(("is_provisional", "is_suspect", "is_quarantined"), False)
    prices = pl.DataFrame({"session": sessions, "clp_per_usd": values}).with_columns(
        pl.lit("yahoo").alias("source"),
        *(pl.lit(value).alias(name) for name, value in flags.items()),
        *(pl.lit(seen).dt.cast_time_unit("us").alias(name) for name in ("available_at", "fetched_at")),
    )
    config = InferenceConfig.model_validate({"horizon": horizon, "model": "ewma", "context_length": 180})
    target = target_of(horizon, MONDAY, MONDAY, PLAIN)
    return make_forecast(EwmaEngine(), config, target, prices.select(list(USDCLP_SCHEMA)), clock=lambda: 0.0)


@pytest.fixture(scope="module")
def paths() -> np.ndarray:
    """Log prices within each day, shape (paths, days, ticks): 0 is the close of the first day."""
    steps = np.random.default_rng(1).normal(0, SIGMA / math.sqrt(TICKS), (PATHS, DAYS + 1, TICKS))
    walk = np.cumsum(steps.reshape(PATHS, -1), axis=1).reshape(PATHS, DAYS + 1, TICKS)
    return walk - walk[:, [0], -1:]


@pytest.mark.parametrize("ahead", [1, 2, 5, 11, 21])
def test_bands_from_a_close_contain_a_days_average_at_least_as_often_as_they_claim(
    paths: np.ndarray, ahead: int
) -> None:
    average = np.log(np.exp(paths[:, ahead]).mean(axis=1))
    reach = 1.959964 * SIGMA * float(deviation_of_fixing(np.array([ahead]))[0])
    assert 0.94 <= np.mean(np.abs(average) <= reach) <= 0.995


@pytest.mark.parametrize("ahead", [1, 2, 5, 11, 21])
def test_bands_from_an_average_contain_a_later_average(paths: np.ndarray, ahead: int) -> None:
    first = np.log(np.exp(paths[:, 0]).mean(axis=1))
    average = np.log(np.exp(paths[:, ahead]).mean(axis=1))
    reach = 1.959964 * SIGMA * float(deviation_of_fixing(np.array([ahead]), is_from_average=True)[0])
    assert 0.94 <= np.mean(np.abs(average - first) <= reach) <= 0.985


def test_tomorrows_fixing_lies_between_the_close_and_the_last_fixing(paths: np.ndarray) -> None:
    """On simulated days the average of day t is nearer to the centre than to the close or to the fixing before."""
    today, before = (np.log(np.exp(paths[:, day]).mean(axis=1)) for day in (1, 0))
    close = paths[:, 1, -1]
    centre = close + float(weight_of_fixing(np.array([0.0]))[0]) * (before - close)
    errors = {name: np.std(today - point) for name, point in (("c", centre), ("s", close), ("f", before))}
    assert errors["c"] < errors["s"] < errors["f"]
    reach = 1.959964 * SIGMA * float(deviation_of_fixing(np.array([0.0]))[0])
    assert 0.94 <= np.mean(np.abs(today - centre) <= reach) <= 0.98


def test_factors_are_those_measured() -> None:
    """σ 1.11 √(5 - 2/3) is 2.3107 σ, and .72 / √3 is .4157; a quarter of the way in log from 5 to 64 weighs .0875."""
    assert deviation_of_fixing(np.array([0.0, 1.0, 5.0])) == pytest.approx([0.41569, 0.78520, 2.31066], abs=1e-4)
    assert weight_of_fixing(np.array([0.0, 1.0, 2.0, 5.0, 64.0, 90.0])) == pytest.approx([0.27, 0, 0, 0.05, 0.2, 0.2])
    assert weight_of_fixing(np.array([5 * (64 / 5) ** 0.25]))[0] == pytest.approx(0.0875)


def test_a_fan_of_the_fixing_ends_on_the_horizons_date() -> None:
    """From Monday 8 January, 30 days are 7 February; a fixing averages the day before its date."""
    fan = fixing_fan(peso_fan(), Fixing(TUESDAY, 905.0), PLAIN)
    assert fan["session"][0] == WEDNESDAY
    assert fan["session"][-1] == fan["target_date"][0] == date(2024, 2, 7)
    assert fan["step"].to_list() == list(range(1, fan.height + 1))
    assert (fan["origin_session"][0], fan["origin_clp_per_usd"][0]) == (TUESDAY, 905.0)


def test_the_benchmarks_fan_becomes_a_log_normal_of_the_documented_width() -> None:
    """The fixing of Tuesday the 16th averages Monday the 15th, five banking days after the close of the 8th."""
    peso = peso_fan()
    row = fixing_fan(peso, Fixing(TUESDAY, 905.0), PLAIN).filter(pl.col("session") == date(2024, 1, 16))
    sd = peso["ewma_sd"][0]
    centre = 900 * (905 / 900) ** 0.05
    assert row["q50"][0] == pytest.approx(centre, rel=1e-9)
    assert row["q975"][0] == pytest.approx(centre * math.exp(1.959964 * 2.310656 * sd), rel=1e-6)
    assert row["q025"][0] == pytest.approx(centre * math.exp(-1.959964 * 2.310656 * sd), rel=1e-6)


def test_tomorrows_fixing_is_forecast_while_it_is_not_published() -> None:
    """Monday evening, with Monday's fixing of 910: Tuesday's averages Monday itself."""
    row = fixing_fan(peso_fan(), Fixing(MONDAY, 910.0), PLAIN).row(0, named=True)
    assert row["session"] == TUESDAY
    assert row["q50"] == pytest.approx(900 * (910 / 900) ** 0.27, rel=1e-9)


def test_a_fixing_newer_than_the_price_stands_alone() -> None:
    """Tuesday's trades are in Wednesday's fixing, while the price is Monday's: the price counts no more."""
    fan = fixing_fan(peso_fan(last=700.0), Fixing(WEDNESDAY, 905.0), PLAIN)
    assert fan["q50"].to_list() == pytest.approx([905.0] * fan.height)
    widths = np.log(fan["q975"].to_numpy() / 905.0) / (1.959964 * fan["ewma_sd"][0])
    assert widths[0] == pytest.approx(math.sqrt(2 / 3), rel=1e-5)


def test_no_fixing_is_left_to_forecast_on_the_target_date() -> None:
    assert fixing_fan(peso_fan("7d"), Fixing(date(2024, 1, 15), 905.0), PLAIN).is_empty()


def test_another_fixing_is_another_input() -> None:
    prints = {
        fixing_fan(peso_fan(), fixing, PLAIN)["data_fingerprint"][0]
        for fixing in (Fixing(TUESDAY, 905.0), Fixing(TUESDAY, 905.01), Fixing(WEDNESDAY, 905.0))
    }
    assert len(prints) == 3


def test_quantiles_rise_and_keep_the_engines_skew() -> None:
    """A long upper tail of the model stays the longer one."""
    peso = peso_fan().with_columns(pl.col("model_q975") * 1.5)
    fan = fixing_fan(peso, Fixing(TUESDAY, 900.0), PLAIN)
    assert (np.diff(fan.select(QUANTILE_COLUMNS).to_numpy(), axis=1) > 0).all()
    last = fan.row(-1, named=True)
    assert last["q975"] / last["q50"] > 1.3 * last["q50"] / last["q025"]
