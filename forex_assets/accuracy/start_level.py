"""Starting levels of past test dates, live or stored."""

from dataclasses import replace
from typing import Final, Literal, get_args

from forex_assets.core import names
from forex_assets.core.session import Session
from forex_assets.market.origin import OBSERVADO, Quote, QuoteBook, observado_quotes
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import USDCLP
from forex_assets.market.quotes import archive_of, archived_quotes

StartLevel = Literal["live", "stored"]
"""Choice of the starting level.

`live`: what could be known at the date. `stored`: the last finished price.
"""

START_LEVELS: Final = get_args(StartLevel)


def book_of(session: Session, level: StartLevel) -> QuoteBook | None:
    """Quotes that past dates start from; None for stored prices.

    Archived quotes count from when they were seen. A dólar observado that nobody saw come out stands in for the last
    price that nobody kept: it counts as known from 18:00 of the banking day before its date, when the Banco Central
    publishes it, whichever source it was downloaded from later, and is marked as assumed.
    """
    if level == "stored":
        return None
    table = session.tables.read(names.QUOTES)
    quotes = archived_quotes(archive_of(session) if table is None else table)
    return QuoteBook(_by_rule(quote) for quote in quotes)


def _by_rule(quote: Quote) -> Quote:
    """A quote with the bank's publication time, if its own is assumed."""
    if quote.kind != OBSERVADO or not quote.is_assumed:
        return quote
    [ruled] = observado_quotes([(quote.dated, quote.level)], calendar_of(USDCLP), source=quote.source)
    return replace(ruled, known_from=min(ruled.known_from, quote.known_from))
