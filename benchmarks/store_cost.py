"""Calls, bytes and seconds of an evening on a store.

`python benchmarks/store_cost.py --store s3://bucket/folder` with the service's environment names set; without `--store`
in memory, where only the calls are meant. The generated market, the walk as the model. The first evening fills both
stores and is not counted; by default two more are.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.core import session
from forex_assets.core.settings import PROJECT
from forex_assets.core.store.copying import copy_store
from forex_assets.core.store.folder import Folder
from forex_assets.core.store.opening import open_store
from forex_assets.core.store.port import Confirm, Entry, Store

EVENINGS = ("2025-06-11", "2025-06-12", "2025-06-13")
COMMANDS = (("forecast", "--horizon", "all"), ("optimize", "decide"), ("report",), ("status",))
VERBS = ("get", "state", "put", "create", "replace", "remove", "list")


@dataclass(frozen=True)
class Counting(Store):
    """A store that counts its calls and bytes."""

    inner: Store
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def has_turns(self) -> bool:
        return self.inner.has_turns

    def get(self, key: str) -> Entry | None:
        entry = self.inner.get(key)
        self.calls.update({"get": 1, "read": len(entry.content) if entry else 0})
        return entry

    def state(self, key: str) -> str | None:
        self.calls["state"] += 1
        return self.inner.state(key)

    def put(self, key: str, content: bytes) -> None:
        self.calls.update({"put": 1, "written": len(content)})
        self.inner.put(key, content)

    def create(self, key: str, content: bytes) -> None:
        self.calls.update({"create": 1, "written": len(content)})
        self.inner.create(key, content)

    def replace(self, key: str, content: bytes, tag: object) -> None:
        self.calls.update({"replace": 1, "written": len(content)})
        self.inner.replace(key, content, tag)

    def remove(self, key: str) -> None:
        self.calls["remove"] += 1
        self.inner.remove(key)

    def list(self, prefix: str = "") -> Sequence[str]:
        self.calls["list"] += 1
        return self.inner.list(prefix)

    def place(self, key: str = "") -> str:
        return self.inner.place(key)

    def under(self, folder: str) -> "Counting":
        return Counting(self.inner.under(folder), self.calls)

    def lock(self, name: str, timeout_s: float = 60.0) -> AbstractContextManager[Confirm]:
        return self.inner.lock(name, timeout_s)

    def turn(self, name: str, timeout_s: float = 60.0) -> AbstractContextManager[object]:
        return self.inner.turn(name, timeout_s)

    def tidy(self) -> None:
        self.inner.tidy()


def evenings(folder: Path, store: str, days: Sequence[str]) -> dict[tuple[str, ...], tuple[Counter[str], list[float]]]:
    """Calls and seconds of each command, without the first evening."""
    calls = Counter[str]()

    def counted(address: str | Path, **options: Any) -> Store:
        return Counting(open_store(address, **options), calls)

    session.open_store = counted  # type: ignore[attr-defined]
    os.environ |= {
        "FOREX_STORE": store, "FOREX_WAREHOUSE": str(folder / "warehouse"), "FOREX_CONFIGS": str(PROJECT / "configs"),
        "DAGSTER_HOME": str(folder / "dagster"), "FOREX_MARKET": "sample", "FOREX_MODEL": "ewma",
    }  # fmt: skip
    totals: dict[tuple[str, ...], tuple[Counter[str], list[float]]] = {each: (Counter(), []) for each in COMMANDS}
    for evening in days:
        os.environ["FOREX_AS_OF"] = evening
        for command in COMMANDS:
            calls.clear()
            began = time.perf_counter()
            done = CliRunner().invoke(app, list(command))
            if done.exit_code != 0:
                raise SystemExit(f"{command}: {done.output}") from done.exception
            if evening != days[0]:
                totals[command][0].update(calls)
                totals[command][1].append(time.perf_counter() - began)
    return totals


def main() -> None:
    """Prints a row a command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="memory://cost")
    parser.add_argument("--evenings", type=int, default=2, help="evenings that are counted")
    parser.add_argument("--calls-only", action="store_true", help="no time beside a folder")
    given = parser.parse_args()
    address, days = given.store, EVENINGS[-given.evenings - 1 :]
    copy_store(Folder(PROJECT / "configs"), open_store(address).under("configs"))
    with tempfile.TemporaryDirectory() as name:
        remote = evenings(Path(name) / "remote", address, days)
        local = remote if given.calls_only else evenings(Path(name) / "local", "", days)
    print(f"an evening on {address}, mean of {given.evenings}; seconds also on a folder")
    heads = "".join(f"{verb:>8}" for verb in VERBS)
    print(f"{'command':<24}{heads}{'read kB':>9}{'write kB':>9}{'s':>7}{'folder':>8}")
    for command, (calls, seconds) in remote.items():
        counts = "".join(f"{calls[verb] / given.evenings:>8.0f}" for verb in VERBS)
        sizes = f"{calls['read'] / given.evenings / 1000:>9.0f}{calls['written'] / given.evenings / 1000:>9.0f}"
        print(f"{' '.join(command):<24}{counts}{sizes}{min(seconds):>7.1f}{min(local[command][1]):>8.1f}")


if __name__ == "__main__":
    main()
