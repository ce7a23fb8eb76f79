"""The daily report as an asset, with its job and schedule."""

from urllib.parse import quote

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.metadata import check_metadata
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.report.daily import write_report

REPORT_CRONS = ["45 20 * * 1-5", "0 23 * * 1-5"]
"""After the decisions, and after their retry."""


@dg.asset(
    key=keys.DAILY_REPORT,
    deps=[
        *(keys.USDCLP, keys.COPPER, keys.OBSERVADO, keys.DRIVERS, keys.FEATURES),
        *(keys.LATEST, keys.OBSERVADO_FORECAST, keys.LEDGER, keys.SCORECARD),
        *(keys.DRIFT_REPORT, keys.TRIGGER_DECISION, keys.CANDIDATE_CONFIG, keys.VALIDATION_REPORT),
    ],
    group_name="report",
    kinds={"html"},
    owners=names.OWNERS,
    description="Two pages for a treasurer: price, range, chances by level, earlier ranges, observado and copper; then "
    "record, settings, tuning and limits. English or Spanish by FOREX_LANG. Every page is kept in `report/kept`.",
)
def daily(context: dg.AssetExecutionContext, session: SessionResource) -> None:
    """Writes `report/daily.html`."""
    run_session = session.session()
    page = write_report(run_session)
    metadata = check_metadata({"language": run_session.settings.lang, "bytes": len(page.content)})
    address = page.place if "://" in page.place else f"file://{quote(page.place)}"
    context.add_output_metadata({**metadata, "file": dg.MetadataValue.url(address)})


report_daily = dg.define_asset_job(
    names.REPORT_JOB,
    selection=dg.AssetSelection.assets(keys.DAILY_REPORT),
    description="Writes the daily report.",
)

report_on_weekdays = dg.ScheduleDefinition(
    name="report_on_weekdays",
    job=report_daily,
    cron_schedule=REPORT_CRONS,
    execution_timezone=names.SANTIAGO,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Weekdays at 20:45 and 23:00 in Santiago, after forecasts and decisions.",
)
