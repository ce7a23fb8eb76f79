"""Engines that a desk would pick instead of this platform's, by name. How each works is said where it is made.

They read no setting of the config, `context_length` and `seed` included: each fits the last 500 sessions of log price.
"""

from collections.abc import Mapping
from typing import Final

from forex_assets.accuracy.peers.garch import GarchEngine
from forex_assets.accuracy.peers.statistical import AutoArimaEngine, AutoEtsEngine, AutoThetaEngine
from forex_assets.forecasts.engine import Engine

__all__ = ["PEERS", "AutoArimaEngine", "AutoEtsEngine", "AutoThetaEngine", "GarchEngine"]

_ENGINES: Final[tuple[Engine, ...]] = (AutoArimaEngine(), AutoEtsEngine(), AutoThetaEngine(), GarchEngine())

PEERS: Final[Mapping[str, Engine]] = {engine.name: engine for engine in _ENGINES}
"""Name → engine; making them costs nothing, the libraries are imported at the first fit."""
