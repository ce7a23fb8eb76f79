"""Times two forecasters in turns."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final

import numpy as np
import polars as pl

from forex_assets.accuracy.backtest_run import inputs_of
from forex_assets.accuracy.history_view import HistoryView
from forex_assets.core.calendar import issue_instant
from forex_assets.core.fan import Array
from forex_assets.core.horizon import target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.session import Session
from forex_assets.forecasts.engine import Engine, Origin
from forex_assets.forecasts.forecast import align_covariates, covariates_for
from forex_assets.market.gaps import per_session_prices
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import USDCLP

LEAST: Final = 1e-9
"""Seconds that a clock which did not move stands for."""


@dataclass(frozen=True)
class Side:
    """One of two forecasters.

    Attributes:
        engine: makes its fans.
        config: settings that they are really made with.
    """

    engine: Engine
    config: InferenceConfig

    def run(self, origin: Origin) -> None:
        """One fan, thrown away."""
        self.engine.forecast([origin], self.config)


def seconds_by_turns(session: Session, champion: Side, challenger: Side, days: Sequence[date]) -> Array:
    """Seconds for one fan of each side at each origin.

    At each origin champion, challenger, challenger, champion: what drifts through the four calls is on both sides
    alike. One call of each comes before and does not count, since it may load a model.

    Args:
        champion: one side.
        challenger: the other.
        days: of the origins.

    Returns:
        Shape (2, origins): champion, challenger; above 0.
    """
    pairs = _origins(session, champion, challenger, days) if days else []
    calls = [(partial(champion.run, one), partial(challenger.run, other)) for one, other in pairs]
    return by_turns(calls, time.perf_counter)


def by_turns(pairs: Sequence[tuple[Callable[[], None], Callable[[], None]]], clock: Callable[[], float]) -> Array:
    """Seconds of two calls, made A B B A.

    Mean of both times; the first pair runs once before as a warm-up.

    Args:
        pairs: calls of the two sides, one pair an origin.
        clock: seconds from any start.

    Returns:
        Shape (2, pairs), above 0.
    """
    taken = np.zeros((2, len(pairs)))
    for call in pairs[0] if pairs else ():
        call()
    for place, pair in enumerate(pairs):
        for side in (0, 1, 1, 0):
            began = clock()
            pair[side]()
            taken[side, place] += (clock() - began) / 2
    return np.maximum(taken, LEAST)


def _origins(session: Session, champion: Side, challenger: Side, days: Sequence[date]) -> list[tuple[Origin, Origin]]:
    """Inputs of each side at each date."""
    prices, features = inputs_of(session)
    past, calendar, pairs = HistoryView(prices), calendar_of(USDCLP), []
    for day in days:
        known, _ = past.at(day)
        values = per_session_prices(known)
        target = target_of(challenger.config.horizon, day, known["session"][-1], calendar)
        seen = None if features is None else features.filter(pl.col("available_at") <= issue_instant(day))
        pair = []
        for side in (champion, challenger):
            given = covariates_for(side.engine, side.config, seen)
            covariates = {} if given is None else align_covariates(known["session"].to_list(), given)
            pair.append(Origin(values, target.steps, covariates))
        pairs.append((pair[0], pair[1]))
    return pairs
