"""Evenings of one horizon under one course of settings.

Policies whose settings have changed alike share a lineage: its fans and reports are made once.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from forex_assets.core.fan import Fan
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import Policy
from forex_assets.core.schemas import REALIZED_SCHEMA, empty
from forex_assets.forecasts.calibration import calibrated
from forex_assets.monitoring.degradation import Degradation, degradation_report
from forex_assets.monitoring.drift import Drift, drift_report
from forex_assets.monitoring.reports import DAILY_SESSIONS
from forex_assets.monitoring.series import drift_series
from forex_assets.replay.known import Known, KnownMarket, PastDates
from forex_assets.replay.library import Library

Days = defaultdict[str, set[date]]
"""Dates by fingerprint of settings."""


@dataclass(frozen=True, eq=False)
class Evening:
    """One evening's fan and rows.

    Attributes:
        day: of issue.
        config: settings of the fan.
        fan: as published; None where none could be made.
        target_date: None without a fan.
    """

    day: date
    config: InferenceConfig
    fan: Fan | None
    target_date: date | None


@dataclass(eq=False)
class Lineage:
    """Dates that one horizon's platform has stored fans of.

    Attributes:
        config: current settings.
        issued: evenings with a fan in the ledger, by settings.
        backtested: past test dates of stored backtests, by settings.
    """

    config: InferenceConfig
    issued: Days = field(default_factory=lambda: defaultdict(set))
    backtested: Days = field(default_factory=lambda: defaultdict(set))
    _evenings: dict[date, Evening] = field(default_factory=dict)
    _rows: tuple[date, pl.DataFrame] | None = None
    _reports: dict[tuple[date, str], Degradation] = field(default_factory=dict)

    def changed(self, config: InferenceConfig) -> "Lineage":
        """Returns the lineage after a change of settings."""
        return Lineage(config, _copy(self.issued), _copy(self.backtested))


def _copy(days: Days) -> Days:
    return defaultdict(set, {name: set(some) for name, some in days.items()})


@dataclass(eq=False)
class Evenings:
    """Makes evenings of lineages, as forecast, backtest and monitoring do.

    Attributes:
        library: fans and outcomes.
        past: dates of the weekly backtests.
    """

    library: Library
    past: PastDates
    _drifts: dict[tuple[object, ...], Drift] = field(default_factory=dict)

    @property
    def market(self) -> KnownMarket:
        """Prices as known."""
        return self.library.market

    def evening(self, lineage: Lineage, day: date) -> Evening:
        """Backtest, fan and scored rows of an evening; made once."""
        if day not in lineage._evenings:
            lineage._evenings[day] = self._make(lineage, day)
        return lineage._evenings[day]

    def _make(self, lineage: Lineage, day: date) -> Evening:
        known, config = self.market.at(day), lineage.config
        name, past = config.fingerprint, self.past.at(day)
        self.library.need(config, [*past, day])
        backtested, issued = lineage.backtested[name], lineage.issued[name]
        backtested |= set(past)
        labelled_fan = self.library.fan(config, day)
        if labelled_fan is None:
            return Evening(day, config, None, None)
        fan, labels = labelled_fan
        if config.is_calibrated:
            days = {origin for origin in backtested if origin < day} | issued
            fan = calibrated(fan, self.library.outcomes(config).calibration(known, days, len(fan.mean)))
        issued.add(day)
        return Evening(day, config, fan, labels["target_date"])

    def rows(self, lineage: Lineage, day: date) -> pl.DataFrame:
        """Scored steps of the current settings that an evening knew, `REALIZED_SCHEMA`.

        Only those of the last evening asked for are held: of 90 days they are 50,000 rows each evening.
        """
        if lineage._rows is None or lineage._rows[0] != day:
            is_made = self.evening(lineage, day).fan is not None
            rows = self._known_rows(lineage, self.market.at(day)) if is_made else empty(REALIZED_SCHEMA)
            lineage._rows = day, rows
        return lineage._rows[1]

    def _known_rows(self, lineage: Lineage, known: Known, more: Iterable[date] = ()) -> pl.DataFrame:
        """Scored rows of the current settings that were known, see `monitoring.reports.realized_of`."""
        name = lineage.config.fingerprint
        rows = self.library.scored(lineage.config)
        rows = rows.head(int(rows["as_of"].search_sorted(known.day)))  # no fan of later has an outcome yet
        is_known = pl.col("realized_available_at") <= known.now
        if known.bad:
            is_known &= ~pl.col("session").is_in(list(known.bad))
        past = {day for day in lineage.backtested[name] if day < known.day}
        parts = [rows.filter(is_known & pl.col("as_of").is_in(list(days)))
                 for days in (past, lineage.issued[name], set(more) - past)]  # fmt: skip
        return pl.concat([parts[0], parts[1].with_columns(record=pl.lit("ledger")), parts[2]])

    def degradation(self, lineage: Lineage, day: date, policy: Policy) -> Degradation:
        """The evening's degradation report, see `monitoring.reports.degradation_of`.

        Where recent errors are lacking, the last sessions are backtested; later evenings have them too.
        """
        key = (day, f"{policy.degradation!r}/{policy.drift.history_sessions}/{policy.budget_per_14_days}")
        if key not in lineage._reports:
            lineage._reports[key] = self._degradation(lineage, day, policy)
        return lineage._reports[key]

    def _degradation(self, lineage: Lineage, day: date, policy: Policy) -> Degradation:
        horizon = str(lineage.config.horizon)
        stored = degradation_report(self.rows(lineage, day), policy, day, horizon=horizon)
        if stored.n >= stored.n_needed:
            return stored
        sessions = self.market.calendar.between(day - timedelta(days=2 * DAILY_SESSIONS), day)
        daily = [session for session in sessions if session < day][-DAILY_SESSIONS:]
        self.library.need(lineage.config, daily, self._later(day))
        rows = self._known_rows(lineage, self.market.at(day), daily)
        lineage.backtested[lineage.config.fingerprint] |= set(daily)
        return degradation_report(rows, policy, day, horizon=horizon)

    def _later(self, day: date) -> list[date]:
        """Sessions from a day on, up to the last evening."""
        end = self.past.days[-1] if self.past.days else day
        return self.market.calendar.between(day - timedelta(days=1), max(day, end))

    def drift(self, lineages: Mapping[str, Lineage], day: date, policy: Policy) -> Drift | None:
        """The evening's drift report, see `monitoring.reports.drift_of`; None without prices.

        Args:
            lineages: by horizon; each has had its evening.
        """
        known = self.market.at(day)
        if known.peso.is_empty():
            return None
        setting = f"{policy.drift!r}/{policy.budget_per_14_days}"
        key = (day, setting, *(id(lineages[name]) for name in HORIZONS if name in lineages))
        if key not in self._drifts:
            rows = [self.rows(lineages[name], day) for name in HORIZONS if name in lineages]
            series = drift_series(known.peso, known.copper, pl.concat([empty(REALIZED_SCHEMA), *rows]))
            self._drifts[key] = drift_report(series, policy, day)
        return self._drifts[key]
