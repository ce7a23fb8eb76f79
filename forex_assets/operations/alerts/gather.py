"""Makes alert events from plain records.

An event's id comes from its record, so that a record read twice makes one event.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from forex_assets.core import names
from forex_assets.core.calendar import SANTIAGO, santiago_time
from forex_assets.core.dagster.run_records import EventRecord
from forex_assets.core.horizon import HORIZONS
from forex_assets.operations.alerts.events import Event, Kind

SILENT_FOR: Final = timedelta(days=4)
"""Age of the last price update that counts as stale.

The schedule leaves three days at most, over a weekend.
"""

HIDDEN: Final = {names.CROSSINGS, names.WORDS, names.CLOCK, names.MARKET, names.FIRES, "path", "plot", "data"}
"""Metadata keys left out of an event's figures."""

MACHINES: Final = ("loop", "watch", "probation")
"""Authors of deployments and rollbacks that are no people."""

_VERDICTS: Final[dict[str, tuple[Kind, str]]] = {
    "approved": ("validation passed", "the new settings may be deployed"),
    "rejected": ("validation failed", "the new settings are no better; the current settings stay"),
    "inconclusive": (
        "validation inconclusive",
        "past test dates cannot tell which settings are better; the current settings stay",
    ),
}


@dataclass(frozen=True)
class FailedRun:
    """A failed run; `words` is its first error."""

    id: str
    job: str
    assets: tuple[str, ...]
    tags: Mapping[str, str]
    horizon: str | None
    words: str
    at: datetime


@dataclass(frozen=True)
class Crossing:
    """A watch level whose chance has just arrived."""

    record: EventRecord
    watch: str
    as_of: str
    words: str


def decision_event(record: EventRecord, horizon: str, is_sample: bool) -> Event | None:
    """The event of a decision that asks for a search."""
    if not record.fires:
        return None
    title = f"{horizon}: search for better settings, triggered by {', '.join(record.names(names.REASONS))}"
    return _event("triggered", record, record.id, title, horizon, is_sample)


def validation_event(record: EventRecord, horizon: str, is_sample: bool) -> Event | None:
    """The event of a validation's verdict."""
    verdict = _VERDICTS.get(str(record.metadata.get(names.VERDICT)))
    return verdict and _event(verdict[0], record, record.id, f"{horizon}: {verdict[1]}", horizon, is_sample)


def deployment_event(record: EventRecord, horizon: str, is_sample: bool) -> Event | None:
    """The event of a deployment or rollback that succeeded or failed.

    The loop's own failed deployment fails its run, whose event is that of a failed run. A person's refused command is
    no event: its words were on the screen.
    """
    match record.metadata[names.STATE], record.metadata[names.KIND], record.metadata["by"]:
        case "deployed", "rollback", _:
            title = f"{horizon}: rollback to earlier settings"
            return _event("rolled back", record, record.id, title, horizon, is_sample)
        case "deployed", _, _:
            return _event("deployed", record, record.id, f"{horizon}: new settings deployed", horizon, is_sample)
        case "refused", kind, by if by in MACHINES:
            title = f"{horizon}: the {kind} was aborted; the current settings stay"
            return _event("deployment aborted", record, record.id, title, horizon, is_sample)
        case "failed", kind, by if by != "loop":
            return _event("run failed", record, record.id, f"{horizon}: the {kind} failed", horizon, is_sample)
    return None


def unreadable_deployment_event(fault: str, horizon: str, now: datetime, is_sample: bool) -> Event:
    """The daily event of an unreadable deployment record."""
    return Event(
        id=f"run failed/deployments/{horizon}/{_hash(fault)}/{_day(now)}",
        kind="run failed",
        horizon=horizon,
        title=f"{horizon}: a deployment record cannot be read",
        words=fault,
        happened_at=now,
        is_sample=is_sample,
    )


def unreadable_event(place: str, error: Exception | str, now: datetime) -> Event:
    """The daily event of an unreadable record or file."""
    reason = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    return Event(
        id=f"run failed/unreadable/{_hash(place + error if isinstance(error, str) else place)}/{_day(now)}",
        kind="run failed",
        title="a record cannot be read; others are still told",
        words=f"{place}: {reason}",
        happened_at=now,
    )


def watch_event(record: EventRecord, horizon: str, is_sample: bool) -> Event | None:
    """The event of a failing watch, one for each state or failure."""
    deployment = str(record.metadata.get(names.DEPLOYMENT_ID) or record.id)
    failures = record.metadata.get(names.FAILURES)
    match record.metadata.get(names.STATE):
        case "rollback proposed":
            name, title = "proposed", "the new settings are worse; decide on a rollback"
        case "rollback refused":
            name, title = "refused", "the new settings fail and cannot be rolled back automatically"
        case "watching" if isinstance(failures, int) and failures > 0:
            name, title = str(failures), "probe forecasts of the new settings fail"
        case _:
            return None
    return _event("watch failing", record, f"{deployment}/{name}", f"{horizon}: {title}", horizon, is_sample)


def crossings(record: EventRecord) -> list[Crossing]:
    """Watch levels whose chance has just arrived, of one materialization."""
    noted = record.metadata.get(names.CROSSINGS) or []
    return [Crossing(record, crossing["watch"], crossing["as_of"], crossing["words"]) for crossing in noted]


def level_event(crossing: Crossing, is_sample: bool) -> Event:
    """The event of a watch level, one a level and day."""
    name, title = f"{crossing.watch}/{crossing.as_of}", f"chance reached: {crossing.watch}"
    event = _event("level reached", crossing.record, name, title, None, is_sample)
    return event.model_copy(update={"words": crossing.words, "figures": {}})


def fallback_event(record: EventRecord, series: str, is_sample: bool) -> Event:
    """The event of a price fallback, one a series and day."""
    title = f"{series}: prices did not come from the first source"
    return _event("fallback in use", record, f"{series}/{_day(record.written_at)}", title, None, is_sample)


def stale_event(series: str, words: str, at: datetime, is_sample: bool) -> Event:
    """The event of a failed freshness check, one a series and day."""
    return _prices_event(f"{series}/{_day(at)}", f"{series}: the last price is old", words, at, is_sample)


def silent_event(series: str, updated_at: datetime, now: datetime, is_sample: bool) -> Event | None:
    """The event of prices without updates, one a series and day."""
    if now - updated_at <= SILENT_FOR:
        return None
    words = f"Last update {santiago_time(updated_at)} in Santiago. Check that the schedule "
    words += "refresh_market_on_weekdays is on."
    return _prices_event(f"{series}/silent/{_day(now)}", f"{series}: prices are not updated", words, now, is_sample)


def failed_run_event(run: FailedRun, is_sample: bool) -> Event:
    """The event of a failed run."""
    figures = {"run": run.id, "assets": ", ".join(sorted(run.assets))}
    figures |= {name: run.tags[name] for name in sorted(run.tags) if name.startswith("forex/")}
    # Dagster's name for a run of assets chosen by hand or by a condition means nothing to people.
    job = "a run of assets" if run.job.startswith("__") else run.job
    return Event(
        id=f"run failed/{run.id}",
        kind="run failed",
        horizon=run.horizon if run.horizon in HORIZONS else None,
        title=f"{job} failed",
        words=run.words,
        figures={name: value for name, value in figures.items() if value},
        happened_at=run.at,
        is_sample=is_sample,
    )


def _event(kind: Kind, record: EventRecord, name: str, title: str, horizon: str | None, is_sample: bool) -> Event:
    """An event on a record; `is_sample` is the default market."""
    market = record.metadata.get(names.MARKET)
    return Event(
        id=f"{kind}/{name}",
        kind=kind,
        horizon=horizon,
        title=title,
        words=str(record.metadata.get(names.WORDS) or ""),
        figures=_figures(record.metadata),
        happened_at=record.written_at,
        is_sample=is_sample if market is None else market == "sample",
    )


def _prices_event(name: str, title: str, words: str, at: datetime, is_sample: bool) -> Event:
    return Event(
        id=f"stale data/{name}", kind="stale data", title=title, words=words, happened_at=at, is_sample=is_sample
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def _day(at: datetime) -> str:
    """The day in Santiago."""
    return at.astimezone(SANTIAGO).date().isoformat()


def _figures(metadata: dict[str, Any]) -> dict[str, str]:
    """Short plain values of metadata, as people read them."""
    figures = dict[str, str]()
    for name, value in metadata.items():
        if name in HIDDEN or name.startswith("dagster/") or not isinstance(value, str | int | float):
            continue
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
        if text and text != "none" and len(text) <= 200:
            figures[name.replace("_", " ")] = text
    return figures
