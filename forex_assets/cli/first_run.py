"""Last step of `make run`: missing assets, then the page."""

import sys
from typing import Final

import dagster as dg
import typer

from forex_assets.cli.runner import RunFailed, materialize_decisions, run_assets
from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.config_observations import report_changed_configs
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.session import open_session
from forex_assets.locations import optimization

SEARCHED: Final = (keys.SEARCH_REQUEST, keys.CANDIDATE_CONFIG, keys.VALIDATION_REPORT, keys.DEPLOYMENT)
"""Assets that a search makes."""
BY_HAND: Final = (keys.REPLAY,)
"""Assets that a person asks for; they take long."""


def main() -> None:
    """Makes what is missing and says where the page is."""
    session = open_session()
    typer.echo("Drift, degradation and the decision of each horizon, then the page (about a minute) ...", err=True)
    try:
        materialize_decisions(session, list(HORIZONS))
        watched = [keys.SHADOW_FORECAST, keys.DEPLOYMENT_WATCH]
        run_assets(session, watched, list(HORIZONS), build=optimization.build)
        with dg.DagsterInstance.get() as instance:
            report_changed_configs(instance, session.configs)
        run_assets(session, [keys.LEVELS, keys.SCENARIOS, keys.RELIABILITY])
        run_assets(session, [keys.DAILY_REPORT])
    except RunFailed as error:
        sys.exit(f"error: {error}")
    typer.echo(f"The daily report: {session.tables.place()}/{names.DAILY_REPORT}.html")
    if not session.tables.exists(names.CANDIDATE_CONFIG, HORIZONS[0]):
        rest = ", ".join(key.to_user_string() for key in SEARCHED)
        typer.echo(f"Not made yet, since nothing was searched: {rest}. `forex-assets run --force` does (some minutes).")


if __name__ == "__main__":
    main()
