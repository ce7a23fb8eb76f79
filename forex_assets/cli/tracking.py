"""Commands on MLflow runs: list, compare, best, stats, upkeep."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from forex_assets.cli.common import (
    BAD_USAGE,
    FAILED,
    OPERATIONS,
    AsJson,
    app,
    err,
    fail,
    horizons_of,
    out,
    print_json,
    reported,
    session_of,
)

if TYPE_CHECKING:
    from forex_assets.operations.tracking.mlflow_store import Tracked

tracking_app = typer.Typer(no_args_is_help=True, help="The records of runs in MLflow.")
app.add_typer(tracking_app, name="tracking", rich_help_panel=OPERATIONS)

Horizon = Annotated[str, typer.Option(metavar="7d|15d|30d|90d|all", help="Which horizon.")]
KINDS = ("forecast", "search", "validation", "deployment", "all")
OfKind = Annotated[str, typer.Option("--kind", metavar="|".join(KINDS), help="Which kind.")]


def _runs(kind: str, horizon: str, limit: int = 1000) -> "list[Tracked]":
    """Recorded runs of the market that is read, newest first."""
    horizons_of(horizon)
    if kind not in KINDS:
        fail(f"--kind {kind}: no such kind; there are {', '.join(KINDS)}", BAD_USAGE)
    session = session_of()
    from forex_assets.operations.tracking.resources import tracker_of

    prefix = "usdclp-sample/" if session.market == "sample" else "usdclp/"
    with err.status("MLflow …"):
        found = tracker_of(session).runs(prefix)
    parts = [each.experiment.split("/") for each in found]
    chosen = [
        each for each, (_, k, h) in zip(found, parts, strict=True) if kind in ("all", k) and horizon in ("all", h)
    ]
    return chosen[:limit]


def _record(run: "Tracked") -> dict[str, Any]:
    return {
        "run": run.run_id,
        "experiment": run.experiment,
        "status": run.status,
        "started_at": run.started_at.isoformat(timespec="seconds"),
        "params": dict(run.params),
        "metrics": dict(run.metrics),
        "tags": dict(run.tags),
    }


@app.command(
    rich_help_panel=OPERATIONS, epilog="Examples:  forex-assets runs  ·  runs --kind search --horizon 7d --json"
)
@reported
def runs(
    kind: OfKind = "all",
    horizon: Horizon = "all",
    limit: Annotated[int, typer.Option(min=1, help="At most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List recorded runs, newest first."""
    found = [_record(each) for each in _runs(kind, horizon, limit)]
    if as_json:
        print_json(found)
        return
    from rich.table import Table

    table = Table("run", "experiment", "status", "started, UTC")
    for each in found:
        table.add_row(each["run"][:8], each["experiment"], each["status"], each["started_at"][:16].replace("T", " "))
    out.print(table if found else "none yet: forex-assets tracking repair")


@app.command(
    rich_help_panel=OPERATIONS, epilog="Examples:  forex-assets compare 1a2b3c4d 5e6f7a8b  ·  compare RUN RUN --json"
)
@reported
def compare(
    names: Annotated[list[str], typer.Argument(metavar="RUN RUN…", help="Beginnings of runs' names.")],
    as_json: AsJson = False,
) -> None:
    """Show runs side by side; differences are marked."""
    every = _runs("all", "all")
    found = []
    for name in names:
        matching = [each for each in every if each.run_id.startswith(name)]
        if len(matching) != 1:
            fail(f"{name} names {len(matching)} runs; forex-assets runs shows them", FAILED)
        found.append(_record(matching[0]))
    fields = {part: sorted({key for each in found for key in each[part]}) for part in ("params", "metrics")}
    rows = [
        {"what": part, "name": key, "values": [each[part].get(key) for each in found]}
        for part, keys in fields.items()
        for key in keys
    ]
    for row in rows:
        row["differs"] = len(set(map(str, row["values"]))) > 1
    if as_json:
        print_json({"runs": [each["run"] for each in found], "rows": rows})
        return
    from rich.table import Table

    table = Table("", "", *(each["run"][:8] for each in found))
    for row in rows:
        cells = [f"{value:.5g}" if isinstance(value, float) else str(value) for value in row["values"]]
        table.add_row("≠" if row["differs"] else "", row["name"], *cells, style="bold" if row["differs"] else None)
    out.print(table)


@app.command(
    rich_help_panel=OPERATIONS,
    epilog="Examples:  forex-assets best --metric loss --kind search  ·  best --metric gain --highest",
)
@reported
def best(
    metric: Annotated[str, typer.Option(help="Name of a figure, such as loss, gain, false_pass, engine_seconds.")],
    kind: OfKind = "search",
    horizon: Horizon = "all",
    is_highest: Annotated[bool, typer.Option("--highest", help="The more the better.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the best run of each experiment by a figure.

    The best of many is luck too: see validation.
    """
    chosen: dict[str, dict[str, Any]] = {}
    for each in map(_record, _runs(kind, horizon)):
        if metric not in each["metrics"]:
            continue
        known, value = chosen.get(each["experiment"]), each["metrics"][metric]
        if known is None or (value > known["metrics"][metric] if is_highest else value < known["metrics"][metric]):
            chosen[each["experiment"]] = each
    if not chosen:
        fail(f"no recorded run of kind {kind}, horizon {horizon} has a figure {metric!r}", FAILED)
    if as_json:
        print_json(list(chosen.values()))
        return
    for name, each in sorted(chosen.items()):
        out.print(f"{name}: {metric} {each['metrics'][metric]:.5g} in {each['run'][:8]}", highlight=False)


@app.command(rich_help_panel=OPERATIONS, epilog="Examples:  forex-assets stats  ·  stats --kind forecast --json")
@reported
def stats(kind: OfKind = "all", horizon: Horizon = "all", as_json: AsJson = False) -> None:
    """Show number, failures and mean figures of each experiment."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for each in map(_record, _runs(kind, horizon)):
        groups.setdefault(each["experiment"], []).append(each)
    found = []
    for name, members in sorted(groups.items()):
        figures = sorted({key for each in members for key in each["metrics"]})
        values = {key: [each["metrics"][key] for each in members if key in each["metrics"]] for key in figures}
        failed = sum(each["status"] == "FAILED" for each in members)
        means = {key: sum(known) / len(known) for key, known in values.items()}
        found.append({"experiment": name, "runs": len(members), "failed": failed, "means": means})
    if as_json:
        print_json(found)
        return
    for row in found:
        text = ", ".join(f"{key} {value:.4g}" for key, value in row["means"].items())
        out.print(f"{row['experiment']}: {row['runs']} runs, {row['failed']} failed; means: {text or '-'}")
    if not found:
        out.print("none yet: forex-assets tracking repair")


@tracking_app.command(epilog="Examples:  forex-assets tracking repair")
@reported
def repair(as_json: AsJson = False) -> None:
    """Record what MLflow lacks, and close runs left running.

    Exit code 1 if MLflow cannot be used or an experiment was deleted.
    """
    session = session_of()
    from forex_assets.cli.overview import instance_of
    from forex_assets.cli.runner import record_in_mlflow
    from forex_assets.operations.tracking.resources import tracker_of

    with err.status("MLflow …"), instance_of(session) as instance:
        count, reason = (0, "") if instance is None else record_in_mlflow(session, instance)
        closed = 0 if reason else tracker_of(session).repair()
    if as_json:
        print_json({"sent": count, "closed": closed, "error": reason or None})
    else:
        out.print(f"sent {count}, closed {closed}", highlight=False)
    if reason:
        fail(reason, FAILED)


@tracking_app.command(epilog="Examples:  forex-assets tracking prune")
@reported
def prune(as_json: AsJson = False) -> None:
    """Delete runs older than the policy keeps.

    Runs of current, previous and candidate settings stay.
    """
    session = session_of()
    from datetime import UTC, datetime

    from forex_assets.operations.tracking.resources import tracker_of

    with err.status("MLflow …"):
        count = tracker_of(session).prune(session.policy.operations.tracking_days, datetime.now(UTC))
    if as_json:
        print_json({"deleted": count})
    else:
        out.print(f"deleted {count} runs", highlight=False)
