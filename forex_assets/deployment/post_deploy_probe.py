"""Probes new settings with a forecast, which is not kept."""

from dataclasses import dataclass
from typing import Final

from forex_assets.accuracy.backtest_run import inputs_of
from forex_assets.core.config_store import ConfigError
from forex_assets.core.fan import Fan
from forex_assets.core.horizon import target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.session import Session
from forex_assets.deployment.config_backups import BackupError, ConfigBackups
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.deployment.watch import fan_faults
from forex_assets.forecasts.baselines import origin_volatility
from forex_assets.forecasts.engine import EngineError, Origin
from forex_assets.forecasts.engines import Engines
from forex_assets.market.gaps import per_session_prices
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import USDCLP
from forex_assets.market.quality import usable

VERSIONS: Final = 5
"""Number of earlier versions tried where the new settings cannot forecast."""


@dataclass(frozen=True)
class ProbeResult:
    """Result of a probe.

    Attributes:
        is_ok: None where no settings could have forecast, so that the probe says nothing about these.
        words: for people.
    """

    is_ok: bool | None
    words: str


def probe(session: Session, engines: Engines, record: DeploymentRecord) -> ProbeResult:
    """Forecasts with the current settings, read as the forecaster reads them."""
    try:
        config = session.configs.read(record.horizon)
    except ConfigError as error:
        return ProbeResult(False, str(error))
    try:
        origin = _origin(session, record.horizon)
        ewma_sd = origin_volatility(origin.prices)
    except (EngineError, ValueError) as error:
        return ProbeResult(None, f"no probe, and no fault of the settings: {error}")
    try:
        fan = _fan(engines, config, origin)
    except Exception as error:  # noqa: BLE001 - a model that cannot be loaded raises its library's own errors
        words = f"no forecast: {str(error) or type(error).__name__}"
        if _all_fail(session, engines, config, origin):
            return ProbeResult(None, f"{words}; no fault of these settings: earlier ones cannot forecast either")
        return ProbeResult(False, words)
    faults = fan_faults(fan, float(origin.prices[-1]), ewma_sd, _champion_fan(session, engines, record, origin))
    return ProbeResult(not faults, "; ".join(faults) or "the probe's forecast is plausible")


def settings_before(session: Session, record: DeploymentRecord) -> InferenceConfig | None:
    """The settings that a deployment replaced; None without a usable backup."""
    if record.backup is None:
        return None
    try:
        return ConfigBackups(session.config_files).read(record.horizon, record.backup)[1]
    except BackupError:
        return None


def _origin(session: Session, horizon: str) -> Origin:
    """Stored prices known at the clock, and sessions to the target.

    Raises:
        EngineError: no prices are stored.
        ValueError: none is usable, or they are older than the horizon is long.
    """
    rows = usable(inputs_of(session)[0])
    if rows.is_empty():
        raise ValueError("every stored price is quarantined, or later than the clock")
    target = target_of(horizon, session.today, rows["session"][-1], calendar_of(USDCLP))
    return Origin(per_session_prices(rows), target.steps, {})


def _fan(engines: Engines, config: InferenceConfig, origin: Origin) -> Fan:
    """The model's forecast before calibration and without copper."""
    model, used = engines.resolve(config)
    return engines.engine(model).forecast([origin], used.model_copy(update={"uses_copper": False}))[0]


def _champion_fan(session: Session, engines: Engines, record: DeploymentRecord, origin: Origin) -> Fan | None:
    """Forecast by the settings before; None where they cannot forecast."""
    config = settings_before(session, record)
    if config is None:
        return None
    try:
        return _fan(engines, config, origin)
    except Exception:  # noqa: BLE001 - as above; the no-change benchmark is still there to compare with
        return None


def _all_fail(session: Session, engines: Engines, current: InferenceConfig, origin: Origin) -> bool:
    """Whether earlier versions fail too, as without the weights' disk."""
    backups, tried = ConfigBackups(session.config_files), {current.fingerprint}
    for backup in backups.all(current.horizon):
        try:
            config = backups.read(current.horizon, backup.name)[1]
        except BackupError:
            continue
        if config.fingerprint in tried or len(tried) > VERSIONS:
            continue
        tried.add(config.fingerprint)
        try:
            _fan(engines, config, origin)
        except Exception:  # noqa: BLE001, S112 - as above; a version that returns no forecast has failed
            continue
        return False
    return len(tried) > 1
