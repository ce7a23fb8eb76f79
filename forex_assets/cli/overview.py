"""What `status` and `doctor` know, as plain records; `render` draws them."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import polars as pl

from forex_assets.adapters.chronos_model import check_settings
from forex_assets.adapters.config_store import ConfigError
from forex_assets.adapters.warehouse import WarehouseError
from forex_assets.domain.forecast.engine import EngineError
from forex_assets.domain.horizon import HORIZONS
from forex_assets.domain.market.prices import COPPER, USDCLP, PriceSeries
from forex_assets.domain.schemas import SAMPLE_SOURCE
from forex_assets.resources.platform import Platform
from forex_assets.resources.settings import unknown_names

if TYPE_CHECKING:
    import dagster as dg

PACKAGES = ("dagster", "dagster-webserver", "chronos-forecasting", "torch", "polars", "yfinance", "fredapi")
STALE_SESSIONS = 2
"""Older than this, a price or a forecast is called stale: one session may be a source's delay."""


def status_of(platform: Platform) -> dict[str, Any]:
    """Stored prices, latest forecasts and recent runs."""
    return {
        "clock": platform.now.isoformat(),
        "warehouse": str(platform.warehouse.root),
        "is_sample": platform.reading_branch == "sample",
        "sample_notice": SAMPLE_SOURCE if platform.reading_branch == "sample" else None,
        "prices": [_price_record(platform, series) for series in (USDCLP, COPPER)],
        "forecasts": [_forecast_record(platform, horizon) for horizon in HORIZONS],
        "runs": _recent_runs(platform),
    }


def doctor_of(platform: Platform) -> dict[str, Any]:
    """What is installed, who answers, which model would be used, what is stale, and whether a forecast can be made."""
    answers = [] if platform.settings.market == "sample" else platform.probe()
    models = [_model_record(platform, horizon) for horizon in HORIZONS]
    stored = {series.name for series in (USDCLP, COPPER) if platform.store.sources(series)}
    is_dark = not stored and not any(a.is_ok for a in answers)
    has_prices = (
        platform.settings.market == "sample"
        or (platform.settings.market == "auto" and is_dark)  # the generated market stands in
        or USDCLP.name in stored
        or any(a.is_ok for a in answers if a.source in ("Yahoo CLP=X", "Banco Central"))
    )
    prices = [_price_record(platform, series) for series in (USDCLP, COPPER)]
    forecasts = [_forecast_record(platform, horizon) for horizon in HORIZONS]
    return {
        "clock": platform.now.isoformat(),
        "market": platform.settings.market,
        "installed": {name: _version(name) for name in PACKAGES},
        "sources": [
            {"source": a.source, "answers": a.is_ok, "answer": a.answer, "seconds": a.seconds} for a in answers
        ],
        "models": models,
        "unknown_names": unknown_names(),
        "stale": [r["table"] for r in (*prices, *forecasts) if r["is_stale"]],
        "can_forecast": has_prices and not any(m["error"] for m in models),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing: make setup"


def _price_record(platform: Platform, series: PriceSeries) -> dict[str, Any]:
    table = f"market/{series.name}"
    frame = platform.warehouse.read(table)
    if frame is not None and not {series.value, "session", "source", "is_provisional"} <= set(frame.columns):
        raise WarehouseError(
            f"{platform.warehouse.path(table)} has other columns ({', '.join(frame.columns)}); `forex-assets ingest` "
            "makes it anew"
        )
    unknown = dict.fromkeys(("last_session", "last", "source", "is_provisional", "age_in_sessions"))
    record: dict[str, Any] = {"table": table, "unit": series.unit, "rows": 0, **unknown, "is_stale": True}
    if frame is None or (rows := frame.filter(pl.col(series.value).is_not_null())).is_empty():
        return record
    last = rows.row(-1, named=True)
    age = platform.calendar(series).age(last["session"], platform.settings.as_of_date)
    return record | {
        "rows": rows.height,
        "last_session": str(last["session"]),
        "last": last[series.value],
        "source": last["source"],
        "is_provisional": last["is_provisional"],
        "age_in_sessions": age,
        "is_stale": age > STALE_SESSIONS,
    }


def _forecast_record(platform: Platform, horizon: str) -> dict[str, Any]:
    table = f"forecasts/latest/{horizon}"
    frame = platform.warehouse.read("forecasts/latest", horizon)
    fields = ("as_of", "target_date", "median", "low_95", "high_95", "model", "engine", "age_in_sessions")
    record: dict[str, Any] = {"table": table, "horizon": horizon, **dict.fromkeys(fields), "is_stale": True}
    if frame is None:
        return record
    last = frame.row(-1, named=True)
    age = platform.calendar(USDCLP).age(last["as_of"], platform.settings.as_of_date)
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


def _model_record(platform: Platform, horizon: str) -> dict[str, Any]:
    """The model that would be used for a horizon, or why none could be."""
    try:
        config = platform.configs.read(horizon)
        found, used = platform.model_for(config)
        if found.location is not None:
            check_settings(found.location, found.model, used)
    except (ConfigError, EngineError) as error:
        return {"horizon": horizon, "configured": None, "used": None, "why": None, "error": str(error)}
    return {
        "horizon": horizon,
        "configured": config.model,
        "used": found.location or found.kind,
        "why": found.why,
        "error": None,
    }


def noted_heads(platform: Platform) -> dict[str, str]:
    """The head of each horizon's ledger as Dagster noted it at its last materialization; a chain cannot say its own."""
    import dagster as dg

    from forex_assets.defs import contracts

    heads = {}
    with instance_of(platform) as instance:
        if instance is None:
            return {}
        for horizon in HORIZONS:
            found = instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=contracts.LEDGER, asset_partitions=[horizon]), limit=1
            ).records
            noted = found[0].asset_materialization.metadata.get(contracts.LEDGER_HEAD) if found else None  # type: ignore[union-attr]
            if noted is not None:
                heads[horizon] = str(noted.value)
    return heads


@contextmanager
def instance_of(platform: Platform) -> "Iterator[dg.DagsterInstance | None]":
    """The Dagster instance of the platform's settings; None where there is none yet."""
    import os

    import dagster as dg

    home = platform.settings.dagster_home
    if not (home / "dagster.yaml").exists():
        yield None
        return
    os.environ["DAGSTER_HOME"] = str(home)
    with dg.DagsterInstance.get() as instance:
        yield instance


def _recent_runs(platform: Platform, limit: int = 5) -> list[dict[str, Any]]:
    """The last runs of the instance, newest first; empty where there is no instance yet."""
    with instance_of(platform) as instance:
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
