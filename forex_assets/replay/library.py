"""Fans of all settings with their outcomes, made once and shared.

Fans that the store lacks are run; those on other data than the market's are passed over.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np
import polars as pl

from forex_assets.core.compute.opening import compute_of
from forex_assets.core.compute.port import run_blocks
from forex_assets.core.compute.setting import ComputeSetting
from forex_assets.core.fan import Array, Fan
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.progress import Report
from forex_assets.core.schemas import MODEL_QUANTILE_COLUMNS
from forex_assets.forecasts.calibration import Calibration, PastErrors, past_errors
from forex_assets.forecasts.engine import Engine
from forex_assets.forecasts.realized import as_issued, join_realized, score_rows
from forex_assets.optimizer.candidate_backtest_run import silent
from forex_assets.optimizer.candidate_backtests import Configs, TrialBlock, TrialInputs
from forex_assets.replay.known import Known, KnownMarket
from forex_assets.replay.trial_store import TrialStore
from forex_assets.replay.trials import by_step, fans_of_block

BLOCK: Final = 24
"""Origins a stored block; a kill loses one a worker."""

AHEAD: Final = 130
"""Daily fans made at once where one is missing."""

IN_THIS_PROCESS: Final = ComputeSetting("process")

FAR: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Fans of one setting at all its origins, with outcomes.

    Attributes:
        fans: `TRIAL_FANS_SCHEMA`, oldest first.
        joined: steps with a price of their session, good or bad, without scores (`realized.join_realized`).
        errors: normal scores of those prices, one row an origin.
        sessions: session of each of its cells, days since 1970; shape as the scores.
    """

    fans: pl.DataFrame
    joined: pl.DataFrame
    errors: PastErrors
    sessions: np.ndarray

    def errors_at(self, known: Known, days: Iterable[date]) -> PastErrors:
        """Errors of some origins that an evening knew."""
        wanted = np.isin(self.errors.as_of, _ordinals(days))
        scores = self.errors.scores[wanted]
        if known.bad:
            scores = np.where(np.isin(self.sessions[wanted], _ordinals(known.bad)), np.nan, scores)
        known_at = np.where(np.isnan(scores), np.iinfo(np.int64).max, self.errors.known_at[wanted])
        return PastErrors(scores, known_at, self.errors.as_of[wanted])

    def calibration(self, known: Known, days: Iterable[date], steps: int) -> Calibration:
        """Calibration of an evening's fan by earlier origins."""
        return self.errors_at(known, days).calibration(known.now, steps)


class Library:
    """Fans of an engine on one market.

    Args:
        engine: makes the fans.
        market: prices.
        store: keeps them.
        compute: where blocks of missing fans run.
    """

    def __init__(
        self, engine: Engine, market: KnownMarket, store: TrialStore, compute: ComputeSetting = IN_THIS_PROCESS
    ) -> None:
        self.engine, self.market, self._store, self._compute = engine, market, store, compute
        self._is_loaded = False
        self._by_setting = dict[tuple[str, str], pl.DataFrame]()
        self._days = dict[tuple[str, str], frozenset[date]]()
        self._outcomes = dict[tuple[str, str], Outcomes]()
        self._scored = dict[tuple[str, str], pl.DataFrame]()
        self._targets = dict[tuple[str, str], pl.DataFrame]()

    def ensure(self, configs: Configs, origins: Mapping[str, Sequence[date]], report: Report = silent) -> None:
        """Runs and stores missing fans.

        Args:
            configs: settings by horizon.
            origins: days of issue by horizon; those without history enough are passed over.
            report: called with days done and in total.

        Raises:
            EngineError: the engine cannot do what a config asks.
            WarehouseError: a block cannot be read or kept.
        """
        self._load()
        days = sorted({day for wanted in origins.values() for day in wanted})
        lacking = {
            horizon: {day for day in origins[horizon] for config in some if day not in self.days_of(config)}
            for horizon, some in configs.items()
        }
        missing = [day for day in days if any(day in some for some in lacking.values()) and self.market.is_fit(day)]
        blocks = [missing[start : start + BLOCK] for start in range(0, len(missing), BLOCK)]
        report(len(days) - len(missing), len(days))
        for count, fans in enumerate(self._run(configs, lacking, blocks), start=1):
            if not fans.is_empty():
                self._store.add(fans)
                self._take(fans)
            report(min(len(days), len(days) - len(missing) + count * BLOCK), len(days))

    def _load(self) -> None:
        """Takes the stored fans that were made on the market's data; once."""
        if self._is_loaded:
            return
        self._is_loaded = True
        is_own = (pl.col("engine") == self.engine.name) & (pl.col("model") == self.engine.model)
        stored = self._store.read().filter(is_own)
        rows = [(day, self.market.fingerprint(day)) for day in stored["as_of"].unique()]
        prints = pl.DataFrame(rows, schema={"as_of": pl.Date, "data_fingerprint": pl.String}, orient="row")
        self._take(stored.join(prints, on=["as_of", "data_fingerprint"], how="semi"))

    def _run(
        self, configs: Configs, lacking: Mapping[str, set[date]], blocks: list[list[date]]
    ) -> Iterator[pl.DataFrame]:
        """Yields the fans of each block as it is finished."""
        market = self.market
        inputs = TrialInputs(self.engine, configs, market.peso, None, market.calendar, time.process_time, market.book)
        wanted = (
            TrialBlock({day: tuple(horizon for horizon, days in lacking.items() if day in days) for day in block})
            for block in blocks
        )
        with compute_of(self._compute if len(blocks) > 1 else IN_THIS_PROCESS) as compute:
            for _, fans in run_blocks(compute, fans_of_block, inputs, wanted):
                yield fans

    def _take(self, fans: pl.DataFrame) -> None:
        """Adds fans to those held."""
        parts = fans.partition_by("horizon", "config_fingerprint", as_dict=True, maintain_order=True)
        for (horizon, name), part in parts.items():
            key = str(horizon), str(name)
            self._days.pop(key, None)
            both = [self._by_setting[key], part] if key in self._by_setting else [part]
            rows = pl.concat(both).unique("as_of", keep="last", maintain_order=True).sort("as_of")
            if key not in self._by_setting or rows.height > self._by_setting[key].height:
                self._by_setting[key] = rows
                for cache in (self._outcomes, self._scored, self._targets):
                    cache.pop(key, None)

    def days_of(self, config: InferenceConfig) -> frozenset[date]:
        """Origins at which a setting's fans are held."""
        key = _key(config)
        if key not in self._days:
            held = self._by_setting.get(key)
            self._days[key] = frozenset() if held is None else frozenset(held["as_of"])
        return self._days[key]

    def need(self, config: InferenceConfig, days: Sequence[date], later: Sequence[date] = ()) -> None:
        """Makes sure that a setting's fans of some days are held.

        Args:
            later: days after these, of which some are made at once with missing ones.
        """
        held = self.days_of(config)
        if any(day not in held and self.market.is_fit(day) for day in days):
            horizon = str(config.horizon)
            self.ensure({horizon: [config]}, {horizon: [*days, *later[:AHEAD]]})

    def outcomes(self, config: InferenceConfig) -> Outcomes:
        """Fans of a setting with their outcomes."""
        key = _key(config)
        if key not in self._outcomes:
            fans = self._by_setting[key]
            joined = join_realized(as_issued(by_step(fans)), self.market.truth, FAR)
            errors = past_errors(joined)
            self._outcomes[key] = Outcomes(fans, joined, errors, _sessions_of(joined, errors))
        return self._outcomes[key]

    def scored(self, config: InferenceConfig) -> pl.DataFrame:
        """All steps with scores of the model's own fan (`REALIZED_SCHEMA`)."""
        key = _key(config)
        if key not in self._scored:
            self._scored[key] = score_rows(self.outcomes(config).joined)
        return self._scored[key]

    def targets(self, config: InferenceConfig) -> pl.DataFrame:
        """Rows of the targets, without scores, oldest first."""
        key = _key(config)
        if key not in self._targets:
            self._targets[key] = self.outcomes(config).joined.filter("is_target").sort("as_of")
        return self._targets[key]

    def fan(self, config: InferenceConfig, day: date) -> tuple[Fan, dict[str, Any]] | None:
        """The model's own fan of a day, and its labels.

        None where none could be made.
        """
        held = self._by_setting.get(_key(config))
        rows = None if held is None else held.filter(pl.col("as_of") == day)
        if rows is None or rows.is_empty():
            return None
        row = rows.row(0, named=True)
        quantiles: Array = np.array([row[name] for name in MODEL_QUANTILE_COLUMNS]).T
        return Fan(np.array(row["mean"]), quantiles), row

    def seconds(self, horizon: str, fingerprints: Iterable[str], days: Iterable[date]) -> float:
        """CPU seconds that the fans of some settings and days took."""
        is_wanted = pl.col("as_of").is_in(list(days))
        parts = (self._by_setting[horizon, name] for name in fingerprints if (horizon, name) in self._by_setting)
        return float(sum(part.filter(is_wanted)["engine_seconds"].sum() for part in parts))


def _sessions_of(joined: pl.DataFrame, errors: PastErrors) -> np.ndarray:
    """Session of each error's cell, days since 1970."""
    sessions = np.zeros(errors.scores.shape, dtype=np.int64)
    is_held = joined["as_of"].to_physical().is_in(errors.as_of.tolist()) & (joined["step"] <= len(sessions.T))
    rows = joined.filter(is_held)
    places = np.searchsorted(errors.as_of, rows["as_of"].to_physical().to_numpy())
    sessions[places, rows["step"].to_numpy() - 1] = rows["session"].to_physical().to_numpy()
    return sessions


def _key(config: InferenceConfig) -> tuple[str, str]:
    return str(config.horizon), config.fingerprint


def _ordinals(days: Iterable[date]) -> np.ndarray:
    """Days since 1970."""
    return np.array([day.toordinal() for day in days], dtype=np.int64) - date(1970, 1, 1).toordinal()
