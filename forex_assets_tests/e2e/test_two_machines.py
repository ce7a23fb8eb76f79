"""Two machines share an object store and nothing else: the loop closes from the prices to a rollback.

Each has a home, a temporary folder, a warehouse and Dagster records (sqlite) of its own, and notes every write outside
of them. Forecasts are made on one, searches and deployments on the other; each is killed once.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from forex_assets.core.settings import PROJECT
from forex_assets.core.store.copying import copy_store
from forex_assets.core.store.folder import Folder
from forex_assets.core.store.opening import open_store
from forex_assets_tests.e2e.test_closed_loop import POLICY


class Machine:
    """A process group with an environment of its own."""

    def __init__(self, root: Path, store: str) -> None:
        for folder in ("home", "tmp", "work"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        keys = ("PATH", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
        self.environment = {key: os.environ[key] for key in keys} | {
            "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1",
            "HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "DAGSTER_HOME": str(root / "dagster"),
            "FOREX_WAREHOUSE": str(root / "warehouse"), "FOREX_CONFIGS": str(root / "configs"), "FOREX_STORE": store,
            "FOREX_MARKET": "sample", "FOREX_AS_OF": "2025-06-13",
        }  # fmt: skip
        self.root = root
        self.start()

    def start(self) -> None:
        self.log = (self.root / "log").open("a")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "forex_assets_tests.e2e.machine"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True,
            cwd=self.root / "work", env=self.environment, start_new_session=True,
        )  # fmt: skip

    def tell(self, *words: str) -> Any:
        """The answer to a command."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"{words}: the machine died; {(self.root / 'log').read_text()[-3000:]}"
        return json.loads(line)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.log.close()

    def crash_and_start(self) -> None:
        self.kill()
        self.start()


@pytest.mark.timeout(900)
def test_the_loop_closes_over_two_machines_that_share_only_a_store(tmp_path: Path, s3_address: str) -> None:
    shutil.copytree(PROJECT / "configs", tmp_path / "first")
    (tmp_path / "first/policy.yaml").write_text(POLICY, encoding="utf-8")
    for path in (tmp_path / "first").glob("chronos_*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"model": "embedded", "representation": "returns"}))
    copy_store(Folder(tmp_path / "first"), open_store(f"{s3_address}/configs"))
    forecaster, optimizer = (Machine(tmp_path / name, s3_address) for name in ("forecaster", "optimizer"))
    try:
        forecaster.tell("market")
        before = forecaster.tell("live")
        assert forecaster.tell("job", "forecasting", "forecast_all_horizons")
        assert forecaster.tell("observe") > 0
        assert forecaster.tell("fan") == {"config": before, "issued": 1, "misfit": ""}

        forecaster.tell("ask")  # a person at the forecasting machine asks for a search
        assert optimizer.tell("job", "optimization", "decide_all_horizons")
        optimizer.crash_and_start()
        assert optimizer.tell("tick", "optimize") == 1
        assert optimizer.tell("tick", "deploy") == 1
        after = optimizer.tell("live")
        assert after != before

        assert forecaster.tell("observe") == 1, "the other machine's deployment is seen"
        forecaster.crash_and_start()
        assert forecaster.tell("job", "forecasting", "forecast_all_horizons")
        assert forecaster.tell("fan") == {"config": after, "issued": 2, "misfit": ""}

        assert optimizer.tell("roll_back") == "deployed"
        assert forecaster.tell("live") == before
        assert forecaster.tell("job", "forecasting", "forecast_all_horizons")
        # The earlier settings say again what they said: the newest entry is theirs.
        assert forecaster.tell("fan") == {"config": before, "issued": 2, "misfit": ""}
        assert [machine.tell("elsewhere") for machine in (forecaster, optimizer)] == [[], []]
        forecaster.tell("stray", str(tmp_path / "stray"))
        assert forecaster.tell("elsewhere") == [f"open {tmp_path}/stray"], "a write elsewhere is noticed"
    finally:
        for machine in (forecaster, optimizer):
            machine.kill()
    for machine in (forecaster, optimizer):
        assert not list(machine.root.glob("warehouse/**/*.parquet")), "tables stay in the store"
        assert not list(machine.root.glob("configs/*")), "and so do settings"
