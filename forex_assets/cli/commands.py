"""The commands. Nothing heavy is imported at the top: `--help` must not wait for Dagster or torch."""

import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer
from rich.console import Console

from forex_assets.domain.horizon import HORIZONS, days_of

if TYPE_CHECKING:
    from forex_assets.resources.platform import Platform

P = ParamSpec("P")
FAILED, BAD_USAGE = 1, 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="USD/CLP forecast fans at 7, 15, 30 and 90 days. The same assets and records as in Dagster's UI.",
)
out, err = Console(), Console(stderr=True)

AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="Forecast as if it were 19:00 in Santiago of this day.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]


def reported(command: Callable[P, None]) -> Callable[P, None]:
    """Turns the platform's own errors into one line on stderr and an exit code; anything else is a bug and shows."""

    @wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        from forex_assets.adapters.config_store import ConfigError
        from forex_assets.adapters.warehouse import WarehouseError
        from forex_assets.cli.runner import RunFailed
        from forex_assets.domain.forecast.engine import EngineError
        from forex_assets.resources.settings import SettingsError

        try:
            command(*args, **kwargs)
        except SettingsError as error:
            fail(str(error), BAD_USAGE)
        except (ConfigError, EngineError, WarehouseError, RunFailed) as error:
            fail(str(error), FAILED)

    return guarded


def fail(message: str, code: int) -> None:
    """One line on stderr, then out."""
    err.print(f"[red]error:[/] {message}", highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def _platform(as_of: str | None = None) -> "Platform":
    from forex_assets.resources.platform import Platform
    from forex_assets.resources.settings import load_settings

    return Platform(load_settings(as_of=as_of))


def _horizons(text: str) -> list[str]:
    """`all`, or one horizon's name."""
    if text == "all":
        return list(HORIZONS)
    try:
        days_of(text)
    except ValueError as error:
        fail(f"--horizon {text}: {error}, all", BAD_USAGE)
    return [text]


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, default=str, ensure_ascii=False) + "\n")


@app.command(
    epilog="Examples:  forex-assets forecast  ·  forecast --horizon 7d --full  ·  forecast --as-of 2023-12-29 --json"
)
@reported
def forecast(
    horizon: Annotated[str, typer.Option(metavar="7d|15d|30d|90d|all", help="Which horizon.")] = "all",
    as_of: AsOf = None,
    stored: Annotated[bool, typer.Option("--stored", help="Use the prices that are stored; ask no source.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Print every session instead of about one a week.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring prices in, forecast, and print each fan beside the random walk's."""
    horizons = _horizons(horizon)
    platform = _platform(as_of)
    from forex_assets.cli import render
    from forex_assets.cli.runner import materialize_forecasts, materialize_market

    with err.status("prices …") as status:
        if not stored:
            materialize_market(platform)
        status.update(f"forecasting {', '.join(horizons)} …")
        materialize_forecasts(platform, horizons)
    fans = [platform.warehouse.read("forecasts/latest", name) for name in horizons]
    if as_json:
        _print_json([row for fan in fans if fan is not None for row in fan.to_dicts()])
        return
    for fan in fans:
        if fan is not None:
            render.fan(out, fan, is_full=full)
    found = (platform.find_model(platform.configs.read(name).model) for name in horizons)
    render.closing_words(out, platform, list(dict.fromkeys((each.model, each.why) for each in found)))


@app.command(epilog="Examples:  forex-assets ingest  ·  FOREX_MARKET=live forex-assets ingest --json")
@reported
def ingest(as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Bring in copper and USD/CLP, note revisions, make the copper features."""
    platform = _platform(as_of)
    from forex_assets.cli import render
    from forex_assets.cli.runner import materialize_market

    with err.status("prices …"):
        report = materialize_market(platform)
    if as_json:
        _print_json(report)
    else:
        render.ingest(out, report)


@app.command(epilog="Examples:  forex-assets status  ·  status --json")
@reported
def status(as_json: AsJson = False) -> None:
    """Show what is stored: last prices, their age, the latest forecasts, and what runs recently did."""
    from forex_assets.cli import render
    from forex_assets.cli.overview import status_of

    report = status_of(_platform())
    if as_json:
        _print_json(report)
    else:
        render.status(out, report)


@app.command(epilog="Examples:  forex-assets doctor  ·  doctor --json")
@reported
def doctor(as_json: AsJson = False) -> None:
    """Say what is installed, which sources answer, which model would be used, and what is stale.

    Exit code 1 where no forecast could be made.
    """
    from forex_assets.cli import render
    from forex_assets.cli.overview import doctor_of

    with err.status("asking every source …"):
        report = doctor_of(_platform())
    if as_json:
        _print_json(report)
    else:
        render.doctor(out, report)
    if not report["can_forecast"]:
        raise typer.Exit(FAILED)
