"""A search in a process of its own, slow enough to be killed: `python -m forex_assets_tests.optimizer.slow_search`."""

import time
from collections.abc import Sequence

from forex_assets.core.fan import Fan
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.settings import load_settings
from forex_assets.forecasts.engine import Engine, Origin
from forex_assets.optimizer.search_run import run_search
from forex_assets.platform import Platform
from forex_assets_tests.optimizer.contests import WidthEngine


class SlowEngine(WidthEngine):
    """The same fans, five milliseconds each."""

    def forecast(self, origins: Sequence[Origin], config: InferenceConfig) -> list[Fan]:
        time.sleep(0.005 * len(origins))
        return super().forecast(origins, config)


class SlowPlatform(Platform):
    """The platform with that engine."""

    def engine(self, found: object) -> Engine:
        return SlowEngine()


if __name__ == "__main__":
    run_search(SlowPlatform(load_settings()), ["7d", "15d"])
