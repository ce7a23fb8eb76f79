"""Calls, bytes and time of an evening's commands on a store.

`python benchmarks/store_cost.py --store s3://bucket/folder` with the service's environment names set; without `--store`
in memory, where only the calls are meant. The generated market, the walk as the model. Each command runs on the store
and on a folder, by turns in one process. The first evening fills both and is not counted; by default two more are.
Processor seconds are this process's, without the server's.
"""

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
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
        with self._timed("get"):
            entry = self.inner.get(key)
        self.calls["read"] += len(entry.content) if entry else 0
        return entry

    def state(self, key: str) -> str | None:
        with self._timed("state"):
            return self.inner.state(key)

    def put(self, key: str, content: bytes) -> None:
        with self._timed("put", content):
            self.inner.put(key, content)

    def create(self, key: str, content: bytes) -> None:
        with self._timed("create", content):
            self.inner.create(key, content)

    def replace(self, key: str, content: bytes, tag: object) -> None:
        with self._timed("replace", content):
            self.inner.replace(key, content, tag)

    def remove(self, key: str) -> None:
        with self._timed("remove"):
            self.inner.remove(key)

    def list(self, prefix: str = "") -> Sequence[str]:
        with self._timed("list"):
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

    @contextmanager
    def _timed(self, verb: str, content: bytes = b"") -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            microseconds = round(1e6 * (time.perf_counter() - began))
            self.calls.update({verb: 1, "written": len(content), "microseconds": microseconds})


@dataclass
class Cost:
    """Cost of one command on all counted evenings."""

    calls: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)


def run(command: Sequence[str], calls: Counter[str], cost: Cost | None) -> None:
    """Runs a command; adds what it cost where that counts."""
    calls.clear()
    began, began_cpu = time.perf_counter(), time.process_time()
    done = CliRunner().invoke(app, list(command))
    if done.exit_code != 0:
        raise SystemExit(f"{command}: {done.output}") from done.exception
    if cost is not None:
        cost.calls.update(calls)
        cost.seconds.append(time.perf_counter() - began)
        cost.cpu_seconds.append(time.process_time() - began_cpu)


def evenings(folder: Path, stores: Sequence[str], days: Sequence[str]) -> dict[tuple[str, ...], list[Cost]]:
    """Costs of each command in each store, without the first evening."""
    calls = Counter[str]()

    def counted(address: str | Path, **options: Any) -> Store:
        return Counting(open_store(address, **options), calls)

    session.open_store = counted  # type: ignore[attr-defined]
    os.environ |= {"FOREX_CONFIGS": str(PROJECT / "configs"), "FOREX_MARKET": "sample", "FOREX_MODEL": "ewma"}
    costs = {command: [Cost() for _ in stores] for command in COMMANDS}
    for evening in days:
        for command in COMMANDS:
            for number, store in enumerate(stores):
                os.environ |= {
                    "FOREX_STORE": store, "FOREX_WAREHOUSE": str(folder / f"{number}/warehouse"),
                    "DAGSTER_HOME": str(folder / f"{number}/dagster"), "FOREX_AS_OF": evening,
                }  # fmt: skip
                run(command, calls, costs[command][number] if evening != days[0] else None)
    return costs


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
        costs = evenings(Path(name), [address] if given.calls_only else [address, ""], days)
    print(f"an evening on {address}, mean of {given.evenings}; seconds on it, on a folder, and their ratio")
    heads = "".join(f"{verb:>8}" for verb in VERBS)
    times = "".join(f"{kind:>14}{'ratio':>7}" for kind in ("s", "CPU s", "s in calls"))
    print(f"{'command':<24}{heads}{'read kB':>9}{'write kB':>9}{'' if given.calls_only else times}")
    for command, (remote, *local) in costs.items():
        counts = "".join(f"{remote.calls[verb] / given.evenings:>8.0f}" for verb in VERBS)
        sizes = "".join(f"{remote.calls[way] / given.evenings / 1000:>9.0f}" for way in ("read", "written"))
        times = ""
        for folder in local:
            pairs = [(remote.seconds, folder.seconds), (remote.cpu_seconds, folder.cpu_seconds)]
            sums = [tuple(sum(seconds) / given.evenings for seconds in pair) for pair in pairs]
            sums.append(tuple(cost.calls["microseconds"] / 1e6 / given.evenings for cost in (remote, folder)))
            times = "".join(f"{on:>7.2f}{off:>7.2f}{on / off:>7.2f}" for on, off in sums)
        print(f"{' '.join(command):<24}{counts}{sizes}{times}")


if __name__ == "__main__":
    main()
