"""Yahoo's chart answer: held to the question, and its unusable cells removed."""

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any, Final

from forex_assets.market.sources.fetching import hold_to_question
from forex_assets.market.sources.yahoo_dating import YahooDating

NAME: Final = "yahoo"
LATEST_S: Final = 7_258_118_400
"""1 January 2200 in seconds since 1970; later is a misprint."""


def held_chart(body: Any, rule: YahooDating) -> Any:
    """Returns a chart with one readable row a day.

    An answer that is no chart is returned as it is: yfinance words its error.

    Raises:
        SourceError: symbol, currency, exchange, zone or granularity is another than asked for.
    """
    try:
        (result,) = body["chart"]["result"]
        meta, quote = result["meta"], result["indicators"]["quote"][0]
        stamps = result.get("timestamp")
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return body
    if not isinstance(meta, Mapping) or not isinstance(quote, Mapping):
        return body
    hold_to_question(NAME, meta, rule.asked)
    columns = {name: cells for name, cells in quote.items() if isinstance(cells, list)}
    if not isinstance(stamps, list) or any(len(cells) != len(stamps) for cells in columns.values()):
        return body
    rows = [
        {name: _cell(cells[index]) for name, cells in columns.items()} | {"stamp": _stamp(stamp)}
        for index, stamp in enumerate(stamps)
    ]
    kept = _bars([row for row in rows if row["stamp"] is not None], rule)
    result["timestamp"] = [int(row["stamp"]) for row in kept]
    result["indicators"]["quote"] = [{name: [row[name] for row in kept] for name in columns}]
    if result["indicators"].get("adjclose"):
        result["indicators"]["adjclose"] = [{"adjclose": [row.get("close") for row in kept]}]
    return body


def _bars(rows: list[dict[str, Any]], rule: YahooDating) -> list[dict[str, Any]]:
    """Returns one row a day, stamped at midnight, ascending.

    While a day runs Yahoo adds a row at the moment of the last price. It stands for the day's bar only if that bar is
    missing and the row has a range of its own; else its open is the last price, not the price that ended the session
    before.
    """
    bars: dict[Any, dict[str, Any]] = {}
    running: dict[Any, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["stamp"]):
        moment = datetime.fromtimestamp(row["stamp"], rule.bar_zone)
        midnight = rule.opened_at(moment.date())
        if moment == midnight:
            bars.setdefault(midnight, row)
        elif (row.get("low") or 0) < (row.get("high") or 0):
            running[midnight] = row | {"stamp": midnight.timestamp()}
    return [({**running, **bars})[midnight] for midnight in sorted({*running, *bars})]


def _cell(value: object) -> float | None:
    """Returns a finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if isfinite(value) else None
    except OverflowError:  # JSON knows no largest integer
        return None


def _stamp(value: object) -> float | None:
    """Returns possible seconds since 1970; None for anything else."""
    seconds = _cell(value)
    return seconds if seconds is not None and 0 <= seconds < LATEST_S else None
