"""Whether settings that went live do what settings must: look at their fans, count failures, say when it is enough."""

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
"""`passed`: the watch ended well, outcomes are awaited; `replaced`: others have written the file; `proven`: outcomes
show nothing worse; `worse, kept`: they do, and the policy asks for nothing."""

FINAL: Final = ("replaced", "rolled back", "rollback proposed", "proven", "worse, kept")
"""States after which a deployment is looked at no more."""

WATCH_SCHEMA: Final[Schema] = {
    "deployment_id": pl.String,
    "at": UTC,  # real time
    "is_ok": pl.Boolean,  # null: no settings could have forecast, or there was no trial
    "failed_probes": pl.Int64,  # of this watch so far
    "failed_runs": pl.Int64,  # that count against the deployment: forecasts that failed since, and looks that died
    "state": pl.String,
    "words": pl.String,
}
"""`optimizer/deployment_watch`: one row a look, oldest first, of the newest deployment."""

MAX_MEDIAN_MOVE: Final = 4.0
"""Standard deviations to the target that a median may lie from the last price: a walk is farther once in 16,000."""

MAX_WIDTH_RATIO: Final = 3.0
"""How many times wider or narrower the 95 % band may be at the target than the champion's and the random walk's, both:
a guard against what is broken. A champion whose own band was absurd is no yardstick alone."""


GIVEN_UP_AFTER: Final = 2
"""Times `max_failures` that looks may die: half of it takes the settings back, the rest is that very look dying."""


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


@dataclass(frozen=True)
class FailedRuns:
    """Runs since a deployment that failed, as Dagster's records have them.

    Attributes:
        alone: forecasts of the horizon by itself.
        shared: forecasts of several horizons at once: any of them may be the cause.
        looks: looks at the deployment that died before they could say anything, for want of memory for one.
    """

    alone: int = 0
    shared: int = 0
    looks: int = 0

    def against(self, is_ok: bool | None) -> int:
        """How many count against the settings; those of several horizons while their own trial fails too."""
        return self.alone + self.looks + (self.shared if is_ok is False else 0)


def state_of(
    record: DeploymentRecord,
    live: str | None,
    failures: int,
    is_ok: bool | None,
    now: datetime,
    policy: DeploymentPolicy,
) -> Literal["watching", "passed", "replaced", "failed"]:
    """How a watch stands after a look.

    A watch does not end on a trial that failed: it goes on until one succeeds, or there were too many.

    Args:
        record: the deployment.
        live: fingerprint of what is live; None where it cannot be read.
        failures: probes and runs that failed so far.
        is_ok: how this look's trial went; None where it says nothing.
        now: real time.
        policy: how many are too many.
    """
    if live is not None and live != record.to_fingerprint:
        return "replaced"
    if failures >= policy.max_failures:
        return "failed"
    return "watching" if record.is_watched(now) or is_ok is False else "passed"


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
    record: DeploymentRecord | None,
    last_state: str | None,
    now: datetime,
    today: str,
    policy: DeploymentPolicy,
    died: int = 0,
) -> Due | None:
    """Which look at a horizon's deployment is due; None for none.

    While it is watched one every interval; what was missed while nobody ran is not made up for. After the deadline one
    that closes the watch (again at the next interval where it died, or saw a failure), then one a day until outcomes
    have decided. Where looks do nothing but die, they are given up: the last of them could have taken it back.

    Args:
        record: the newest change; None where there never was one.
        last_state: of the last look at this very deployment; None where there was none.
        now: real time.
        today: the day, as it names a daily look.
        policy: intervals, and whether outcomes are judged.
        died: looks at this deployment that died.
    """
    if died >= GIVEN_UP_AFTER * policy.max_failures:
        return None
    if record is None or record.state != "deployed" or record.watch_until is None or last_state in FINAL:
        return None
    slot = slot_of(record, now, policy)
    if record.is_watched(now):
        return Due(f"{record.id}/{slot}", f"look {slot} at deployment {record.id}")
    if last_state in (None, "watching"):
        return Due(f"{record.id}/closing/{slot}", f"the watch of deployment {record.id} is over")
    if policy.probation == "off":
        return None
    return Due(f"{record.id}/probation/{today}", f"outcomes since deployment {record.id}")
