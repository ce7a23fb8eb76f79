"""Content of the report's second page: record, settings, tuning, data."""

from typing import Any, Final

import polars as pl

from forex_assets.core import names
from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.horizon import HORIZONS, days_of
from forex_assets.replay.strategies import CALIBRATED
from forex_assets.report.first_page import age_words
from forex_assets.report.formats import Language, day_text, number, percent, price
from forex_assets.report.tables import ReportTables
from forex_assets.report.words import Say

RECORDS: Final = ("ledger", "backtest", "replay")
COVERAGES: Final = ("coverage_80", "coverage_95")
FEWEST: Final = 10
"""Forecasts below which no share is shown."""
MODELS: Final = ("embedded", "ewma")
"""Models with a name in words."""
RULES: Final = {"age": "age_rule", "drift": "drift_rule"}
"""Text keys of rules whose name is another text's key."""


def record_table(tables: ReportTables, say: Say, language: Language) -> dict[str, Any]:
    """Accuracy over all forecasts, by horizon and record."""
    columns = ("horizon", "origin_of_record", "forecasts", "held_80", "held_95", "error", "error_walk", "against")
    section: dict[str, Any] = {"head": [say(name) for name in columns], "rows": []}
    if tables.scorecard is None:
        return section
    rows = tables.scorecard.filter((pl.col("scope") == "all") & (pl.col("n") > 0)).to_dicts()
    for row in sorted(rows, key=lambda row: (HORIZONS.index(row["horizon"]), RECORDS.index(row["record"]))):
        section["rows"].append(
            [
                say("days", n=days_of(row["horizon"])),
                say(f"record_{row['record']}"),
                number(row["n"], 0, language),
                *(percent(row[name] if row["n"] >= FEWEST else None, 0, language) for name in COVERAGES),
                price(row["rmse"], language),
                price(row["walk_rmse"], language),
                _comparison(row, say, language),
            ]
        )
    return section


def _comparison(row: dict[str, Any], say: Say, language: Language) -> str:
    """Says whether the range beats recent volatility's, by its interval."""
    skill, low, high = row["crps_skill"], row["crps_skill_low"], row["crps_skill_high"]
    if low is None or low <= 0 <= high:
        return say("same")
    return say("better" if skill > 0 else "worse", gain=percent(abs(skill), 1, language))


def model_words(tables: ReportTables, say: Say) -> list[str]:
    """Model and correction of each horizon; equal ones in one line."""
    if tables.outlook is None:
        return [say("missing")]
    groups = dict[tuple[str, str], list[str]]()
    for horizon, fan in tables.outlook.fans.items():
        last = fan.row(-1, named=True)
        bands = say("bands_corrected", errors=last["calibration_errors"]) if last["is_calibrated"] else say("bands_own")
        model = last["model"].split("@")[0].strip()
        name = say(f"model_{model}") if model in MODELS else model
        groups.setdefault((name, bands), []).append(horizon)
    lines = [
        say("model_words", term=_terms(terms, say), model=model, bands=bands)
        for (model, bands), terms in groups.items()
    ]
    return [*lines, *([say("embedded_bands")] if any(name == say("model_embedded") for name, _ in groups) else [])]


def _terms(horizons: list[str], say: Say) -> str:
    return say("days", n=", ".join(str(days_of(horizon)) for horizon in horizons))


def loop_words(tables: ReportTables, say: Say, language: Language) -> list[str]:
    """Last steps of the tuning; quiet horizons share a line."""
    lines, quiet = list[str](), list[str]()
    for horizon in HORIZONS:
        words = _horizon_words(tables, horizon, say, language)
        lines += words
        if not words:
            quiet.append(horizon)
    return [*lines, *([say("loop_quiet", terms=_terms(quiet, say))] if quiet else [])]


def replay_words(tables: ReportTables, say: Say, language: Language) -> list[str]:
    """Worth of tuning over past years, one line a replayed horizon."""
    lines = []
    for horizon in (name for name in HORIZONS if name in tables.replays):
        rows = tables.replays[horizon].filter(pl.col("strategy") == CALIBRATED)
        for row in rows.filter(pl.col("n") > 0).iter_rows(named=True):
            gain, low, high = row["crps_gain"], row["crps_gain_low"], row["crps_gain_high"]
            is_clear = low is not None and not low <= 0 <= high
            effect = "same" if not is_clear else "better" if gain > 0 else "worse"
            words = say(f"replay_{effect}", gain=percent(abs(gain or 0.0), 1, language))
            days = {name: day_text(row[f"{name}_evening"], language) for name in ("first", "last")}
            count = row["deployments"] + row["rollbacks"]
            lines.append(say("replayed", term=_terms([horizon], say), count=count, effect=words, **days))
    return lines


def _horizon_words(tables: ReportTables, horizon: str, say: Say, language: Language) -> list[str]:
    """Last search and verdict, last change, and a due search."""
    term, lines = _terms([horizon], say), list[str]()
    candidates, validation = tables.candidates.get(horizon), tables.validations.get(horizon)
    if candidates is not None:
        first = candidates.row(0, named=True)
        chosen = candidates.filter(pl.col("is_chosen") & ~pl.col("is_incumbent"))
        gain = None if chosen.is_empty() else chosen["gain"][0]
        is_better = gain is not None and gain > 0
        choice = say("chosen", gain=percent(gain, 1, language)) if is_better else say("kept")
        day = day_text(first["searched_at"].astimezone(SANTIAGO).date(), language)
        count = candidates.height
        settings = say("settings_one") if count == 1 else say("settings_many", count=count)
        line = say("searched", term=term, day=day, settings=settings, n=first["n"], choice=choice)
        if validation is not None:
            line += " " + say("verdict", verdict=say(validation["verdict"][0]))
        lines.append(line)
    if (record := tables.deployments.get(horizon)) is not None:
        day = day_text(record.at.astimezone(SANTIAGO).date(), language)
        words = say("changed", day=day, kind=say(record.kind), state=say(f"state_{record.state}"))
        lines.append(f"{term}: {words}" if not lines else words)
    decision = tables.decisions.get(horizon)
    is_answered = (
        decision is not None and candidates is not None and candidates["searched_at"][0] >= decision["decided_at"][0]
    )
    if decision is not None and decision["counts"].any() and not is_answered:
        rules = decision.filter(pl.col("counts"))["rule"].to_list()
        lines.append(say("due", term=term, rules=", ".join(say(RULES.get(rule, rule)) for rule in rules)))
    return lines


def drift_words(tables: ReportTables, say: Say, language: Language) -> str:
    """One sentence on changes of the market, the most unusual statistic first."""
    if tables.drift is None:
        return say("drift_unknown")
    acting = tables.drift.filter(pl.col("severity").is_in(["MEDIUM", "HIGH"]) & pl.col("percentile").is_not_null())
    if acting.is_empty():
        return say("drift_none")
    first = acting.sort("percentile", descending=True).row(0, named=True)
    series = say("series_copper" if "copper" in first["series"] else "series_usdclp")
    return say("drift_some", series=series, percentile=percent(first["percentile"], 0, language))


def data_words(tables: ReportTables, say: Say) -> list[str]:
    """Age and source of the last prices."""
    return [
        say(
            text,
            age=age_words(age, say),
            source=say("generated") if tables.is_sample else tables.sources.get(name, "–"),
        )
        for name, text in ((names.USDCLP, "data_usdclp"), (names.COPPER, "data_copper"))
        if (age := tables.ages.get(name)) is not None
    ]
