"""Data of `explain` and `history`; `render_loop` draws it."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from forex_assets.cli.overview import instance_of
from forex_assets.cli.trial import readable
from forex_assets.core.config_store import ConfigError
from forex_assets.core.session import Session
from forex_assets.deployment.deployment_store import deployments_of
from forex_assets.deployment.watch_run import watch_state
from forex_assets.monitoring.trigger import DECISION_SCHEMA
from forex_assets.optimizer.tables import CANDIDATES_SCHEMA, VALIDATION_SCHEMA

if TYPE_CHECKING:
    import dagster as dg

PARTS: Final = {
    "decision": "monitoring/trigger_decision",
    "search": "optimizer/candidate_config",
    "validation": "optimizer/validation_report",
}
"""Tables of the loop's parts, in the loop's order."""

SCHEMAS: Final = {"decision": DECISION_SCHEMA, "search": CANDIDATES_SCHEMA, "validation": VALIDATION_SCHEMA}


def explanations(session: Session, horizons: Sequence[str]) -> list[dict[str, Any]]:
    """By horizon, every figure that decided whether its settings changed.

    Returns:
        `horizon`; `config`: current fingerprint and settings, None without a readable file, with the reason in
        `config_fault`; `decision`, `search`, `validation`: words, time by the platform's clock and rows of the table,
        None before the first; `deployment`: the newest record; `watch`: its state; `faults`: damaged files, in words.
    """
    with instance_of(session) as instance:
        return [_explanation(session, instance, horizon) for horizon in horizons]


def _explanation(session: Session, instance: "dg.DagsterInstance | None", horizon: str) -> dict[str, Any]:
    current, fault = None, None
    try:
        current = session.configs.read(horizon) if session.configs.exists(horizon) else None
    except ConfigError as error:  # other horizons are still explained
        fault = str(error)
    parts = {part: readable(partial(_part, session, instance, part, horizon)) for part in PARTS}
    newest, deployment_fault = readable(lambda: next(iter(deployments_of(session).records(horizon)), None))
    watch, watch_fault = (None, None) if deployment_fault else readable(lambda: watch_state(session, horizon))
    faults = [*(part_fault for _, part_fault in parts.values()), deployment_fault, watch_fault]
    return {
        "horizon": horizon,
        "config": {"fingerprint": current.fingerprint, **current.model_dump()} if current else None,
        "config_fault": fault,
        **{name: part for name, (part, _) in parts.items()},
        "deployment": newest.model_dump(mode="json") if newest else None,
        "watch": watch.model_dump(mode="json") if watch else None,
        "faults": [text for text in faults if text],
    }


def _part(session: Session, instance: "dg.DagsterInstance | None", part: str, horizon: str) -> dict[str, Any] | None:
    """The last table of one part, with its record's metadata."""
    from forex_assets.core import names
    from forex_assets.core.dagster.run_records import last_by_clock

    table = session.tables.read(PARTS[part], horizon, SCHEMAS[part])
    if table is None or instance is None:
        return None
    import dagster as dg

    key = dg.AssetKey(PARTS[part].split("/"))
    record = last_by_clock(instance, key, horizon, session.market, session.now)
    if record is None:
        return None
    fields = (names.WORDS, names.FIRES, names.REASONS, names.VERDICT, names.SEARCH_ID)
    facts = {name: record.metadata[name] for name in fields if name in record.metadata}
    return {"at": record.clock.isoformat(), **facts, "rows": table.to_dicts()}


def history(session: Session, horizons: Sequence[str], limit: int) -> list[dict[str, Any]]:
    """Searches, verdicts, deployments and watches of horizons, newest first.

    Args:
        session: settings.
        horizons: which.
        limit: entries a horizon at most.

    Returns:
        `horizon`, `at`, `what`, `outcome`, `words`.
    """
    entries = []
    with instance_of(session) as instance:
        for horizon in horizons:
            events = [*_recorded(session, instance, horizon, limit), *_deployed(session, horizon)]
            entries += sorted(events, key=lambda entry: str(entry["at"]), reverse=True)[:limit]
    return sorted(entries, key=lambda entry: str(entry["at"]), reverse=True)


def _recorded(
    session: Session, instance: "dg.DagsterInstance | None", horizon: str, limit: int
) -> list[dict[str, Any]]:
    """Searches and verdicts on the market that is read, from Dagster's records."""
    from itertools import islice

    from forex_assets.core import names
    from forex_assets.core.dagster import keys
    from forex_assets.core.dagster.run_records import records

    if instance is None:
        return []
    entries = []
    for what, key in (("search", keys.CANDIDATE_CONFIG), ("validation", keys.VALIDATION_REPORT)):
        for record in islice(records(instance, key, horizon, page=limit), limit):
            if record.metadata.get(names.MARKET) == session.market:
                outcome = record.metadata.get(names.VERDICT) or f"found {record.metadata.get(names.CHALLENGER)}"
                entries.append(_entry(horizon, record.written_at.isoformat(), what, outcome, record.metadata))
    return entries


def _deployed(session: Session, horizon: str) -> list[dict[str, Any]]:
    """Deployments and rollbacks, manual ones included; damaged records are left out."""
    return [
        _entry(horizon, record.at.isoformat(), record.kind, record.state, {"words": f"{record.by}: {record.reason}"})
        for record in deployments_of(session).readable(horizon)
    ]


def history_faults(session: Session, horizons: Sequence[str]) -> list[str]:
    """One line for each damaged record of a deployment."""
    return [fault for horizon in horizons for fault in deployments_of(session).faults(horizon)]


def _entry(horizon: str, at: str, what: str, outcome: object, facts: dict[str, Any]) -> dict[str, Any]:
    return {"horizon": horizon, "at": at, "what": what, "outcome": str(outcome), "words": str(facts.get("words") or "")}
