"""The first page as a mail with a picture."""

from dataclasses import dataclass
from typing import Final

from forex_assets.core.plots import BLUE, INK, dress_axes, png_of, titled_figure
from forex_assets.desk.outlook import Outlook
from forex_assets.market.prices import USDCLP
from forex_assets.report import first_page
from forex_assets.report.formats import Language, moment_text
from forex_assets.report.tables import ReportTables
from forex_assets.report.words import Say, speaker

PICTURE: Final = "fan"
"""Content id of the picture."""
BANDS: Final = ((0, 8, 0.16), (2, 6, 0.24), (3, 5, 0.34))
"""Lower and upper quantile of each band, and its opacity."""


@dataclass(frozen=True)
class MailBody:
    """Content of the mail.

    Attributes:
        subject: title with the moment, and the kind of data if it is generated.
        text: plain sentences.
        html: refers to the picture as `cid:fan`.
        picture: PNG.
    """

    subject: str
    text: str
    html: str
    picture: bytes


def mail_body(tables: ReportTables, language: Language) -> MailBody:
    """Renders the mail; mail programs know neither SVG nor scripts.

    Raises:
        ValueError: there is no fan to show.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    if tables.outlook is None:
        raise ValueError("a report by mail needs a stored fan")
    say = speaker(language)
    opening = first_page.opening(tables, say, language)
    more = [*first_page.held_words(tables.held, say, language), *first_page.observado_words(tables, say, language)]
    exposure = first_page.exposure_words(tables, say, language)
    lines = [*more, *([exposure] if exposure else []), say("limit_advice")]
    subject = f"{say('title')}, {moment_text(tables.as_of, language)}"
    sample = [say("sample")] if tables.is_sample else []
    pages = Environment(loader=PackageLoader("forex_assets.report"), autoescape=True, undefined=StrictUndefined)
    html = pages.get_template("mail.html.j2").render(
        language=language,
        say=say,
        sample=sample,
        opening=opening,
        lines=lines,
        picture=PICTURE,
        tables=[
            first_page.dates_table(tables.outlook, say, language),
            first_page.levels_table(tables.outlook, say, language),
        ],
    )
    text = "\n\n".join([*sample, *opening, *lines])
    prefix = "SAMPLE DATA: " if tables.is_sample else ""
    return MailBody(prefix + subject, text, html, _picture(tables, tables.outlook, say))


def _picture(tables: ReportTables, outlook: Outlook, say: Say) -> bytes:
    """Draws history and fan as PNG."""
    basis = outlook.basis()
    sessions = outlook.calendar.between(basis.price_session, outlook.last_day)
    days = [basis.price_session, *sessions]
    laws = [[basis.price] * 9, *(outlook.at(day).law.quantiles.tolist() for day in sessions)]
    figure, axes = titled_figure(8.0, 3.6, say("range"), tables.is_sample)
    for low, high, opacity in BANDS:
        axes.fill_between(
            days, [law[low] for law in laws], [law[high] for law in laws], color=BLUE, alpha=opacity, lw=0
        )
    axes.plot(days, [law[4] for law in laws], color=BLUE)
    if tables.usdclp is not None:
        past = tables.usdclp.tail(first_page.HISTORY)
        axes.plot(past["session"].to_list(), past[USDCLP.value].to_list(), color=INK)
    dress_axes(axes, "CLP/USD")
    return png_of(figure)
