"""Forecast rows from a fake engine whose answer is known."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from forex_assets.core.calendar import calendar_of
from forex_assets.core.fan import Fan
from forex_assets.core.horizon import HORIZONS, Target, target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import (
    FORECAST_SCHEMA,
    MODEL_QUANTILE_COLUMNS,
    ORIGIN_SCHEMA,
    QUANTILE_COLUMNS,
    SAMPLE_SOURCE,
    USDCLP_SCHEMA,
    WALK_QUANTILE_COLUMNS,
)
from forex_assets.core.volatility import ewma_volatility
from forex_assets.forecasts.baselines import EwmaEngine, random_walk
from forex_assets.forecasts.engine import EngineError, Origin
from forex_assets.forecasts.forecast import (
    Request,
    align_covariates,
    data_fingerprint,
    make_forecast,
    make_forecasts,
)
from forex_assets.market.origin import Origin as Start

AS_OF = date(2024, 1, 8)
PLAIN = calendar_of("no holidays", [])
TARGET = target_of("7d", AS_OF, AS_OF, PLAIN)


def config_of(horizon: str) -> InferenceConfig:
    return InferenceConfig.model_validate({"horizon": horizon, "model": "m", "context_length": 180})


CONFIG = config_of("7d")


@dataclass
class FixedEngine:
    """Engine: quantiles 100 to 900 at every step; keeps its inputs."""

    name: str = "chronos-bolt"
    model: str = "org/fixed"
    seen: list[tuple[Origin, InferenceConfig]] = field(default_factory=list)

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        self.seen += [(origin, config) for origin in origins]
        return [Fan(np.full(o.steps, 555.0), np.tile(np.arange(1.0, 10.0) * 100, (o.steps, 1))) for o in origins]


def prices_of(n: int = 60, source: str = SAMPLE_SOURCE) -> pl.DataFrame:
    """A generated history that ends on AS_OF; the row before the last is a quarantined bad tick."""
    sessions = PLAIN.between(AS_OF - timedelta(days=2 * n), AS_OF)[-n:]
    values = 900 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.006, n)))
    values[-2] = 5.0
    seen = datetime(2024, 1, 8, 22, tzinfo=UTC)
    rows = {
        "session": sessions,
        "clp_per_usd": values,
        "source": source,
        "is_provisional": [False] * (n - 1) + [True],
        "is_suspect": [False] * n,
        "available_at": seen,
        "fetched_at": seen,
        "is_quarantined": [i == n - 2 for i in range(n)],
    }
    return pl.DataFrame(rows, schema=USDCLP_SCHEMA)


def ticks(*seconds: float) -> Iterator[float]:
    """A clock that reads the given times."""
    return iter(seconds)


def clock() -> float:
    return 0.0


def test_a_forecast_has_the_schema_and_a_row_a_step() -> None:
    table = make_forecast(FixedEngine(), CONFIG, TARGET, prices_of(), clock=clock)
    assert table.schema == FORECAST_SCHEMA
    assert table["step"].to_list() == [1, 2, 3, 4, 5]
    assert table["session"].to_list() == list(TARGET.sessions)
    assert table["session"][-1] == table["target_date"][0] == date(2024, 1, 15)
    assert {name for name in table.columns if table[name].null_count()} == set(ORIGIN_SCHEMA)


def one_session_each(good: NDArray[np.float64]) -> NDArray[np.float64]:
    """Prices whose last return, over the bad tick and so over two sessions, has a session's variance."""
    returns = np.diff(np.log(good))
    returns[-1] /= math.sqrt(2)
    return np.asarray(good[0] * np.exp(np.concatenate([[0.0], np.cumsum(returns)])))


def test_the_models_quantiles_are_published_and_the_walks_stand_beside_them() -> None:
    prices = prices_of()
    table = make_forecast(FixedEngine(), CONFIG, TARGET, prices, clock=clock)
    for row in table.iter_rows(named=True):
        assert [row[name] for name in QUANTILE_COLUMNS] == [100.0 * k for k in range(1, 10)]
        assert [row[name] for name in MODEL_QUANTILE_COLUMNS] == [100.0 * k for k in range(1, 10)]
        assert row["mean"] == 555.0
    good = prices["clp_per_usd"].to_numpy()[[i for i in range(60) if i != 58]]
    walk = random_walk(good[-1], ewma_volatility(one_session_each(good)), 5)
    np.testing.assert_allclose(table.select(WALK_QUANTILE_COLUMNS).to_numpy(), walk.quantiles, rtol=1e-12)


START = Start(
    level=1000.0, kind="dólar observado", source="central_bank", session=AS_OF, dated=date(2024, 1, 9),
    observed_at=datetime(2024, 1, 8, 21, tzinfo=UTC), age_hours=1.0, age_sessions=0, disagreement_pct=0.4,
    tolerance_pct=1.2, is_assumed=False,
)  # fmt: skip


def test_with_a_start_only_the_level_changes_and_the_engine_reads_finished_prices() -> None:
    prices, engine = prices_of(), FixedEngine()
    table = make_forecast(engine, CONFIG, TARGET, prices, clock=clock, start=START)
    finished = prices["clp_per_usd"].to_numpy()[:58]
    np.testing.assert_array_equal(engine.seen[0][0].prices, finished)
    ratio = 1000.0 / finished[-1]
    for row in table.iter_rows(named=True):
        np.testing.assert_allclose([row[name] for name in QUANTILE_COLUMNS], ratio * np.arange(1, 10) * 100, rtol=1e-15)
        assert row["mean"] == pytest.approx(555.0 * ratio, rel=1e-15)
    walk = random_walk(1000.0, ewma_volatility(finished), 5)
    np.testing.assert_array_equal(table.select(WALK_QUANTILE_COLUMNS).to_numpy(), walk.quantiles)
    expected = {
        "origin_session": AS_OF, "origin_clp_per_usd": 1000.0, "is_origin_provisional": False,
        "origin_kind": "dólar observado", "origin_source": "central_bank", "origin_dated": date(2024, 1, 9),
        "origin_age_hours": 1.0, "origin_age_sessions": 0, "origin_disagreement_pct": 0.4, "is_origin_assumed": False,
        "source": SAMPLE_SOURCE,
    }  # fmt: skip
    assert expected.items() <= table.row(0, named=True).items()


def test_another_starting_level_is_another_fingerprint_and_the_last_price_itself_is_not() -> None:
    prices = prices_of().filter(~pl.col("is_provisional"))
    last = prices.filter(~pl.col("is_quarantined")).row(-1, named=True)
    last_price = replace(START, session=last["session"], level=last["clp_per_usd"])

    def fingerprint(start: Start | None) -> str:
        return make_forecast(FixedEngine(), CONFIG, TARGET, prices, clock=clock, start=start)["data_fingerprint"][0]

    assert fingerprint(last_price) == fingerprint(None)
    assert (
        len({fingerprint(s) for s in (None, START, replace(START, level=1000.1), replace(last_price, session=AS_OF))})
        == 4
    )


def test_a_start_at_or_after_the_first_session_to_forecast_is_refused() -> None:
    start = replace(START, session=date(2024, 1, 9))
    with pytest.raises(ValueError, match="prices reach 2024-01-09"):
        make_forecast(FixedEngine(), CONFIG, TARGET, prices_of(), clock=clock, start=start)


def test_a_quarantined_price_reaches_no_engine() -> None:
    engine = FixedEngine()
    make_forecast(engine, CONFIG, TARGET, prices_of(), clock=clock)
    origin, config = engine.seen[0]
    assert len(origin.prices) == 59
    assert origin.prices.min() > 500
    assert config == CONFIG


def test_every_row_says_what_it_was_made_of() -> None:
    prices = prices_of()
    table = make_forecast(FixedEngine(), CONFIG, TARGET, prices, clock=ticks(10.0, 12.5).__next__)
    expected = {
        "as_of": AS_OF,
        "horizon": "7d",
        "target_date": date(2024, 1, 15),
        "origin_session": AS_OF,
        "origin_clp_per_usd": prices["clp_per_usd"][-1],
        "is_origin_provisional": True,
        "model": "org/fixed",
        "engine": "chronos-bolt",
        "representation": "anchored",
        "is_calibrated": False,
        "calibration_errors": 0,
        "source": SAMPLE_SOURCE,
        "config_fingerprint": CONFIG.fingerprint,
        "data_fingerprint": data_fingerprint(prices),
        "engine_seconds": 2.5,
    }
    for row in table.iter_rows(named=True):
        assert {name: row[name] for name in expected} == expected
    values = one_session_each(prices.filter(~pl.col("is_quarantined"))["clp_per_usd"].to_numpy())
    assert table["ewma_sd"][0] == pytest.approx(ewma_volatility(values))
    assert table["constant_sd"][0] == pytest.approx(math.sqrt(np.mean(np.log(values[1:] / values[:-1]) ** 2)))


def test_the_walk_as_engine_publishes_itself_and_has_no_representation() -> None:
    table = make_forecast(EwmaEngine(), CONFIG, TARGET, prices_of(), clock=clock)
    assert (table.select(QUANTILE_COLUMNS).to_numpy() == table.select(WALK_QUANTILE_COLUMNS).to_numpy()).all()
    assert table["engine"][0] == table["model"][0] == "ewma"
    assert table["representation"][0] == "none"


def test_horizons_together_are_the_horizons_one_by_one() -> None:
    requests = [Request(config_of(h), target_of(h, AS_OF, AS_OF, PLAIN)) for h in HORIZONS]
    together = make_forecasts(EwmaEngine(), requests, prices_of(), clock=clock)
    for request, table in zip(requests, together, strict=True):
        assert table.equals(make_forecast(EwmaEngine(), request.config, request.target, prices_of(), clock=clock))
    assert [table["horizon"][0] for table in together] == list(HORIZONS)
    assert [table.height for table in together] == [5, 11, 22, 64]


def test_covariates_go_by_exact_session_and_are_unknown_elsewhere() -> None:
    sessions = [date(2024, 1, day) for day in (2, 3, 4)]
    features = pl.DataFrame(
        {
            "session": [date(2024, 1, 1), date(2024, 1, 4), date(2024, 1, 2)],
            "source": ["yahoo"] * 3,
            "copper_ret_1d": [9.0, 0.04, None],
            "trend": [1, -1, 0],
        }
    )
    aligned = align_covariates(sessions, features)
    assert list(aligned) == ["copper_ret_1d", "trend"]
    np.testing.assert_array_equal(aligned["copper_ret_1d"], [np.nan, np.nan, 0.04])
    np.testing.assert_array_equal(aligned["trend"], [0.0, np.nan, -1.0])


@pytest.mark.parametrize(
    ("name", "asks", "reads"),
    [("chronos-2", True, True), ("chronos-2", False, False), ("chronos-t5", False, False), ("ewma", False, False)],
)
def test_features_are_given_and_count_as_data_only_where_the_config_asks_for_copper(
    name: str, asks: bool, reads: bool
) -> None:
    prices = prices_of()
    features = pl.DataFrame({"session": [AS_OF], "copper_ret_1d": [0.01]})
    engine = FixedEngine(name=name)
    config = CONFIG.model_copy(update={"uses_copper": asks})
    table = make_forecast(engine, config, TARGET, prices, features, clock=clock)
    assert list(engine.seen[0][0].covariates) == (["copper_ret_1d"] if reads else [])
    assert (table["data_fingerprint"][0] == data_fingerprint(prices)) == (not reads)
    assert (table["data_fingerprint"][0] == data_fingerprint(prices, features)) == reads


def test_copper_asked_of_an_engine_that_cannot_read_it_is_refused_by_name() -> None:
    config = CONFIG.model_copy(update={"uses_copper": True})
    with pytest.raises(EngineError, match=r"uses_copper is true in configs/chronos_7d\.json.*reads no covariates"):
        make_forecast(FixedEngine(name="chronos-t5"), config, TARGET, prices_of(), clock=clock)


def test_an_empty_feature_table_is_no_covariate() -> None:
    engine = FixedEngine(name="chronos-2")
    features = pl.DataFrame(schema={"session": pl.Date, "copper_ret_1d": pl.Float64})
    config = CONFIG.model_copy(update={"uses_copper": True})
    table = make_forecast(engine, config, TARGET, prices_of(), features, clock=clock)
    assert engine.seen[0][0].covariates == {}
    assert table["data_fingerprint"][0] == data_fingerprint(prices_of())


def test_the_fingerprint_is_of_what_the_engine_was_given_and_of_nothing_else() -> None:
    prices = prices_of()
    base = data_fingerprint(prices)
    later = datetime(2024, 2, 1, tzinfo=UTC)
    assert len(base) == 64
    assert data_fingerprint(prices.with_columns(fetched_at=pl.lit(later, pl.Datetime("us", "UTC")))) == base
    assert data_fingerprint(prices.filter(~pl.col("is_quarantined"))) == base
    bit = np.nextafter(prices["clp_per_usd"][0], 1e9)
    changes = [
        prices.with_columns(clp_per_usd=pl.when(pl.int_range(pl.len()) == 0).then(bit).otherwise("clp_per_usd")),
        prices.with_columns(source=pl.lit("yahoo")),
        prices.with_columns(is_provisional=pl.lit(False)),
        prices.with_columns(is_quarantined=pl.lit(False)),
        prices.with_columns(pl.col("session").dt.offset_by("-7d")),
        prices.slice(1),
    ]
    assert len({base, *(data_fingerprint(frame) for frame in changes)}) == 1 + len(changes)


def test_the_fingerprint_of_features_is_of_their_sessions_and_numbers() -> None:
    prices = prices_of()
    known = datetime(2024, 1, 8, tzinfo=UTC)
    features = pl.DataFrame({"session": [AS_OF], "available_at": [known], "a": [0.01], "b": [None]})
    features = features.cast({"b": pl.Float64})
    base = data_fingerprint(prices, features)
    assert base != data_fingerprint(prices)
    assert data_fingerprint(prices, features.with_columns(available_at=pl.lit(None))) == base
    assert data_fingerprint(prices, features.with_columns(b=pl.lit(0.0))) != base
    assert data_fingerprint(prices, features.rename({"a": "c"})) != base


def test_several_sources_are_all_named() -> None:
    prices = prices_of(source="yahoo").with_columns(
        source=pl.when(pl.int_range(pl.len()) < 5).then(pl.lit("bcch")).otherwise("source")
    )
    assert make_forecast(EwmaEngine(), CONFIG, TARGET, prices, clock=clock)["source"][0] == "bcch + yahoo"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            Target(date(2024, 1, 5), date(2024, 1, 12), (date(2024, 1, 9),)),
            "prices reach 2024-01-08: as_of is 2024-01-05",
        ),
        (Target(AS_OF, date(2024, 1, 15), (AS_OF,)), "the first step to forecast is 2024-01-08"),
    ],
)
def test_a_history_that_reaches_into_the_future_is_refused(target: Target, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make_forecast(EwmaEngine(), CONFIG, target, prices_of(), clock=clock)


def test_a_history_without_a_usable_price_is_refused() -> None:
    bad = prices_of().with_columns(is_quarantined=pl.lit(True))
    with pytest.raises(ValueError, match="no usable price"):
        make_forecast(EwmaEngine(), CONFIG, TARGET, bad, clock=clock)


def test_an_engine_that_gives_another_number_of_fans_is_refused() -> None:
    class Mute(FixedEngine):
        def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
            return []

    with pytest.raises(EngineError, match="chronos-bolt gave 0 fans for one origin"):
        make_forecast(Mute(), CONFIG, TARGET, prices_of(), clock=clock)
