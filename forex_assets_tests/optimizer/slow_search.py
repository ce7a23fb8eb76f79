"""A search in a process of its own, slow enough to be killed: `python -m forex_assets_tests.optimizer.slow_search`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from forex_assets.core.fan import Fan
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.session import open_session
from forex_assets.forecasts.engine import Engine, Origin
from forex_assets.forecasts.engines import Engines, engines_of
from forex_assets.optimizer.search_run import run_search
from forex_assets_tests.optimizer.contests import WidthEngine


class SlowEngine(WidthEngine):
    """The same fans, five milliseconds each."""

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        time.sleep(0.005 * len(origins))
        return super().forecast(origins, config)


@dataclass(frozen=True)
class SlowEngines(Engines):
    """Engines that give the slow engine for every model."""

    def engine(self, resolved: object) -> Engine:
        return SlowEngine()


if __name__ == "__main__":
    session = open_session()
    run_search(session, SlowEngines(**vars(engines_of(session.settings))), ["7d", "15d"])
