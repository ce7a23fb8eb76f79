"""Executor of both code locations: one process a run by default."""

from typing import Any, Final

import dagster as dg

IN_PROCESS: Final[dict[str, Any]] = {"in_process": {}}


@dg.executor(
    name="in_process_or_multiprocess",
    config_schema=dg.Field(
        dg.multi_or_in_process_executor.config_schema.as_field().config_type, default_value=IN_PROCESS
    ),
    requirements=dg.multi_or_in_process_executor.get_requirements,
)
def in_process_or_multiprocess(context: dg.InitExecutorContext) -> dg.Executor:
    """Dagster's default executor with its default reversed.

    Dagster starts a Python process for each step and each check, and each imports everything again: thirteen for the
    prices alone. The config is Dagster's own: `{"in_process": {}}` or `{"multiprocess": {"max_concurrent": 2}}`.
    """
    return dg.multi_or_in_process_executor.executor_creation_fn(context)  # type: ignore[misc]  # set by Dagster's decorator
