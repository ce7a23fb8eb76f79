"""Data of `status` and `doctor`; `render` draws it."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from forex_assets.cli.starting_price import starting_price
from forex_assets.cli.trial import readable, trials_of
from forex_assets.core import names
from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.config_store import ConfigError
from forex_assets.core.dagster.instance import export_instance
from forex_assets.core.dagster.instance_config import FILE
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import COPPER_SCHEMA, FORECAST_SCHEMA, SAMPLE_SOURCE, USDCLP_SCHEMA
from forex_assets.core.session import Session
from forex_assets.core.settings import unknown_names
from forex_assets.core.store.identity import identity
from forex_assets.forecasts.chronos.settings_check import check_settings
from forex_assets.forecasts.engine import EngineError
from forex_assets.forecasts.engines import engines_of
from forex_assets.market.price_sources import calendar_of, sources_of
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries
from forex_assets.monitoring.request_store import requests_of

if TYPE_CHECKING:
    import dagster as dg

Read = TypeVar("Read")
PACKAGES = ("dagster", "dagster-webserver", "chronos-forecasting", "torch", "polars", "yfinance")
HEADS = 1000
"""Noted heads that a chain is held against: four years of evenings."""

WORTH_OF_ACCOUNT = (
    "Starting there cut the CRPS of 7-day fans by 16.5 % on 2015–2023; today's observado, which needs none, by 8.9 %"
)
"""Measured by `benchmarks/origin_worth.py`."""

STALE_SESSIONS = 2
"""Sessions after which a price or forecast counts as stale.

One session may be a source's delay.
"""


def status_of(session: Session) -> dict[str, Any]:
    """Stored prices, starting price, latest forecasts and recent runs."""
    return {
        "clock": session.now.isoformat(),
        "warehouse": session.tables.place(),
        "is_sample": session.market == "sample",
        "sample_notice": SAMPLE_SOURCE if session.market == "sample" else None,
        "prices": [_price_record(session, series) for series in (USDCLP, COPPER)],
        "starting_price": starting_price(session),
        "forecasts": [_forecast_record(session, horizon) for horizon in HORIZONS],
        "optimization": optimization_of(session),
        "runs": _recent_runs(session),
    }


def doctor_of(session: Session) -> dict[str, Any]:
    """Installation, sources, models, stale data, readiness to forecast."""
    answers = [] if session.settings.market == "sample" else sources_of(session).probe()
    models = [_model_record(session, horizon) for horizon in HORIZONS]
    trials = trials_of(session)
    blocked = any(check["blocks"] for trial in trials for check in trial["checks"])
    prices = [_price_record(session, series) for series in (USDCLP, COPPER)]
    forecasts = [_forecast_record(session, horizon) for horizon in HORIZONS]
    return {
        "clock": session.now.isoformat(),
        "market": session.settings.market,
        "installed": {name: _version(name) for name in PACKAGES},
        "folders": {
            "warehouse": session.store.place(),
            "configs": session.config_files.place(),
            "Dagster's records": str(session.settings.dagster_home),
        },
        "sources": [
            {"source": a.source, "answers": a.is_ok, "answer": a.answer, "seconds": a.seconds} for a in answers
        ],
        "prices": trials,
        "models": models,
        "account": _account_words(session),
        "unknown_names": unknown_names(),
        "stale": [r["table"] for r in (*prices, *forecasts) if r["is_stale"] and not r["fault"]],
        "damaged": [r["fault"] for r in (*prices, *forecasts) if r["fault"]],
        "can_forecast": not blocked and not any(m["error"] for m in models),
    }


def _account_words(session: Session) -> str:
    """Says where fans start, and what an account is worth."""
    if session.settings.bcch_user and session.settings.bcch_password:
        return "fans start near the Banco Central's dólar observado of the next banking day, out at about 18:00."
    return (
        "a free Banco Central account (BCCH_USER, BCCH_PASSWORD) gives the dólar observado of the next banking day at "
        f"about 18:00. {WORTH_OF_ACCOUNT} (docs/accuracy.md)."
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing: make setup"


def _price_record(session: Session, series: PriceSeries) -> dict[str, Any]:
    table = f"market/{series.name}"
    schema = USDCLP_SCHEMA if series is USDCLP else COPPER_SCHEMA
    frame, fault = readable(lambda: session.tables.read(table, schema=schema))
    unknown = dict.fromkeys(("last_session", "last", "source", "is_provisional", "age_in_sessions"))
    record: dict[str, Any] = {"table": table, "unit": series.unit, "rows": 0, **unknown, "is_stale": True}
    record["fault"] = fault
    if frame is None or (rows := frame.filter(pl.col(series.value).is_not_null())).is_empty():
        return record
    last = rows.row(-1, named=True)
    age = calendar_of(series).age(last["session"], session.today)
    return record | {
        "rows": rows.height,
        "last_session": str(last["session"]),
        "last": last[series.value],
        "source": last["source"],
        "is_provisional": last["is_provisional"],
        "age_in_sessions": age,
        "is_stale": age > STALE_SESSIONS,
    }


def _forecast_record(session: Session, horizon: str) -> dict[str, Any]:
    table = f"forecasts/latest/{horizon}"
    frame, fault = readable(lambda: session.tables.read("forecasts/latest", horizon, FORECAST_SCHEMA))
    fields = ("as_of", "target_date", "median", "low_95", "high_95", "model", "engine", "age_in_sessions")
    record: dict[str, Any] = {"table": table, "horizon": horizon, **dict.fromkeys(fields), "is_stale": True}
    record["fault"] = fault
    if frame is None or frame.is_empty():
        return record
    last = frame.row(-1, named=True)
    age = calendar_of(USDCLP).age(last["as_of"], session.today)
    return record | {
        "as_of": str(last["as_of"]),
        "target_date": str(last["target_date"]),
        "median": last["q50"],
        "low_95": last["q025"],
        "high_95": last["q975"],
        "model": last["model"],
        "engine": last["engine"],
        "age_in_sessions": age,
        "is_stale": age > STALE_SESSIONS,
    }


def _model_record(session: Session, horizon: str) -> dict[str, Any]:
    """The model in use for a horizon, or why there is none."""
    try:
        config = session.configs.read(horizon)
        model, used = engines_of(session.settings).resolve(config)
        if model.location is not None:
            check_settings(model.location, model.model, used)
    except (ConfigError, EngineError) as error:
        return {"horizon": horizon, "configured": None, "used": None, "why": None, "error": str(error)}
    return {
        "horizon": horizon,
        "configured": config.model,
        "used": model.location or model.kind,
        "why": model.why,
        "error": None,
    }


def optimization_of(session: Session) -> list[dict[str, Any]]:
    """Last search, last decision and open requests by horizon."""
    with instance_of(session) as instance:
        return [_optimization_record(session, instance, horizon) for horizon in HORIZONS]


def _optimization_record(session: Session, instance: "dg.DagsterInstance | None", horizon: str) -> dict[str, Any]:
    """Record of one horizon, from Dagster's records.

    Without an instance it holds requests only.
    """
    from forex_assets.core.dagster import keys
    from forex_assets.core.dagster.run_records import is_searching, last_by_clock, records
    from forex_assets.monitoring.open_requests import open_requests

    fields = ("last_optimized", "age_days", "decided_at", "fires", "reasons", "words")
    record: dict[str, Any] = {"horizon": horizon, **dict.fromkeys(fields), "is_searching": False}
    if instance is None:
        return record | {"requests": [request.words for request in requests_of(session).open(horizon).requests]}
    at = (horizon, session.market, session.now)
    search = last_by_clock(instance, keys.OPTIMIZED, *at)
    decision = last_by_clock(instance, keys.TRIGGER_DECISION, *at)
    waiting = open_requests(records(instance, keys.TRIGGER_DECISION, horizon), requests_of(session), horizon)
    record |= {
        "is_searching": is_searching(instance, horizon),
        "requests": [request.words for request in waiting.requests],
    }
    if search is not None:
        day = search.clock.astimezone(SANTIAGO).date()
        record |= {"last_optimized": str(day), "age_days": (session.today - day).days}
    if decision is not None:
        record |= {"decided_at": decision.clock.isoformat(), "fires": decision.fires}
        record |= {"reasons": decision.names(names.REASONS), "words": decision.metadata.get(names.WORDS)}
    return record


def noted_heads(session: Session, table: str = names.LEDGER) -> dict[str, list[str]]:
    """Ledger heads that Dagster noted, newest first, by horizon.

    Only those of the warehouse that is read now, known by its id, or by its folder where an earlier version noted no
    id: generated and real forecasts share Dagster's records.
    """
    import dagster as dg

    from forex_assets.core.dagster import keys

    heads: dict[str, list[str]] = {}
    with instance_of(session) as instance:
        for horizon in HORIZONS if instance is not None else ():
            materializations = instance.fetch_materializations(  # type: ignore[union-attr]
                dg.AssetRecordsFilter(asset_key=keys.asset_key(table), asset_partitions=[horizon]), limit=HEADS
            ).records
            noted = [
                record.asset_materialization.metadata for record in materializations if record.asset_materialization
            ]
            root, known = session.tables.place(), identity(session.tables.store)
            warehouse_heads = (
                str(metadata[names.LEDGER_HEAD].value)
                for metadata in noted
                if names.LEDGER_HEAD in metadata
                and (
                    (names.WAREHOUSE_ID in metadata and metadata[names.WAREHOUSE_ID].value == known)
                    or (names.LEDGER_ROOT in metadata and metadata[names.LEDGER_ROOT].value == root)
                )
            )
            heads[horizon] = list(dict.fromkeys(warehouse_heads))  # a repeated forecast notes the same head again
    return heads


@contextmanager
def instance_of(session: Session) -> "Iterator[dg.DagsterInstance | None]":
    """Opens the Dagster instance; None where there is none."""
    import dagster as dg

    if not (session.settings.dagster_home / FILE).exists():
        yield None
        return
    export_instance(session.settings)
    with dg.DagsterInstance.get() as instance:
        yield instance


def _recent_runs(session: Session, limit: int = 5) -> list[dict[str, Any]]:
    """Latest runs, newest first."""
    with instance_of(session) as instance:
        if instance is None:
            return []
        return [
            {
                "run": record.dagster_run.run_id[:8],
                "job": record.dagster_run.job_name.replace("__ASSET_JOB", "assets"),
                "status": record.dagster_run.status.value,
                "started": record.create_timestamp.isoformat(timespec="seconds"),
            }
            for record in instance.get_run_records(limit=limit)
        ]
