"""Draws the dashboard's records: 80 columns, plain when piped."""

from textwrap import shorten
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from forex_assets.cli.render import band, price
from forex_assets.cli.render_loop import COLOURS, share
from forex_assets.core.schemas import SAMPLE_SOURCE

SHOWN_WORDS: Final = 200
"""Characters shown of a verdict or reason.

`explain` shows all.
"""


def drawn(record: dict[str, Any]) -> RenderableType:
    """The whole."""
    parts: list[RenderableType] = []
    if record["is_sample"]:
        parts.append(Panel(f"[bold red]{SAMPLE_SOURCE}[/]", border_style="red", expand=False))
    parts.append(Text(f"USD/CLP at {record['clock'][:16].replace('T', ' ')} UTC"))
    parts.append(_prices(record["prices"]))
    parts += [_horizon(each) for each in record["horizons"]]
    parts.append(_history(record["history"]))
    return Group(*parts)


def _prices(prices: list[dict[str, Any]]) -> Table:
    """Prices that the forecasts rest on, and their age."""
    table = Table("prices", "last session", "value", "age (sessions)")
    for each in prices:
        age = "missing" if each["age_in_sessions"] is None else str(each["age_in_sessions"])
        value = "–" if each["last"] is None else f"{each['last']:.4g}"
        table.add_row(
            each["table"],
            each["last_session"] or "none",
            value,
            f"[yellow]{age}, stale[/]" if each["is_stale"] else age,
        )
    return table


def _horizon(each: dict[str, Any]) -> Panel:
    """One horizon: a line for each thing that is asked first."""
    lines = Table.grid(padding=(0, 1))
    lines.add_column(no_wrap=True, style="bold")
    lines.add_column(overflow="fold")
    for name, words in (
        ("fan", _fan(each["forecast"])),
        ("record", _record(each["skill"])),
        ("live", f"{_live(each)}, {_age(each)}"),
        ("decision", _part(each["decision"], "never decided: forex-assets optimize decide")),
        ("verdict", _verdict(each["validation"])),
        ("change", _change(each["deployment"])),
        ("watch", escape(str(each["watch"]["words"])) if each["watch"] else "none"),
    ):
        lines.add_row(name, words)
    return Panel(lines, title=each["horizon"], title_align="left")


def _live(each: dict[str, Any]) -> str:
    if each["config_fault"]:
        return f"[red]{escape(each['config_fault'])}[/]"
    return str(each["config"]["fingerprint"]) if each["config"] else "no config yet"


def _fan(forecast: dict[str, Any]) -> str:
    if forecast["as_of"] is None:
        return "[yellow]none yet[/]: forex-assets forecast"
    bounds = band(forecast["low_95"], forecast["high_95"])
    stale = f", [yellow]{forecast['age_in_sessions']} sessions old[/]" if forecast["is_stale"] else ""
    made = f"{forecast['engine']}: {escape(forecast['model'])}"
    return f"to {forecast['target_date']}: median {price(forecast['median'])}, 95 % {bounds} ({made}){stale}"


def _record(skill: dict[str, Any] | None) -> str:
    """Skill against the walks with intervals, and coverage."""
    if skill is None:
        return "nothing has come true yet"
    rmse = share(skill["rmse_skill"], skill["rmse_skill_low"], skill["rmse_skill_high"])
    crps = share(skill["crps_skill"], skill["crps_skill_low"], skill["crps_skill_high"])
    inside = f"{100 * skill['coverage_80']:.0f}/{100 * skill['coverage_95']:.0f}"
    return (
        f"{skill['n']} {skill['record']} ({skill['n_effective']:.0f} independent): skill % RMSE {rmse}, CRPS {crps}; "
        f"inside 80/95 %: {inside}"
    )


def _age(each: dict[str, Any]) -> str:
    """How old the settings are by their last search."""
    searching = ", searching now" if each["is_searching"] else ""
    waiting = f", {len(each['requests'])} asked for" if each["requests"] else ""
    age = "never searched" if each["age_days"] is None else f"searched {each['age_days']} days ago"
    return f"{age}{searching}{waiting}"


def _part(part: dict[str, Any] | None, missing: str) -> str:
    return missing if part is None else escape(str(part.get("words")))


def _verdict(part: dict[str, Any] | None) -> str:
    if part is None:
        return "none yet"
    colour = COLOURS.get(str(part.get("verdict")), "yellow")
    return f"[{colour}]{part.get('verdict')}[/]: {escape(shorten(str(part.get('words')), SHOWN_WORDS))}"


def _change(record: dict[str, Any] | None) -> str:
    if record is None:
        return "never"
    when, reason = record["at"][:16].replace("T", " "), escape(shorten(record["reason"], SHOWN_WORDS))
    return f"{when} UTC {record['kind']}, {record['state']} by {escape(record['by'])}: {reason}"


def _history(entries: list[dict[str, Any]]) -> RenderableType:
    if not entries:
        return Text("No search, verdict or change yet: forex-assets run")
    table = Table("at, UTC", "horizon", "what", "outcome")
    for each in entries:
        table.add_row(each["at"][:16].replace("T", " "), each["horizon"], each["what"], escape(each["outcome"]))
    return table
