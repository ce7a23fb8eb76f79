"""Deployments and rollbacks as event records, read from the deployment store."""

from collections.abc import Iterator
from typing import Any

from forex_assets.core import names
from forex_assets.core.dagster.run_records import EventRecord
from forex_assets.deployment.deployment_store import DeploymentStore
from forex_assets.deployment.record import DeploymentRecord


def deployments(store: DeploymentStore, horizon: str, *, after: int = 0) -> Iterator[EventRecord]:
    """Yields a horizon's deployments and rollbacks, newest first.

    Dagster has only those of `optimizer/deployment`: a rollback by the watch or the command line materializes nothing.

    Args:
        after: only records with a greater `place`.

    A record that cannot be read is left out; `store.faults` names it.
    """
    for record in store.readable(horizon):
        place = int("".join(filter(str.isdigit, record.id.partition("-")[0])) or 0)
        if place <= after:
            return
        yield EventRecord(place, record.id, record.at, deployment_values(record))


def deployment_values(record: DeploymentRecord) -> dict[str, Any]:
    """Returns a deployment record's values by metadata key."""
    return {
        names.STATE: record.state,
        names.WORDS: f"{record.kind} of {record.horizon} {record.state}: {record.reason}",
        names.DEPLOYMENT_ID: record.id,
        names.VALIDATION_ID: record.validation_id or "none",
        names.CHAMPION: record.from_fingerprint or "none",
        names.CHALLENGER: record.to_fingerprint,
        names.WATCH_UNTIL: record.watch_until.isoformat() if record.watch_until else "",
        names.KIND: record.kind,
        "aborted": int(record.state in ("refused", "failed")),  # a number: Dagster draws it over time
        "by": record.by,
        "backup": record.backup or "none",
        "git": f"{record.git} {record.git_words}".strip(),
    }
