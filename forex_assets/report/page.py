"""Renders the daily report as one self-contained HTML page."""

from typing import Any, Final

from forex_assets.report import first_page, record_page
from forex_assets.report.formats import Language, moment_text
from forex_assets.report.tables import ReportTables
from forex_assets.report.words import speaker

TEMPLATE: Final = "daily_report.html.j2"


def render_report(tables: ReportTables, language: Language) -> str:
    """Renders both pages of the report."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    say, outlook = speaker(language), tables.outlook
    pages = Environment(
        loader=PackageLoader("forex_assets.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    copper: dict[str, Any] = first_page.copper_part(tables, say, language)
    copper["charts"] = [Markup(chart) for chart in copper["charts"]]  # our own SVG; every other text is escaped
    return pages.get_template(TEMPLATE).render(
        language=language,
        say=say,
        is_sample=tables.is_sample,
        opening=first_page.opening(tables, say, language),
        origin=first_page.origin_words(tables, say, language),
        charts=[Markup(chart) for chart in first_page.fan_charts(tables, say, language)],
        has_events=bool(outlook and tables.events.ahead(outlook.basis().price_session, outlook.last_day)),
        dates=first_page.dates_table(outlook, say, language) if outlook else None,
        levels=first_page.levels_table(outlook, say, language) if outlook else None,
        held=first_page.held_words(tables.held, say, language),
        observado=first_page.observado_words(tables, say, language),
        copper=copper,
        meetings=first_page.meeting_words(tables, say, language),
        exposure=first_page.exposure_words(tables, say, language),
        record=record_page.record_table(tables, say, language),
        models=record_page.model_words(tables, say),
        loop_lines=record_page.loop_words(tables, say, language) + record_page.replay_words(tables, say, language),
        drift=record_page.drift_words(tables, say, language),
        ages=record_page.data_words(tables, say),
        faults=tables.faults,
        when=moment_text(tables.as_of, language),
    )
