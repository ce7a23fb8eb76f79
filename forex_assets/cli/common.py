"""Shared parts of the commands.

Nothing heavy is imported at the top: `--help` must not wait for Dagster or torch.
"""

import json
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, ParamSpec, cast

import typer
from rich.console import Console, Group, RenderableType
from rich.markup import escape

from forex_assets.cli.limits import local_words, root_fault
from forex_assets.core.horizon import HORIZONS, days_of

if TYPE_CHECKING:
    from forex_assets.accuracy.start_level import StartLevel
    from forex_assets.core.session import Session

P = ParamSpec("P")
FAILED, BAD_USAGE = 1, 2
DESK, LOOP, OPERATIONS = "Desk", "Loop", "Operations"
"""Groups of commands in the help."""

KNOWN_ERRORS = {
    BAD_USAGE: (
        "forex_assets.accuracy.backtest_run.UnknownEngine",
        "forex_assets.core.settings.SettingsError",
        "forex_assets.desk.outlook.QuestionError",
        "forex_assets.operations.backup.archive.NotAnArchive",
    ),
    FAILED: (
        "forex_assets.cli.runner.RunFailed",
        "forex_assets.core.compute.work.ComputeError",
        "forex_assets.core.config_store.ConfigError",
        "forex_assets.core.policy_store.PolicyError",
        "forex_assets.core.store.port.WarehouseError",
        "forex_assets.desk.outlook.DeskError",
        "forex_assets.forecasts.engine.EngineError",
        "forex_assets.forecasts.ledger.LedgerError",
        "forex_assets.operations.backup.archive.ArchiveError",
        "forex_assets.operations.tracking.connection.TrackingError",
    ),
}
"""Errors shown in one line, by exit code.

By name: an error that was raised is imported already, and importing all of them brings in Dagster.
"""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="USD/CLP forecast ranges at 7, 15, 30 and 90 days, with the assets and records of Dagster's UI.",
)
out, err = Console(), Console(stderr=True)


def _print_version(is_asked: bool) -> None:
    """Prints the version and ends."""
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"forex-assets {version('forex-assets')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Options of the program itself."""
    del version


AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="Work as if it were 19:00 in Santiago on this day.")
]
Horizon = Annotated[str, typer.Option(metavar="7d|15d|30d|90d|all", help="Which horizon.")]
StartingLevel = Annotated[
    str, typer.Option(metavar="live|stored", help="Start from what could be known then, or from finished prices.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV for spreadsheets.")]


def reported(command: Callable[P, None]) -> Callable[P, None]:
    """Turns known errors into one line and an exit code.

    Any other error is a bug and shows its traceback.
    """

    @wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except BrokenPipeError:  # the reader, such as `head`, has seen enough
            raise
        except Exception as error:
            if code := _exit_code(error):
                fail(str(error), code)
            if words := _records_fault(error):
                fail(words, FAILED)
            if isinstance(error, OSError):
                where, reason = _place_and_reason(error)
                fail(f"cannot read or write {where}: {reason}; see to space and permissions", FAILED)
            raise

    paragraphs = (command.__doc__ or "").split("\n\n")
    guarded.__doc__ = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)  # help wraps by itself
    return guarded


def _place_and_reason(error: OSError) -> tuple[str, str]:
    """File that an error is about, and what the system said."""
    if isinstance(error, shutil.Error):  # of several files that were copied; the first says enough
        source, _, reason = error.args[0][0]
        return str(source), str(reason)
    return error.filename or "the output", error.strerror or str(error)


def _exit_code(error: Exception) -> int:
    """Exit code of a known error, else 0."""
    names = {f"{base.__module__}.{base.__qualname__}" for base in type(error).__mro__}
    return next((code for code, known in KNOWN_ERRORS.items() if not names.isdisjoint(known)), 0)


def _records_fault(error: BaseException) -> str:
    """Fault of Dagster's records, as on a full disk, else ""."""
    if sqlalchemy := sys.modules.get("sqlalchemy.exc"):  # not loaded, not raised
        first: BaseException | None = error
        while first is not None and not isinstance(first, sqlalchemy.SQLAlchemyError | sqlite3.Error):
            first = first.__cause__ or first.__context__
        if first is not None:
            from forex_assets.core.settings import load_settings

            reason = (str(getattr(first, "orig", None) or first).splitlines() or [type(first).__name__])[0]
            settings = load_settings()
            if settings.postgres_url is not None:
                return f"Dagster's records in Postgres (DAGSTER_PG_URL) cannot be used: {reason}; see to the server"
            where = f"Dagster's records in {settings.dagster_home}"
            return f"{where} cannot be used: {reason}; see to space and permissions, or restore a backup"
    return ""


def warn(message: str) -> None:
    """One line on stderr; the command goes on."""
    err.print(f"[yellow]warning:[/] {escape(message)}", highlight=False, soft_wrap=True)


def fail(message: str, code: int) -> NoReturn:
    """One line on stderr, then out."""
    err.print(f"[red]error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def report_faults(faults: Iterable[str | None]) -> None:
    """Names damaged files once each; exit code 1 if there is any."""
    if lines := list(dict.fromkeys(filter(None, faults))):
        for line in lines[:-1]:
            warn(line)
        fail(lines[-1], FAILED)


def session_of(as_of: str | None = None) -> "Session":
    """Opens the command's session, at another clock where one is given."""
    from forex_assets.core.session import open_session
    from forex_assets.core.settings import SettingsError

    try:
        session = open_session(as_of=as_of)
    except SettingsError as error:
        fail(str(error).replace("FOREX_AS_OF=", "--as-of ") if as_of else str(error), BAD_USAGE)
    if fault := root_fault(session):
        fail(fault, FAILED)
    if words := local_words(session):
        warn(words)
    return session


def need_model(session: "Session") -> None:
    """Refuses a FOREX_MODEL that can name no model."""
    from forex_assets.forecasts.chronos.finder import AUTO, EMBEDDED, EWMA, folder_fault

    setting = session.settings.model
    if setting not in (AUTO, EMBEDDED, EWMA) and (fault := folder_fault(setting)):
        fail(f"FOREX_MODEL={fault}; set it to auto, ewma, embedded, a folder with a model or a hub id", BAD_USAGE)


def horizons_of(text: str) -> list[str]:
    """`all`, or one horizon's name."""
    if text == "all":
        return list(HORIZONS)
    try:
        days_of(text)
    except ValueError as error:
        fail(f"--horizon {text}: {error}, all", BAD_USAGE)
    return [text]


def start_level_of(origin: str) -> "StartLevel":
    """Checks a starting level's name."""
    from forex_assets.accuracy.start_level import START_LEVELS

    if origin not in START_LEVELS:
        fail(f"--origin {origin}: no such starting level; give live or stored", BAD_USAGE)
    return cast("StartLevel", origin)


def print_json(value: Any) -> None:
    """To standard output, for programs."""
    is_ascii = not (sys.stdout.encoding or "").lower().startswith("utf")
    sys.stdout.write(json.dumps(value, indent=2, default=str, ensure_ascii=is_ascii) + "\n")
    sys.stdout.flush()  # a full disk is noticed here


def say(parts: Iterable[RenderableType], console: Console = out) -> None:
    """Prints tables and lines for people.

    Lines are wrapped at spaces only, so that a path can be copied.
    """
    for part in parts:
        if isinstance(part, str):
            for line in part.splitlines():
                indent = line[: len(line) - len(line.lstrip())]
                wrapped = fill(
                    line, console.width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
                )
                console.print(wrapped, markup=False, highlight=False, soft_wrap=True)
        else:
            console.print(part)
        if isinstance(part, Group):  # a table
            console.print()


def answer(as_json: bool, record: Any, parts: Iterable[RenderableType]) -> None:
    """Prints the record for programs, or tables and lines for people."""
    if as_json:
        print_json(record)
    else:
        say(parts)


def user_name() -> str:
    """Who types; a container may have no name for its user."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
