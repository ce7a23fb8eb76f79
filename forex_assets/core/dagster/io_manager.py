"""Dagster IO manager: reads and writes assets as warehouse tables."""

from collections.abc import Mapping, Sequence

import dagster as dg
import polars as pl

from forex_assets.core.dagster.keys import table_key
from forex_assets.core.dagster.resources import SessionResource

PARTITION_COLUMN = "horizon"


class WarehouseIO(dg.ConfigurableIOManager):
    """Writes polars frames to the warehouse and reads them back.

    A run over several partitions returns one frame, split by its `horizon` column, or one frame a partition by name,
    which may be empty. Several partitions are read as one frame, in the order of their definition.
    """

    session: dg.ResourceDependency[SessionResource]

    def handle_output(self, context: dg.OutputContext, obj: pl.DataFrame | Mapping[str, pl.DataFrame] | None) -> None:
        """Writes one table, or one a partition.

        Raises:
            ValueError: frames do not match the partitions.
        """
        if obj is None:  # An observation, a check, or an asset with files of its own.
            return
        key = table_key(context.asset_key)
        if isinstance(obj, Mapping):
            wanted = set(context.asset_partition_keys)
            if set(obj) != wanted:
                raise ValueError(f"{key}: frames for partitions {sorted(obj)}, to be made were {sorted(wanted)}")
            for partition, frame in obj.items():
                self.session.session().tables_for(key, frame).write(key, frame, partition)
            return
        warehouse = self.session.session().tables_for(key, obj)
        if not context.has_asset_partitions:
            context.add_output_metadata({"path": dg.MetadataValue.path(warehouse.write(key, obj))})
            return
        for partition in context.asset_partition_keys:
            rows = obj.filter(pl.col(PARTITION_COLUMN) == partition)
            if rows.is_empty():
                raise ValueError(f"{key}: the frame has no rows for partition {partition}")
            warehouse.write(key, rows, partition)

    def load_input(self, context: dg.InputContext) -> pl.DataFrame:
        """Reads one table, or the requested partitions.

        Raises:
            FileNotFoundError: a table is missing; the message says what to materialize.
        """
        warehouse = self.session.session().tables
        key = table_key(context.asset_key)
        frames = [warehouse.read(key, partition) for partition in _partitions(context)]
        tables = [frame for frame in frames if frame is not None]
        if len(tables) < len(frames):
            raise FileNotFoundError(
                f"{key} is not in {warehouse.place()}; materialize it first, e.g. `forex-assets forecast` or `make run`"
            )
        return pl.concat(tables)


def _partitions(context: dg.InputContext) -> Sequence[str | None]:
    """Returns the requested partitions in order of definition; else one None.

    Dagster passes them as a set.
    """
    if not context.has_asset_partitions:
        return [None]
    wanted = set(context.asset_partition_keys)
    return [key for key in context.asset_partitions_def.get_partition_keys() if key in wanted]
