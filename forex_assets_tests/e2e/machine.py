"""A machine of its own in one process: runs what it is told on standard input, and writes nowhere else.

`python -m forex_assets_tests.e2e.machine`; a command a line, an answer in JSON a line.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

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


def commands() -> dict[str, Callable[..., Any]]:
    """What a machine can be told."""
    import dagster as dg

    from forex_assets.cli.runner import materialize_market
    from forex_assets.core import names
    from forex_assets.core.dagster.config_observations import changed_configs
    from forex_assets.core.dagster.instance import prepare_instance
    from forex_assets.core.session import open_session
    from forex_assets.core.settings import load_settings
    from forex_assets.deployment.deploy import deployer_of
    from forex_assets.deployment.sensors import deploy_on_approval
    from forex_assets.forecasts.ledger_store import LedgerStore
    from forex_assets.locations import forecasting, optimization
    from forex_assets.monitoring.request_store import requests_of
    from forex_assets.optimizer.sensors import optimize_on_trigger
    from forex_assets_tests.e2e.loop_worlds import resources, run

    prepare_instance(load_settings())
    instance = dg.DagsterInstance.get()
    locations = {"forecasting": forecasting.build(resources()), "optimization": optimization.build(resources())}
    sensors = {"optimize": optimize_on_trigger, "deploy": deploy_on_approval}

    def job(location: str, name: str) -> bool:
        return run(locations[location], instance, name, "7d")

    def tick(name: str) -> int:
        given = {key: resources()[key] for key in ("session", "engines")}
        definitions = locations["optimization"]
        context = dg.build_sensor_context(instance, definitions=definitions, resources=given)
        asked = sensors[name].evaluate_tick(context).run_requests or []
        for request in asked:
            run(definitions, instance, str(request.job_name or sensors[name].job_name), "7d", **request.tags)
        return len(asked)

    def fan() -> dict[str, Any]:
        session = open_session()
        latest = session.tables.read(names.LATEST, "7d")
        assert latest is not None
        ledger = LedgerStore(session.tables)
        return {
            "config": latest["config_fingerprint"][0],
            "issued": ledger.count("7d"),
            "misfit": str(ledger.verify("7d") or ""),
        }

    def ask() -> str:
        session = open_session()
        return requests_of(session).add("7d", reason="try", asked_by="ana", asked_at=session.now).id

    def roll_back() -> str:
        session = open_session()
        record = deployer_of(session).rollback("7d", reason="worse", by="ana", now=session.settings.now)
        return record.state

    def recover() -> list[str]:
        return [record.state for record in deployer_of(open_session()).recover()]

    def observe() -> int:
        changed = list(changed_configs(instance, open_session().configs))
        for observation in changed:
            instance.report_runless_asset_event(observation)
        return len(changed)

    def live() -> str:
        return open_session().configs.fingerprint("7d")

    return {
        "market": lambda: materialize_market(open_session()) and None,
        "job": job, "tick": tick, "fan": fan, "ask": ask, "roll_back": roll_back, "recover": recover,
        "observe": observe, "live": live, "stray": lambda path: Path(path).write_text("x"),
        "elsewhere": lambda: sorted(set(ELSEWHERE)),
    }  # fmt: skip


def main() -> None:
    """Answers each line until the input ends."""
    sys.addaudithook(watch)
    answers, known = sys.stdout, None
    for line in sys.stdin:
        name, *arguments = line.split()
        with redirect_stdout(sys.stderr):
            known = known or commands()
            answer = known[name](*arguments)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
