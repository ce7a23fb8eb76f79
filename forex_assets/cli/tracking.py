"""Commands on MLflow runs: list, compare, best, stats, upkeep."""

from itertools import groupby
from statistics import fmean
from typing import Annotated, Any, Final

import typer

from forex_assets.cli.common import (
    BAD_USAGE,
    FAILED,
    OPERATIONS,
    AsJson,
    Horizon,
    answer,
    app,
    err,
    fail,
    horizons_of,
    reported,
    session_of,
)

tracking_app = typer.Typer(no_args_is_help=True, help="Repair or prune MLflow's records.")
app.add_typer(tracking_app, name="tracking", rich_help_panel=OPERATIONS)

KINDS: Final = ("forecast", "search", "validation", "deployment", "all")
NO_RUNS: Final = "none yet: forex-assets tracking repair"
OfKind = Annotated[str, typer.Option("--kind", metavar="|".join(KINDS), help="Kind of run.")]
Run = dict[str, Any]
"""`run`, `experiment`, `status`, `started_at`, `params`, `metrics`, `tags` of a recorded run."""


def _runs(kind: str, horizon: str) -> list[Run]:
    """Recorded runs of the market that is read, newest first."""
    horizons_of(horizon)
    if kind not in KINDS:
        fail(f"--kind {kind}: no such kind; there are {', '.join(KINDS)}", BAD_USAGE)
    session = session_of()
    from forex_assets.operations.tracking.resources import tracker_of

    with err.status("MLflow …"):
        tracked = tracker_of(session).runs("usdclp-sample/" if session.market == "sample" else "usdclp/")
    runs = []
    for run in tracked:
        _, of_kind, run_horizon = run.experiment.split("/")
        if kind in ("all", of_kind) and horizon in ("all", run_horizon):
            runs.append({
                "run": run.run_id,
                "experiment": run.experiment,
                "status": run.status,
                "started_at": run.started_at.isoformat(timespec="seconds"),
                "params": dict(run.params),
                "metrics": dict(run.metrics),
                "tags": dict(run.tags),
            })  # fmt: skip
    return runs


@app.command(
    rich_help_panel=OPERATIONS, epilog="Examples:  forex-assets runs  ·  runs --kind search --horizon 7d --json"
)
@reported
def runs(
    kind: OfKind = "all",
    horizon: Horizon = "all",
    limit: Annotated[int, typer.Option(min=1, help="Number of runs at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List recorded runs, newest first."""
    from forex_assets.cli.tables import Column, table, when

    records = _runs(kind, horizon)[:limit]
    columns = [
        Column("run", _name),
        Column("experiment", "experiment"),
        Column("status", "status"),
        Column("started (Santiago)", "started_at", when),
    ]
    answer(as_json, records, [table(records, columns)] if records else [NO_RUNS])


@app.command(
    rich_help_panel=OPERATIONS, epilog="Examples:  forex-assets compare 1a2b3c4d 5e6f7a8b  ·  compare RUN RUN --json"
)
@reported
def compare(
    names: Annotated[list[str], typer.Argument(metavar="RUN RUN…", help="Run ids, or their first letters.")],
    as_json: AsJson = False,
) -> None:
    """Show runs side by side; differences are marked."""
    from forex_assets.cli.tables import Column, table

    every = _runs("all", "all")
    chosen = [_only(name, every) for name in names]
    rows: list[dict[str, Any]] = []
    for part in ("params", "metrics"):
        for key in sorted({key for run in chosen for key in run[part]}):
            values = [run[part].get(key) for run in chosen]
            rows.append({"what": part, "name": key, "values": values, "differs": len(set(map(str, values))) > 1})
    columns = [
        Column("", lambda row: "≠" if row["differs"] else " "),
        Column("", "name"),
        *(Column(_name(run), _value(place), wraps=True) for place, run in enumerate(chosen)),
    ]
    record = {"runs": [run["run"] for run in chosen], "rows": rows}
    answer(as_json, record, [table(rows, columns, is_bold=lambda row: row["differs"])])


@app.command(
    rich_help_panel=OPERATIONS,
    epilog="Examples:  forex-assets best --metric loss --kind search  ·  best --metric gain --highest",
)
@reported
def best(
    metric: Annotated[str, typer.Option(help="Name of a figure, such as loss, gain, engine_seconds.")],
    kind: OfKind = "search",
    horizon: Horizon = "all",
    is_highest: Annotated[
        bool, typer.Option("--highest", help="Take the highest figure instead of the lowest.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the best run of each experiment by a figure.

    The best of many is partly luck: see `validate`.
    """
    from forex_assets.cli.tables import Column, figures, table, when

    records = _runs(kind, horizon)
    measured = [run for run in records if metric in run["metrics"]]
    if not measured:
        names = sorted({name for run in records for name in run["metrics"]})
        there = f"there are {', '.join(names)}" if names else "no run has figures"
        fail(f"--metric {metric}: no recorded run of kind {kind}, horizon {horizon} has it; {there}", BAD_USAGE)

    def figure(run: Run) -> float:
        return float(run["metrics"][metric])

    chosen = [(max if is_highest else min)(members, key=figure) for _, members in _experiments(measured)]
    columns = [
        Column("experiment", "experiment"),
        Column(metric, figure, figures),
        Column("run", _name),
        Column("started (Santiago)", "started_at", when),
    ]
    answer(as_json, chosen, [table(chosen, columns)])


@app.command(rich_help_panel=OPERATIONS, epilog="Examples:  forex-assets stats  ·  stats --kind forecast --json")
@reported
def stats(kind: OfKind = "all", horizon: Horizon = "all", as_json: AsJson = False) -> None:
    """Show number, failures and mean figures of each experiment."""
    from forex_assets.cli.tables import Column, table, whole

    rows = []
    for name, members in _experiments(_runs(kind, horizon)):
        metrics = sorted({key for run in members for key in run["metrics"]})
        means = {key: fmean(run["metrics"][key] for run in members if key in run["metrics"]) for key in metrics}
        failed = sum(run["status"] == "FAILED" for run in members)
        rows.append({"experiment": name, "runs": len(members), "failed": failed, "means": means})
    columns = [
        Column("experiment", "experiment"),
        Column("runs", "runs", whole),
        Column("failed", "failed", whole),
        Column("means", lambda row: ", ".join(f"{key} {value:.4g}" for key, value in row["means"].items()), wraps=True),
    ]
    answer(as_json, rows, [table(rows, columns)] if rows else [NO_RUNS])


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
    answer(as_json, {"sent": count, "closed": closed, "error": reason or None}, [f"sent {count}, closed {closed}"])
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
    answer(as_json, {"deleted": count}, [f"deleted {count} runs"])


def _name(run: Run) -> str:
    """Beginning of a run's name, for tables."""
    return str(run["run"][:8])


def _value(place: int) -> Any:
    """Row function: a run's parameter or figure."""

    def value(row: dict[str, Any]) -> str | None:
        figure = row["values"][place]
        return f"{figure:.5g}" if isinstance(figure, float) else None if figure is None else str(figure)

    return value


def _only(name: str, runs: list[Run]) -> Run:
    """The run whose name begins so; bad usage unless it is one."""
    matching = [run for run in runs if run["run"].startswith(name)]
    if len(matching) != 1:
        fail(f"{name}: names {len(matching)} runs, must name one; forex-assets runs lists them", BAD_USAGE)
    return matching[0]


def _experiments(runs: list[Run]) -> list[tuple[str, list[Run]]]:
    """Runs by experiment, sorted by name."""
    by_name = sorted(runs, key=lambda run: str(run["experiment"]))
    return [(name, list(members)) for name, members in groupby(by_name, key=lambda run: str(run["experiment"]))]
