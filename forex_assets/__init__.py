"""USD/CLP forecasting as a Dagster asset platform.

Importing the package switches off the telemetry of every library that has some, before any of them is imported.
`fan` and `scenario` answer from the stored forecasts.
"""

import os
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forex_assets.desk.api import fan, scenario

__all__ = ["fan", "scenario"]

for _name, _value in {
    "DAGSTER_TELEMETRY_DISABLED": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}.items():
    os.environ.setdefault(_name, _value)

# What Dagster calls beta is used knowingly (an observable source with partitions, one run for many partitions); its
# notice would stand above every command's output. Matched by words, so that Dagster need not be imported here.
warnings.filterwarnings("ignore", message=r".* is currently in (beta|preview), and may have breaking changes")


def __getattr__(name: str) -> Any:
    """Loads `fan` and `scenario` when they are asked for."""
    if name in __all__:
        from forex_assets.desk import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
