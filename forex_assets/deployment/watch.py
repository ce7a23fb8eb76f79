"""Rules of the watch: faults, failures that count, observations due."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import numpy as np
import polars as pl

from forex_assets.core.fan import Fan
from forex_assets.core.policy import DeploymentPolicy
from forex_assets.core.schemas import UTC, Schema
from forex_assets.deployment.record import DeploymentRecord
from forex_assets.forecasts.baselines import random_walk

WatchStateName = Literal[
    "watching", "passed", "replaced", "rolled back", "rollback refused", "rollback proposed", "proven", "worse, kept"
]
"""States of a watch.

`passed`: the watch ended well, outcomes are awaited; `replaced`: others have written the file; `proven`: outcomes
are not significantly worse; `worse, kept`: they are, and the policy asks for no action."""

FINAL: Final = ("replaced", "rolled back", "rollback proposed", "proven", "worse, kept")
"""States after which a deployment is observed no more."""

WATCH_SCHEMA: Final[Schema] = {
    "deployment_id": pl.String,
    "at": UTC,  # real time
    "is_ok": pl.Boolean,  # result of the probe; null: no settings could have forecast, or no probe was made
    "failed_probes": pl.Int64,  # of this watch so far
    "failed_runs": pl.Int64,  # failed forecast and watch runs that count against the settings
    "state": pl.String,
    "words": pl.String,
}
"""`optimizer/deployment_watch`: one row an observation of the newest deployment, oldest first."""

MAX_MEDIAN_MOVE: Final = 4.0
"""Largest distance of a median from the last price, in standard deviations.

Exceeded by chance once in 16,000.
"""

MAX_WIDTH_RATIO: Final = 3.0
"""Largest ratio of two 95 % band widths at the target.

A fault must exceed it against the champion and against
the no-change benchmark: the champion's own band may be absurd."""

GIVEN_UP_AFTER: Final = 2
"""Multiple of `max_failures` watch runs that may fail.

Half of them cause the rollback, which may fail as often.
"""


def fan_faults(fan: Fan, last: float, ewma_sd: float, champion: Fan | None) -> list[str]:
    """Faults of a probe's forecast, in words; empty for a plausible one.

    A `Fan` itself checks that quantiles are finite and in order.

    Args:
        fan: of the new settings, CLP per USD.
        last: last known price.
        ewma_sd: of the log return per session.
        champion: of the settings before, from the same prices; None where they cannot forecast.
    """
    faults = []
    if not (fan.quantiles > 0).all():
        faults.append("a price of 0 or less")
    steps = len(fan.mean)
    spread = max(ewma_sd, 1e-9) * np.sqrt(steps)
    move = abs(float(np.log(max(float(fan.median[-1]), 1e-9) / last)))
    if move > MAX_MEDIAN_MOVE * spread:
        faults.append(
            f"the median at the target is {move / spread:.1f} standard deviations from the last price, "
            f"at most {MAX_MEDIAN_MOVE:g} are allowed"
        )
    width = _width(fan)
    if width <= 0:
        faults.append("a 95 % band without width")
    else:
        references = {"the no-change benchmark": random_walk(last, ewma_sd, steps)}
        references |= {} if champion is None else {"the settings before": champion}
        ratios = {name: width / _width(fan) for name, fan in references.items() if _width(fan) > 0}
        if ratios and all(not 1 / MAX_WIDTH_RATIO <= ratio <= MAX_WIDTH_RATIO for ratio in ratios.values()):
            words = " and ".join(f"{ratio:.2f} times as wide as that of {name}" for name, ratio in ratios.items())
            faults.append(f"the 95 % band is {words}")
    return faults


def _width(fan: Fan) -> float:
    """Width of the 95 % band at the target, CLP per USD."""
    return float(fan.quantiles[-1, -1] - fan.quantiles[-1, 0])


@dataclass(frozen=True)
class FailedRuns:
    """Numbers of failed runs since a deployment.

    Attributes:
        alone: forecasts of one horizon.
        shared: forecasts of several horizons, any of which may be the cause.
        watches: watch runs, which may lack the memory to load the model.
    """

    alone: int = 0
    shared: int = 0
    watches: int = 0

    def against(self, is_ok: bool | None) -> int:
        """Failures that count: shared ones only while the probe fails too."""
        return self.alone + self.watches + (self.shared if is_ok is False else 0)


def state_of(
    record: DeploymentRecord,
    current: str | None,
    failures: int,
    is_ok: bool | None,
    now: datetime,
    policy: DeploymentPolicy,
) -> Literal["watching", "passed", "replaced", "failed"]:
    """State of a watch after an observation.

    A watch ends on a probe that succeeds, or where failures reach the limit. A failed one prolongs it, and one that
    says nothing, as without prices, pauses it: no data is neither success nor failure.

    Args:
        current: fingerprint of the current settings; None where they cannot be read.
        failures: failed probes and runs so far.
        is_ok: result of this observation's probe; None where it says nothing.
    """
    if current is not None and current != record.to_fingerprint:
        return "replaced"
    if failures >= policy.max_failures:
        return "failed"
    return "watching" if record.is_watched(now) or is_ok is not True else "passed"


def slot_of(record: DeploymentRecord, now: datetime, policy: DeploymentPolicy) -> int:
    """Number of whole probe intervals since a deployment."""
    return int((now - record.at) / timedelta(minutes=policy.probe_every_minutes))


@dataclass(frozen=True)
class Due:
    """An observation to launch.

    Attributes:
        key: Dagster's run key: launched once, however often it is requested.
    """

    key: str
    words: str


def due_observation(
    record: DeploymentRecord | None,
    last_state: str | None,
    now: datetime,
    today: str,
    policy: DeploymentPolicy,
    failed_watches: int = 0,
) -> Due | None:
    """The observation of a horizon's deployment that is due; None for none.

    During the watch one is due each interval; missed ones are not repeated. After its end one closes the watch (again
    each interval where it failed, or its probe did), then one is due each day until outcomes decide. The watch is given
    up where its runs keep failing.

    Args:
        record: the newest change; None where there is none.
        last_state: of the last observation of this deployment; None where there is none.
        today: day in the key of a daily observation.
        failed_watches: failed watch runs of this deployment.
    """
    if failed_watches >= GIVEN_UP_AFTER * policy.max_failures:
        return None
    if record is None or record.state != "deployed" or record.watch_until is None or last_state in FINAL:
        return None
    slot = slot_of(record, now, policy)
    if record.is_watched(now):
        return Due(f"{record.id}/{slot}", f"observation {slot} of deployment {record.id}")
    if last_state in (None, "watching"):
        return Due(f"{record.id}/closing/{slot}", f"end of the watch of deployment {record.id}")
    if policy.probation == "off":
        return None
    return Due(f"{record.id}/probation/{today}", f"outcomes since deployment {record.id}")
