"""Answers: rows for people and programs, with the facts behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from forex_assets.desk.averages import mean_of_closes
from forex_assets.desk.events import Events
from forex_assets.desk.law import PriceLaw
from forex_assets.desk.observado import Fixings, month_average
from forex_assets.desk.odds import Odds, odds, round_levels
from forex_assets.desk.outlook import Basis, DayLaw, Outlook
from forex_assets.desk.touches import highest_close, lowest_close

Row = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """Answer to one question.

    Attributes:
        title: of the table.
        rows: numbers by column name; shares from 0 to 1, prices in CLP per USD.
        basis: price, age, model, past errors, kind of data.
        notes: sentences for people.
        more: further tables by name.
    """

    title: str
    rows: Sequence[Row]
    basis: Basis
    notes: Sequence[str] = ()
    more: Mapping[str, Sequence[Row]] | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns the answer for programs."""
        return {"basis": self.basis.facts(), "rows": list(self.rows), **(self.more or {}), "notes": list(self.notes)}

    def flat_rows(self) -> list[Row]:
        """Returns rows and totals with the facts behind them, for CSV.

        Columns that a row lacks are None.
        """
        rows = [*self.rows, *(self.more or {}).get("totals", ())]
        columns = dict.fromkeys(name for row in rows for name in row)
        return [{**columns, **row, **self.basis.facts()} for row in rows]


def rounded(value: float, digits: int = 4) -> float:
    """Rounds without a negative zero."""
    return round(float(value), digits) + 0.0


def read_from(day: DayLaw) -> str:
    """Says which fans a date is read from."""
    if day.reading == "issued":
        return f"{day.session}: the observado's own issued fan, {day.horizons[0]}"
    if day.reading == "formula":
        return f"{day.session}: no fan of this observado is issued; by formula, width from {' and '.join(day.horizons)}"
    if len(day.horizons) == 1:
        return f"{day.session}: the {day.horizons[0]} fan's own row"
    return f"{day.session}: interpolated between the {day.horizons[0]} and {day.horizons[1]} fans' target dates"


def odds_row(result: Odds, *, is_observado: bool = False) -> Row:
    """Returns one level's chances as a row."""
    return {
        "level": result.level,
        "date": result.day.asked.isoformat(),
        "session": result.day.session.isoformat(),
        "sessions": result.day.sessions,
        "above": rounded(result.above),
        "below": rounded(result.below),
        "touch": None if is_observado else rounded(result.touch),
    }


def odds_answer(
    outlook: Outlook, days: Sequence[DayLaw], levels: Sequence[float] | None = None, *, is_observado: bool = False
) -> Answer:
    """Answers: above each level at each date, and touched by it.

    Args:
        levels: CLP per USD; None takes round levels around the price.
        is_observado: the days are of the dólar observado, whose touches no rule covers.
    """
    rows = [
        odds_row(result, is_observado=is_observado)
        for day in days
        for result in odds(outlook, levels or round_levels(day), day)
    ]
    reads = "; ".join(read_from(day) for day in days) + "."
    if is_observado:
        return Answer("Chances of the dólar observado", rows, outlook.basis(*days), [reads])
    words = "above and below: the close on the date. touch: some close reaches the level by then."
    more = {"extremes": [extremes_row(outlook, day) for day in days]}
    return Answer("Chances of the dollar's close", rows, outlook.basis(*days), [words, reads], more)


def extremes_row(outlook: Outlook, day: DayLaw) -> Row:
    """Returns 90 % bounds of the highest and lowest close."""
    price, sd, h = outlook.price, outlook.sd, day.sessions
    return {
        "date": day.asked.isoformat(),
        "sessions": h,
        "lowest_p10": rounded(lowest_close(price, sd, h, 0.1), 2),
        "highest_p90": rounded(highest_close(price, sd, h, 0.9), 2),
    }


def with_events(answer: Answer, events: Events) -> Answer:
    """Adds the policy meetings up to the last date of the answer."""
    last = max(date.fromisoformat(str(row["session"])) for row in answer.rows)
    words = events.words(answer.basis.price_session, last)
    return replace(answer, notes=[*answer.notes, *([words] if words else [])])


def average_answer(outlook: Outlook, fixings: Fixings, month: date) -> Answer:
    """Answers: where a month's average observado may end."""
    result = month_average(outlook, fixings, month)
    known = f"{result.known} observado{_are(result.known)} published"
    known += f", mean {result.known_mean:,.2f}" if result.known_mean is not None else ""
    issued = "Centres and widths of the observado's own issued fans; days correlated as averages of one walk."
    formula = "By formula, since not every coming observado has an issued fan: log-normal, EWMA(.97) volatility; "
    notes = [
        f"{known}; {result.unknown} {'is' if result.unknown == 1 else 'are'} to come.",
        issued if result.reading == "issued" else f"{formula}not corrected by past errors.",
    ]
    if not fixings.values:
        notes.append("No observado is stored: tomorrow's starts from the price.")
    row = law_row(f"average of {month:%Y-%m}", None, result.law)
    row |= {"published": result.known, "to_come": result.unknown}
    basis = _uncorrected(outlook)
    if result.reading == "issued":
        basis = replace(outlook.basis(), past_errors=result.past_errors)
    return Answer(f"Average dólar observado of {month:%Y-%m}", [row], basis, notes)


def _are(count: int) -> str:
    """Ending of a noun and its verb."""
    return " is" if count == 1 else "s are"


def closes_answer(outlook: Outlook, sessions: int) -> Answer:
    """Answers: the mean of the next closes."""
    row = law_row(f"mean of the next {sessions} closes", None, mean_of_closes(outlook.price, outlook.sd, sessions))
    note = "Log-normal, EWMA(.97) volatility; not corrected by past errors."
    return Answer(f"Mean of the next {sessions} closes", [row], _uncorrected(outlook), [note])


def _uncorrected(outlook: Outlook) -> Basis:
    """Facts of an answer that uses price and volatility alone."""
    return replace(outlook.basis(), model="random walk, EWMA(.97) volatility", past_errors=0)


def law_row(what: str, day: date | None, law: PriceLaw) -> Row:
    """Returns a distribution's median and bands as a row."""
    return {
        "what": what,
        "date": None if day is None else day.isoformat(),
        "median": rounded(law.median, 2),
        **{f"p{100 * p:04.1f}".replace(".", "_"): rounded(law.quantile(p), 2) for p in (0.025, 0.1, 0.9, 0.975)},
    }
