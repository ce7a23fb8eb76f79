"""Exposure answers: each flow, and totals by hedged share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from forex_assets.desk.answers import Answer, Row, rounded
from forex_assets.desk.exposure import Pesos, joint_prices, pesos_of
from forex_assets.desk.flows import Flow
from forex_assets.desk.forwards import days_to, forward_rate
from forex_assets.desk.outlook import DayLaw, Outlook, QuestionError


@dataclass(frozen=True)
class Rates:
    """Simple yearly rates of pesos and dollars; .05 is 5 %.

    Attributes:
        peso: interest in pesos.
        dollar: interest in dollars.
        words: where they come from.
    """

    peso: float
    dollar: float
    words: str


def exposure_answer(
    outlook: Outlook,
    flows: Sequence[Flow],
    law_at: Callable[[date], DayLaw],
    *,
    rates: Rates | None,
    missing_rates: str = "",
    budget_rate: float | None = None,
    hedges: Sequence[float] = (),
) -> Answer:
    """Answers: pesos of the flows, at the median and the percentiles.

    Args:
        law_at: distribution on a date, of the close or of the observado.
        rates: for forwards; None if unknown.
        missing_rates: what to do about unknown rates, for the message.
        budget_rate: CLP per USD.
        hedges: shares of every flow to compare, 0 to 1.

    Raises:
        QuestionError: a date without a fan, by line, or a hedge without rates.
    """
    laws = _laws(flows, law_at)
    needs_forward = any(hedges) or any(flow.hedged and flow.hedge_rate is None for flow in flows)
    if needs_forward and rates is None:
        raise QuestionError(f"a hedge at the forward needs interest rates: {missing_rates}")
    spot_day = outlook.basis().price_session
    forwards = None
    if rates is not None:
        days = {flow.day for flow in flows}
        forwards = {d: forward_rate(outlook.price, rates.peso, rates.dollar, days_to(spot_day, d)) for d in days}
    joint = joint_prices(list(laws.values()))
    rows = [_flow_row(flow) | _pesos_row(pesos_of([flow], joint, forwards, budget_rate=budget_rate)) for flow in flows]
    if forwards is not None:
        for row, flow in zip(rows, flows, strict=True):
            row["forward"] = rounded(forwards[flow.day], 2)
    totals = [{"hedged": "as in the file"} | _pesos_row(pesos_of(flows, joint, forwards, budget_rate=budget_rate))]
    for share in hedges:
        total = pesos_of(flows, joint, forwards, budget_rate=budget_rate, hedged=share)
        totals.append({"hedged": f"{100 * share:g} %"} | _pesos_row(total))
    notes = [
        "Dollars received are positive pesos, dollars paid negative; p05 is the bad side of both.",
        "Cash-flow-at-risk is the median less p05. The total is of one joint distribution over all dates.",
        "No hedge rule that was tried is proved to pay; this is no advice.",
    ]
    fixings = [law.reading for law in laws.values() if law.reading != "close"]
    if fixings:
        issued = fixings.count("issued")
        others = "" if issued == len(fixings) else ", the others by formula from the peso's"
        notes.append(f"Settled on the dólar observado: {issued} of {len(fixings)} dates from its issued fans{others}.")
    if rates is not None:
        notes.append(
            f"Forward: {100 * rates.peso:.2f} % a year in pesos, {100 * rates.dollar:.2f} % in dollars; {rates.words}."
        )
    return Answer("Each flow, millions of CLP", rows, outlook.basis(*laws.values()), notes, {"totals": totals})


def _laws(flows: Sequence[Flow], law_at: Callable[[date], DayLaw]) -> dict[date, DayLaw]:
    """Returns the distribution on each date; names lines without one."""
    laws, faults = dict[date, DayLaw](), list[str]()
    for flow in flows:
        if flow.day not in laws:
            try:
                laws[flow.day] = law_at(flow.day)
            except QuestionError as error:
                faults.append(f"line {flow.line}, column date: {error}")
    if faults:
        raise QuestionError("\n".join(faults))
    return laws


def _flow_row(flow: Flow) -> Row:
    return {
        "line": flow.line,
        "date": flow.day.isoformat(),
        "account": flow.account,
        "direction": flow.direction,
        "amount_usd": flow.amount,
        "hedged_percent": rounded(100 * flow.hedged),
        "forward": None,
    }


def _pesos_row(pesos: Pesos) -> Row:
    """Whole pesos; chances with four digits."""
    row: Row = {
        "p05": round(pesos.p05),
        "median": round(pesos.median),
        "p95": round(pesos.p95),
        "at_risk": round(pesos.at_risk),
    }
    if pesos.budget is not None:
        row |= {
            "budget": round(pesos.budget),
            "breach": rounded(pesos.breach or 0.0),
            "breach_size": round(pesos.breach_size or 0.0),
        }
    return row
