"""Runs and stores candidate backtests; a resumed search skips stored ones."""

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

import polars as pl

from forex_assets.accuracy.backtest_run import inputs_of
from forex_assets.accuracy.backtest_store import TRIALS, BacktestStore, engine_key
from forex_assets.accuracy.history_view import MIN_SESSIONS
from forex_assets.accuracy.start_level import book_of
from forex_assets.core.compute.opening import compute_of
from forex_assets.core.compute.port import Compute
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.progress import Report
from forex_assets.core.schemas import REALIZED_SCHEMA, empty
from forex_assets.core.session import Session
from forex_assets.forecasts.calibration import calibrated_targets
from forex_assets.forecasts.engine import Engine
from forex_assets.forecasts.realized import as_issued, join_realized, score_rows
from forex_assets.market.origin import QuoteBook
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import usable
from forex_assets.optimizer.candidate_backtests import Configs, TrialInputs, run_trials
from forex_assets.optimizer.origins import Split, split_origins

Origins = Mapping[str, Sequence[date]]


def level_words(session: Session) -> list[str]:
    """Says so where past fans start from the last finished price."""
    is_stored = session.policy.search.origin == "stored"
    return ["past fans start from the last finished price, not from what could be known then"] * is_stored


def silent(done: int, total: int) -> None:
    """Report nothing."""


def splits_of(session: Session, horizons: Sequence[str]) -> dict[str, Split]:
    """Origins of search and validation by horizon, as known now.

    Raises:
        EngineError: no prices are stored.
    """
    sessions = usable(inputs_of(session)[0]).filter(~pl.col("is_provisional"))["session"]
    calendar, policy = calendar_of(USDCLP), session.policy
    if sessions.len() <= MIN_SESSIONS:
        words = f"{sessions.len()} usable sessions, more than {MIN_SESSIONS} are needed"
        return {horizon: Split((), (), words) for horizon in horizons}
    first, last = sessions[MIN_SESSIONS], sessions[-1]
    return {horizon: split_origins(calendar, first, last, horizon, policy) for horizon in horizons}


def trial_rows(
    session: Session,
    engine: Engine,
    configs: Configs,
    origins: Origins,
    *,
    report: Report = silent,
    deadline: float | None = None,
    cached_only: bool = False,
    wanted: Collection[str] | None = None,
) -> dict[str, pl.DataFrame]:
    """Scores settings at past origins, bands as published.

    Args:
        engine: makes the fans.
        configs: settings, by horizon, as forecasts are really made with them.
        origins: days of issue, by horizon.
        report: told how many origins are done, of how many.
        deadline: on `time.perf_counter`; no block of origins is begun after it.
        cached_only: reads stored trials and runs none.
        wanted: horizons to score; None for all.

    Returns:
        By horizon, `REALIZED_SCHEMA`, one row a config and origin whose target has come true, oldest first. Bands are
        calibrated, where a config says so, by the same config's errors at the origins asked for, as far as they were
        known.

    Raises:
        EngineError: the engine cannot do what a config asks, or no prices are stored.
        WarehouseError: the trials cannot be kept.
    """
    prices, features = inputs_of(session)
    level = session.policy.search.origin
    store, key = BacktestStore(session.tables, root=TRIALS[level]), engine_key(engine.name, engine.model, "all")
    if not cached_only:
        book = book_of(session, level)
        with compute_of(session.settings.compute_setting) as compute:
            _run_missing(engine, configs, origins, store, key, (prices, features), book, compute, report, deadline)
    return {
        horizon: _scored(
            _wanted(store, horizon, key, configs[horizon], origins[horizon]), configs[horizon], prices, session.now
        )
        for horizon in configs
        if wanted is None or horizon in wanted
    }


def _run_missing(
    engine: Engine,
    configs: Configs,
    origins: Origins,
    store: BacktestStore,
    key: str,
    tables: tuple[pl.DataFrame, pl.DataFrame | None],
    book: QuoteBook | None,
    compute: Compute,
    report: Report,
    deadline: float | None,
) -> None:
    """Runs and stores the trials that are not stored yet."""
    done = [_newest(store.read(horizon, key)) for horizon in configs]
    total, seen = len({day for days in origins.values() for day in days}), set[date]()
    report(0, total)
    inputs = TrialInputs(engine, configs, *tables, calendar_of(USDCLP), time.perf_counter, book)
    trials = run_trials(inputs, origins, compute=compute, done=pl.concat(done) if done else None, deadline=deadline)
    for block, table in trials:
        for (horizon,), rows in table.partition_by("horizon", as_dict=True, maintain_order=True).items():
            store.add(str(horizon), key, rows)
        seen |= set(block.days)
        report(len(seen), total)
    report(total, total)


def _newest(trials: pl.DataFrame) -> pl.DataFrame:
    """Keeps the last run of each trial.

    Prices that a source revised make a trial run again. Trials that do not say what they started from are left out.
    """
    return trials.filter(pl.col("origin_kind").is_not_null()).unique(
        ["as_of", "config_fingerprint"], keep="last", maintain_order=True
    )


def _wanted(
    store: BacktestStore, horizon: str, key: str, configs: Sequence[InferenceConfig], days: Sequence[date]
) -> pl.DataFrame:
    store.compact(horizon, key)
    names = [config.fingerprint for config in configs]
    is_wanted = pl.col("config_fingerprint").is_in(names) & pl.col("as_of").is_in(list(days))
    return _newest(store.read(horizon, key)).filter(is_wanted)


def _scored(
    fans: pl.DataFrame, configs: Sequence[InferenceConfig], prices: pl.DataFrame, now: datetime
) -> pl.DataFrame:
    """Joins outcomes; each config is calibrated by its own past."""
    joined = join_realized(as_issued(fans), prices, now)
    parts = [empty(REALIZED_SCHEMA)]
    for config in configs:
        rows = joined.filter(pl.col("config_fingerprint") == config.fingerprint).sort("as_of")
        parts.append(score_rows(calibrated_targets(rows) if config.is_calibrated else rows))
    return pl.concat(parts)
