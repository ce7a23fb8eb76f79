"""Scenario answers: the conditional band beside the fan's, with history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from forex_assets.desk.answers import Answer, Row, law_row, rounded
from forex_assets.desk.drivers import EPISODES, NAMES, Episode, JointPrices, episodes, log_moves, unusualness
from forex_assets.desk.law import PriceLaw
from forex_assets.desk.outlook import DayLaw, DeskError, Outlook
from forex_assets.desk.scenario import Conditional, fit
from forex_assets.desk.tables import SCENARIOS_SCHEMA

STANDARD: Final[tuple[Mapping[str, float], ...]] = (
    {"copper": -0.10}, {"copper": -0.05}, {"copper": 0.05}, {"copper": 0.10},
    {"dxy": -0.02}, {"dxy": 0.02}, {"brl": -0.05}, {"brl": 0.05},
)  # fmt: skip
"""Scenarios of the table `desk/scenarios`."""

UNUSUAL: Final = 0.95


@dataclass(frozen=True, eq=False)
class Scenario:
    """The price if drivers move.

    Attributes:
        moves: of each driver, shares.
        day: the fan's own answer.
        law: distribution given the moves.
        conditional: its regression.
        episodes: past stretches with such moves, newest first.
        unusualness: share of past stretches with smaller moves.
        copper: copper's market; empty if it is not asked.
    """

    moves: Mapping[str, float]
    day: DayLaw
    law: PriceLaw
    conditional: Conditional
    episodes: Sequence[Episode]
    unusualness: float
    copper: str


def scenario(outlook: Outlook, day: DayLaw, prices: JointPrices, moves: Mapping[str, float], copper: str) -> Scenario:
    """Answers: the price on a day if drivers move by then.

    Args:
        day: of the question.
        prices: joint prices of the peso and of these drivers, in the order of `moves`.
        copper: its market, for the caveats.

    Raises:
        QuestionError: a move that cannot be meant.
        DeskError: too few joint prices.
    """
    move = log_moves(moves)
    try:
        conditional = fit(prices.peso, prices.drivers).conditional(move, day.sessions)
    except ValueError as error:
        raise DeskError(f"no scenario: {error}") from None
    return Scenario(
        moves=moves,
        day=day,
        law=conditional.law(outlook.price),
        conditional=conditional,
        episodes=episodes(prices, move, day.sessions),
        unusualness=unusualness(prices, move, day.sessions),
        copper=copper if "copper" in moves else "",
    )


def scenario_answer(outlook: Outlook, result: Scenario) -> Answer:
    """Returns the scenario for people and programs."""
    rows = [law_row("if so", result.day.session, result.law), law_row("fan", result.day.session, result.day.law)]
    drivers = [
        {"driver": name, "move": rounded(result.moves[name]), "peso_per_1": rounded(beta)}
        for name, beta in zip(result.moves, result.conditional.betas, strict=True)
    ]
    history = [
        {
            "from": e.start.isoformat(),
            "to": e.end.isoformat(),
            **{n: rounded(m) for n, m in e.moves.items()},
            "dollar": rounded(e.peso),
        }
        for e in result.episodes[:EPISODES]
    ]
    more: dict[str, list[Row]] = {"drivers": drivers, "history": history}
    return Answer(title_of(result), rows, outlook.basis(result.day), caveats(result), more)


def title_of(result: Scenario) -> str:
    """Says the question."""
    moves = ", ".join(f"{NAMES[name]} {100 * move:+g} %" for name, move in result.moves.items())
    return f"The dollar on {result.day.session} if by then: {moves}"


def caveats(result: Scenario) -> list[str]:
    """Says how the answer may mislead."""
    count = len(result.episodes)
    if count:
        mean = 100 * float(np.mean([episode.peso for episode in result.episodes]))
        history = (
            f"Moves at least so large came in {count} separate past stretches; the dollar then moved {mean:+.1f} %."
        )
    else:
        history = "No past stretch has such moves: the answer extrapolates."
    notes = [
        "This is a condition, not a forecast of the drivers.",
        history,
        f"Width corrected by {result.conditional.correction:.2f} from {result.conditional.past} past dates.",
    ]
    if result.unusualness > UNUSUAL:
        notes.append(
            "Extreme scenarios understate the dollar's move: in the past it moved further than the regression says."
        )
    if result.copper == "COMEX":
        notes.append(
            "Copper is COMEX, which carried the tariff of 2025; London copper is not stored in sufficient length."
        )
    return notes


def scenarios_table(
    outlook: Outlook, peso: pl.DataFrame, drivers: Mapping[str, pl.DataFrame], horizons: Sequence[str], copper: str
) -> pl.DataFrame:
    """Returns the standard scenarios; drivers without prices are left out.

    Returns:
        `SCENARIOS_SCHEMA`.
    """
    from forex_assets.desk.drivers import joint_prices

    rows = []
    for horizon in horizons:
        day = outlook.target(horizon)
        basis = outlook.basis(day)
        for moves in STANDARD:
            try:
                result = scenario(outlook, day, joint_prices(peso, drivers, list(moves)), moves, copper)
            except DeskError:
                continue
            ((driver, move),) = moves.items()
            rows.append(
                {
                    "as_of": basis.as_of,
                    "horizon": horizon,
                    "target_date": day.session,
                    "driver": driver,
                    "driver_move": move,
                    "peso_move": rounded(np.expm1(result.conditional.mean)),
                    "peso_move_sd": rounded(result.conditional.sd),
                    **{f"scenario_{name}": rounded(result.law.quantile(p), 2) for name, p in _BANDS},
                    **{f"fan_{name}": rounded(day.law.quantile(p), 2) for name, p in _BANDS},
                    "past_moves": len(result.episodes),
                    "past_peso_move": _mean_move(result.episodes),
                    "origin_clp_per_usd": basis.price,
                    "source": basis.source,
                }
            )
    return pl.DataFrame(rows, schema=SCENARIOS_SCHEMA)


def _mean_move(matches: Sequence[Episode]) -> float | None:
    return rounded(float(np.mean([episode.peso for episode in matches]))) if matches else None


_BANDS: Final = (("p10", 0.1), ("median", 0.5), ("p90", 0.9))
