"""The tracker of a session."""

from forex_assets.core.session import Session
from forex_assets.operations.tracking.mlflow_store import Tracker

FOLDER = "mlflow"


def tracker_of(session: Session) -> Tracker:
    """The MLflow store of a session."""
    return Tracker(session.settings.warehouse / FOLDER, session.settings.mlflow_tracking_uri)
