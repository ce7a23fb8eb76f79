"""Tables of the desk: columns, and rows from rules."""

from collections.abc import Mapping
from datetime import date
from typing import Final

import polars as pl

from forex_assets.core.schemas import Schema
from forex_assets.desk.levels import WatchLevels, watches
from forex_assets.desk.odds import Odds, odds, round_levels
from forex_assets.desk.outlook import DayLaw, Outlook, QuestionError

LEVELS_SCHEMA: Final[Schema] = {
    "as_of": pl.Date,
    "by_date": pl.Date,
    "session": pl.Date,
    "sessions": pl.Int64,
    "level": pl.Float64,
    "chance_above": pl.Float64,
    "chance_touch": pl.Float64,
    "watch": pl.String,
    "watch_chance": pl.Float64,
    "watch_limit": pl.Float64,
    "is_crossed": pl.Boolean,
    "is_new_crossing": pl.Boolean,
    "origin_session": pl.Date,
    "origin_clp_per_usd": pl.Float64,
    "model": pl.String,
    "calibration_errors": pl.Int64,
    "source": pl.String,
}

SCENARIOS_SCHEMA: Final[Schema] = {
    "as_of": pl.Date,
    "horizon": pl.String,
    "target_date": pl.Date,
    "driver": pl.String,
    "driver_move": pl.Float64,
    "peso_move": pl.Float64,
    "peso_move_sd": pl.Float64,
    "scenario_p10": pl.Float64,
    "scenario_median": pl.Float64,
    "scenario_p90": pl.Float64,
    "fan_p10": pl.Float64,
    "fan_median": pl.Float64,
    "fan_p90": pl.Float64,
    "past_moves": pl.Int64,
    "past_peso_move": pl.Float64,
    "origin_clp_per_usd": pl.Float64,
    "source": pl.String,
}

CHANCE_DIGITS: Final = 3


def chance_of(result: Odds, kind: str) -> float:
    """Returns the chance of one kind: above, below or touch."""
    return {"above": result.above, "below": result.below, "touch": result.touch}[kind]


def levels_table(outlook: Outlook, settings: WatchLevels, previous: pl.DataFrame | None) -> pl.DataFrame:
    """Returns chances of round levels at each horizon, and watch levels.

    Args:
        settings: watch levels; those whose date has passed or is too far are left out.
        previous: the table before, for the state of watch levels.

    Returns:
        `LEVELS_SCHEMA`.
    """
    rows = [
        _row(outlook, result)
        for horizon in outlook.fans
        for day in [outlook.target(horizon)]
        for result in odds(outlook, round_levels(day), day)
    ]
    asked = [(level, day) for level in settings.levels if (day := _day_of(outlook, level.day(outlook.basis().as_of)))]
    results = [odds(outlook, [level.level], day)[0] for level, day in asked]
    chances = [chance_of(result, level.kind) for (level, _), result in zip(asked, results, strict=True)]
    reached = WatchLevels(levels=tuple(level for level, _ in asked), margin=settings.margin)
    for watch, result in zip(watches(reached, chances, crossed_before(previous)), results, strict=True):
        rows.append(
            _row(outlook, result)
            | {
                "watch": watch.level.name,
                "watch_chance": round(watch.chance, CHANCE_DIGITS),
                "watch_limit": watch.level.probability,
                "is_crossed": watch.is_crossed,
                "is_new_crossing": watch.fires,
            }
        )
    table = pl.DataFrame(rows, schema=LEVELS_SCHEMA)
    return table if previous is None else pl.concat([table, _kept(table, settings, previous)])


def _kept(table: pl.DataFrame, settings: WatchLevels, previous: pl.DataFrame) -> pl.DataFrame:
    """Earlier rows of watch levels that no fan reaches today.

    A horizon whose forecast failed must not make its level alert again tomorrow.
    """
    lacking = {level.name for level in settings.levels} - set(table["watch"])
    rows = previous.filter(pl.col("watch").is_in(lacking) & (pl.col("by_date") > pl.lit(table["as_of"][0])))
    return rows.with_columns(is_new_crossing=pl.lit(False)).select(list(LEVELS_SCHEMA))


def crossed_before(previous: pl.DataFrame | None) -> Mapping[str, bool]:
    """Returns the state of each watch level in the table before."""
    if previous is None:
        return {}
    watched = previous.filter(pl.col("watch") != "")
    return dict(zip(watched["watch"].to_list(), watched["is_crossed"].to_list(), strict=True))


def _day_of(outlook: Outlook, day: date) -> DayLaw | None:
    try:
        return outlook.at(day)
    except QuestionError:
        return None


def _row(outlook: Outlook, result: Odds) -> dict[str, object]:
    basis = outlook.basis(result.day)
    return {
        "as_of": basis.as_of,
        "by_date": result.day.asked,
        "session": result.day.session,
        "sessions": result.day.sessions,
        "level": result.level,
        "chance_above": round(result.above, CHANCE_DIGITS),
        "chance_touch": round(result.touch, CHANCE_DIGITS),
        "watch": "",
        "watch_chance": None,
        "watch_limit": None,
        "is_crossed": None,
        "is_new_crossing": None,
        "origin_session": basis.price_session,
        "origin_clp_per_usd": basis.price,
        "model": basis.model,
        "calibration_errors": basis.past_errors,
        "source": basis.source,
    }


def chances_are_coherent(levels: pl.DataFrame) -> list[str]:
    """Returns rows whose chances contradict each other.

    Chances outside 0 to 1, or a touch rarer than an end beyond.

    Args:
        levels: `LEVELS_SCHEMA`.
    """
    beyond = (
        pl.when(pl.col("level") >= pl.col("origin_clp_per_usd"))
        .then("chance_above")
        .otherwise(1 - pl.col("chance_above"))
    )
    contradictions = levels.filter(
        ~pl.col("chance_above").is_between(0, 1)
        | ~pl.col("chance_touch").is_between(0, 1)
        | (pl.col("chance_touch") < beyond - 10**-CHANCE_DIGITS)
    )
    return [
        f"{row['level']:g} by {row['by_date']}: above {row['chance_above']}, touch {row['chance_touch']}"
        for row in contradictions.to_dicts()
    ]
