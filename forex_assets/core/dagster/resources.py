"""The session as a Dagster resource."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import Field, PrivateAttr

from forex_assets.core.dagster.heartbeat import start_heartbeat
from forex_assets.core.processes import PROCESS_TAG, signs_of_life
from forex_assets.core.session import Session, open_session

_RUNS: dict[tuple[str, str], Session] = {}
"""Session of the current run; processes execute runs one by one."""

_COMMAND: list[Session] = []
"""Session of the command line's runs, innermost last."""


@contextmanager
def session_of_command(session: Session) -> Iterator[None]:
    """Shares a command's settings and read tables among its runs.

    Each run has its own clock.
    """
    _COMMAND.append(session)
    try:
        yield
    finally:
        _COMMAND.pop()


class SessionResource(dg.ConfigurableResource[Session]):
    """Gives assets the run's `Session`.

    Settings come from the environment at the run's start, or from `overrides`.
    """

    overrides: dict[str, str] = Field(
        default_factory=dict, description="settings by field name, such as as_of or model, over the environment's"
    )
    _run_id: str | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Tags a launched run with its process, and starts its heartbeat.

        The command line tags its own runs.
        """
        run, instance = context.run, context.instance
        self._run_id = run.run_id if run is not None else None
        if run is not None and instance is not None and PROCESS_TAG not in run.tags:
            instance.add_run_tags(run.run_id, signs_of_life(os.getppid()))
        if run is not None and instance is not None:
            start_heartbeat(instance, run.run_id)

    def session(self) -> Session:
        """Returns the run's session; outside a run a new one.

        Raises:
            SettingsError: a setting cannot be used.
        """
        if self._run_id is None:
            return self._open()
        key = (self._run_id, repr(sorted(self.overrides.items())))
        if key not in _RUNS:
            _RUNS.clear()
            _RUNS[key] = self._open()
        return _RUNS[key]

    def _open(self) -> Session:
        """Opens a session now, on tables read by the command."""
        return _COMMAND[-1].at_present() if _COMMAND else open_session(**self.overrides)
