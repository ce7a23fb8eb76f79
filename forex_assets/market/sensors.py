"""Sensor that warns when prices often come from a fallback source."""

import json
from datetime import timedelta
from typing import Final

import dagster as dg

from forex_assets.core.calendar import santiago_time
from forex_assets.core.dagster.run_records import FIRST_SOURCE, MARKET_KEYS, EventRecord, is_fallback, records

FALLBACKS: Final = 3
"""Fallbacks within the window that cause a warning."""

FALLBACK_WINDOW: Final = timedelta(days=7)


@dg.sensor(
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Warns, on the price's own page and in the log, when prices did not come from the first source three "
    "times in seven days.",
)
def warn_on_price_fallback(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Reports each fallback that makes three or more within seven days."""
    marks = _fallback_marks(context.cursor)
    observed, counts = list[dg.AssetObservation](), list[str]()
    for key in MARKET_KEYS:
        name = key.to_user_string()
        past = _recent(context.instance, key)
        used = [record for record in past if is_fallback(record)]
        if len(used) >= FALLBACKS and used[0].place > marks.get(name, 0):
            words = _fallback_words(name, used)
            context.log.warning(words)
            observed.append(dg.AssetObservation(key, description=words, metadata={"warning": words}))
        counts.append(f"{name}: {len(used)} in {FALLBACK_WINDOW.days} days")
        marks[name] = past[0].place if past else marks.get(name, 0)
    return dg.SensorResult(asset_events=observed, skip_reason="; ".join(counts), cursor=json.dumps(marks))


def _recent(instance: dg.DagsterInstance, key: dg.AssetKey) -> list[EventRecord]:
    """Returns materializations within seven days of the newest, newest first.

    Times are those of the records, not of a clock.
    """
    past = list[EventRecord]()
    for record in records(instance, key, page=10):
        if past and record.written_at < past[0].written_at - FALLBACK_WINDOW:
            break
        past.append(record)
    return past


def _fallback_words(name: str, used: list[EventRecord]) -> str:
    sources = ", ".join(dict.fromkeys(str(record.metadata["source"]) for record in used))
    return (
        f"{name}: {len(used)} times in {FALLBACK_WINDOW.days} days prices did not come from {FIRST_SOURCE} but from "
        f"{sources} or the stored history, last {santiago_time(used[0].written_at)} in Santiago; "
        "see `forex-assets doctor`"
    )


def _fallback_marks(cursor: str | None) -> dict[str, int]:
    """Reads the reported fallbacks; a lost cursor repeats a warning."""
    try:
        noted = json.loads(cursor or "{}")
    except ValueError:
        return {}
    return {k: v for k, v in noted.items() if isinstance(v, int)} if isinstance(noted, dict) else {}
