"""Whether settings that went live do what settings must: look at their fans, count failures, say when it is enough."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import numpy as np
import polars as pl

from forex_assets.domain.deployment.record import DeploymentRecord
from forex_assets.domain.forecast.baselines import random_walk
from forex_assets.domain.forecast.fan import Fan
from forex_assets.domain.policy import DeploymentPolicy
from forex_assets.domain.schemas import UTC, Schema

WatchStateName = Literal[
    "watching", "passed", "replaced", "rolled back", "rollback refused", "rollback proposed", "proven", "worse, kept"
]
"""`passed`: the watch ended well, outcomes are awaited; `replaced`: others have written the file; `proven`: outcomes
show nothing worse; `worse, kept`: they do, and the policy asks for nothing."""

FINAL: Final = ("replaced", "rolled back", "rollback proposed", "proven", "worse, kept")
"""States after which a deployment is looked at no more."""

WATCH_SCHEMA: Final[Schema] = {
    "deployment_id": pl.String,
    "at": UTC,  # real time
    "is_ok": pl.Boolean,
    "failed_probes": pl.Int64,  # of this watch so far
    "failed_runs": pl.Int64,  # forecast runs of the horizon that failed since the deployment
    "state": pl.String,
    "words": pl.String,
}
"""`optimizer/deployment_watch`: one row a look, oldest first, of the newest deployment."""

MAX_MEDIAN_MOVE: Final = 4.0
"""Standard deviations to the target that a median may lie from the last price: a walk is farther once in 16,000."""

MAX_WIDTH_RATIO: Final = 3.0
"""How many times wider or narrower the 95 % band may be at the target than the champion's and the random walk's, both:
a guard against what is broken. A champion whose own band was absurd is no yardstick alone."""


def fan_faults(fan: Fan, last: float, ewma_sd: float, champion: Fan | None) -> list[str]:
    """What is wrong with a trial forecast, in words; empty where it will do.

    That quantiles are finite and in order a `Fan` sees to itself.

    Args:
        fan: of the new settings, CLP per USD.
        last: last known price.
        ewma_sd: of the log return per session.
        champion: of the settings before, from the same prices; None where there were none, or they cannot be run.
    """
    found = []
    if not (fan.quantiles > 0).all():
        found.append("a price of 0 or less")
    steps = len(fan.mean)
    spread = max(ewma_sd, 1e-9) * np.sqrt(steps)
    move = abs(float(np.log(max(float(fan.median[-1]), 1e-9) / last)))
    if move > MAX_MEDIAN_MOVE * spread:
        found.append(
            f"the median at the target lies {move / spread:.1f} standard deviations from the last price, "
            f"{MAX_MEDIAN_MOVE:g} at most"
        )
    width = _width(fan)
    if width <= 0:
        found.append("a 95 % band without width")
    else:
        yardsticks = {"the random walk": random_walk(last, ewma_sd, steps)}
        yardsticks |= {} if champion is None else {"the settings before": champion}
        ratios = {name: width / _width(each) for name, each in yardsticks.items() if _width(each) > 0}
        if ratios and all(not 1 / MAX_WIDTH_RATIO <= ratio <= MAX_WIDTH_RATIO for ratio in ratios.values()):
            said = " and ".join(f"{ratio:.2f} times as wide as that of {name}" for name, ratio in ratios.items())
            found.append(f"the 95 % band is {said}")
    return found


def _width(fan: Fan) -> float:
    """Of the 95 % band at the target."""
    return float(fan.quantiles[-1, -1] - fan.quantiles[-1, 0])


def state_of(
    record: DeploymentRecord, live: str | None, failures: int, now: datetime, policy: DeploymentPolicy
) -> Literal["watching", "passed", "replaced", "failed"]:
    """How a watch stands after a look.

    Args:
        record: the deployment.
        live: fingerprint of what is live; None where it cannot be read.
        failures: probes and runs that failed so far.
        now: real time.
        policy: how many are too many.
    """
    if live is not None and live != record.to_fingerprint:
        return "replaced"
    if failures >= policy.max_failures:
        return "failed"
    return "watching" if record.is_watched(now) else "passed"


def slot_of(record: DeploymentRecord, now: datetime, policy: DeploymentPolicy) -> int:
    """Which look of a watch is due, from 0: so many whole intervals since the deployment."""
    return int((now - record.at) / timedelta(minutes=policy.probe_every_minutes))


@dataclass(frozen=True)
class Due:
    """A look to launch.

    Attributes:
        key: names it for ever: asked for twice, it is made once.
        words: why, for people.
    """

    key: str
    words: str


def due_look(
    record: DeploymentRecord | None, last_state: str | None, now: datetime, today: str, policy: DeploymentPolicy
) -> Due | None:
    """Which look at a horizon's deployment is due; None for none.

    While it is watched one every interval; what was missed while nobody ran is not made up for. After the deadline one
    that closes the watch, then one a day until outcomes have decided.

    Args:
        record: the newest change; None where there never was one.
        last_state: of the last look at this very deployment; None where there was none.
        now: real time.
        today: the day, as it names a daily look.
        policy: intervals, and whether outcomes are judged.
    """
    if record is None or record.state != "deployed" or record.watch_until is None or last_state in FINAL:
        return None
    if record.is_watched(now):
        slot = slot_of(record, now, policy)
        return Due(f"{record.id}/{slot}", f"look {slot} at deployment {record.id}")
    if last_state in (None, "watching"):
        return Due(f"{record.id}/closing", f"the watch of deployment {record.id} is over")
    if policy.probation == "off":
        return None
    return Due(f"{record.id}/probation/{today}", f"outcomes since deployment {record.id}")
