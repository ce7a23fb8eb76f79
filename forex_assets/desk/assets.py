"""Assets of the desk: chances of levels, scenarios, record of chances."""

import dagster as dg
import polars as pl

from forex_assets.accuracy.realized_store import RealizedStore
from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.conditions import on_new_inputs
from forex_assets.core.dagster.metadata import column_schema, frame_metadata, small_table
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.plots import markdown_image
from forex_assets.core.schemas import REALIZED_SCHEMA, empty, is_sample
from forex_assets.core.session import Session
from forex_assets.desk.configs_store import read_levels
from forex_assets.desk.drivers_store import driver_prices, peso_prices
from forex_assets.desk.outlook_store import read_outlook
from forex_assets.desk.plots import levels_plot, reliability_plot, scenarios_plot
from forex_assets.desk.reliability import ALL, RELIABILITY_SCHEMA, reliability
from forex_assets.desk.tables import LEVELS_SCHEMA, SCENARIOS_SCHEMA, levels_table
from forex_assets.desk.what_if import scenarios_table

SCENARIO_HORIZONS = ("7d", "30d")


@dg.asset(
    key=keys.LEVELS,
    deps=[keys.LATEST],
    group_name="desk",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(LEVELS_SCHEMA),
    automation_condition=on_new_inputs(keys.LATEST),
    description="Chance that the dollar ends above round levels, or touches them, by each horizon's date, and the "
    "watch levels of `configs/levels.yaml`. A level that has just crossed its probability becomes an alert, once.",
)
def levels(context: dg.AssetExecutionContext, session: SessionResource) -> pl.DataFrame:
    """Returns one row a level and date, watch levels last."""
    run = session.session()
    table = levels_table(read_outlook(run), read_levels(run), run.tables.read(names.LEVELS))
    title = f"Chance of levels, issued {table['as_of'][0]}"
    new = table.filter(pl.col("is_new_crossing"))
    crossings = [crossing_words(row) for row in new.to_dicts()]
    context.add_output_metadata(
        frame_metadata(
            table,
            markdown_image(levels_plot(table, title, is_sample(table)), title),
            **{names.CROSSINGS: dg.MetadataValue.json(crossings)},
            watched=int((table["watch"] != "").sum()),
            market=run.market,
        )
    )
    return table


def crossing_words(row: dict[str, object]) -> dict[str, str]:
    """Names a crossed level and says its chance."""
    chance, limit = 100 * float(str(row["watch_chance"])), 100 * float(str(row["watch_limit"]))
    price = float(str(row["origin_clp_per_usd"]))
    words = (
        f"Chance {chance:.0f} %, watched from {limit:.0f} % on. Price {price:,.2f} of {row['origin_session']}, model "
        f"{row['model']}, {row['calibration_errors']} past errors."
    )
    return {"watch": str(row["watch"]), "as_of": str(row["as_of"]), "words": words}


@dg.asset(
    key=keys.SCENARIOS,
    deps=[keys.LATEST, keys.USDCLP, keys.COPPER, keys.COPPER_LME, keys.DRIVERS],
    group_name="desk",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(SCENARIOS_SCHEMA),
    automation_condition=on_new_inputs(keys.LATEST, keys.COPPER_LME, keys.DRIVERS),
    description="The dollar at 7 and 30 days if copper, the dollar index or the Brazilian real move by so much, "
    "beside the fan. Conditional on the driver, not a forecast of it; drivers without prices are left out.",
)
def scenarios(context: dg.AssetExecutionContext, session: SessionResource) -> pl.DataFrame:
    """Returns one row a horizon and standard scenario."""
    run = session.session()
    outlook, (drivers, copper) = read_outlook(run), driver_prices(run)
    horizons = [name for name in SCENARIO_HORIZONS if name in outlook.fans]
    table = scenarios_table(outlook, peso_prices(run), drivers, horizons, copper)
    title = f"The dollar if a driver moves, issued {outlook.basis().as_of}"
    context.add_output_metadata(
        frame_metadata(
            table,
            markdown_image(scenarios_plot(table, title, run.market == "sample"), title),
            drivers=", ".join(sorted(table["driver"].unique())) or "none has prices",
            copper_market=copper,
        )
    )
    return table


@dg.asset(
    key=keys.RELIABILITY,
    deps=[keys.REALIZED, keys.BACKTEST],
    group_name="desk",
    kinds={"polars", "parquet"},
    owners=names.OWNERS,
    metadata=column_schema(RELIABILITY_SCHEMA),
    automation_condition=on_new_inputs(keys.REALIZED, keys.BACKTEST),
    description="Whether stated chances came true as often as they said: levels at fixed distances from every fan's "
    "price, above at the target date and touched by it, by bin of the chance, with the Brier score.",
)
def reliability_asset(context: dg.AssetExecutionContext, session: SessionResource) -> pl.DataFrame:
    """Returns one row a record, horizon, question and bin."""
    run = session.session()
    realized = _realized(run)
    table = reliability(realized)
    title = "Stated chances and what came true"
    metadata = frame_metadata(table, markdown_image(reliability_plot(table, title, is_sample(realized)), title))
    context.add_output_metadata(metadata | {"in_all": small_table(table.filter(pl.col("bin") == ALL))})
    return table


def _realized(session: Session) -> pl.DataFrame:
    """Reads the scored rows of ledger and backtest, all horizons."""
    stored = (
        RealizedStore(session.tables, name).read(horizon)
        for name in (names.REALIZED, names.BACKTEST)
        for horizon in session.tables.partitions(name)
    )
    return pl.concat([empty(REALIZED_SCHEMA), *(frame for frame in stored if frame is not None)])
