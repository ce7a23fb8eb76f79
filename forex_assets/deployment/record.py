"""What is kept of every deployment and rollback, for ever: who replaced what by what, why, and how it went."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict

from forex_assets.core.schemas import UTC, Schema

Kind = Literal["deploy", "rollback"]
State = Literal["deployed", "unchanged", "refused", "failed"]
"""`unchanged`: these settings were live already; `refused`: a rule forbids it; `failed`: the disk or a lock did."""

GitState = Literal["committed", "pending", "off", "no repository"]
"""`pending`: the file is live and not yet committed; it is tried again, and never undone for that."""


class DeploymentRecord(BaseModel):
    """One deployment or rollback of one horizon's config.

    Attributes:
        id: name of its file; sorts by when it happened.
        horizon: such as `7d`.
        kind: what was asked for.
        state: how it ended.
        at: real time, UTC.
        by: `loop`, `watch`, `probation`, or the user who typed.
        reason: in words.
        from_fingerprint: settings that were live before; None where there were none.
        to_fingerprint: settings that are live since; those that were wanted where it was refused.
        backup: file name in `configs/backups` of what was replaced; None where nothing was.
        validation_id: report that it rests on; None by hand and in rollbacks.
        undoes: id of the deployment that a rollback takes back; None otherwise.
        git: what became of the commit.
        git_words: its hash, or why there is none yet.
        watch_until: up to when the new settings are watched; None where nothing changed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    horizon: str
    kind: Kind
    state: State
    at: AwareDatetime
    by: str
    reason: str
    from_fingerprint: str | None
    to_fingerprint: str
    backup: str | None = None
    validation_id: str | None = None
    undoes: str | None = None
    git: GitState = "off"
    git_words: str = ""
    watch_until: AwareDatetime | None = None

    def is_watched(self, now: datetime) -> bool:
        """Whether it is live and its watch has not ended; `now` with a time zone."""
        return self.state == "deployed" and self.watch_until is not None and now < self.watch_until


DEPLOYMENT_SCHEMA: Final[Schema] = {
    "id": pl.String,
    "horizon": pl.String,
    "kind": pl.String,
    "state": pl.String,
    "at": UTC,
    "by": pl.String,
    "reason": pl.String,
    "from_fingerprint": pl.String,
    "to_fingerprint": pl.String,
    "backup": pl.String,
    "validation_id": pl.String,
    "undoes": pl.String,
    "git": pl.String,
    "git_words": pl.String,
    "watch_until": UTC,
}
"""`optimizer/deployment`: one row a record, newest first; the fields are `DeploymentRecord`'s."""


def records_table(records: Iterable[DeploymentRecord]) -> pl.DataFrame:
    """Records as `DEPLOYMENT_SCHEMA`, in their order."""
    return pl.DataFrame([record.model_dump() for record in records], schema=DEPLOYMENT_SCHEMA)
