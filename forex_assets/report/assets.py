"""The page that people read in the evening. It reads what stands and is never in any forecast's way."""

from urllib.parse import quote

import dagster as dg

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.metadata import check_metadata
from forex_assets.platform import PlatformResource
from forex_assets.report.daily import write_report

REPORT_CRONS = ["45 20 * * 1-5", "0 23 * * 1-5"]
"""After the decisions, and once more after their second chance."""


@dg.asset(
    key=keys.DAILY_REPORT,
    deps=[keys.LATEST, keys.SCORECARD, keys.FEATURES],
    group_name="report",
    kinds={"html"},
    owners=names.OWNERS,
    description="One self-contained page: the four fans in words, the record against the random walk, copper, drift, "
    "trigger, what the loop did and why, how fresh the data are. English or Spanish by FOREX_LANG.",
)
def daily(context: dg.AssetExecutionContext, platform: PlatformResource) -> None:
    """Writes `report/daily.html`."""
    ready = platform.platform()
    path = write_report(ready)
    shown = check_metadata({"language": ready.settings.lang, "bytes": path.stat().st_size})
    context.add_output_metadata({**shown, "file": dg.MetadataValue.url(f"file://{quote(str(path))}")})


report_daily = dg.define_asset_job(
    names.REPORT_JOB,
    selection=dg.AssetSelection.assets(keys.DAILY_REPORT),
    description="The page that people read.",
)

report_on_weekdays = dg.ScheduleDefinition(
    name="report_on_weekdays",
    job=report_daily,
    cron_schedule=REPORT_CRONS,
    execution_timezone=names.SANTIAGO,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Weekdays at 20:45 and 23:00 in Santiago, after forecasts and decisions.",
)
