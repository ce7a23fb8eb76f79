"""Benchmark engines for comparison: ARIMA, ETS, Theta, GARCH.

In: the last 500 sessions of log price; no setting of the config, not even `context_length` or `seed`. Out: fans, as of
any engine. Not here: the comparison (`compare`) and the no-change benchmarks (`forecasts.baselines`).
"""

from collections.abc import Mapping
from typing import Final

from forex_assets.accuracy.peers.garch import GarchEngine
from forex_assets.accuracy.peers.statistical import AutoArimaEngine, AutoEtsEngine, AutoThetaEngine
from forex_assets.forecasts.engine import Engine

__all__ = ["PEERS", "AutoArimaEngine", "AutoEtsEngine", "AutoThetaEngine", "GarchEngine"]

_ENGINES: Final[tuple[Engine, ...]] = (AutoArimaEngine(), AutoEtsEngine(), AutoThetaEngine(), GarchEngine())

PEERS: Final[Mapping[str, Engine]] = {engine.name: engine for engine in _ENGINES}
"""Engines by name; libraries are imported at the first fit."""
