"""Tables and lines of the loop's commands, 80 columns wide."""

from collections.abc import Iterator, Sequence
from textwrap import shorten
from typing import Any, Final

from rich.console import RenderableType
from rich.rule import Rule

from forex_assets.cli.render import price_table
from forex_assets.cli.starting_price import starting_price_words
from forex_assets.cli.tables import (
    MISSING,
    Column,
    band,
    banner,
    ends,
    estimate,
    facts,
    figures,
    fixed,
    gains,
    interval,
    moment,
    price,
    table,
    when,
    whole,
    yes_no,
)

SHOWN_CANDIDATES: Final = 8
SHOWN_WORDS: Final = 90
"""Characters of an event's words in the history; `explain` has all."""

DASHBOARD_WORDS: Final = 200
"""Characters of a verdict or reason on the dashboard."""


def outcomes(runs: Sequence[dict[str, Any]], *, is_rehearsal: bool, is_sample: bool) -> Iterator[RenderableType]:
    """Result of a run: a line a horizon, then reasons."""
    if is_sample:
        yield banner()
    if is_rehearsal:
        yield "Dry run: on a copy that is gone again; nothing was written."
    for run in runs:
        yield f"{run['horizon']}: {_outcome(run)}"
        yield from (f"  {words}" for words in _reasons(run))
    yield "Every figure: forex-assets explain"


def _outcome(run: dict[str, Any]) -> str:
    """The result in a few words."""
    if run.get("failure"):
        return f"failed: {run['failure']}"
    decision, validation, deployment = run["decision"], run["validation"], run["deployment"]
    if not run.get("is_searched"):
        return "no search; the current settings stay"
    if not validation or (decision and decision.get("fires") and _is_older(validation, decision)):
        return "searched; not validated"
    if validation.get("verdict") != "approved":
        return f"searched, {validation.get('verdict')}; the current settings stay"
    if deployment and deployment.get("validation_id") == _first(validation, "validation_id"):
        return f"approved, {deployment['state']}"
    return "approved, not deployed"


def _reasons(run: dict[str, Any]) -> list[str]:
    """Words of decision, search, validation and a refusal."""
    decision, validation, deployment = run["decision"], run["validation"], run["deployment"]
    if not decision:
        return []
    parts = [decision]
    if decision.get("fires"):
        parts += [part for part in (run["search"], validation) if part and not _is_older(part, decision)]
    words = [str(part["words"]) for part in parts if part.get("words")]
    if deployment and validation and deployment.get("validation_id") == _first(validation, "validation_id"):
        words += [f"not deployed: {deployment['reason']}"] if deployment["state"] != "deployed" else []
    return words


def explanation(records: Sequence[dict[str, Any]], *, is_sample: bool) -> Iterator[RenderableType]:
    """Everything known of each horizon, in the loop's order."""
    if is_sample:
        yield banner()
    for record in records:
        yield Rule(record["horizon"], align="left", style="bold")
        yield _settings(record["config"], record["config_fault"])
        yield from _decision(record["decision"])
        yield from _search(record["search"])
        yield from validation(record["horizon"], record["validation"])
        yield from deployment(record["deployment"])
        yield f"Watch: {record['watch']['words'] if record['watch'] else 'none'}"


def _settings(config: dict[str, Any] | None, fault: str | None) -> str:
    if fault or config is None:
        return f"Current settings: {fault or 'none yet; forex-assets run --force searches some'}"
    fields = ("context_length", "num_samples", "temperature", "representation")
    settings = ", ".join(f"{name} {MISSING if config[name] is None else config[name]}" for name in fields)
    return f"Current settings: {config['fingerprint']} ({config['model']}; {settings})"


def _decision(part: dict[str, Any] | None) -> Iterator[RenderableType]:
    """Whether to search, rule by rule."""
    if part is None:
        yield "Decision: none yet; forex-assets optimize decide"
        return
    yield f"Decision of {moment(part['at'])}: {part['words']}"
    results = {"published": "literal", "calibrated": "calibrated", "counts": "counts"}
    rules = [Column(head, name, yes_no) for head, name in results.items()]
    yield table(part["rows"], [Column("rule", "rule"), *_limits(), *rules])


def _search(part: dict[str, Any] | None) -> Iterator[RenderableType]:
    """Candidates, best first."""
    if part is None:
        yield "Search: none yet; forex-assets run --force"
        return
    yield f"Search of {moment(part['at'])}: {part['words']}"
    candidates = shown_candidates(part["rows"])
    hidden = len(part["rows"]) - len(candidates)
    yield table(
        candidates,
        [
            Column("rank", "rank", whole),
            Column("context", "context_length", whole),
            Column("samples", "num_samples", whole),
            Column("temp.", "temperature", fixed(2)),
            Column("loss", "loss", fixed(4)),
            Column("gain, %", estimate("gain"), gains),
            Column("", lambda row: ", ".join(n for n in ("incumbent", "chosen") if row[f"is_{n}"]) or " "),
        ],
        caption=f"{hidden} more: explain --json" if hidden > 0 else "",
    )


def shown_candidates(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The best candidates, and always the current settings and the chosen."""
    return [
        row for place, row in enumerate(rows) if place < SHOWN_CANDIDATES or row["is_incumbent"] or row["is_chosen"]
    ]


def validation(horizon: str, part: dict[str, Any] | None) -> Iterator[RenderableType]:
    """The five criteria."""
    if part is None:
        yield f"Validation of {horizon}: none yet; forex-assets run --force"
        return
    yield f"Validation of {horizon}, {moment(part['at'])}: {part.get('verdict')}. {part['words']}"
    yield table(
        part["rows"],
        [
            Column("criterion", "criterion"),
            *_limits(),
            Column("95 % interval", ends("low", "high"), interval(figures)),
            Column("published", lambda row: {True: "passed", False: "failed"}.get(row["literal"])),
            Column("calibrated", "calibrated"),
        ],
    )


def deployment(record: dict[str, Any] | None) -> Iterator[RenderableType]:
    """The newest deployment or rollback."""
    if record is None:
        yield "Deployment: none yet"
        return
    change = f"{record['from_fingerprint'] or 'nothing'} → {record['to_fingerprint']}"
    yield f"{record['kind'].capitalize()} of {_change(record)} ({change})"
    yield f"  backup {record['backup'] or 'none'}; git: {record['git']} {record['git_words']}".rstrip()


def _change(record: dict[str, Any], length: int = 10_000) -> str:
    """When, by whom, with which result and why settings changed."""
    return f"{moment(record['at'])} by {record['by']}: {record['state']}. {shorten(record['reason'], length)}"


def history(entries: Sequence[dict[str, Any]], *, has_words: bool = True) -> RenderableType:
    """Events, newest first."""
    if not entries:
        return "No search, verdict or change yet: forex-assets run"
    columns = [
        Column("at (Santiago)", "at", when),
        Column("horizon", "horizon"),
        Column("what", "what"),
        Column("outcome", "outcome", wraps=True),
    ]
    words = Column("words", lambda entry: shorten(entry["words"], SHOWN_WORDS), wraps=True)
    return table(entries, [*columns, words] if has_words else columns)


def dashboard(record: dict[str, Any]) -> Iterator[RenderableType]:
    """Prices, a panel a horizon, the last events."""
    if record["is_sample"]:
        yield banner()
    yield f"USD/CLP at {moment(record['clock'])} in Santiago"
    yield price_table(record["prices"])
    yield starting_price_words(record["starting_price"])
    for horizon in record["horizons"]:
        yield facts(_glance(horizon), horizon["horizon"])
    yield history(record["history"], has_words=False)


def _glance(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Lines of one horizon's panel."""
    config, verdict, change = record["config"], record["validation"], record["deployment"]
    yield "fan", _fan(record["forecast"])
    yield "record", _record(record["skill"])
    yield "settings", record["config_fault"] or f"{config['fingerprint'] if config else 'none yet'}, {_age(record)}"
    decision = record["decision"]
    yield "decision", str(decision.get("words")) if decision else "none yet: forex-assets optimize decide"
    words = shorten(f"{verdict.get('verdict')}: {verdict.get('words')}", DASHBOARD_WORDS) if verdict else "none yet"
    yield "verdict", words
    yield "change", f"{change['kind']} of {_change(change, SHOWN_WORDS)}" if change else "none yet"
    yield "watch", str(record["watch"]["words"]) if record["watch"] else "none"


def _fan(forecast: dict[str, Any]) -> str:
    if forecast["fault"]:
        return "damaged: see below"
    if forecast["as_of"] is None:
        return "missing: forex-assets forecast"
    stale = f"; stale, {forecast['age_in_sessions']} sessions old" if forecast["is_stale"] else ""
    bounds = band(forecast["low_95"], forecast["high_95"])
    source = f"{forecast['engine']}: {forecast['model']}"
    return f"to {forecast['target_date']}: median {price(forecast['median'])}, 95 % {bounds} ({source}){stale}"


def _record(skill: dict[str, Any] | None) -> str:
    """Skill against the benchmarks with intervals, and coverage."""
    if skill is None:
        return "nothing has come true yet"
    rmse, crps = (Column("", estimate(name), gains).cells([skill])[0] for name in ("rmse_skill", "crps_skill"))
    inside = f"{100 * skill['coverage_80']:.0f}/{100 * skill['coverage_95']:.0f}"
    worth = MISSING if skill["n_effective"] is None else format(skill["n_effective"], ".0f")
    return (
        f"{skill['n']} {skill['record']} ({worth} independent): skill % RMSE {rmse}, CRPS {crps}; "
        f"inside 80/95 %: {inside}"
    )


def _age(record: dict[str, Any]) -> str:
    """Age of the settings by their last search."""
    searching = ", searching now" if record["is_searching"] else ""
    waiting = f", {len(record['requests'])} requested" if record["requests"] else ""
    age = "never searched" if record["age_days"] is None else f"searched {record['age_days']} days ago"
    return f"{age}{searching}{waiting}"


def _limits() -> list[Column]:
    return [Column("value", "value", figures), Column("limit", "limit", figures)]


def _is_older(part: dict[str, Any], decision: dict[str, Any]) -> bool:
    """Whether a part is of an earlier occasion than the decision."""
    return bool(part["at"] < decision["at"])


def _first(part: dict[str, Any], column: str) -> Any:
    return part["rows"][0][column] if part["rows"] else None
