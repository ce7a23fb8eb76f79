"""Asset of the replay; made on request only."""

from datetime import date
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.metadata import clock_metadata, frame_metadata, small_table, table_by_horizon
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.progress import notify
from forex_assets.core.session import Session
from forex_assets.forecasts.resources import ForecastEngines
from forex_assets.replay.policy_store import policies_of
from forex_assets.replay.replay_run import Stretch, run_replay
from forex_assets.replay.results import FIXED
from forex_assets.replay.strategies import ReplayError
from forex_assets.replay.tables import LOOP_SCHEMA


class ReplaySettings(dg.Config):
    """Evenings and further policies of a replay."""

    first: str = Field(description="first evening, such as 2021-01-01")
    last: str = Field(description="last evening")
    every: str = Field("1w", description="distance of the evenings: 1d, 1w, 2w, 1m")
    policies: list[str] = Field([], description="files of further policies, compared with the built-in ones")


@table_by_horizon(
    keys.REPLAY,
    LOOP_SCHEMA,
    pool=names.SEARCH_POOL,
    deps=[keys.USDCLP, keys.COPPER],
    description="Replay of the whole loop over past years: whether tuning would have paid, by policy, against never "
    "tuning on the same evenings. Fans of all settings are made once and stored. Made by `forex-assets replay` only.",
)
def replay_loop(
    context: dg.AssetExecutionContext, config: ReplaySettings, session: SessionResource, engines: ForecastEngines
) -> dict[str, pl.DataFrame]:
    """Returns one row a policy.

    All horizons are replayed, since drift watches the errors of all; asked-for ones are kept.
    """
    run, tables = session.session(), {}
    stretch = Stretch(date.fromisoformat(config.first), date.fromisoformat(config.last), config.every)
    others = policies_of(config.policies)
    try:
        results = run_replay(run, engines.of(run), stretch, others, report=notify)
    except ReplayError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    for horizon in context.partition_keys:
        tables[horizon] = _of(results.loop, horizon)
        for name, table in ((names.REPLAY_CHANGES, results.changes), (names.REPLAY_EVENINGS, results.evenings)):
            run.tables.write(name, _of(table, horizon), horizon)
        context.add_asset_metadata(_metadata(run, tables[horizon]), keys.REPLAY, horizon)
    return tables


def _of(table: pl.DataFrame, horizon: str) -> pl.DataFrame:
    return table.filter(pl.col("horizon") == horizon)


def _metadata(session: Session, table: pl.DataFrame) -> dict[str, Any]:
    ways = table.filter(~pl.col("strategy").str.starts_with(FIXED))
    columns = ways.select("strategy", "n", "crps_gain", "crps_gain_low", "crps_gain_high", "deployments", "rollbacks")
    return frame_metadata(table, ways=small_table(columns), **clock_metadata(session))
