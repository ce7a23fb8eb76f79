"""Fixing fans of past dates: what was public then, which source it came from, and whether the bands hold."""

import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from forex_assets.accuracy.backtest import backtest
from forex_assets.core.calendar import calendar_of, issue_instant
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import OBSERVADO_SCHEMA, SAMPLE_SOURCE, USDCLP_SCHEMA
from forex_assets.forecasts.baselines import EwmaEngine
from forex_assets.forecasts.calibration import calibrated_history
from forex_assets.forecasts.observado.history import fixing_backtest, published, published_by_rule
from forex_assets.forecasts.realized import join_realized, score_rows
from forex_assets.market.origin import QuoteBook, observado_quotes

CALENDAR = calendar_of("CLP", [date(2022, 9, 19)])
DAYS = CALENDAR.between(date(2018, 12, 31), date(2023, 6, 30))
TICKS, SIGMA = 24, 0.007


@pytest.fixture(scope="module")
def market() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Closes two sessions late, and the average of each day, public at 18:00; both of one simulated path."""
    rng = np.random.default_rng(5)
    path = 800 * np.exp(np.cumsum(rng.normal(0, SIGMA / math.sqrt(TICKS), len(DAYS) * TICKS))).reshape(-1, TICKS)
    flags = {"is_provisional": False, "is_suspect": False, "is_quarantined": False}
    late = [*DAYS[2:], date(2023, 7, 3), date(2023, 7, 4)]
    seen = [issue_instant(day) - timedelta(hours=1) for day in late]
    closes = {"session": DAYS, "clp_per_usd": path[:, -1], "source": "yahoo", "available_at": seen, "fetched_at": seen}
    evening = [datetime(day.year, day.month, day.day, 22, tzinfo=UTC) for day in DAYS]
    dated = [CALENDAR.next(day) for day in DAYS]
    fixings = {"session": dated, "clp_per_usd": path.mean(axis=1), "source": "observado", "available_at": evening}
    prices = pl.DataFrame({**closes, **flags}, schema_overrides=USDCLP_SCHEMA).select(list(USDCLP_SCHEMA))
    table = pl.DataFrame({**fixings, "fetched_at": evening, **flags}, schema_overrides=OBSERVADO_SCHEMA)
    return prices, table.select(list(OBSERVADO_SCHEMA))


@pytest.fixture(scope="module")
def scored(market: tuple[pl.DataFrame, pl.DataFrame]) -> pl.DataFrame:
    prices, fixings = market
    config = InferenceConfig.model_validate({"horizon": "15d", "model": "ewma", "context_length": 180})
    book = QuoteBook(observado_quotes(fixings.select("session", "clp_per_usd").iter_rows(), CALENDAR))
    origins = DAYS[300:1080:2]
    batches = backtest(EwmaEngine(), config, prices, None, origins, CALENDAR, clock=lambda: 0.0, book=book)
    fans = fixing_backtest(pl.concat(list(batches)), fixings, CALENDAR)
    joined = join_realized(fans, fixings, datetime(2023, 7, 10, tzinfo=UTC))
    return score_rows(calibrated_history(joined))


def test_every_fixing_fan_starts_from_the_one_of_its_evening_and_ends_on_the_horizons_date(
    market: tuple[pl.DataFrame, pl.DataFrame], scored: pl.DataFrame
) -> None:
    values = dict(market[1].select("session", "clp_per_usd").iter_rows())
    for row in scored.unique("as_of").iter_rows(named=True):
        assert row["origin_session"] == CALENDAR.next(row["as_of"])
        assert row["origin_clp_per_usd"] == values[row["origin_session"]]
        assert row["target_date"] == CALENDAR.roll_back(row["as_of"] + timedelta(days=15))
    assert scored.filter(pl.col("session") == pl.col("target_date"))["is_target"].all()


def test_calibrated_bands_contain_the_fixing_as_often_as_they_claim(scored: pl.DataFrame) -> None:
    rows = scored.filter("is_target", "is_calibrated")
    for level, low, high in ((0.80, "q10", "q90"), (0.95, "q025", "q975")):
        inside = rows.filter(pl.col("realized_clp_per_usd").is_between(pl.col(low), pl.col(high)))
        assert inside.height / rows.height == pytest.approx(level, abs=0.06)


def test_later_fixings_change_no_fan_of_an_earlier_date(market: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    prices, fixings = market
    config = InferenceConfig.model_validate({"horizon": "7d", "model": "ewma", "context_length": 180})
    fans = pl.concat(list(backtest(EwmaEngine(), config, prices, None, DAYS[400:404], CALENDAR, clock=lambda: 0.0)))
    is_later = pl.col("available_at") > issue_instant(DAYS[401])
    poisoned = fixings.with_columns(pl.when(is_later).then(1.1 * pl.col("clp_per_usd")).otherwise("clp_per_usd"))
    clean, dirty = (
        fixing_backtest(fans, table, CALENDAR).filter(pl.col("as_of") <= DAYS[401]) for table in (fixings, poisoned)
    )
    assert clean["as_of"].n_unique() == 2
    assert clean.equals(dirty)


def test_publishers_of_one_fixing_count_as_one_and_generated_ones_stay_apart(
    market: tuple[pl.DataFrame, pl.DataFrame],
) -> None:
    rows = market[1].head(3).with_columns(source=pl.Series(["central_bank", "mindicador", SAMPLE_SOURCE]))
    now = datetime(2024, 1, 1, tzinfo=UTC)
    assert published(rows, now)["source"].to_list() == ["observado", "observado", SAMPLE_SOURCE]
    assert published(rows, rows["available_at"][1]).height == 2


def test_a_fixing_downloaded_later_counts_as_public_from_the_evening_before_its_date() -> None:
    """Monday's fixing is public on Friday at 18:00 in Santiago, 21:00 UTC in summer time; an earlier sight counts."""
    monday = date(2023, 1, 9)
    late, early = datetime(2023, 1, 9, 12, tzinfo=UTC), datetime(2023, 1, 6, 20, 50, tzinfo=UTC)
    rows = pl.DataFrame({"session": [monday] * 2, "available_at": [late, early]})
    rows = rows.with_columns(pl.col("available_at").cast(OBSERVADO_SCHEMA["available_at"]))
    assert published_by_rule(rows, CALENDAR)["available_at"].to_list() == [datetime(2023, 1, 6, 21, tzinfo=UTC), early]
