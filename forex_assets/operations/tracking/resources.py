"""The tracker of a platform."""

from forex_assets.operations.tracking.mlflow_store import Tracker
from forex_assets.platform import Platform

FOLDER = "mlflow"


def tracker_of(platform: Platform) -> Tracker:
    """Where the platform's runs are recorded."""
    return Tracker(platform.settings.warehouse / FOLDER, platform.settings.mlflow_tracking_uri)
