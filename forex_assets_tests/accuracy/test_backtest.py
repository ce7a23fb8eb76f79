"""No origin sees what came after it, none is run twice, and each is what a forecast of that day would have been."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forex_assets.accuracy.backtest import backtest, backtests
from forex_assets.accuracy.history_view import HistoryView, visible
from forex_assets.accuracy.past_dates import Every, origin_dates, parse_every
from forex_assets.core.calendar import calendar_of, issue_instant
from forex_assets.core.fan import Fan
from forex_assets.core.horizon import target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import FORECAST_SCHEMA, SAMPLE_SOURCE, USDCLP_SCHEMA
from forex_assets.features.copper import FEATURE_NAMES, FEATURES_SCHEMA
from forex_assets.forecasts.baselines import EwmaEngine, origin_volatility, random_walk
from forex_assets.forecasts.engine import EngineError, Origin
from forex_assets.forecasts.forecast import data_fingerprint, make_forecast
from forex_assets.market.origin import QuoteBook, observado_quotes, pick_origin, price_quotes
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import marked_anew, usable

HOLIDAYS = [date(2023, 9, 18), date(2023, 9, 19), date(2023, 12, 25), date(2024, 1, 1)]
CALENDAR = calendar_of("CLP", HOLIDAYS)
SESSIONS = CALENDAR.between(date(2022, 10, 31), date(2024, 2, 2))
CONFIG = InferenceConfig.model_validate({"horizon": "15d", "model": "m", "context_length": 180, "uses_copper": True})


def prices_of(values: Sequence[float], lag: int = 0, seen: Sequence[datetime] | None = None) -> pl.DataFrame:
    """Prices of the first sessions; each is available in time for the forecast of the `lag`-th session after it."""
    days = SESSIONS[: len(values)]
    late = CALENDAR.between(SESSIONS[0] - timedelta(days=1), SESSIONS[-1] + timedelta(days=30))[lag:]
    instants = seen or [issue_instant(day) - timedelta(hours=1) for day in late[: len(days)]]
    rows = {
        "session": days,
        "clp_per_usd": values,
        "source": [SAMPLE_SOURCE if i % 2 else "yahoo" for i in range(len(days))],
        "is_provisional": False,
        "is_suspect": False,
        "available_at": instants,
        "fetched_at": datetime(2024, 6, 1, tzinfo=UTC),
        "is_quarantined": False,
    }
    return marked_anew(pl.DataFrame(rows, schema=USDCLP_SCHEMA), USDCLP)


def wandering(n: int = len(SESSIONS), seed: int = 0) -> np.ndarray:
    return 900 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.006, n)))


def features_of(prices: pl.DataFrame) -> pl.DataFrame:
    """Copper features made of nothing, a row a session, available with the price."""
    rng = np.random.default_rng(7)
    frame = prices.select("session", "available_at", "source").with_columns(
        *(pl.Series(name, rng.normal(size=prices.height)) for name in FEATURE_NAMES),
        copper_sma_crossover=pl.lit(0, dtype=pl.Int8),
    )
    return frame.select(list(FEATURES_SCHEMA))


@dataclass
class EveryInput:
    """Engine: a walk whose width depends on every price and covariate that it is given; keeps the calls."""

    name: str = "chronos-2"
    model: str = "org/fake"
    calls: list[list[Origin]] = field(default_factory=list)

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        self.calls.append(list(origins))
        return [self._fan(origin) for origin in origins]

    def _fan(self, origin: Origin) -> Fan:
        extra = sum(float(np.nansum(np.abs(values))) for values in origin.covariates.values())
        spread = float(np.sum(np.abs(np.diff(np.log(origin.prices))))) / 1000 + extra / 1e6
        return random_walk(float(origin.prices[-1]), spread, origin.steps)


def no_clock() -> float:
    return 0.0


def config_for(engine: EveryInput | EwmaEngine) -> InferenceConfig:
    """Copper for the engine that reads it."""
    return CONFIG.model_copy(update={"uses_copper": engine.name == "chronos-2"})


def run(engine: EveryInput | EwmaEngine, prices: pl.DataFrame, origins: Sequence[date], **more: object) -> pl.DataFrame:
    options = {"clock": no_clock, **more}
    features = options.pop("features", None)
    frames = list(backtest(engine, config_for(engine), prices, features, origins, CALENDAR, **options))  # type: ignore[arg-type]
    return pl.concat(frames) if frames else pl.DataFrame(schema=FORECAST_SCHEMA)


def with_bad_ticks() -> np.ndarray:
    """Prices with spikes on either side of the origins that the tests use, one of two days and one impossible."""
    values = wandering()
    values[[270, 281]] *= 1.2
    values[[285, 286]] *= 0.8
    values[292] = 5.0
    values[300] *= 1.3
    return values


NEAR = [SESSIONS[i] for i in (268, 269, 270, 271, 272, 280, 281, 282, 284, 285, 286, 287, 288, 291, 292, 293, 300, 301)]


@pytest.mark.parametrize(
    ("lag", "has_features", "factor"), [(0, False, 10), (1, True, 10), (0, True, 1.3), (1, False, 0.8)]
)
def test_what_comes_after_an_origin_changes_no_bit_of_its_forecast(lag: int, has_features: bool, factor: float) -> None:
    prices = prices_of(with_bad_ticks(), lag)
    features = features_of(prices) if has_features else None
    clean = run(EveryInput(), prices, NEAR, features=features)
    assert clean["as_of"].unique(maintain_order=True).to_list() == NEAR
    later = SESSIONS[272 + lag]
    assert usable(visible(prices, later))["session"].to_list() != SESSIONS[:273]  # a tick is marked by then
    for as_of in NEAR:
        is_later = pl.col("available_at") > issue_instant(as_of)
        value = pl.when(is_later).then(pl.col("clp_per_usd") * factor).otherwise("clp_per_usd")
        # Marks of the past that know the future must not be believed either.
        poisoned = prices.with_columns(clp_per_usd=value, is_quarantined=~pl.col("is_quarantined"))
        numbers = [pl.when(is_later).then(pl.col(name) * factor).otherwise(name).alias(name) for name in FEATURE_NAMES]
        given_features = None if features is None else features.with_columns(numbers)
        assert poisoned.filter(is_later).height > 0
        dirty = run(EveryInput(), poisoned, [as_of], features=given_features)
        assert dirty.equals(clean.filter(pl.col("as_of") == as_of)), as_of


def test_a_spike_is_a_price_on_its_day_and_a_bad_tick_once_it_is_taken_back() -> None:
    values = wandering()
    values[270] *= 1.2
    table = run(EwmaEngine(), prices_of(values), SESSIONS[270:272])
    origins = table.unique("as_of", maintain_order=True)
    assert origins["origin_clp_per_usd"].to_list() == [values[270], values[271]]
    good = np.delete(values[:272], 270)
    returns = np.diff(np.log(good))
    returns[-1] /= np.sqrt(2)  # over the bad tick it spans two sessions
    scaled = np.exp(np.concatenate([[0.0], np.cumsum(returns)]))
    expected = [origin_volatility(values[:271]), origin_volatility(scaled)]
    assert origins["ewma_sd"].to_list() == pytest.approx(expected, rel=1e-12)


def observados(prices: pl.DataFrame, days: Sequence[date]) -> QuoteBook:
    """Fixings a per cent above the price that they average, published in the evening of its session."""
    levels = dict(prices.select("session", "clp_per_usd").iter_rows())
    values = [(CALENDAR.roll_back(day), levels[CALENDAR.previous(day)] * 1.01) for day in days]
    return QuoteBook(observado_quotes(values, CALENDAR))


BOOKS = {"stored": None, "live": observados(prices_of(wandering()), SESSIONS[200:])}


@pytest.mark.parametrize("mode", BOOKS)
def test_each_origin_is_the_forecast_of_that_day(mode: str) -> None:
    """The engine's fan of the finished prices, moved to the level that was known: nothing else."""
    prices, book = prices_of(with_bad_ticks(), lag=1), BOOKS[mode]
    table = run(EveryInput(), prices, NEAR, features=features_of(prices), batch=5, book=book)
    for as_of in NEAR:
        rows = usable(visible(prices, as_of))
        sd = origin_volatility(rows["clp_per_usd"].to_numpy())
        last = price_quotes(rows.tail(1), CALENDAR)
        quotes = [*last, *(book.newest(issue_instant(as_of)) if book else [])]
        start = pick_origin(QuoteBook(quotes), sd, issue_instant(as_of), CALENDAR)
        assert start is not None
        target = target_of("15d", as_of, start.session, CALENDAR)
        known = features_of(prices).filter(pl.col("available_at") <= issue_instant(as_of))
        alone = make_forecast(EveryInput(), CONFIG, target, rows, known, clock=no_clock, start=start)
        assert alone.equals(table.filter(pl.col("as_of") == as_of))
    assert table["is_calibrated"].sum() == 0
    assert table.schema == FORECAST_SCHEMA


def test_a_live_origin_starts_from_the_observado_of_that_evening() -> None:
    """The price is two sessions late, the fixing dated tomorrow averages today; only the level and the dates change."""
    prices, as_of = prices_of(wandering(), lag=2), SESSIONS[280]
    live = run(EwmaEngine(), prices, [as_of], book=BOOKS["live"])
    stored = run(EwmaEngine(), prices, [as_of])
    first = live.row(0, named=True)
    assert first["origin_session"] == as_of
    assert first["origin_clp_per_usd"] == pytest.approx(wandering()[280] * 1.01)
    assert (first["origin_kind"], first["origin_dated"]) == ("dólar observado", SESSIONS[281])
    assert (first["origin_age_sessions"], first["is_origin_assumed"]) == (0, True)
    assert (stored["origin_age_sessions"][0], stored["origin_kind"][0]) == (2, "finished bar")
    assert live.height == stored.height - 2
    assert live["ewma_sd"][0] == stored["ewma_sd"][0]
    assert live["data_fingerprint"][0] != stored["data_fingerprint"][0]


def test_a_fixing_of_tomorrow_evening_is_not_known() -> None:
    prices, as_of = prices_of(wandering()), SESSIONS[280]
    late = observados(prices, SESSIONS[282:])
    assert run(EwmaEngine(), prices, [as_of], book=late).equals(run(EwmaEngine(), prices, [as_of]))


@pytest.mark.parametrize("engine", [EwmaEngine(), EveryInput(name="chronos-bolt")])
def test_live_and_stored_fans_of_one_call_are_those_of_two(engine: EwmaEngine | EveryInput) -> None:
    prices, config = prices_of(wandering(), lag=2), config_for(engine)
    inputs = (engine, config, prices, None, NEAR, CALENDAR)
    pairs = list(backtests(*inputs, books=(BOOKS["live"], None), clock=no_clock, batch=7))
    live, stored = (pl.concat([pair[side] for pair in pairs]) for side in (0, 1))
    assert live.equals(run(engine, prices, NEAR, book=BOOKS["live"]))
    assert stored.equals(run(engine, prices, NEAR))
    again = list(backtests(*inputs, books=(BOOKS["live"], None), clock=no_clock, done=(live, stored)))
    assert again == []


def test_provisional_prices_are_not_seen() -> None:
    prices = prices_of(wandering()).with_columns(is_provisional=pl.col("session") == SESSIONS[280])
    assert SESSIONS[280] not in visible(prices, SESSIONS[285])["session"]
    table = run(EwmaEngine(), prices, [SESSIONS[280]])
    assert table["origin_session"][0] == SESSIONS[279]
    assert table["session"][0] == SESSIONS[280]


moves = st.sampled_from([1.0, 1.0, 1.0, 1.0, 1.0, 1.09, 1.2, 1.25, 0.8, 0.9, 0.006, 1.003])
rows = st.lists(st.tuples(moves, st.booleans(), st.integers(0, 3)), min_size=1, max_size=45)


@settings(max_examples=60, deadline=None)
@given(rows=rows, is_in_order=st.booleans(), suspects=st.sets(st.integers(0, 44), max_size=4))
def test_the_quick_view_of_the_past_is_the_plain_one(
    rows: list[tuple[float, bool, int]], is_in_order: bool, suspects: set[int]
) -> None:
    level, values, seen = 900.0, [], []
    for i, (move, stays, late) in enumerate(rows):
        values.append(level * move * (1 + 0.001 * (i % 3)))
        level = values[-1] if stays and move > 0.5 else level
        seen.append(issue_instant(SESSIONS[i] + timedelta(days=1 if is_in_order else late)))
    prices = prices_of(values, seen=seen).with_columns(
        is_suspect=pl.int_range(pl.len()).is_in(sorted(suspects)), is_provisional=pl.int_range(pl.len()) % 17 == 16
    )
    past = HistoryView(prices)
    for as_of in [SESSIONS[0] - timedelta(days=9), *SESSIONS[: len(rows)], SESSIONS[-1]]:
        plain = usable(visible(prices, as_of))
        quick, fingerprint = past.at(as_of)
        assert quick.equals(plain)
        assert fingerprint == data_fingerprint(plain)


def test_one_call_takes_a_batch_of_origins_of_different_lengths_and_time_is_shared_out() -> None:
    engine, ticks = EveryInput(name="chronos-t5"), iter(range(0, 1000, 3))
    origins = SESSIONS[260:267]
    frames = list(backtest(engine, config_for(engine), prices_of(wandering()), None, origins, CALENDAR,
                           clock=lambda: float(next(ticks)), batch=3))  # fmt: skip
    assert [len(call) for call in engine.calls] == [3, 3, 1]
    assert [frame["as_of"].n_unique() for frame in frames] == [3, 3, 1]
    assert [frame["engine_seconds"].unique().to_list() for frame in frames] == [[1.0], [1.0], [3.0]]
    assert len({origin.steps for call in engine.calls for origin in call}) > 1
    for as_of, table in pl.concat(frames).group_by("as_of", maintain_order=True):
        assert table["session"].to_list() == CALENDAR.between(as_of[0], table["target_date"][0])  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "reads"), [("chronos-2", True), ("chronos-t5", False), ("ewma", False)])
def test_only_engines_that_read_covariates_are_given_those_that_were_available(name: str, reads: bool) -> None:
    prices, engine = prices_of(wandering()), EveryInput(name=name)
    late = features_of(prices).with_columns(pl.col("available_at") + timedelta(days=1))
    run(engine, prices, [SESSIONS[280]], features=late)
    (origin,) = engine.calls[0]
    assert list(origin.covariates) == ([*FEATURE_NAMES, "copper_sma_crossover"] if reads else [])
    for values in origin.covariates.values():
        assert np.isnan(values).tolist() == [False] * 280 + [True]


def test_a_run_that_was_stopped_goes_on_where_it_was_and_ends_as_if_it_had_not() -> None:
    prices, origins = prices_of(with_bad_ticks()), SESSIONS[260:283]
    whole = run(EveryInput(), prices, origins, batch=4)
    for stop in range(7):
        first, second = EveryInput(), EveryInput()
        frames = backtest(first, CONFIG, prices, None, origins, CALENDAR, clock=no_clock, batch=4)
        done = pl.concat([pl.DataFrame(schema=FORECAST_SCHEMA), *(next(frames, whole.clear()) for _ in range(stop))])
        frames.close()  # type: ignore[attr-defined]
        skipped: list[tuple[date, str]] = []
        rest = run(second, prices, origins, batch=4, done=done, on_skip=lambda *why, s=skipped: s.append(why))
        assert pl.concat([done, rest]).equals(whole)
        assert sum(len(call) for call in [*first.calls, *second.calls]) == len(origins)
        assert skipped == [(day, "run before") for day in origins[: 4 * stop]]


def test_other_data_another_config_or_another_engine_is_another_run_and_a_repeat_is_not() -> None:
    prices, origins = prices_of(wandering()), SESSIONS[260:263]
    done = run(EveryInput(), prices, origins)
    assert run(EveryInput(), prices, [*origins, *origins], done=done).is_empty()
    assert run(EveryInput(), prices, [origins[0], origins[0]]).equals(done.filter(pl.col("as_of") == origins[0]))
    other = prices.with_columns(clp_per_usd=pl.when(pl.int_range(pl.len()) == 261).then(950.0).otherwise("clp_per_usd"))
    assert run(EveryInput(), other, origins, done=done)["as_of"].unique().to_list() == origins[1:]
    assert run(EveryInput(model="org/other"), prices, origins, done=done)["as_of"].n_unique() == 3
    assert run(EveryInput(name="chronos-t5"), prices, origins, done=done)["as_of"].n_unique() == 3
    seeded = CONFIG.model_copy(update={"seed": 1})
    assert len(list(backtest(EveryInput(), seeded, prices, None, origins, CALENDAR, clock=no_clock, done=done))) == 1


def test_origins_without_a_past_or_with_an_old_one_are_passed_over_and_named() -> None:
    skipped: list[tuple[date, str]] = []
    prices = prices_of(wandering())
    gap = prices.filter(~pl.col("session").is_between(SESSIONS[270], SESSIONS[285]))
    origins = [SESSIONS[248], SESSIONS[249], SESSIONS[279], SESSIONS[280]]
    table = run(EwmaEngine(), gap, origins, on_skip=lambda *why: skipped.append(why))
    assert table["as_of"].unique().to_list() == [SESSIONS[249], SESSIONS[279]]
    assert skipped == [
        (SESSIONS[248], "249 usable sessions, 250 are needed"),
        (SESSIONS[280], f"last price {SESSIONS[269]} is 11 sessions old"),
    ]


def test_a_target_in_the_future_of_the_prices_is_fine() -> None:
    table = run(EwmaEngine(), prices_of(wandering(280)), [SESSIONS[279]])
    assert table["target_date"][0] > SESSIONS[279]
    assert table["session"].to_list() == CALENDAR.between(SESSIONS[279], SESSIONS[279] + timedelta(days=15))


def test_an_engine_that_gives_another_number_of_fans_and_an_empty_batch_are_refused() -> None:
    class Mute(EveryInput):
        def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
            return super().forecast(origins, config)[1:]

    with pytest.raises(EngineError, match="chronos-2 gave 2 fans for 3 origins"):
        run(Mute(), prices_of(wandering()), SESSIONS[260:263])
    with pytest.raises(ValueError, match="batch is 0"):
        run(EwmaEngine(), prices_of(wandering()), SESSIONS[260:263], batch=0)


@pytest.mark.parametrize(
    ("text", "every"), [("1d", Every(1, "d")), ("1w", Every(1, "w")), ("2w", Every(2, "w")), ("1m", Every(1, "m"))]
)
def test_intervals_are_read(text: str, every: Every) -> None:
    assert parse_every(text) == every


@pytest.mark.parametrize("text", ["", "w", "0w", "1y", "-1w", "1.5d", "1w ", "100d"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no interval between origins"):
        parse_every(text)


def test_origins_by_hand() -> None:
    def of(text: str, first: date = date(2023, 12, 15), last: date = date(2024, 1, 12)) -> list[date]:
        return origin_dates(CALENDAR, first, last, parse_every(text))

    assert of("1w") == [date(2023, 12, 15), date(2023, 12, 22), date(2023, 12, 29), date(2024, 1, 5), date(2024, 1, 12)]
    assert of("1w", last=date(2024, 1, 11))[-1] == date(2024, 1, 5)
    assert of("1m") == [date(2023, 12, 29)]
    assert of("1d", date(2023, 12, 22), date(2023, 12, 27)) == [date(2023, 12, day) for day in (22, 26, 27)]
    assert of("2d", date(2023, 12, 22), date(2023, 12, 27)) == [date(2023, 12, 22), date(2023, 12, 27)]
    rests_on_friday = calendar_of("CLP", [date(2023, 12, 22)])
    assert date(2023, 12, 21) in origin_dates(rests_on_friday, date(2023, 12, 1), date(2024, 1, 12), Every(1, "w"))
    rests = calendar_of("CLP", [date(2023, 12, day) for day in range(18, 23)])
    assert len(origin_dates(rests, date(2023, 12, 15), date(2024, 1, 12), Every(1, "w"))) == 4


@given(
    first=st.dates(date(2023, 1, 1), date(2023, 12, 31)),
    days=st.integers(0, 300),
    text=st.sampled_from(["1w", "2w", "1m", "3m"]),
)
def test_origins_are_sessions_and_do_not_depend_on_where_the_range_starts_or_ends(
    first: date, days: int, text: str
) -> None:
    last, every = first + timedelta(days=days), parse_every(text)
    dates = origin_dates(CALENDAR, first, last, every)
    whole = origin_dates(CALENDAR, date(2022, 1, 1), date(2025, 1, 1), every)
    assert dates == [day for day in whole if first <= day <= last]
    assert all(CALENDAR.is_session(day) for day in dates)
    weeks = [day.isocalendar()[:2] for day in whole]
    assert len(set(weeks)) == len(weeks)
