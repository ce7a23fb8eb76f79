"""A machine of its own in one process: runs what it is told on standard input, and writes nowhere else.

`python -m forex_assets_tests.e2e.machine`; a command a line, an answer in JSON a line. Its host's name is that of its
folder, and its writes are confined to that folder where the kernel can do so.
"""

import json
import os
import platform
import socket
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from forex_assets_tests.e2e.confinement import confine

if TYPE_CHECKING:
    from forex_assets.core.session import Session

OWN: Final = Path(os.environ["HOME"]).parent
WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
MAKING: Final = {"os.mkdir": 0, "os.rename": 1, "os.remove": 0, "os.link": 1, "os.symlink": 1, "sqlite3.connect": 0}
"""Events that change a file system, with the place of the path."""
ELSEWHERE = list[str]()


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Notes every file outside the machine's folder that is opened for writing, made, renamed or removed."""
    if event == "open":
        path, _, flags = arguments
        if not (isinstance(flags, int) and flags & WRITING):
            return
    elif event in MAKING:
        path = arguments[MAKING[event]]
    else:
        return
    if isinstance(path, str | bytes | os.PathLike):
        text = os.path.abspath(os.fsdecode(path).removeprefix("file:"))
        if not text.startswith((f"{OWN}/", "/dev/", "/proc/")) and text != str(OWN):
            ELSEWHERE.append(f"{event} {text}")


class Commands:
    """What a machine can be told, by method; made once its writes are watched."""

    def __init__(self) -> None:
        import dagster as dg

        from forex_assets.core.dagster.instance import prepare_instance
        from forex_assets.core.settings import load_settings
        from forex_assets.locations import forecasting, optimization
        from forex_assets_tests.e2e.loop_worlds import resources

        prepare_instance(load_settings())
        self.instance = dg.DagsterInstance.get()
        self.resources = resources()
        self.locations = {
            "forecasting": forecasting.build(self.resources), "optimization": optimization.build(self.resources)
        }  # fmt: skip

    @property
    def session(self) -> "Session":
        """A new session, as each tick has one."""
        from forex_assets.core.session import open_session

        return open_session()

    def host(self) -> str:
        return socket.gethostname()

    def market(self) -> None:
        from forex_assets.cli.runner import materialize_market

        materialize_market(self.session)

    def job(self, location: str, name: str) -> bool:
        from forex_assets_tests.e2e.loop_worlds import run

        return run(self.locations[location], self.instance, name, "7d")

    def tick(self, name: str) -> int:
        """A tick of a sensor; what it asks for is run here. How much that was."""
        import dagster as dg

        from forex_assets.deployment.sensors import deploy_on_approval
        from forex_assets.operations.tracking.sensors import record_runs
        from forex_assets.optimizer.sensors import optimize_on_trigger
        from forex_assets_tests.e2e.loop_worlds import run

        sensor, location, horizon = {
            "optimize": (optimize_on_trigger, "optimization", "7d"),
            "deploy": (deploy_on_approval, "optimization", "7d"),
            "record": (record_runs, "forecasting", None),
        }[name]
        given = {key: self.resources[key] for key in ("session", "engines") if key in sensor.required_resource_keys}
        definitions = self.locations[location]
        context = dg.build_sensor_context(self.instance, definitions=definitions, resources=given)
        asked = sensor.evaluate_tick(context).run_requests or []
        for request in asked:
            run(definitions, self.instance, str(request.job_name or sensor.job_name), horizon, **request.tags)
        return len(asked)

    def fan(self) -> dict[str, Any]:
        from forex_assets.core import names
        from forex_assets.forecasts.ledger_store import LedgerStore

        tables = self.session.tables
        latest, ledger = tables.read(names.LATEST, "7d"), LedgerStore(tables)
        assert latest is not None
        return {
            "config": latest["config_fingerprint"][0],
            "issued": ledger.count("7d"),
            "misfit": str(ledger.verify("7d") or ""),
        }

    def ask(self) -> str:
        from forex_assets.monitoring.request_store import requests_of

        session = self.session
        return requests_of(session).add("7d", reason="try", asked_by="ana", asked_at=session.now).id

    def roll_back(self) -> str:
        from forex_assets.deployment.deploy import deployer_of

        session = self.session
        return deployer_of(session).rollback("7d", reason="worse", by="ana", now=session.settings.now).state

    def observe(self) -> int:
        """Reports changed settings; how many there were."""
        from forex_assets.core.dagster.config_observations import changed_configs

        changed = list(changed_configs(self.instance, self.session.configs))
        for observation in changed:
            self.instance.report_runless_asset_event(observation)
        return len(changed)

    def observed(self) -> str | None:
        """The settings that Dagster's records hold."""
        import dagster as dg

        from forex_assets.core.dagster import keys

        wanted = dg.AssetRecordsFilter(asset_key=keys.INFERENCE_CONFIG, asset_partitions=["7d"])
        event = self.instance.fetch_observations(wanted, limit=1).records[0].asset_observation
        return event and event.data_version

    def live(self) -> str:
        return self.session.configs.fingerprint("7d")

    def waits(self) -> bool:
        """Whether the newest recording run left events waiting."""
        import dagster as dg

        from forex_assets.core import names

        newest = self.instance.get_runs(dg.RunsFilter(job_name=names.TRACKING_JOB), limit=1)
        return names.WAITS_TAG in newest[0].tags

    def stray(self, path: str) -> str:
        """Writes where it must not."""
        try:
            Path(path).write_text("x")
        except PermissionError:
            return "refused"
        return "written"

    def elsewhere(self) -> list[str]:
        return sorted(set(ELSEWHERE))


def main() -> None:
    """Answers each line until the input ends."""
    socket.gethostname = platform.node = lambda: OWN.name
    sys.addaudithook(watch)
    confine(OWN, Path("/dev"), Path("/proc"))
    answers, known = sys.stdout, None
    for line in sys.stdin:
        name, *arguments = line.split()
        with redirect_stdout(sys.stderr):
            known = known or Commands()
            answer = getattr(known, name)(*arguments)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
