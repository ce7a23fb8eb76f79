"""Unit and description of the columns of drivers and desk tables."""

from typing import Final

from forex_assets.core.units import COUNT, DAY, FLAG, LOG, PESO, RATIO, SHARE, TEXT

DRIVER_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "dollar_index": ("index", "ICE dollar index, close; null where it was not traded or fetched."),
    "brl_per_usd": ("BRL per USD", "Brazilian reals per dollar, close; null where it was not fetched."),
    "policy_rate_pct": ("%", "Policy rate of the Banco Central de Chile, yearly; null where it was not fetched."),
}
"""Columns of `market/drivers` by name: unit, then description."""

DESK_COLUMNS: Final[dict[str, tuple[str, str]]] = {
    "by_date": (DAY, "Date of the question."),
    "sessions": ("sessions", "Closes from the price to the session of the question."),
    "level": (PESO, "Level that is asked for."),
    "chance_above": (SHARE, "Chance of a close above the level on the session."),
    "chance_touch": (SHARE, "Chance that some close reaches the level by the session."),
    "watch": (TEXT, "Name of the watch level of configs/levels.yaml; empty for round levels."),
    "watch_chance": (SHARE, "Chance that the watch level is about; null for round levels."),
    "watch_limit": (SHARE, "Chance from which the watch level alerts; null for round levels."),
    "is_crossed": (FLAG, "The chance has reached the limit and not fallen back; null for round levels."),
    "is_new_crossing": (FLAG, "The chance has reached the limit just now; null for round levels."),
    "driver": (TEXT, "Driver that moves: copper, dxy (dollar index) or brl (reals per dollar)."),
    "driver_move": ("share", "Move of the driver by the target date."),
    "peso_move": (LOG, "Mean move of the dollar in pesos, given the driver's move."),
    "peso_move_sd": (LOG, "Standard deviation of the dollar's move, given the driver's move."),
    "scenario_p10": (PESO, "10 % quantile, given the driver's move."),
    "scenario_median": (PESO, "Median, given the driver's move."),
    "scenario_p90": (PESO, "90 % quantile, given the driver's move."),
    "fan_p10": (PESO, "10 % quantile of the fan at the target date."),
    "fan_median": (PESO, "Median of the fan at the target date."),
    "fan_p90": (PESO, "90 % quantile of the fan at the target date."),
    "past_moves": (COUNT, "Separate past stretches in which the driver moved at least so far."),
    "past_peso_move": ("share", "Mean move of the dollar in those stretches; null without any."),
    "question": (TEXT, "above: the close at the target date; touch: some close up to it."),
    "bin": (TEXT, "Stated chance of the questions, by tenths; all for every question."),
    "questions": (COUNT, "Questions in the row: fans times levels."),
    "fans": (COUNT, "Fans behind the questions, about; eight levels a fan."),
    "mean_chance": (SHARE, "Mean stated chance."),
    "observed_share": (SHARE, "Share of the questions that came true."),
    "brier": ("squared chance", "Brier score: mean squared gap of chance and outcome; smaller is better."),
    "brier_skill": (RATIO, "1 - Brier score / that of the observed share; null if all came out alike."),
}
"""Columns of `desk/…` tables by name: unit, then description."""
