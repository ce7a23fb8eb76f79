"""Questions to the stored fans: odds, averages, comparison of fans."""

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from forex_assets.cli.common import (
    BAD_USAGE,
    DESK,
    AsCsv,
    AsJson,
    AsOf,
    app,
    fail,
    horizons_of,
    reported,
    session_of,
)

if TYPE_CHECKING:
    from forex_assets.core.session import Session
    from forex_assets.desk.outlook import DayLaw, Outlook

TARGETS = ("price", "observado")
Target = Annotated[str, typer.Option("--target", metavar="price|observado", help="Market close, or dólar observado.")]


@app.command(
    rich_help_panel=DESK,
    epilog="Examples:  forex-assets odds 1000 --by 2026-03-31  ·  odds 950 1000 --by 30d  ·  odds --table --json",
)
@reported
def odds(
    levels: Annotated[list[float] | None, typer.Argument(metavar="LEVEL", help="Levels, CLP per USD.")] = None,
    by: Annotated[
        list[str] | None, typer.Option("--by", metavar="DATE|7d|15d|30d|90d", help="Date; may be repeated.")
    ] = None,
    is_table: Annotated[bool, typer.Option("--table", help="Round levels around the price.")] = False,
    target: Target = "price",
    as_of: AsOf = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the chance of ending above a level, or touching it.

    Reads the latest stored fans. Without --by, at each fan's last date. The session before a weekend or holiday counts.
    """
    target_of(target)
    if not levels and not is_table:
        fail("give a level, such as `forex-assets odds 1000`, or --table", BAD_USAGE)
    if levels and is_table:
        fail("give levels or --table, not both", BAD_USAGE)
    session = session_of(as_of)
    from forex_assets.cli.render_desk import show
    from forex_assets.desk.answers import odds_answer, with_events
    from forex_assets.desk.configs_store import read_events
    from forex_assets.desk.outlook_store import read_outlook

    outlook = read_outlook(session)
    days = days_of_question(session, outlook, by, target)
    answer = with_events(odds_answer(outlook, days, levels, is_observado=target == "observado"), read_events(session))
    show(answer, as_json=as_json, as_csv=as_csv)


@app.command(
    rich_help_panel=DESK, epilog="Examples:  forex-assets average --month 2026-03  ·  average --sessions 20 --json"
)
@reported
def average(
    month: Annotated[str | None, typer.Option("--month", metavar="YYYY-MM", help="Month of observados.")] = None,
    sessions: Annotated[int | None, typer.Option("--sessions", min=1, max=64, help="Coming closes instead.")] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show where the month's average observado may end.

    Observados that are published count as they are; without --month, the current one. With --sessions, the mean of the
    next closes.
    """
    if month and sessions:
        fail("give --month or --sessions, not both", BAD_USAGE)
    session = session_of(as_of)
    first = month_of(month) if month else session.today.replace(day=1)
    from forex_assets.cli.render_desk import show
    from forex_assets.desk.answers import average_answer, closes_answer
    from forex_assets.desk.drivers_store import stored_fixings
    from forex_assets.desk.outlook_store import read_outlook

    outlook = read_outlook(session)
    answer = closes_answer(outlook, sessions) if sessions else average_answer(outlook, stored_fixings(session), first)
    show(answer, as_json=as_json, as_csv=as_csv)


@app.command(
    name="compare-fans",
    rich_help_panel=DESK,
    epilog="Examples:  forex-assets compare-fans  ·  compare-fans --horizon 30d --days 1  ·  compare-fans --json",
)
@reported
def compare_fans(
    horizon: Annotated[str, typer.Option(metavar="7d|15d|30d|90d|all", help="Which horizon.")] = "all",
    days: Annotated[int, typer.Option("--days", min=1, max=365, help="Age of the fan to compare with.")] = 7,
    as_of: AsOf = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show today's fan beside last week's, and what moved it."""
    horizons = horizons_of(horizon)
    session = session_of(as_of)
    from forex_assets.cli.render_desk import show
    from forex_assets.desk.comparison_store import comparison_answer

    show(comparison_answer(session, horizons, days), as_json=as_json, as_csv=as_csv)


def target_of(text: str) -> None:
    """Refuses an unknown target."""
    if text not in TARGETS:
        fail(f"--target {text}: there are {', '.join(TARGETS)}", BAD_USAGE)


def days_of_question(session: "Session", outlook: "Outlook", by: list[str] | None, target: str) -> "list[DayLaw]":
    """Returns the distribution on each date asked."""
    from forex_assets.core.horizon import HORIZON_DAYS

    asked = by or list(outlook.fans)
    at = law_at(session, outlook, target)
    laws = []
    for text in asked:
        if text in HORIZON_DAYS:
            laws.append(at(outlook.target(text).session))
        else:
            laws.append(at(date_of("--by", text)))
    return laws


def law_at(session: "Session", outlook: "Outlook", target: str) -> "Callable[[date], DayLaw]":
    """Returns the function from a date to its distribution."""
    if target == "price":
        return outlook.at
    from forex_assets.desk.drivers_store import stored_fixings
    from forex_assets.desk.observado import observado_on

    fixings = stored_fixings(session)
    return lambda day: observado_on(outlook, fixings, day)


def date_of(option: str, text: str) -> date:
    """Reads a date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"{option} {text}: no date and no horizon; write it as 2026-03-31, or 7d, 15d, 30d, 90d", BAD_USAGE)
        raise


def month_of(text: str) -> date:
    """Reads a month."""
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        fail(f"--month {text}: no month; write it as 2026-03", BAD_USAGE)
        raise


def percent_of(option: str, text: str) -> float:
    """Reads a move such as -10%, as a share."""
    try:
        return float(text.strip().removesuffix("%").strip()) / 100
    except ValueError:
        fail(f"{option} {text}: no move; write it as -10%", BAD_USAGE)
        raise


def numbers_of(option: str, text: str, low: float, high: float) -> list[float]:
    """Reads numbers with commas between them."""
    values: list[float] = []
    for part in text.split(","):
        try:
            value = float(part.strip().removesuffix("%"))
        except ValueError:
            fail(f"{option} {text}: {part.strip()!r} is no number; write {option} 0,50,100", BAD_USAGE)
            raise
        if not low <= value <= high:
            fail(f"{option} {text}: {value:g} is not between {low:g} and {high:g}", BAD_USAGE)
        values.append(value)
    return values
