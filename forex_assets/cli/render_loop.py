"""Tables of the loop, 80 columns wide."""

from collections.abc import Sequence
from textwrap import shorten
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from forex_assets.cli.render import banner

SHOWN_CANDIDATES: Final = 8
SHOWN_WORDS: Final = 90
"""Letters of an event's words in the history; `explain` has them all."""

COLOURS: Final = {"approved": "green", "deployed": "green", "rejected": "red", "failed": "red", "refused": "yellow"}


def outcomes(console: Console, found: Sequence[dict[str, Any]], *, is_rehearsal: bool, is_sample: bool) -> None:
    """Result of a run: a line a horizon, then reasons."""
    if is_sample:
        banner(console)
    if is_rehearsal:
        console.print("Dry run: on a copy that is gone again; nothing was written.", style="bold")
    for each in found:
        console.print(f"[bold]{each['horizon']}[/]: {escape(_outcome(each))}", highlight=False)
        for words in _reasons(each):
            console.print(f"  {escape(words)}", highlight=False)
    console.print("Every figure: forex-assets explain", highlight=False)


def _outcome(each: dict[str, Any]) -> str:
    """How it ended, in a few words."""
    if each.get("failure"):
        return f"failed: {each['failure']}"
    decision, validation, deployment = each["decision"], each["validation"], each["deployment"]
    if not each.get("is_searched"):
        return "no search; the current settings stay"
    if not validation or (decision and decision.get("fires") and _is_older(validation, decision)):
        return "searched; not validated"
    if validation.get("verdict") != "approved":
        return f"searched, {validation.get('verdict')}; the current settings stay"
    if deployment and deployment.get("validation_id") == _first(validation, "validation_id"):
        return f"approved, {deployment['state']}"
    return "approved, not deployed"


def _reasons(each: dict[str, Any]) -> list[str]:
    """The parts' own words, as far as the run came."""
    decision = each["decision"]
    if not decision:
        return []
    parts = [decision]
    if decision.get("fires"):
        parts += [part for part in (each["search"], each["validation"]) if part and not _is_older(part, decision)]
    words = [str(part["words"]) for part in parts if part.get("words")]
    deployment, report = each["deployment"], each["validation"]
    if deployment and report and deployment.get("validation_id") == _first(report, "validation_id"):
        words += [f"not deployed: {deployment['reason']}"] if deployment["state"] != "deployed" else []
    return words


def explanation(console: Console, found: Sequence[dict[str, Any]], *, is_sample: bool) -> None:
    """Everything known of each horizon, in the loop's order."""
    if is_sample:
        banner(console)
    for each in found:
        console.rule(f"[bold]{each['horizon']}", align="left")
        console.print(_live(each["config"], each["config_fault"]), highlight=False)
        decision(console, each["decision"])
        search(console, each["search"])
        validation(console, each["horizon"], each["validation"])
        deployment(console, each["deployment"])
        watch(console, each["watch"])


def _live(config: dict[str, Any] | None, fault: str | None) -> str:
    if fault:
        return f"Live: [red]{escape(fault)}[/]"
    if config is None:
        return "Live: no config yet; forex-assets run --force searches one"
    fields = ("context_length", "num_samples", "temperature", "representation")
    settings = ", ".join(f"{name} {config[name]}" for name in fields)
    return f"Live: {config['fingerprint']} ({escape(config['model'])}; {settings})"


def decision(console: Console, part: dict[str, Any] | None) -> None:
    """Whether to search, rule by rule."""
    if part is None:
        console.print("Decision: none yet; forex-assets optimize decide")
        return
    console.print(f"Decision of {_when(part)}: {escape(part['words'])}", highlight=False)
    table = Table("rule", "value", "limit", "published", "calibrated", "counts")
    for row in part["rows"]:
        verdicts = [_yes(row[name]) for name in ("literal", "calibrated", "counts")]
        table.add_row(row["rule"], _number(row["value"]), _number(row["limit"]), *verdicts)
    console.print(table)


def search(console: Console, part: dict[str, Any] | None) -> None:
    """Candidates, best first."""
    if part is None:
        console.print("Search: none yet; forex-assets run --force")
        return
    console.print(f"Search of {_when(part)}: {escape(part['words'])}", highlight=False)
    table = Table("rank", "context", "samples", "temp.", "loss", "gain, % (95 %)", "")
    for row in part["rows"][:SHOWN_CANDIDATES]:
        marks = [name for name in ("incumbent", "chosen") if row[f"is_{name}"]]
        settings = [_number(row[name]) for name in ("rank", "context_length", "num_samples", "temperature", "loss")]
        table.add_row(*settings, share(row["gain"], row["gain_low"], row["gain_high"]), ", ".join(marks))
    console.print(table)
    if len(part["rows"]) > SHOWN_CANDIDATES:
        console.print(f"{len(part['rows']) - SHOWN_CANDIDATES} more: explain --json")


def validation(console: Console, horizon: str, part: dict[str, Any] | None) -> None:
    """The five criteria."""
    if part is None:
        console.print(f"Validation of {horizon}: none yet; forex-assets run --force")
        return
    colour = COLOURS.get(str(part.get("verdict")), "yellow")
    console.print(
        f"Validation of {horizon}, {_when(part)}: [{colour}]{part.get('verdict')}[/]. {escape(part['words'])}",
        highlight=False,
    )
    table = Table("criterion", "value", "limit", "95 % interval", "published", "calibrated")
    for row in part["rows"]:
        interval = "–" if row["low"] is None else f"{_number(row['low'])} to {_number(row['high'])}"
        table.add_row(
            row["criterion"],
            _number(row["value"]),
            _number(row["limit"]),
            interval,
            _yes(row["literal"], "passed", "failed"),
            row["calibrated"],
        )
    console.print(table)


def deployment(console: Console, record: dict[str, Any] | None) -> None:
    """The newest deployment or rollback."""
    if record is None:
        console.print("Deployment: none yet")
        return
    colour = COLOURS.get(record["state"], "default")
    change = f"{record['from_fingerprint'] or 'nothing'} → {record['to_fingerprint']}"
    console.print(
        f"{record['kind'].capitalize()} of {record['at'][:16].replace('T', ' ')} UTC by {escape(record['by'])}: "
        f"[{colour}]{record['state']}[/], {change}. {escape(record['reason'])}",
        highlight=False,
    )
    console.print(f"  backup {record['backup'] or 'none'}; git: {record['git']} {escape(record['git_words'])}".rstrip())


def watch(console: Console, state: dict[str, Any] | None) -> None:
    """Observations of the watch."""
    console.print("Watch: none" if state is None else f"Watch: {escape(str(state['words']))}", highlight=False)


def history(console: Console, entries: Sequence[dict[str, Any]]) -> None:
    """Events, newest first."""
    if not entries:
        console.print("Nothing yet: forex-assets run")
        return
    table = Table("at, UTC", "horizon", "what", "outcome", "words")
    for each in entries:
        at = each["at"][:16].replace("T", " ")
        table.add_row(at, each["horizon"], each["what"], each["outcome"], escape(shorten(each["words"], SHOWN_WORDS)))
    console.print(table)


def _is_older(part: dict[str, Any], decision: dict[str, Any]) -> bool:
    """Whether a part is of an earlier occasion than the decision."""
    return bool(part["at"] < decision["at"])


def _first(part: dict[str, Any], column: str) -> Any:
    return part["rows"][0][column] if part["rows"] else None


def _when(part: dict[str, Any]) -> str:
    return f"{part['at'][:16].replace('T', ' ')} UTC"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def share(value: float | None, low: float | None, high: float | None) -> str:
    """A gain in per cent, with its interval."""
    if value is None:
        return "–"
    interval = "" if low is None or high is None else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
    return f"{100 * value:+.1f}{interval}"


def _yes(value: bool | None, yes: str = "yes", no: str = "no") -> str:
    return "–" if value is None else yes if value else no
