"""The command that makes the page people read."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from forex_assets.cli.common import BAD_USAGE, DESK, AsJson, AsOf, answer, app, err, fail, reported, session_of

EXAMPLES = (
    "Examples:  forex-assets report --open  ·  forex-assets report --lang es --out informe.html  ·  "
    "forex-assets report --lang es --pdf informe.pdf"
)


@app.command(rich_help_panel=DESK, epilog=EXAMPLES)
@reported
def report(
    lang: Annotated[str | None, typer.Option(metavar="es|en", help="Language; default FOREX_LANG.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the page there.")] = None,
    pdf: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Print two A4 pages, where a browser is found.")
    ] = None,
    is_opened: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Write the daily report as one HTML page."""
    if lang not in (None, "es", "en"):
        fail(f"--lang {lang}: the report is written in es or en", BAD_USAGE)
    session = session_of(as_of)
    from forex_assets.core.store.warehouse import WarehouseError
    from forex_assets.report.daily import write_report
    from forex_assets.report.pdf import NoBrowser, print_page

    with err.status("drawing …"):
        page = write_report(session, lang, out)  # type: ignore[arg-type]  # checked above
        path = Path(page.place)
        if "://" in page.place and (pdf is not None or is_opened):  # a browser reads files
            path = Path(tempfile.mkdtemp(prefix="forex-assets-")) / "daily.html"
            path.write_bytes(page.content)
        if pdf is not None:
            try:
                print_page(path, pdf)
            except NoBrowser as error:
                raise WarehouseError(f"{error}; the page itself is {page.place}") from error
    files = [page.place, *([str(pdf)] if pdf else [])]
    answer(
        as_json, {"file": files[0], "pdf": str(pdf) if pdf else None, "language": lang or session.settings.lang}, files
    )
    if is_opened:
        typer.launch(path.resolve().as_uri())
