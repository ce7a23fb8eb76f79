"""The command that turns dollar flows into pesos."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forex_assets.cli.common import BAD_USAGE, DESK, AsCsv, AsJson, AsOf, app, fail, reported, session_of
from forex_assets.cli.desk import Target, law_at, numbers_of, target_of

if TYPE_CHECKING:
    from forex_assets.core.session import Session
    from forex_assets.desk.exposure_answer import Rates


@app.command(
    rich_help_panel=DESK,
    epilog="Examples:  forex-assets exposure --example > flows.csv  ·  exposure flows.csv --budget 930  ·  "
    "exposure flows.xlsx --hedge 0,50,100 --peso-rate 4.75 --dollar-rate 4.1 --excel out.xlsx",
)
@reported
def exposure(
    file: Annotated[Path | None, typer.Argument(metavar="FLOWS", help="CSV or Excel file of flows.")] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", min=100, max=10_000, help="Budget rate, CLP per USD.")
    ] = None,
    hedge: Annotated[
        str | None, typer.Option("--hedge", metavar="0,50,100", help="Hedged shares to compare, in per cent.")
    ] = None,
    peso_rate: Annotated[
        float | None, typer.Option("--peso-rate", min=-5, max=100, help="Yearly interest in pesos, per cent.")
    ] = None,
    dollar_rate: Annotated[
        float | None, typer.Option("--dollar-rate", min=-5, max=100, help="Yearly interest in dollars, per cent.")
    ] = None,
    is_example: Annotated[bool, typer.Option("--example", help="Print a template of the file.")] = False,
    excel: Annotated[
        Path | None, typer.Option("--excel", metavar="FILE", help="Also write the answer as an Excel workbook.")
    ] = None,
    target: Target = "price",
    as_of: AsOf = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the pesos of dollar flows: median, 5th and 95th percentile.

    Against a budget rate: chance and size of a breach. With --hedge: totals with these shares of each flow hedged at
    the forward. Reads the latest stored fans.
    """
    target_of(target)
    session = session_of(as_of)
    from forex_assets.desk.flows_file import EXCEL, example, read_flows, write_excel

    if is_example:
        typer.echo(example(session.today), nl=False)
        return
    if file is None:
        fail("give a file of flows; `forex-assets exposure --example` prints a template", BAD_USAGE)
        return
    if excel is not None and excel.suffix.lower() != EXCEL:
        fail(f"--excel {excel}: the name must end in {EXCEL}", BAD_USAGE)
    hedges = [share / 100 for share in numbers_of("--hedge", hedge, 0, 100)] if hedge else []
    from forex_assets.cli.render_desk import show
    from forex_assets.desk.exposure_answer import exposure_answer
    from forex_assets.desk.outlook_store import read_outlook

    flows, outlook = read_flows(file), read_outlook(session)
    rates, missing = rates_of(session, peso_rate, dollar_rate)
    answer = exposure_answer(
        outlook,
        flows,
        law_at(session, outlook, target),
        rates=rates,
        missing_rates=missing,
        budget_rate=budget,
        hedges=hedges,
    )
    if excel is not None:
        sheets = {"flows": answer.rows, **(answer.more or {})}
        write_excel(excel, sheets, [answer.basis.words(), *answer.notes])
    show(answer, as_json=as_json, as_csv=as_csv)


def rates_of(session: "Session", peso: float | None, dollar: float | None) -> "tuple[Rates | None, str]":
    """Returns typed or stored rates, or what is missing."""
    from forex_assets.desk.exposure_answer import Rates
    from forex_assets.desk.rates_store import stored_policy_rate

    stored = None if peso is not None else stored_policy_rate(session)
    lacking = [] if peso is not None or stored is not None else ["--peso-rate 4.75 (no policy rate is stored)"]
    lacking += [] if dollar is not None else ["--dollar-rate 4.1"]
    if lacking:
        return None, f"give {' and '.join(lacking)}"
    if peso is not None:
        return Rates(peso / 100, (dollar or 0.0) / 100, "both typed in"), ""
    assert stored is not None
    words = f"the policy rate of {stored.day} and a typed dollar rate"
    return Rates(stored.rate, (dollar or 0.0) / 100, words), ""
