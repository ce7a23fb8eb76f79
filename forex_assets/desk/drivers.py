"""Prices of the peso's drivers on joint sessions, and their past moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from forex_assets.core.fan import Array
from forex_assets.desk.outlook import DeskError, QuestionError

COPPER, DOLLAR_INDEX, BRL = "copper", "dxy", "brl"
NAMES: Final = {COPPER: "copper", DOLLAR_INDEX: "the dollar index", BRL: "the Brazilian real per dollar"}
LARGEST: Final = 0.5
"""Largest move that can be meant."""

EPISODES: Final = 5


@dataclass(frozen=True, eq=False)
class JointPrices:
    """Log prices on the sessions that all series have.

    Attributes:
        sessions: ascending.
        peso: shape (n,).
        drivers: shape (n, p), columns in the order of `names`.
        names: of the drivers.
    """

    sessions: Sequence[date]
    peso: Array
    drivers: Array
    names: Sequence[str]


@dataclass(frozen=True)
class Episode:
    """One past stretch in which every driver moved at least so far.

    Attributes:
        start: first session.
        end: last session.
        moves: of the drivers, shares.
        peso: the dollar's move in pesos, a share.
    """

    start: date
    end: date
    moves: Mapping[str, float]
    peso: float


def joint_prices(peso: pl.DataFrame, drivers: Mapping[str, pl.DataFrame], wanted: Sequence[str]) -> JointPrices:
    """Joins the peso with drivers by session.

    Args:
        peso: session, value; usable rows.
        drivers: session, value, by driver; those without rows are missing.
        wanted: drivers of the question.

    Raises:
        DeskError: names the missing drivers.
    """
    missing = [NAMES[name] for name in wanted if name not in drivers or drivers[name].is_empty()]
    if missing:
        raise DeskError(
            f"no prices of {' and of '.join(missing)} are stored; bring them in with `forex-assets ingest`, or ask "
            "without them"
        )
    joined = peso.rename({"value": "peso"})
    for name in wanted:
        joined = joined.join(drivers[name].rename({"value": name}), on="session", how="inner")
    joined = joined.drop_nulls().sort("session")
    return JointPrices(
        joined["session"].to_list(),
        np.log(joined["peso"].to_numpy()),
        np.log(joined.select(list(wanted)).to_numpy()),
        list(wanted),
    )


def log_moves(moves: Mapping[str, float]) -> Array:
    """Returns the question's moves as log moves, shape (p,).

    Raises:
        QuestionError: no move, or one that cannot be meant.
    """
    if not moves:
        raise QuestionError("no driver moves; give --copper, --dxy or --brl, such as --copper -10%")
    for name, move in moves.items():
        if not -LARGEST <= move <= LARGEST or move == 0:
            allowed = f"give one within {100 * LARGEST:g} % up or down, not 0"
            raise QuestionError(f"{NAMES[name]}: a move of {100 * move:g} %; {allowed}")
    return np.asarray(np.log1p(np.array(list(moves.values()))))


def episodes(prices: JointPrices, move: Array, sessions: int) -> list[Episode]:
    """Returns past stretches in which every driver moved at least so far.

    Stretches do not overlap; each is the largest of its neighbourhood. Newest first.

    Args:
        move: log moves of the question, shape (p,).
        sessions: length of a stretch.
    """
    if len(prices.peso) <= sessions:
        return []
    moves = prices.drivers[sessions:] - prices.drivers[:-sessions]
    came = prices.peso[sessions:] - prices.peso[:-sessions]
    is_far = ((moves * np.sign(move)) >= np.abs(move)).all(axis=1)
    size = np.abs(moves).sum(axis=1)
    chosen = list[int]()
    for start in sorted(np.flatnonzero(is_far), key=lambda k: -size[k]):
        if all(abs(start - other) >= sessions for other in chosen):
            chosen.append(int(start))
    return [
        Episode(
            prices.sessions[start],
            prices.sessions[start + sessions],
            {name: float(np.expm1(value)) for name, value in zip(prices.names, moves[start], strict=True)},
            float(np.expm1(came[start])),
        )
        for start in sorted(chosen, reverse=True)
    ]


def unusualness(prices: JointPrices, move: Array, sessions: int) -> float:
    """Returns the share of past stretches with smaller moves, by size.

    Args:
        move: log moves of the question, shape (p,); compared by the sum of their absolute values in deviations.
        sessions: length of a stretch.
    """
    moves = prices.drivers[sessions:] - prices.drivers[:-sessions]
    scale = np.maximum(moves.std(axis=0), 1e-12)
    past, asked = np.abs(moves / scale).max(axis=1), np.abs(move / scale).max()
    return float(np.mean(past < asked)) if len(past) else 1.0
