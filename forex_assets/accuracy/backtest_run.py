"""One backtest from start to scored rows, for asset and command line: which engine, which origins, what is kept."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from forex_assets.accuracy.backtest import RUN, backtest, origin_dates, parse_every
from forex_assets.accuracy.backtest_store import BacktestStore, engine_key
from forex_assets.accuracy.peers import PEERS
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import FORECAST_SCHEMA, empty
from forex_assets.forecasts.baselines import EwmaEngine, RandomWalkEngine
from forex_assets.forecasts.calibration import calibrated_history
from forex_assets.forecasts.chronos.finder import effective_config, find_model
from forex_assets.forecasts.engine import Engine, EngineError
from forex_assets.forecasts.realized import as_issued, join_realized, score_rows
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import marked_anew
from forex_assets.platform import Platform

WALKS: Final[dict[str, Callable[[], Engine]]] = {"ewma": EwmaEngine, "random-walk": RandomWalkEngine}
ENGINES: Final = ("auto", *WALKS, *PEERS)
"""Engines by name; `auto` is the one that forecasts would be made with. Any other word is a model: hub id or folder."""

YEARS: Final = 5
"""How far back a backtest reaches where nothing is said: 260 weekly origins."""


@dataclass(frozen=True)
class Origins:
    """Which past dates to forecast from.

    Attributes:
        first: None for five years before `last`.
        last: None for the day before the clock's.
        every: such as `1w`.
        days: the dates themselves; the rest does not count then.
    """

    first: date | None = None
    last: date | None = None
    every: str = "1w"
    days: tuple[date, ...] = ()

    def dates(self, platform: Platform) -> list[date]:
        """The origins, ascending.

        Raises:
            ValueError: `every` is no interval, or `last` lies before `first`.
        """
        if self.days:
            return list(self.days)
        last = self.last or platform.settings.as_of_date - timedelta(days=1)
        first = self.first or last - timedelta(days=365 * YEARS)
        if first > last:
            raise ValueError(f"the first origin {first} is later than the last, {last}")
        return origin_dates(platform.calendar(USDCLP), first, last, parse_every(self.every))


DEFAULT_ORIGINS: Final = Origins()


def choose_engine(platform: Platform, horizon: str, name: str) -> tuple[Engine, InferenceConfig]:
    """An engine by name, and the settings that it runs with.

    Raises:
        EngineError: there is no such model.
    """
    config = platform.configs.read(horizon)
    if name in WALKS or name in PEERS:
        engine: Engine = WALKS[name]() if name in WALKS else PEERS[name]
        return engine, config.model_copy(update={"uses_copper": False})
    try:
        found = find_model(platform.settings.model if name == "auto" else name, config.model)
    except EngineError as error:
        if name == "auto":
            raise
        known = ", ".join((*ENGINES, "embedded"))
        raise EngineError(f"no engine {name!r}: {error}. Engines are {known}, or a model") from error
    return platform.engine(found), effective_config(config, found)


def run_backtest(
    platform: Platform,
    horizon: str,
    *,
    engine_name: str = "auto",
    origins: Origins = DEFAULT_ORIGINS,
    uses_copper: bool | None = None,
    with_stored: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[pl.DataFrame, list[str]]:
    """Past forecasts of one horizon beside what came true; fans that were made before are not made again.

    Args:
        platform: settings, prices, configs.
        horizon: such as `7d`.
        engine_name: one of `ENGINES`, or a model.
        origins: which dates.
        uses_copper: whether an engine that reads covariates is given copper's; None for what the config says.
        with_stored: whether origins that were run on other occasions, up to the clock, are given too.
        report: told after each batch how many origins are done, of how many.

    Returns:
        `REALIZED_SCHEMA` with bands calibrated where the config says so, each origin by errors known before it; and the
        origins passed over, with the reason.

    Raises:
        EngineError: no such engine, one that cannot do what the config asks, or no prices are stored.
        ValueError: see `Origins.dates`.
    """
    prices, features = inputs_of(platform)
    engine, config = choose_engine(platform, horizon, engine_name)
    if uses_copper is not None:
        config = config.model_copy(update={"uses_copper": uses_copper})
    dates = origins.dates(platform)
    store, skipped = BacktestStore(platform.warehouse), list[str]()
    key = engine_key(engine.name, engine.model, config.fingerprint)
    done = _last_made(store, horizon, key, config)
    finished = done.filter(pl.col("as_of").is_in(dates))["as_of"].n_unique()
    report(finished, len(dates))
    batches = backtest(
        engine,
        config,
        prices,
        features,
        dates,
        platform.calendar(USDCLP),
        clock=time.perf_counter,
        done=done,
        on_skip=lambda day, why: skipped.append(f"{day}: {why}") if why != "run before" else None,
    )
    for batch in batches:
        store.add(horizon, key, batch)
        finished += batch["as_of"].n_unique()
        report(min(finished, len(dates)), len(dates))
    store.compact(horizon, key)
    is_wanted = pl.col("as_of") < platform.settings.as_of_date if with_stored else pl.col("as_of").is_in(dates)
    fans = _last_made(store, horizon, key, config).filter(is_wanted)
    joined = join_realized(as_issued(fans), prices, platform.now)
    rows = score_rows(calibrated_history(joined) if config.is_calibrated else joined)
    return rows, skipped


def _last_made(store: BacktestStore, horizon: str, key: str, config: InferenceConfig) -> pl.DataFrame:
    """The fans that stand: a walk's folder may hold other configs', and prices that came back are run once more."""
    fans = store.read(horizon, key)
    return latest_runs(fans.filter(pl.col("config_fingerprint") == config.fingerprint))


def latest_runs(fans: pl.DataFrame) -> pl.DataFrame:
    """Of each origin the fan that was made last: prices that a source revised make an origin run again.

    Args:
        fans: `FORECAST_SCHEMA` of one engine and config, in order of arrival.
    """
    newest = fans.select(RUN).unique(maintain_order=True).unique("as_of", keep="last", maintain_order=True)
    return fans.join(newest, on=RUN, how="semi", maintain_order="left") if fans.height else empty(FORECAST_SCHEMA)


def inputs_of(platform: Platform) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Prices known by the clock, marked anew, and features; None where there are none.

    Raises:
        EngineError: no prices are stored.
    """
    prices = platform.warehouse.read(f"market/{USDCLP.name}")
    if prices is None:
        raise EngineError(f"no USD/CLP prices in {platform.warehouse.root}; bring them in with `forex-assets ingest`")
    known = pl.col("available_at") <= platform.now
    features = platform.warehouse.read("features/copper")
    return marked_anew(prices.filter(known), USDCLP), features
