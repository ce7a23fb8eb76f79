"""Sensors of the market: fallback warnings, polling for the observado."""

import json
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

import dagster as dg

from forex_assets.core import names
from forex_assets.core.calendar import SANTIAGO, santiago_time
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.dagster.run_records import FIRST_SOURCE, MARKET_KEYS, EventRecord, is_fallback, records
from forex_assets.core.session import Session
from forex_assets.market.polling import WAIT_MINUTES, Evening, next_step
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import OBSERVADO

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


def observado_sensor(clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> dg.SensorDefinition:
    """Makes the sensor `poll_observado`.

    Args:
        clock: real time.
    """

    @dg.sensor(
        name="poll_observado",
        job_name=names.ORIGIN_JOB,
        minimum_interval_seconds=120,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="From 18:00 in Santiago asks the Banco Central for the dólar observado of the next banking day, "
        "every 8 to 14 minutes until it is there or 21:00. If it comes after a fan was issued, the origin is picked "
        "again, at most once an evening, and new fans follow.",
    )
    def poll_observado(context: dg.SensorEvaluationContext, session: SessionResource) -> dg.SensorResult:
        """Launches a question to the bank, or a new origin."""
        run = replace(session.session(), now=clock())
        if run.settings.as_of is not None or run.market != "live":
            return dg.SensorResult(skip_reason="prices are generated, or the clock is set by hand")
        step = next_step(_evening(context, run), calendar_of(OBSERVADO))
        if step.action == "wait":
            return dg.SensorResult(skip_reason=step.words, cursor=context.cursor)
        context.log.info(step.words)
        if step.action == "renew":
            # Dagster launches no run key twice: once an evening.
            request = dg.RunRequest(run_key=f"origin/{run.today}", asset_selection=[keys.QUOTES, keys.ORIGIN])
            return dg.SensorResult(run_requests=[request], cursor=context.cursor)
        wait = timedelta(minutes=random.uniform(*WAIT_MINUTES))
        request = dg.RunRequest(run_key=f"observado/{run.now.isoformat()}", asset_selection=[keys.OBSERVADO])
        return dg.SensorResult(run_requests=[request], cursor=(run.now + wait).isoformat())

    return poll_observado


poll_observado = observado_sensor()


def _evening(context: dg.SensorEvaluationContext, run: Session) -> Evening:
    """Reads the state of the evening from the records."""
    observado = next(records(context.instance, keys.OBSERVADO, page=1), None)
    origin = next(records(context.instance, keys.ORIGIN, page=1), None)
    is_todays = (
        origin is not None
        and origin.metadata.get(names.MARKET) == run.market
        and origin.clock.astimezone(SANTIAGO).date() == run.today
    )
    return Evening(
        now=run.now,
        has_account=bool(run.settings.bcch_user and run.settings.bcch_password),
        newest_observado=_date(observado, "last_session"),
        not_before=_instant(context.cursor),
        origin_observado=_date(origin, names.NEWEST_OBSERVADO) if is_todays else None,
        has_origin=is_todays,
    )


def _date(record: EventRecord | None, name: str) -> date | None:
    """Reads a date of a record's metadata; None without it."""
    with suppress(ValueError):
        return date.fromisoformat(str(record.metadata.get(name))) if record is not None else None
    return None


def _instant(cursor: str | None) -> datetime | None:
    """Reads the next question's time; a lost cursor asks at once."""
    with suppress(ValueError):
        instant = datetime.fromisoformat(cursor or "")
        return instant if instant.tzinfo else None
    return None
