"""The record of a deployment or rollback, and its table."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict

from forex_assets.core.schemas import UTC, Schema
from forex_assets.core.text import PrintableLine

Kind = Literal["deploy", "rollback"]
State = Literal["deployed", "unchanged", "refused", "failed"]
"""State of a deployment.

`unchanged`: the settings were current already; `refused`: a rule forbids it; `failed`: the disk or a crash.
"""

GitState = Literal["committed", "pending", "off", "no repository"]
"""State of the git commit.

`pending`: the settings are current and not committed yet; the commit is retried.
"""


class DeploymentRecord(BaseModel):
    """One deployment or rollback of one horizon's config.

    Attributes:
        id: name of its file; sorts by time.
        horizon: such as `7d`.
        at: real time, UTC.
        by: `loop`, `watch`, `probation` (review of outcomes), or a user's name.
        reason: in words.
        from_fingerprint: settings before; None where there were none.
        to_fingerprint: settings after; the wanted ones where it was refused or failed.
        backup: file name in `configs/backups` of the replaced settings; None where none were replaced.
        validation_id: report that it rests on; None by hand and in rollbacks.
        undoes: id of the deployment that a rollback undoes; None otherwise.
        git_words: hash of the commit, or why there is none.
        watch_until: end of the watch; None where nothing changed.
        is_recovered: a rollback that was interrupted and finished later; nobody has been told so yet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    horizon: str
    kind: Kind
    state: State
    at: AwareDatetime
    by: PrintableLine
    reason: PrintableLine
    from_fingerprint: str | None
    to_fingerprint: str
    backup: str | None = None
    validation_id: str | None = None
    undoes: str | None = None
    git: GitState = "off"
    git_words: str = ""
    watch_until: AwareDatetime | None = None
    is_recovered: bool = False

    def is_watched(self, now: datetime) -> bool:
        """Whether its watch is on; `now` with a time zone."""
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
"""`optimizer/deployment`: one row a `DeploymentRecord`, newest first."""


def records_table(records: Iterable[DeploymentRecord]) -> pl.DataFrame:
    """Records as `DEPLOYMENT_SCHEMA`, in their order."""
    return pl.DataFrame(
        [record.model_dump(include=set(DEPLOYMENT_SCHEMA)) for record in records], schema=DEPLOYMENT_SCHEMA
    )
