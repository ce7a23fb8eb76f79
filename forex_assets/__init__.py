"""USD/CLP forecasting as a Dagster asset platform.

Importing the package switches off the telemetry of every library that has some, before any of them is imported.
"""

import os

for _name, _value in {
    "DAGSTER_TELEMETRY_DISABLED": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}.items():
    os.environ.setdefault(_name, _value)
