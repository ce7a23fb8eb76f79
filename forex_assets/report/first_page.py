"""Content of the report's first page: price, range, chances, checks."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from forex_assets.core.horizon import days_of
from forex_assets.desk.observado import observado_on
from forex_assets.desk.odds import nearest_round, odds, round_levels
from forex_assets.desk.outlook import DayLaw, DeskError, Outlook
from forex_assets.market.prices import COPPER, USDCLP
from forex_assets.report.formats import Language, chance, day_text, number, percent, price, short_day
from forex_assets.report.svg import NARROW, WIDE, FanPicture, Size, fan_svg, line_svg
from forex_assets.report.tables import HeldBand, ReportTables
from forex_assets.report.words import Say

HISTORY: Final = 60
"""Past sessions in the fan chart."""
COPPER_SESSIONS: Final = 252
SMALL: Final = Size(340, 130)
SENTENCE_HORIZON: Final = "30d"
CHANGES: Final = (("day", 1), ("week", 7), ("year", 365))
"""Name of a change, and its least calendar days."""
DRIVER_CHANGES: Final = (("day", 1), ("month", 30))
DRIVERS: Final = ("dollar_index", "brl_per_usd")


def opening(tables: ReportTables, say: Say, language: Language) -> list[str]:
    """Price, changes, range at 30 days; a provisional price is called so."""
    outlook = tables.outlook
    if outlook is None:
        return []
    basis = outlook.basis()
    changes = _changes(tables.usdclp, USDCLP.value, basis.price_session, basis.price, say, language)
    head = (
        f"{day_text(basis.price_session, language)}; {changes}" if changes else day_text(basis.price_session, language)
    )
    day = _sentence_day(outlook)
    level = nearest_round(basis.price)
    above = odds(outlook, [level], day)[0].above
    sentences = [
        say("now", price=price(basis.price, language), changes=head)
        + " "
        + say(
            "ahead",
            day=day_text(day.session, language),
            low=price(day.law.quantile(0.1), language),
            high=price(day.law.quantile(0.9), language),
            level=number(level, 0, language),
            chance=chance(above, language),
        )
    ]
    if basis.is_provisional:
        sentences.append(say("provisional"))
    return sentences


def origin_words(tables: ReportTables, say: Say, language: Language) -> str:
    """Names the starting level; empty for fans of older versions."""
    outlook = tables.outlook
    if outlook is None:
        return ""
    row = next(iter(outlook.fans.values())).row(0, named=True)
    if row["origin_kind"] is None:
        return ""
    day = day_text(row["origin_dated"], language)
    hours = number(row["origin_age_hours"], 0, language)
    return say("origin", kind=say(f"origin_{row['origin_kind']}"), day=day, hours=hours)


def age_words(age: int, say: Say) -> str:
    """Writes an age in trading days."""
    return say("age_0") if age <= 0 else say("age_1") if age == 1 else say("age_n", n=age)


def _sentence_day(outlook: Outlook) -> DayLaw:
    """The 30-day target, or the longest there is."""
    return outlook.target(SENTENCE_HORIZON if SENTENCE_HORIZON in outlook.fans else list(outlook.fans)[-1])


def _changes(
    table: pl.DataFrame | None,
    column: str,
    day: date,
    value: float,
    say: Say,
    language: Language,
    spans: Sequence[tuple[str, int]] = CHANGES,
) -> str:
    """Changes over spans such as a day, where known."""
    if table is None:
        return ""
    parts = []
    before = table.filter(pl.col("session") < day)
    for name, days in spans:
        rows = before.filter(pl.col("session") <= day - timedelta(days=days))
        if not rows.is_empty():
            change = value / rows[column][-1] - 1
            parts.append(say(f"change_{name}", change=percent(change, 1, language, is_signed=True)))
    return ", ".join(parts)


def fan_charts(tables: ReportTables, say: Say, language: Language) -> list[str]:
    """One fan over all horizons, wide and narrow."""
    outlook = tables.outlook
    if outlook is None:
        return []
    basis = outlook.basis()
    sessions = outlook.calendar.between(basis.price_session, outlook.last_day)
    history: list[tuple[date, float]] = []
    if tables.usdclp is not None:
        past = tables.usdclp.filter(pl.col("session") < basis.price_session).tail(HISTORY)
        history = list(zip(past["session"].to_list(), past[USDCLP.value].to_list(), strict=True))
    picture = FanPicture(
        history=history,
        origin=(basis.price_session, basis.price),
        fan=[(day, outlook.at(day).law.quantiles.tolist()) for day in sessions],
        targets=[
            (outlook.target(name).session, short_day(outlook.target(name).session, language)) for name in outlook.fans
        ],
        events=tables.events.ahead(basis.price_session, outlook.last_day),
    )
    return [fan_svg(picture, size, language, say("range")) for size in (WIDE, NARROW)]


def dates_table(outlook: Outlook, say: Say, language: Language) -> dict[str, Any]:
    """Median and ranges at each horizon's date."""
    head = [say("date"), say("median"), say("band_50"), say("band_80"), say("band_95")]
    rows = []
    for name in outlook.fans:
        day = outlook.target(name)
        spans = ((0.25, 0.75), (0.10, 0.90), (0.025, 0.975))
        bands = [f"{price(day.law.quantile(a), language)} – {price(day.law.quantile(b), language)}" for a, b in spans]
        label = f"{day_text(day.session, language)} ({say('days', n=days_of(name))})"
        rows.append([label, price(day.law.median, language), *bands])
    return {"head": head, "rows": rows}


def levels_table(outlook: Outlook, say: Say, language: Language) -> dict[str, Any]:
    """Chances above and of a touch, by level and horizon."""
    days = [outlook.target(name) for name in outlook.fans]
    levels = round_levels(_sentence_day(outlook), count=7)
    chances = [odds(outlook, levels, day) for day in days]
    rows = [
        [number(level, 0, language)]
        + [
            f"{chance(column[place].above, language, has_sign=False)} · {chance(column[place].touch, language)}"
            for column in chances
        ]
        for place, level in enumerate(levels)
    ]
    return {"head": [say("level"), *(short_day(day.session, language) for day in days)], "rows": rows[::-1]}


def held_words(held: Sequence[HeldBand], say: Say, language: Language) -> list[str]:
    """One sentence for each earlier range."""
    lines = []
    for band in held:
        key = "held_in80" if band.low80 <= band.close <= band.high80 else "held_out"
        if key == "held_out" and band.low95 <= band.close <= band.high95:
            key = "held_in95"
        figures = {
            "low": band.low80,
            "high": band.high80,
            "low95": band.low95,
            "high95": band.high95,
            "close": band.close,
        }
        days = {"issued": day_text(band.issued, language), "session": day_text(band.session, language)}
        lines.append(say(key, **days, **{name: price(value, language) for name, value in figures.items()}))
    return lines or [say("held_none")]


def observado_words(tables: ReportTables, say: Say, language: Language) -> list[str]:
    """The newest observado, and the range of the next one."""
    last, outlook = tables.fixings.last_day, tables.outlook
    if last is None:
        return [say("observado_none")]
    value = number(tables.fixings.values[last], 2, language)
    lines = [say("observado_last", day=day_text(last, language), value=value)]
    if outlook is not None:
        following = outlook.calendar.between(last, last + timedelta(days=15))[0]
        try:
            law = observado_on(outlook, tables.fixings, following).law
        except DeskError:
            return lines  # published values lie far behind the price
        low, high = price(law.quantile(0.1), language), price(law.quantile(0.9), language)
        lines.append(say("observado_next", day=day_text(following, language), low=low, high=high))
    return lines


def copper_part(tables: ReportTables, say: Say, language: Language) -> dict[str, Any]:
    """Copper's last price, changes and chart."""
    table = tables.copper
    if table is None:
        return {"lines": [say("copper_none"), *driver_words(tables, say, language)], "charts": []}
    day, value = table["session"][-1], table[COPPER.value][-1]
    changes = _changes(table, COPPER.value, day, value, say, language)
    lines = [say("copper_words", price=number(value, 2, language), day=day_text(day, language), changes=changes)]
    if (age := tables.ages.get("market/copper_hgf_usd_lb")) is not None and age > 1:
        lines.append(say("copper_old", age=age))
    if tables.copper_correlation is not None:
        lines.append(say("copper_correlation", value=number(tables.copper_correlation, 2, language)))
    lines += driver_words(tables, say, language)
    recent = table.tail(COPPER_SESSIONS)
    points = list(zip(recent["session"].to_list(), recent[COPPER.value].to_list(), strict=True))
    return {"lines": lines, "charts": [line_svg(points, SMALL, language, say("copper"), 2)]}


def driver_words(tables: ReportTables, say: Say, language: Language) -> list[str]:
    """Dollar index and Brazilian real, one line a day."""
    parts: dict[date, list[str]] = {}
    for name in DRIVERS if tables.drivers is not None else ():
        rows = tables.drivers.drop_nulls(name)  # type: ignore[union-attr]  # there is a table
        if not rows.is_empty():
            day, value = rows["session"][-1], rows[name][-1]
            changes = _changes(rows, name, day, value, say, language, DRIVER_CHANGES)
            text = say(f"driver_{name}", value=number(value, 2, language), changes=changes or say("change_none"))
            parts.setdefault(day, []).append(text)
    return [say("drivers_words", day=day_text(day, language), parts="; ".join(texts)) for day, texts in parts.items()]


def meeting_words(tables: ReportTables, say: Say, language: Language) -> str:
    """Policy meetings within the fan, and years whose meetings nobody listed."""
    if tables.outlook is None:
        return say("meetings_none")
    period = tables.outlook.basis().price_session, tables.outlook.last_day
    days, years = tables.events.ahead(*period), tables.events.unlisted_years(*period)
    parts = [say("meetings_words", days="; ".join(day_text(day, language) for day in days))] if days else []
    if years:
        parts.append(say("meetings_unlisted", years=say("and").join(map(str, years))))
    return " ".join(parts) or say("meetings_none")


def exposure_words(tables: ReportTables, say: Say, language: Language) -> str:
    """Total of the company's own flows; empty without a file."""
    if tables.exposure is None or not tables.exposure.more:
        return ""
    total, keys = tables.exposure.more["totals"][0], {"median": "median", "bad": "p05", "good": "p95"}
    return say("exposure_words", **{name: number(total[key] / 1e6, 1, language) for name, key in keys.items()})
