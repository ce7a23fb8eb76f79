"""Commands of the loop: run, validate, rollback, history, explain."""

from contextlib import nullcontext
from itertools import chain, starmap
from typing import TYPE_CHECKING, Annotated

import typer

from forex_assets.cli.common import (
    BAD_USAGE,
    FAILED,
    LOOP,
    AsJson,
    Horizon,
    answer,
    app,
    err,
    fail,
    horizons_of,
    need_model,
    report_faults,
    reported,
    session_of,
    start_level_of,
    user_name,
)
from forex_assets.cli.limits import FORECAST_MB, need_memory

SearchOrigin = Annotated[
    str | None,
    typer.Option(
        "--origin",
        metavar="live|stored",
        help="Compare fans from what could be known then, or from finished prices; the policy's search.origin decides "
        "otherwise.",
    ),
]

if TYPE_CHECKING:
    from forex_assets.accuracy.start_level import StartLevel
    from forex_assets.cli.progress import SearchBar
    from forex_assets.core.dagster.run_records import EventRecord
    from forex_assets.core.session import Session


@app.command(
    rich_help_panel=LOOP,
    epilog="Examples:  forex-assets run  ·  run --horizon 7d --dry-run  ·  run --horizon 7d --force --origin stored",
)
@reported
def run(
    horizon: Horizon = "all",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Work on a copy; write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Search even if no rule asks for it.")] = False,
    origin: SearchOrigin = None,
    as_json: AsJson = False,
) -> None:
    """Decide on a search; search, validate, deploy an approved challenger.

    Exit code 0 whatever the verdict: keeping the current settings is a result. Exit code 1 if a horizon failed; the
    others go on.
    """
    horizons = horizons_of(horizon)
    level = None if origin is None else start_level_of(origin)
    need_memory(FORECAST_MB)
    live = session_of()
    need_model(live)
    from forex_assets.cli import render_loop
    from forex_assets.cli.explanation import explanations
    from forex_assets.cli.rehearsal import rehearsal

    with rehearsal(live) if dry_run else nullcontext(live) as session:
        failures, searched = _run(session, horizons, is_forced=force, level=level)
        outcomes = [
            explanation
            | {"failure": failures.get(explanation["horizon"]), "is_searched": explanation["horizon"] in searched}
            for explanation in explanations(session.at_present(), horizons)
        ]
    answer(as_json, outcomes, render_loop.outcomes(outcomes, is_rehearsal=dry_run, is_sample=live.market == "sample"))
    if failures:
        raise typer.Exit(FAILED)


def _run(
    session: "Session", horizons: list[str], *, is_forced: bool, level: "StartLevel | None" = None
) -> tuple[dict[str, str], set[str]]:
    """Runs the loop once; returns failures and searched horizons."""
    from forex_assets.cli.progress import search_bar
    from forex_assets.cli.runner import RunFailed, materialize_decisions
    from forex_assets.monitoring.request_store import requests_of

    if is_forced:
        for name in horizons:
            requests_of(session).add(name, reason="run --force", asked_by=user_name(), asked_at=session.now)
    failures: dict[str, str] = {}
    with err.status("looking at prices and errors …"):
        materialize_decisions(session, horizons)
        firing, waiting = _firing(session, horizons, is_forced=is_forced)
    failures |= waiting
    with search_bar(err, session.policy, list(firing)) as bar:
        for name, decision in firing.items():
            if words := _is_launched(session, name, decision):  # by a sensor, while an earlier horizon was searched
                failures[name] = words
                continue
            try:
                _recalibrate(session, name, decision, bar, list(firing), level)
            except RunFailed as error:
                failures[name] = str(error)
    return failures, set(firing)


def _firing(
    session: "Session", horizons: list[str], *, is_forced: bool
) -> "tuple[dict[str, EventRecord], dict[str, str]]":
    """Decisions that ask for a search; what other searches are doing.

    Two commands at once may see one decision; the second is told so. Searches that a sensor queued and nobody began are
    taken over.
    """
    from forex_assets.cli.overview import instance_of
    from forex_assets.core.dagster import keys
    from forex_assets.core.dagster.run_records import records, search_in_progress, take_over

    with instance_of(session) as instance:
        if instance is None:
            return {}, {}
        newest = {name: next(records(instance, keys.TRIGGER_DECISION, name)) for name in horizons}
        firing = {name: decision for name, decision in newest.items() if decision.fires}
        asked = horizons if is_forced else list(firing)
        for name in asked:
            for words in take_over(instance, name):
                err.print(f"{name}: {words}")
        others = {name: search_in_progress(instance, name) for name in asked}
        waiting = {name: words for name, words in others.items() if words}
    return {name: decision for name, decision in firing.items() if name not in waiting}, waiting


def _is_launched(session: "Session", horizon: str, decision: "EventRecord") -> str:
    """Says what another search for a decision is doing; empty without one."""
    from forex_assets.cli.overview import instance_of
    from forex_assets.core.dagster.run_records import attempts_for, search_in_progress

    with instance_of(session) as instance:
        if instance is None:
            return ""
        launched = f"a sensor has launched the search of decision {decision.id}; see `forex-assets status`"
        return search_in_progress(instance, horizon) or (launched if attempts_for(instance, decision.id) else "")


def _recalibrate(
    session: "Session",
    horizon: str,
    decision: "EventRecord",
    bar: "SearchBar",
    horizons: list[str],
    level: "StartLevel | None" = None,
) -> None:
    """Search, validation and, where that approves, deployment of one horizon.

    The first of several horizons runs the trials of all: one path of the model serves them.

    The runs carry the tags of the sensors', so that a daemon that looks at the same records launches nothing twice.
    """
    from forex_assets.cli.overview import instance_of
    from forex_assets.cli.runner import run_job, search_config
    from forex_assets.core import names
    from forex_assets.core.dagster import keys
    from forex_assets.core.dagster.run_records import records

    tags = {
        names.DECISION_TAG: decision.id,
        names.REASON_TAG: ", ".join(decision.names(names.REASONS)),
        names.HORIZON_TAG: horizon,
        names.ATTEMPT_TAG: "1",
        names.TOGETHER_TAG: ",".join(horizons),
    }
    with bar.of(horizon):
        config = search_config(level, keys.CANDIDATE_CONFIG, keys.VALIDATION_REPORT)
        run_job(session, names.OPTIMIZE_JOB, horizon, tags, config)
    with instance_of(session) as instance:
        report = next(records(instance, keys.VALIDATION_REPORT, horizon)) if instance else None
    if report is not None and report.metadata.get(names.VERDICT) == "approved":
        validation = str(report.metadata.get(names.VALIDATION_ID))
        bar.say(f"deploying {horizon}")
        run_job(session, names.DEPLOY_JOB, horizon, {names.VALIDATION_TAG: validation})


@app.command(
    rich_help_panel=LOOP,
    epilog="Examples:  forex-assets validate --horizon 7d  ·  validate --horizon 7d --origin stored --json",
)
@reported
def validate(horizon: Horizon = "all", origin: SearchOrigin = None, as_json: AsJson = False) -> None:
    """Validate the last search's challenger again; deploys nothing."""
    horizons = horizons_of(horizon)
    level = None if origin is None else start_level_of(origin)
    session = session_of()
    need_model(session)
    from forex_assets.cli import render_loop
    from forex_assets.cli.explanation import explanations
    from forex_assets.cli.runner import run_assets, search_config
    from forex_assets.core.dagster import keys
    from forex_assets.locations.optimization import build

    with err.status("both forecast from the same past dates …"):
        config = search_config(level, keys.VALIDATION_REPORT)
        run_assets(session, [keys.VALIDATION_REPORT], horizons, config, build=build)
    outcomes = explanations(session.at_present(), horizons)
    reports = [(outcome["horizon"], outcome["validation"]) for outcome in outcomes]
    record = [{"horizon": name, **(report or {})} for name, report in reports]
    answer(as_json, record, chain.from_iterable(starmap(render_loop.validation, reports)))


@app.command(rich_help_panel=LOOP, epilog="Examples:  forex-assets explain --horizon 7d  ·  explain --json")
@reported
def explain(horizon: Horizon = "all", as_json: AsJson = False) -> None:
    """Explain searches, verdicts and deployments, with every figure."""
    horizons = horizons_of(horizon)
    session = session_of()
    from forex_assets.cli import render_loop
    from forex_assets.cli.explanation import explanations

    outcomes = explanations(session, horizons)
    answer(as_json, outcomes, render_loop.explanation(outcomes, is_sample=session.market == "sample"))
    report_faults(chain.from_iterable(outcome["faults"] for outcome in outcomes))


@app.command(rich_help_panel=LOOP, epilog="Examples:  forex-assets history  ·  history --horizon 7d --limit 50 --json")
@reported
def history(
    horizon: Horizon = "all",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Entries a horizon at most.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show what happened to the settings: searches, verdicts, deployments, rollbacks; newest first.

    Exit code 1 if a record is damaged; it is named, and the others are shown.
    """
    horizons = horizons_of(horizon)
    session = session_of()
    from forex_assets.cli import render_loop
    from forex_assets.cli.explanation import history as history_of
    from forex_assets.cli.explanation import history_faults

    entries = history_of(session, horizons, limit)
    answer(as_json, entries, [render_loop.history(entries)])
    report_faults(history_faults(session, horizons))


@app.command(
    rich_help_panel=LOOP,
    epilog="Examples:  forex-assets rollback --horizon 7d  ·  rollback --horizon 7d --to chronos_7d_….json",
)
@reported
def rollback(
    horizon: Annotated[str, typer.Option(metavar="7d|15d|30d|90d", help="Which horizon.")],
    to: Annotated[str | None, typer.Option(metavar="BACKUP", help="Name of a file in configs/backups.")] = None,
    last_good: Annotated[
        bool, typer.Option("--last-good", help="To the newest settings that were never rolled back or quarantined.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Reason, kept in the record.")] = "",
    as_json: AsJson = False,
) -> None:
    """Restore the settings before the current ones.

    Repeated, the version before that. Watched like a deployment.

    Exit code 1 if there is nothing to go back to, or it is refused.
    """
    if horizon == "all":
        fail("--horizon all: a rollback changes one horizon; name it", BAD_USAGE)
    if to is not None and last_good:
        fail("--to and --last-good: each chooses the settings; give one of them", BAD_USAGE)
    (name,) = horizons_of(horizon)
    session = session_of()
    from forex_assets.cli import render_loop
    from forex_assets.cli.overview import instance_of
    from forex_assets.core.dagster.config_observations import report_changed_configs
    from forex_assets.deployment.deploy import deployer_of, roll_back

    known = [backup.name for backup in deployer_of(session).backups.all(name)]
    if to is not None and to not in known:
        fail(f"--to {to}: no backup of {name}; the newest are {', '.join(known[:3]) or 'none'}", BAD_USAGE)
    why = reason or "asked for at the command line"
    record = roll_back(session, name, to=to, reason=why, by=user_name(), last_good=last_good)
    fields = record.model_dump(mode="json")
    answer(as_json, fields, render_loop.deployment(fields))
    with instance_of(session) as instance:
        if instance is not None:  # without records the first start of the UI forecasts anyway
            report_changed_configs(instance, session.configs, [name])
    if record.state not in ("deployed", "unchanged"):
        raise typer.Exit(FAILED)
