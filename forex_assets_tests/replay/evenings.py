"""The platform lived evening by evening: its own commands' functions on a warehouse of its own, the clock set."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from forex_assets.accuracy.backtest_run import run_backtest
from forex_assets.core import names
from forex_assets.core.fan import Array
from forex_assets.core.horizon import target_of
from forex_assets.core.schemas import QUANTILE_COLUMNS
from forex_assets.core.session import Session, open_session
from forex_assets.deployment.deploy import deploy_validated
from forex_assets.deployment.watch import FailedRuns
from forex_assets.deployment.watch_run import observe
from forex_assets.forecasts.assets import matching_errors
from forex_assets.forecasts.calibration import past_errors
from forex_assets.forecasts.engines import Engines
from forex_assets.forecasts.forecast import last_session, make_forecast
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.forecasts.realized import realize
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import marked_anew
from forex_assets.market.quotes import origin_at
from forex_assets.monitoring.reports import degradation_of, drift_of, reads_copper
from forex_assets.monitoring.trigger import decide
from forex_assets.optimizer.search_run import run_search
from forex_assets.optimizer.validation_run import run_validation


@dataclass(frozen=True, eq=False)
class Lived:
    """One evening of one horizon."""

    day: date
    horizon: str
    settings: str
    quantiles: Array
    reasons: tuple[str, ...]
    verdict: str
    changes: tuple[str, ...]


@dataclass
class Platform:
    """The platform under one policy file; `rules` are those whose reasons start a search."""

    engines: Engines
    horizons: Sequence[str]
    rules: tuple[str, ...]
    monkeypatch: pytest.MonkeyPatch
    optimized: dict[str, date] = field(default_factory=dict)

    def live(self, days: Sequence[date]) -> list[Lived]:
        """Every evening in turn."""
        return [row for day in days for row in self.evening(day)]

    def evening(self, day: date) -> list[Lived]:
        """Backtest, forecast, score, decide, search, validate, deploy, observe."""
        os.environ["FOREX_AS_OF"] = day.isoformat()
        session = open_session()
        fans = {horizon: self.forecast(session, horizon) for horizon in self.horizons}
        session = open_session()
        drift, rows = drift_of(session), []
        for horizon in self.horizons:
            settings = session.configs.read(horizon).fingerprint
            decision = decide(
                horizon,
                degradation=degradation_of(session, self.engines, horizon),
                drift=drift if reads_copper(session, self.engines, horizon) else drift.without_copper(session.policy),
                last_optimized=self.optimized.get(horizon),
                last_triggered=self.optimized.get(horizon),
                is_requested=False,
                policy=session.policy,
                now=session.now,
            )
            verdict = ""
            if set(decision.reasons) & set(self.rules):
                self.optimized[horizon] = day
                verdict = self.recalibrate(session, horizon)
            is_new = verdict == "approved"
            changes = [session.configs.read(horizon).fingerprint] if is_new else []
            changes += self.observe(horizon, is_new=is_new)
            quantiles = fans[horizon].select(QUANTILE_COLUMNS).to_numpy()
            rows.append(Lived(day, horizon, settings, quantiles, decision.reasons, verdict, tuple(changes)))
        return rows

    def forecast(self, session: Session, horizon: str) -> pl.DataFrame:
        """The weekly backtest, and the evening's fan in the ledger with its scores."""
        tables = session.tables
        tables.write(names.BACKTEST, run_backtest(session, self.engines, horizon, with_stored=True).rows, horizon)
        peso = tables.read(names.USDCLP)
        assert peso is not None
        prices = marked_anew(peso.filter(pl.col("available_at") <= session.now), USDCLP)
        model, config = self.engines.resolve(session.configs.read(horizon))
        engine, start = self.engines.engine(model), origin_at(session, prices)
        target = target_of(horizon, session.today, last_session(prices, start), calendar_of(USDCLP))
        errors = past_errors(matching_errors(session, engine, config, prices))
        calibration = errors.calibration(session.now, target.steps)
        fan = make_forecast(
            engine, config, target, prices, clock=lambda: 0.0, calibration=calibration, start=start
        )  # fmt: skip
        ledger = LedgerStore(tables)
        ledger.append(fan, issued_at=session.now, code_version="test", is_replay=True)
        tables.write(names.REALIZED, realize(ledger.read(horizon), prices, session.now), horizon)
        return fan

    def recalibrate(self, session: Session, horizon: str) -> str:
        """Search, validation and, if approved, deployment; the verdict, empty if the current settings stay."""
        choice = run_search(session, self.engines, [horizon])[horizon]
        session.tables.write(names.CANDIDATE_CONFIG, choice.table, horizon)
        if choice.chosen == session.configs.read(horizon).fingerprint:
            return ""
        validation = run_validation(session, self.engines, [horizon])[horizon]
        if validation.verdict == "approved":
            self.monkeypatch.setattr("forex_assets.deployment.deploy.real_now", lambda: session.now)
            record = deploy_validated(session, self.engines, horizon, validation.table)
            assert record.state == "deployed", record.reason
        return validation.verdict

    def observe(self, horizon: str, *, is_new: bool) -> list[str]:
        """The observation that ends a new deployment's watch, else the daily one; settings after a rollback."""
        session = open_session()
        now = session.now + timedelta(minutes=61 if is_new else 0)
        changes = []
        for _ in range(2 if not is_new else 1):  # the first after a rollback ends its watch, the next reviews it
            observation = observe(session, self.engines, horizon, lambda record: FailedRuns(), now + timedelta(hours=2))
            if observation is None:
                break
            session.tables.write(names.DEPLOYMENT_WATCH, observation.table, horizon)
            if observation.rollback is not None and observation.rollback.state == "deployed":
                changes.append(observation.rollback.to_fingerprint)
        return changes


def equal_times(session: Session, champion: object, challenger: object, days: Sequence[date]) -> Array:
    """Seconds of two engines that are equally fast."""
    return np.ones((2, len(days)))
