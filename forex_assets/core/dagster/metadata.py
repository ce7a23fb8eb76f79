"""Metadata of assets and checks for the Dagster UI."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import dagster as dg
import polars as pl

from forex_assets.core import names
from forex_assets.core.columns import COLUMNS
from forex_assets.core.dagster.keys import HORIZON_PARTITIONS
from forex_assets.core.schemas import SAMPLE_SOURCE, Schema, is_sample
from forex_assets.core.session import Session


def column_schema(schema: Schema) -> dict[str, Any]:
    """Returns definition metadata: the table's columns with type, description and unit."""
    columns = [dg.TableColumn(name, str(dtype), _description(name)) for name, dtype in schema.items()]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}


def _description(name: str) -> str | None:
    column = COLUMNS.get(name)
    return f"{column.description} Unit: {column.unit}. Source: {column.source}." if column else None


def frame_metadata(frame: pl.DataFrame, plot: str | None = None, /, **more: Any) -> dict[str, Any]:
    """Returns row count, sessions, plot, and a warning for generated rows."""
    metadata: dict[str, Any] = {"dagster/row_count": frame.height}
    if is_sample(frame):
        metadata["data"] = dg.MetadataValue.md(f"**{SAMPLE_SOURCE}**")
    if "session" in frame.columns and not frame.is_empty():
        metadata |= {"first_session": str(frame["session"].min()), "last_session": str(frame["session"].max())}
    if plot is not None:
        metadata["plot"] = dg.MetadataValue.md(plot)
    return metadata | more


def attempts_table(attempts: Any) -> dg.MetadataValue[Any]:
    """Returns the sources tried and their answers as a table."""
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"source": a.source, "used": a.is_ok, "answer": a.answer, "seconds": round(a.seconds, 2)})
            for a in attempts
        ]
    )


def check_metadata(values: Mapping[str, Any]) -> dict[str, Any]:
    """Converts a finding's values to types that Dagster accepts."""
    plain = (bool, int, float, str, list, dict)
    return {k: v if isinstance(v, plain) else str(v) for k, v in values.items()}


def clock_metadata(session: Session) -> dict[str, str]:
    """Returns the session's clock and market as metadata."""
    return {names.CLOCK: session.now.isoformat(), names.MARKET: session.market}


def table_by_horizon(
    key: dg.AssetKey, schema: Schema, **more: Any
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Decorator of an asset with one table a horizon."""
    decorator: Callable[[Callable[..., Any]], dg.AssetsDefinition] = dg.asset(
        key=key,
        partitions_def=HORIZON_PARTITIONS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=key.path[0],
        kinds={"polars", "parquet"},
        owners=names.OWNERS,
        metadata=column_schema(schema),
        **more,
    )
    return decorator


def small_table(table: pl.DataFrame) -> dg.TableMetadataValue:
    """Converts a small frame to a table for the UI."""
    plain = [{name: _plain(value) for name, value in row.items()} for row in table.iter_rows(named=True)]
    columns = [dg.TableColumn(name, _kind(dtype)) for name, dtype in table.schema.items()]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in plain], dg.TableSchema(columns))


def _kind(dtype: pl.DataType) -> str:
    return "float" if dtype.is_float() else "int" if dtype.is_integer() else "bool" if dtype == pl.Boolean else "string"


def _plain(value: object) -> str | float | int | bool | None:
    """Converts a cell; numbers are rounded to four digits."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if value is None or isinstance(value, str | int | bool):
        return value
    return value.isoformat(timespec="minutes") if isinstance(value, datetime) else str(value)
