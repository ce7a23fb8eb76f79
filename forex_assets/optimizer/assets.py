"""Assets of search and validation.

`monitoring` decides when to search; a validation report decides whether settings may be deployed.
"""

from typing import Literal, cast

import dagster as dg
import polars as pl
from pydantic import Field

from forex_assets.core import names
from forex_assets.core.compute.opening import compute_of
from forex_assets.core.config_store import ConfigError
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.conditions import on_new_inputs
from forex_assets.core.dagster.metadata import clock_metadata, frame_metadata, small_table, table_by_horizon
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.dagster.run_records import records
from forex_assets.core.plots import markdown_image
from forex_assets.core.progress import Report, notify
from forex_assets.core.schemas import LEDGER_SCHEMA
from forex_assets.core.session import Session
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.forecasts.engine import EngineError
from forex_assets.forecasts.ledger import LedgerError
from forex_assets.forecasts.resources import ForecastEngines
from forex_assets.optimizer.champion_challenger import NotSearchedError
from forex_assets.optimizer.plots import candidates_plot
from forex_assets.optimizer.search import Choice
from forex_assets.optimizer.search_run import run_search
from forex_assets.optimizer.shadow import append_shadow
from forex_assets.optimizer.tables import CANDIDATES_SCHEMA, SEARCH_REQUEST_SCHEMA, VALIDATION_SCHEMA
from forex_assets.optimizer.validation import Validation
from forex_assets.optimizer.validation_pages import page_key
from forex_assets.optimizer.validation_run import run_validation

BY_HAND = "started by hand, without a decision"

SHOWN = (
    "rank", "context_length", "num_samples", "temperature", "loss", "gain", "gain_low", "gain_high", "n", "candidate",
    "words",
)  # fmt: skip
CRITERIA_COLUMNS = ("criterion", "value", "limit", "low", "high", "literal", "calibrated")


class StartLevelSettings(dg.Config):
    """Starting level of the past fans that are compared."""

    origin: str | None = Field(
        None,
        pattern="^(live|stored)$",
        description="live: what could be known then; stored: the last finished price; the policy's if empty",
    )

    def applied_to(self, session: Session) -> Session:
        """The session, its searches from this level."""
        return session.with_search_origin(cast("Literal['live', 'stored'] | None", self.origin))


def progress_of(context: dg.AssetExecutionContext) -> Report:
    """Reports progress to the terminal and to Dagster's log."""

    def report(done: int, total: int) -> None:
        notify(done, total, context.asset_key.path[-1])
        if total and done * 10 // total != (done - 1) * 10 // total:
            context.log.info(f"{done} of {total} past test dates")

    return report


@table_by_horizon(
    keys.CANDIDATE_CONFIG,
    CANDIDATES_SCHEMA,
    pool=names.SEARCH_POOL,
    deps=[keys.SEARCH_REQUEST, keys.USDCLP],
    description="Every candidate for a horizon's settings on the same past dates, with its loss and its paired gain on "
    "the current settings. The best is the challenger, unless the current settings are its equal. Model weights do not "
    "change.",
)
def candidate_config(
    context: dg.AssetExecutionContext, config: StartLevelSettings, session: SessionResource, engines: ForecastEngines
) -> dict[str, pl.DataFrame]:
    """Returns one row a candidate, best first.

    Several horizons in one run share their trials.
    """
    run, tables = config.applied_to(session.session()), {}
    report = progress_of(context)
    together = [name for name in context.run.tags.get(names.TOGETHER_TAG, "").split(",") if name]
    with compute_of(run.settings.compute_setting):
        choices = run_search(run, engines.of(run), context.partition_keys, report=report, together=together)
    for horizon, choice in choices.items():
        tables[horizon] = choice.table
        context.log.info(f"{horizon}: {choice.words}")
        metadata = {**_shown(choice), **clock_metadata(run)}
        context.add_asset_metadata(
            frame_metadata(choice.table, _plot(horizon, choice.table, run), **metadata),
            keys.CANDIDATE_CONFIG,
            horizon,
        )
    return tables


def _shown(choice: Choice) -> dict[str, object]:
    incumbent = choice.table.filter(pl.col("is_incumbent"))["candidate"][0]
    return {
        names.WORDS: choice.words,
        names.SEARCH_ID: choice.table["search_id"][0],
        names.CHAMPION: incumbent,
        names.CHALLENGER: choice.chosen,
        "candidates": small_table(choice.table.select(SHOWN)),
    }


def _plot(horizon: str, table: pl.DataFrame, run: Session) -> str:
    title = f"Candidates of {horizon}: gain on the current settings"
    return markdown_image(candidates_plot(table, title, run.market == "sample"), title)


@table_by_horizon(
    keys.VALIDATION_REPORT,
    VALIDATION_SCHEMA,
    pool=names.SEARCH_POOL,
    deps=[keys.CANDIDATE_CONFIG, keys.USDCLP],
    description="The challenger against the current settings, on later past dates apart from the search's: five "
    "criteria by the published rule and by the calibrated one, and the chance that a challenger no better would have "
    "been approved. Approved, rejected or inconclusive; only approved settings go live.",
)
def validation_report(
    context: dg.AssetExecutionContext, config: StartLevelSettings, session: SessionResource, engines: ForecastEngines
) -> dict[str, pl.DataFrame]:
    """Returns one row a criterion.

    A rejected challenger ends in SUCCESS with its verdict.
    """
    run, tables = config.applied_to(session.session()), {}
    try:
        with compute_of(run.settings.compute_setting):
            reports = run_validation(run, engines.of(run), context.partition_keys, report=progress_of(context))
    except NotSearchedError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    for horizon, validation in reports.items():
        tables[horizon] = validation.table
        context.log.info(f"{horizon}: {validation.words}")
        metadata = {**_validation_metadata(run, validation), **clock_metadata(run)}
        metadata[names.IS_BY_HAND] = context.run.job_name != names.OPTIMIZE_JOB
        context.add_asset_metadata(frame_metadata(validation.table, **metadata), keys.VALIDATION_REPORT, horizon)
    return tables


def _validation_metadata(run: Session, validation: Validation) -> dict[str, object]:
    """Metadata for the sensor and for people."""
    subject = validation.subject
    page = run.tables.records.place(f"{page_key(subject.horizon, subject.validation_id)}.html")
    return {
        names.VERDICT: validation.verdict,
        names.VALIDATION_ID: subject.validation_id,
        names.SEARCH_ID: subject.search_id,
        names.CHAMPION: subject.champion,
        names.CHALLENGER: subject.challenger,
        names.WORDS: validation.words,
        "decided_by": validation.decided_by,
        "verdict_literal": validation.literal,
        "verdict_calibrated": validation.calibrated,
        "false_pass": "not known" if validation.false_pass is None else validation.false_pass,
        "origins": validation.n,
        "criteria": small_table(validation.table.select(CRITERIA_COLUMNS)),
        "page": dg.MetadataValue.path(page),
    }


@table_by_horizon(
    keys.SHADOW_FORECAST,
    LEDGER_SCHEMA,
    deps=[keys.LEDGER],
    automation_condition=on_new_inputs(),
    description="Today's forecast of a challenger on trial, appended to `forecasts/ledger` and marked shadow. Nobody "
    "acts on it. A failure here leaves the champion's forecast as it is.",
)
def shadow_forecast(context: dg.AssetExecutionContext, session: SessionResource, engines: ForecastEngines) -> None:
    """Appends one entry for each horizon with a trial under way."""
    run, faults = session.session(), list[str]()
    for horizon in context.partition_keys:
        try:
            entry = append_shadow(run, engines.of(run), horizon)
        except (ConfigError, EngineError, LedgerError, WarehouseError, ValueError) as error:
            faults.append(f"{horizon}: the challenger on trial did not forecast: {error}")
            continue
        outcome = "no forecast due" if entry is None else f"entry {entry.sequence} of the ledger"
        context.add_asset_metadata({"shadow": outcome}, keys.SHADOW_FORECAST, horizon)
    if faults:
        raise dg.Failure("; ".join(faults), allow_retries=False)


@table_by_horizon(
    keys.SEARCH_REQUEST,
    SEARCH_REQUEST_SCHEMA,
    deps=[keys.TRIGGER_DECISION],
    description="The newest search of a horizon: when it began, why, by which decision. The head of the optimization "
    "graph; the age of a horizon's settings is counted from the search that follows.",
)
def search_request(context: dg.AssetExecutionContext, session: SessionResource) -> dict[str, pl.DataFrame]:
    """Returns one row a horizon, from the tags of the run."""
    run, tags, tables = session.session(), context.run.tags, {}
    for horizon in context.partition_keys:
        name = tags.get(names.DECISION_TAG, "")
        decisions = records(context.instance, keys.TRIGGER_DECISION, horizon) if name else iter(())
        decision = next((record for record in decisions if record.id == name), None)
        row = {
            "horizon": horizon,
            "requested_at": run.now,
            "reason": tags.get(names.REASON_TAG, BY_HAND),
            "decision": name,
            "superseded": tags.get(names.SUPERSEDED_TAG, ""),
            "words": decision.metadata.get(names.WORDS, "") if decision else "",
            "attempt": int(tags.get(names.ATTEMPT_TAG, "1")),
            "run_id": context.run.run_id,
        }
        tables[horizon] = pl.DataFrame([row], schema=SEARCH_REQUEST_SCHEMA)
        metadata = {
            names.WORDS: row["words"] or row["reason"],
            names.REASONS: row["reason"],
            "decision": name or "none",
            **clock_metadata(run),
        }
        context.add_asset_metadata(frame_metadata(tables[horizon], **metadata), keys.SEARCH_REQUEST, horizon)
    return tables
