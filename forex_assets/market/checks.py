"""Asset checks of prices and features, by the rules of `quality`."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.checks import check_of
from forex_assets.core.dagster.keys import table_key
from forex_assets.core.finding import Finding
from forex_assets.core.schemas import (
    COPPER_LME_SCHEMA,
    COPPER_SCHEMA,
    DRIVERS_SCHEMA,
    OBSERVADO_SCHEMA,
    STARTING_LEVEL_SCHEMA,
    USDCLP_SCHEMA,
    Schema,
    empty,
)
from forex_assets.core.session import Session
from forex_assets.market import quality
from forex_assets.market.alignment import copper_and_peso_move_on_the_same_day, sources_agree
from forex_assets.market.answers import refusal_words
from forex_assets.market.drivers import (
    drivers_are_current,
    drivers_are_ordered_and_in_range,
    drivers_have_no_gaps,
)
from forex_assets.market.findings import RULES, Rule
from forex_assets.market.history import prices_at
from forex_assets.market.origin_table import origin_agrees, origin_is_recent
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.price_store import PriceStore
from forex_assets.market.prices import COPPER, COPPER_LME, OBSERVADO, USDCLP, PriceSeries

SERIES: dict[str, tuple[dg.AssetKey, Schema]] = {
    USDCLP.name: (keys.USDCLP, USDCLP_SCHEMA),
    COPPER.name: (keys.COPPER, COPPER_SCHEMA),
    OBSERVADO.name: (keys.OBSERVADO, OBSERVADO_SCHEMA),
    COPPER_LME.name: (keys.COPPER_LME, COPPER_LME_SCHEMA),
}


def _prices(session: Session, series: PriceSeries) -> pl.DataFrame:
    """Reads the price table; an absent one is empty, and fails."""
    key, schema = SERIES[series.name]
    frame = session.tables.read(table_key(key))
    return empty(schema) if frame is None else frame


def judged(session: Session, rule: Rule, series: PriceSeries) -> Finding:
    """Runs one rule on a stored table.

    An old price names the refusal behind it.
    """
    finding = rule.finding(_prices(session, series), series, calendar_of(series), session.today)
    if finding.passed or not rule.is_of_age or session.market != "live":
        return finding
    store = PriceStore(session.live_tables)
    reasons = [
        words
        for source in store.answering_sources(series)
        if (words := refusal_words(source, store.answers(series, source), session.now))
    ]
    return replace(finding, message="; ".join((finding.message, *reasons)))


def _quality(series: PriceSeries) -> list[dg.AssetChecksDefinition]:
    """Makes the checks of one price table."""

    def check(rule: Rule) -> dg.AssetChecksDefinition:
        blocks = rule.blocks and series is USDCLP
        key = SERIES[series.name][0]
        return check_of(
            key, rule.name, lambda session: judged(session, rule, series), rule.judge.__doc__, blocks=blocks
        )

    return [check(rule) for rule in RULES]


def _optional_quality(series: PriceSeries) -> list[dg.AssetChecksDefinition]:
    """Makes the one check of a series that no forecast needs."""

    def judge(session: Session) -> Finding:
        return quality.is_ordered_and_current(_prices(session, series), series, calendar_of(series), session.today)

    rule = quality.is_ordered_and_current
    return [check_of(SERIES[series.name][0], rule.__name__, judge, rule.__doc__, blocks=False)]


def _lead_lag(session: Session) -> Finding:
    return copper_and_peso_move_on_the_same_day(_prices(session, COPPER), _prices(session, USDCLP))


def _overlap(session: Session) -> Finding:
    """Compares the peso's stored histories pairwise; the generated market has one source."""
    store = PriceStore(session.live_tables)
    stored = store.sources(USDCLP) if session.market == "live" else []
    histories = {name: store.history(USDCLP, name) for name in stored}
    views = {
        name: prices_at(history, USDCLP, session.now) for name, history in histories.items() if history is not None
    }
    return sources_agree(list(combinations(views.items(), 2)), USDCLP)


def _drivers(session: Session) -> pl.DataFrame:
    """Reads the drivers; an absent table is empty."""
    frame = session.tables.read(names.DRIVERS, schema=DRIVERS_SCHEMA)
    return empty(DRIVERS_SCHEMA) if frame is None else frame


DRIVER_RULES: dict[Callable[..., Finding], Callable[[Session], Finding]] = {
    drivers_are_ordered_and_in_range: lambda session: drivers_are_ordered_and_in_range(_drivers(session)),
    drivers_are_current: lambda session: drivers_are_current(_drivers(session), calendar_of, session.today),
    drivers_have_no_gaps: lambda session: drivers_have_no_gaps(_drivers(session), calendar_of),
}


def _origin(session: Session) -> pl.DataFrame:
    """Reads the current origin; an absent one is empty."""
    frame = session.tables.read(names.ORIGIN)
    return empty(STARTING_LEVEL_SCHEMA) if frame is None else frame


CHECKS = [
    check_of(
        keys.ORIGIN,
        "origin_is_recent",
        lambda session: origin_is_recent(_origin(session)),
        origin_is_recent.__doc__,
        blocks=False,
    ),
    check_of(
        keys.ORIGIN,
        "origin_agrees",
        lambda session: origin_agrees(_origin(session)),
        origin_agrees.__doc__,
        blocks=False,
    ),
    *_quality(USDCLP),
    *_quality(COPPER),
    *_optional_quality(OBSERVADO),
    *_optional_quality(COPPER_LME),
    *(check_of(keys.DRIVERS, rule.__name__, judge, rule.__doc__, blocks=False) for rule, judge in DRIVER_RULES.items()),
    check_of(
        keys.COPPER,
        "copper_is_in_usd_per_pound",
        lambda session: quality.copper_is_in_usd_per_pound(_prices(session, COPPER)),
        quality.copper_is_in_usd_per_pound.__doc__,
        blocks=False,
    ),
    check_of(
        keys.FEATURES,
        "copper_and_peso_move_on_the_same_day",
        _lead_lag,
        "Copper and peso returns correlate most at lag 0; another lag means one series is dated a day off.",
        blocks=False,
    ),
    check_of(
        keys.USDCLP,
        "sources_agree",
        _overlap,
        "Two sources give similar prices for the sessions they share, each under its own dating rule.",
        blocks=False,
    ),
]
