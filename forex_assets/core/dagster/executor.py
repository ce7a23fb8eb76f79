"""Executor of both code locations: one process a run by default."""

from collections.abc import Iterator
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
    chosen = dg.multi_or_in_process_executor.executor_creation_fn(context)  # type: ignore[misc]  # set by Dagster's decorator
    return _Summarized(chosen)


class _Summarized(dg.Executor):
    """An executor whose runs end with one line on what they did."""

    def __init__(self, executor: dg.Executor) -> None:
        self._executor = executor

    @property
    def retries(self) -> Any:
        """Retry mode of the executor."""
        return self._executor.retries

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Executes the plan, then logs what it did."""
        tables, checks, failed = 0, 0, list[str]()
        for event in self._executor.execute(plan_context, execution_plan):
            tables += event.is_step_materialization
            if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                evaluation: Any = event.event_specific_data
                checks += 1
                failed += (
                    [] if evaluation.passed else [f"{evaluation.asset_key.to_user_string()}: {evaluation.check_name}"]
                )
            yield event
        run = plan_context.dagster_run
        of = run.tags.get("dagster/partition", run.tags.get("dagster/asset_partition_range_start", ""))
        words = f"{run.job_name} {of}".strip() + f" ended: {tables} tables, {checks} checks"
        plan_context.log.info(words + (f"; not passed: {', '.join(failed)}" if failed else ""))
