"""A trial forecast by the live settings, beside the one of the settings that they replaced. Nothing is kept of it."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from forex_assets.accuracy.backtest_run import inputs_of
from forex_assets.core.config_store import ConfigError
from forex_assets.core.fan import Fan
from forex_assets.core.horizon import target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.deployment.config_backups import BackupError
from forex_assets.deployment.deploy import deployer_of
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.deployment.watch import fan_faults
from forex_assets.forecasts.baselines import origin_volatility
from forex_assets.forecasts.engine import EngineError, Origin
from forex_assets.forecasts.forecast import usable
from forex_assets.market.prices import USDCLP
from forex_assets.platform import Platform

VERSIONS: Final = 5
"""Newest versions before that are tried where the live settings cannot forecast at all."""


@dataclass(frozen=True)
class Trial:
    """What a trial forecast by the live settings came to.

    Attributes:
        is_ok: None where it says nothing of them: there are no prices that any settings could forecast from.
        words: for people.
    """

    is_ok: bool | None
    words: str


def probe(platform: Platform, record: DeploymentRecord) -> Trial:
    """A trial forecast by the live settings, read as the forecaster reads them."""
    try:
        config = platform.configs.read(record.horizon)
    except ConfigError as error:
        return Trial(False, str(error))
    try:
        origin = _origin(platform, record.horizon)
        ewma_sd = origin_volatility(origin.prices)
    except (EngineError, ValueError) as error:
        return Trial(None, f"no trial, and no fault of the settings: {error}")
    try:
        fan = _fan(platform, config, origin)
    except Exception as error:  # noqa: BLE001 - a model that cannot be loaded raises whatever its library does
        words = f"no forecast: {str(error) or type(error).__name__}"
        if _all_fail(platform, config, origin):
            return Trial(None, f"{words}; no fault of these settings: none of those before can forecast either")
        return Trial(False, words)
    faults = fan_faults(fan, float(origin.prices[-1]), ewma_sd, _champion_fan(platform, record, origin))
    return Trial(not faults, "; ".join(faults) or "a trial forecast came out well")


def _origin(platform: Platform, horizon: str) -> Origin:
    """The stored prices as known at the clock, and how far the horizon reaches from them.

    Raises:
        EngineError: no prices are stored.
        ValueError: none is usable, or they are older than the horizon is long.
    """
    rows = usable(inputs_of(platform.session)[0])
    if rows.is_empty():
        raise ValueError("every stored price is quarantined, or later than the clock")
    values = rows[USDCLP.value].to_numpy().astype(np.float64)
    target = target_of(horizon, platform.settings.as_of_date, rows["session"][-1], platform.calendar(USDCLP))
    return Origin(values, target.steps, {})


def _fan(platform: Platform, config: InferenceConfig, origin: Origin) -> Fan:
    """The model's own fan, before calibration and without copper: what is watched is whether settings run at all."""
    found, used = platform.model_for(config)
    return platform.engine(found).forecast([origin], used.model_copy(update={"uses_copper": False}))[0]


def _champion_fan(platform: Platform, record: DeploymentRecord, origin: Origin) -> Fan | None:
    """The fan of the settings before; None where there are none that can be run: they are then no yardstick."""
    config = config_before(platform, record)
    if config is None:
        return None
    try:
        return _fan(platform, config, origin)
    except Exception:  # noqa: BLE001 - as above; the walk is a yardstick still
        return None


def _all_fail(platform: Platform, live: InferenceConfig, origin: Origin) -> bool:
    """Whether every version before fails too, as when the weights' disk is away: there is nothing to go back to."""
    backups, tried = deployer_of(platform).backups, {live.fingerprint}
    for each in backups.all(live.horizon):
        try:
            content = backups.content(live.horizon, each.name)
            config = InferenceConfig.model_validate_json(content, strict=True)
        except (BackupError, ValueError):
            continue
        if config.fingerprint in tried or len(tried) > VERSIONS:
            continue
        tried.add(config.fingerprint)
        try:
            _fan(platform, config, origin)
        except Exception:  # noqa: BLE001, S112 - as above; it is counted by not returning
            continue
        return False
    return len(tried) > 1


def config_before(platform: Platform, record: DeploymentRecord) -> InferenceConfig | None:
    """The settings that a deployment replaced; None where it replaced none, or their backup cannot be used."""
    if record.backup is None:
        return None
    try:
        content = deployer_of(platform).backups.content(record.horizon, record.backup)
        return InferenceConfig.model_validate_json(content, strict=True)
    except (BackupError, ValueError):
        return None
