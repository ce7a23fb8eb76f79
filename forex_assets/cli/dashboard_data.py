"""Data of the dashboard; `render_loop` draws it."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import polars as pl

from forex_assets.accuracy.scorecard import SCORECARD_SCHEMA
from forex_assets.cli.explanation import explanations, history
from forex_assets.cli.overview import status_of
from forex_assets.cli.trial import readable
from forex_assets.core.session import Session

EVENTS: Final = 5
SKILLS: Final = (
    *("n", "n_effective", "rmse", "walk_rmse", "coverage_80", "coverage_95", "coverage_95_low", "coverage_95_high"),
    *("rmse_skill", "rmse_skill_low", "rmse_skill_high", "crps_skill", "crps_skill_low", "crps_skill_high"),
)
RECORDS: Final = ("ledger", "replay", "backtest")
"""Order of preference among a horizon's records.

Forecasts issued at the time come first.
"""


def dashboard_of(session: Session, horizons: Sequence[str]) -> dict[str, Any]:
    """Everything at a glance.

    Returns:
        `clock`, `is_sample`, `prices` (freshness), `starting_price`; `horizons`: by horizon `forecast`, `skill`, and
        the parts of `explanation.explanations`; `history`: the last events.
    """
    status = status_of(session)
    fans = {record["horizon"]: record for record in status["forecasts"]}
    ages = {record["horizon"]: record for record in status["optimization"]}
    parts = []
    for explanation in explanations(session, horizons):
        name = explanation["horizon"]
        searched = {key: ages[name][key] for key in ("last_optimized", "age_days", "is_searching", "requests")}
        skill, fault = readable(partial(skill_of, session, name))
        faults = [*explanation["faults"], *([fault] if fault else [])]
        parts.append({**explanation, "faults": faults, "forecast": fans[name], "skill": skill, **searched})
    return {
        "clock": status["clock"],
        "is_sample": status["is_sample"],
        "prices": status["prices"],
        "starting_price": status["starting_price"],
        "horizons": parts,
        "history": history(session, horizons, EVENTS)[: 2 * EVENTS],
    }


def skill_of(session: Session, horizon: str) -> dict[str, Any] | None:
    """Skill of the issued forecasts; None without outcomes."""
    card = session.tables.read("accuracy/scorecard", schema=SCORECARD_SCHEMA)
    if card is None:
        return None
    rows = card.filter((pl.col("scope") == "all") & (pl.col("horizon") == horizon) & (pl.col("n") > 0))
    for record in RECORDS:
        cards = rows.filter(pl.col("record") == record).sort("n", descending=True)
        if not cards.is_empty():
            row = cards.row(0, named=True)
            return {name: row[name] for name in ("record", "engine", "model", *SKILLS)}
    return None
