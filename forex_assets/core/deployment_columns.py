"""Unit and description of the columns of deployment records."""

from typing import Final

from forex_assets.core.units import COUNT, FLAG, INSTANT, TEXT

DEPLOYMENT_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "id": (TEXT, "Id of the record; sorts by time."),
    "kind": (TEXT, "deploy or rollback."),
    "state": (TEXT, "Outcome of the deployment or watch."),
    "at": (INSTANT, "When it happened, real time."),
    "by": (TEXT, "loop, watch, probation, or a user's name."),
    "from_fingerprint": (TEXT, "Settings before; null if there were none."),
    "to_fingerprint": (TEXT, "Settings after, or those that were refused."),
    "backup": (TEXT, "Backup file of the replaced settings; null without one."),
    "undoes": (TEXT, "Id of the deployment that a rollback reverses; null otherwise."),
    "git": (TEXT, "State of the git commit."),
    "git_words": (TEXT, "Hash of the commit, or why there is none."),
    "watch_until": (INSTANT, "End of the watch of the new settings; null without a change."),
    "deployment_id": (TEXT, "Id of the watched deployment."),
    "is_ok": (FLAG, "The trial forecast is usable; null without a trial."),
    "failed_probes": (COUNT, "Failed trial forecasts of this watch."),
    "failed_runs": (COUNT, "Failed forecasts and died observations of this watch."),
}
"""Columns of deployments and watches by name: unit, then description."""
