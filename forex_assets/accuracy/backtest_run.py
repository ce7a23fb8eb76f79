"""Runs a backtest for assets and command line."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import polars as pl

from forex_assets.accuracy.backtest import RUN, backtests
from forex_assets.accuracy.backtest_store import FANS, BacktestStore, engine_key
from forex_assets.accuracy.past_dates import origin_dates, parse_every
from forex_assets.accuracy.peers import PEERS
from forex_assets.accuracy.start_level import StartLevel, book_of
from forex_assets.core import names
from forex_assets.core.compute.opening import compute_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import FORECAST_SCHEMA, REALIZED_SCHEMA, conform, empty
from forex_assets.core.session import Session
from forex_assets.forecasts.baselines import EwmaEngine, RandomWalkEngine
from forex_assets.forecasts.calibration import calibrated_history
from forex_assets.forecasts.engine import Engine, EngineError
from forex_assets.forecasts.engines import Engines
from forex_assets.forecasts.realized import as_issued, join_realized, score_rows
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import marked_anew

WALKS: Final[dict[str, Callable[[], Engine]]] = {"ewma": EwmaEngine, "random-walk": RandomWalkEngine}
ENGINES: Final = ("auto", *WALKS, *PEERS)
"""Engine names; any other word is a model.

`auto` is the engine of current forecasts; a model is a hub id or a folder.
"""

YEARS: Final = 5
"""Years of past test dates by default: 260 weekly origins."""


class UnknownEngine(EngineError):
    """No engine or model has the name that was asked for."""


@dataclass(frozen=True)
class Origins:
    """Past test dates to forecast from.

    Attributes:
        first: None for five years before `last`.
        last: None for the day before the clock's.
        every: such as `1w`.
        days: explicit dates, in place of the other three.
    """

    first: date | None = None
    last: date | None = None
    every: str = "1w"
    days: tuple[date, ...] = ()

    def dates(self, today: date) -> list[date]:
        """Lists the dates, ascending.

        Raises:
            ValueError: `every` is no interval, or `last` lies before `first`.
        """
        if self.days:
            return list(self.days)
        last = self.last or today - timedelta(days=1)
        first = self.first or last - timedelta(days=365 * YEARS)
        if first > last:
            raise ValueError(f"the first origin {first} is later than the last, {last}")
        return origin_dates(calendar_of(USDCLP), first, last, parse_every(self.every))


DEFAULT_ORIGINS: Final = Origins()


def choose_engine(session: Session, engines: Engines, horizon: str, name: str) -> tuple[Engine, InferenceConfig]:
    """Returns the engine called `name` and the settings it runs with.

    Raises:
        UnknownEngine: no engine and no model has the name.
        EngineError: the model of current forecasts is missing or damaged.
    """
    config = session.configs.read(horizon)
    if name in WALKS or name in PEERS:
        engine: Engine = WALKS[name]() if name in WALKS else PEERS[name]
        return engine, config.model_copy(update={"uses_copper": False})
    if name == "auto":
        model, effective = engines.resolve(config)
        return engines.engine(model), effective
    named = replace(engines, model=name)
    try:
        model, effective = named.resolve(config)
    except EngineError as error:
        known = ", ".join((*ENGINES, "embedded"))
        raise UnknownEngine(f"no engine {name!r}: {error}. Engines are {known}, or a model") from error
    return named.engine(model), effective


class BacktestRun(NamedTuple):
    """Result of a backtest.

    Attributes:
        rows: `REALIZED_SCHEMA`, bands calibrated where the config says so, by errors known before each origin;
            `stored_crps` is the CRPS of the fan from the last finished price.
        skipped: skipped origins, with the reason.
        renewed: origins of an older version, made again since they did not say what they started from.
    """

    rows: pl.DataFrame
    skipped: list[str]
    renewed: int


def run_backtest(
    session: Session,
    engines: Engines,
    horizon: str,
    *,
    engine_name: str = "auto",
    origins: Origins = DEFAULT_ORIGINS,
    level: StartLevel = "live",
    uses_copper: bool | None = None,
    with_stored: bool = False,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> BacktestRun:
    """Forecasts one horizon from past dates and scores it.

    Stored fans are not made again, unless an older version of the platform made them.

    Args:
        horizon: such as `7d`.
        engine_name: one of `ENGINES`, or a model.
        origins: past test dates.
        level: `live`: fans start from what could be known then, and are compared with fans of the same paths from the
            last finished price; `stored`: those only.
        uses_copper: whether an engine with covariates reads copper; None for the config's choice.
        with_stored: whether to return all stored origins up to the clock as well.
        report: called after each batch with the numbers of finished and of all origins.

    Raises:
        UnknownEngine: see `choose_engine`.
        EngineError: the engine cannot do what the config asks, or no prices are stored.
        ComputeError: workers died, or have other code.
        ValueError: see `Origins.dates`.
    """
    prices, features = inputs_of(session)
    engine, config = choose_engine(session, engines, horizon, engine_name)
    if uses_copper is not None:
        config = config.model_copy(update={"uses_copper": uses_copper})
    dates = origins.dates(session.today)
    levels: tuple[StartLevel, ...] = ("live", "stored") if level == "live" else ("stored",)
    stores, skipped = [BacktestStore(session.tables, root=FANS[start_level]) for start_level in levels], list[str]()
    key = engine_key(engine.name, engine.model, config.fingerprint)
    done = [_current_fans(store, horizon, key, config.fingerprint) for store in stores]
    old = _old_origins(stores[0], horizon, key, config) - set(done[0]["as_of"])
    dates = sorted({*dates, *(day for day in old if day < session.today)})
    finished = done[0].filter(pl.col("as_of").is_in(dates))["as_of"].n_unique()
    report(finished, len(dates))
    with compute_of(session.settings.compute_setting) as compute:
        batches = backtests(
            engine,
            config,
            prices,
            features,
            dates,
            calendar_of(USDCLP),
            books=[book_of(session, start_level) for start_level in levels],
            clock=time.perf_counter,
            done=done,
            on_skip=lambda day, why: skipped.append(f"{day}: {why}") if why != "run before" else None,
            compute=compute,
        )
        for tables in batches:
            for store, table in zip(stores, tables, strict=True):
                store.add(horizon, key, table)
            finished += tables[0]["as_of"].n_unique()
            report(min(finished, len(dates)), len(dates))
    is_wanted = pl.col("as_of") < session.today if with_stored else pl.col("as_of").is_in(dates)
    scored = []
    for store in stores:
        store.compact(horizon, key)
        fans = _current_fans(store, horizon, key, config.fingerprint).filter(is_wanted)
        scored.append(_scored(fans, prices, session.now, is_calibrated=config.is_calibrated))
    rows = with_stored_scores(*scored) if level == "live" else scored[0]
    return BacktestRun(rows, skipped, len(old))


def renewed_words(count: int) -> str:
    """Says that old fans were made again; empty if none."""
    if not count:
        return ""
    return (
        f"{count} origins of an older version started from stored prices; they were made again, this once, from what "
        "could be known then"
    )


def with_stored_scores(rows: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Adds the CRPS of fans from the last finished price.

    Args:
        rows: `REALIZED_SCHEMA` of one horizon, engine, model and config.
        stored: likewise, of fans from the last finished price.
    """
    losses = stored.select("as_of", "session", stored_crps="crps")
    joined = rows.drop("stored_crps").join(losses, on=["as_of", "session"], how="left", maintain_order="left")
    return conform(joined, REALIZED_SCHEMA, "backtest")


def stored_fans(session: Session, horizon: str, level: StartLevel = "live") -> pl.DataFrame:
    """Whole fans behind `accuracy/backtest` (`FORECAST_SCHEMA`); empty without one.

    Args:
        level: `stored`: the fans of the same paths from the last finished price.
    """
    rows = session.tables.read(names.BACKTEST, horizon)
    if rows is None or rows.is_empty():
        return empty(FORECAST_SCHEMA)
    engine, model, config = rows.select("engine", "model", "config_fingerprint").row(-1)
    store = BacktestStore(session.tables, root=FANS[level])
    return _current_fans(store, horizon, engine_key(engine, model, config), config)


def rows_from_stored_prices(session: Session, horizon: str) -> pl.DataFrame:
    """Scores the backtest's fans from the last finished price.

    They were kept beside those of `accuracy/backtest`, on the same dates; no engine is called.

    Returns:
        `REALIZED_SCHEMA`, `stored_crps` null; empty without a backtest.

    Raises:
        EngineError: no prices are stored.
    """
    fans = stored_fans(session, horizon, "stored")
    if fans.is_empty():
        return empty(REALIZED_SCHEMA)
    is_calibrated = session.configs.read(horizon).is_calibrated
    return _scored(fans, inputs_of(session)[0], session.now, is_calibrated=is_calibrated)


def _scored(fans: pl.DataFrame, prices: pl.DataFrame, now: datetime, *, is_calibrated: bool) -> pl.DataFrame:
    """Scores of fans, bands corrected by errors known before each."""
    joined = join_realized(as_issued(fans), prices, now)
    return score_rows(calibrated_history(joined) if is_calibrated else joined)


def _current_fans(store: BacktestStore, horizon: str, key: str, config_fingerprint: str) -> pl.DataFrame:
    """Newest stored fan of each origin, of one config, oldest origin first.

    The folder of a walk holds several configs. Fans that do not say what they started from are left out.
    """
    is_own = (pl.col("config_fingerprint") == config_fingerprint) & pl.col("origin_kind").is_not_null()
    # Blocks of several workers are stored in any order.
    return latest_runs(store.read(horizon, key).filter(is_own)).sort("as_of", "step")


def _old_origins(store: BacktestStore, horizon: str, key: str, config: InferenceConfig) -> set[date]:
    """Origins of fans that do not say what they started from."""
    is_old = (pl.col("config_fingerprint") == config.fingerprint) & pl.col("origin_kind").is_null()
    return set(store.read(horizon, key).filter(is_old)["as_of"])


def latest_runs(fans: pl.DataFrame) -> pl.DataFrame:
    """Keeps the newest fan of each origin.

    Revised prices make an origin run again.

    Args:
        fans: `FORECAST_SCHEMA` of one engine and config, in order of arrival.
    """
    newest = fans.select(RUN).unique(maintain_order=True).unique("as_of", keep="last", maintain_order=True)
    return fans.join(newest, on=RUN, how="semi", maintain_order="left") if fans.height else empty(FORECAST_SCHEMA)


def inputs_of(session: Session) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Reads the known prices, bad ticks marked, and the features.

    Raises:
        EngineError: no prices are stored.
    """
    prices = session.tables.read(names.USDCLP)
    if prices is None:
        raise EngineError(f"no USD/CLP prices in {session.tables.place()}; bring them in with `forex-assets ingest`")
    known = pl.col("available_at") <= session.now
    return marked_anew(prices.filter(known), USDCLP), session.tables.read(names.FEATURES)
