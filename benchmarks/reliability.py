"""Campaigns against the platform: kills, full disks, broken files, hostile archives.

    python benchmarks/reliability.py kills files archives

Each case has a folder of its own. A case fails where something was lost, or where damage was not said.
"""

import argparse
import io
import os
import random
import signal
import tarfile
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from forex_assets.core.config_store import ConfigError, ConfigStore
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import DeploymentPolicy
from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.core.store.folder import Folder
from forex_assets.core.store.warehouse import Warehouse, WarehouseError
from forex_assets.deployment.deployer import Deployer
from forex_assets.deployment.deployment_store import DeploymentStore
from forex_assets.operations.backup.archive import ArchiveError, archives, create, verify
from forex_assets.operations.backup.restore import restore

NOW = datetime(2025, 6, 13, 23, tzinfo=UTC)
WATCHED = {"open", "os.rename", "os.remove", "os.mkdir", "os.link", "os.chmod"}
"""File system calls before which a process is killed."""


def config(context: int) -> InferenceConfig:
    """Settings of 7d that differ in their context length."""
    return InferenceConfig(horizon="7d", model="m", context_length=context, num_samples=100, temperature=1.0)


def killed_at(action: Callable[[], object], call: int) -> bool:
    """Runs an action in a process that dies midway.

    It dies before the given file system call. Returns whether it did.
    """
    child = os.fork()
    if child == 0:
        import sys

        calls = 0

        def count(event: str, _: object) -> None:
            nonlocal calls
            if event in WATCHED:
                calls += 1
                if calls == call:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        action()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def kills(folder: Path) -> tuple[int, int]:
    """Kills a deployment before each of its file system calls.

    Returns cases and losses.
    """
    old, new, cases, lost = config(180), config(90), 0, 0
    while True:
        root = folder / f"{cases}"
        (root / "configs").mkdir(parents=True)
        write_bytes_atomically(root / "configs/chronos_7d.json", old.model_dump_json().encode())

        def deploy(root: Path = root) -> str:
            store = DeploymentStore(Folder(root / "state"))
            deployer = Deployer(Folder(root / "configs"), store, DeploymentPolicy())
            return deployer.deploy(new, expected=old.fingerprint, reason="r", by="loop", now=NOW).state

        if not killed_at(deploy, cases + 1):
            return cases, lost
        cases += 1
        try:
            current = ConfigStore(Folder(root / "configs")).read("7d")
            state = deploy()
            lost += current not in (old, new) or state not in ("deployed", "unchanged", "refused")
        except (ConfigError, WarehouseError):
            lost += 1


def files(folder: Path, count: int = 300) -> tuple[int, int]:
    """Breaks a table's file at random.

    Returns cases, and those read as if sound with other content.
    """
    draw, lost = random.Random(1), 0
    frame = pl.DataFrame({"a": range(1000), "b": [float(n) for n in range(1000)]})
    path = Path(Warehouse(folder).write("market/history/usdclp", frame, "yahoo"))
    sound = path.read_bytes()
    for _ in range(count):
        broken = bytearray(sound)
        match draw.choice(["cut", "zero", "garbage"]):
            case "cut":
                broken = broken[: draw.randrange(len(broken))]
            case "zero":
                begin = draw.randrange(len(broken))
                broken[begin:] = bytes(len(broken) - begin)
            case _:
                broken = bytearray(draw.randbytes(draw.randrange(200)))
        path.write_bytes(broken)
        try:
            read = Warehouse(folder).read("market/history/usdclp", "yahoo")
            lost += read is None or not read.equals(frame)
        except WarehouseError as error:
            lost += "move it away" in str(error)
    return count, lost


def hostile(folder: Path, count: int = 150) -> tuple[int, int]:
    """Changes archives at random and restores them.

    Returns cases, and those that wrote something wrong.
    """
    draw, lost = random.Random(2), 0
    (folder / "source").mkdir()
    (folder / "source/a.txt").write_bytes(b"as it was" * 1000)
    for number in range(count):
        place = folder / f"{number}"
        create(place, [("warehouse", folder / "source", [])], NOW + timedelta(seconds=number))
        (archive,) = archives(place)
        if number % 2:
            content = bytearray(archive.path.read_bytes())
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
            archive.path.write_bytes(content)
        else:
            name = draw.choice(["../out", "/abs", "warehouse/../../out", "warehouse/a\n", "foreign/x"])
            with tarfile.open(archive.path, "w:gz") as tar:
                entry = tarfile.TarInfo(name)
                entry.size = 3
                tar.addfile(entry, io.BytesIO(b"bad"))
        try:
            verify(archive.path)
            restore(archive.path, {"warehouse": place / "restored"}, NOW, is_forced=True)
            lost += 1
        except ArchiveError:
            lost += (place / "restored/a.txt").exists() or (place / "out").exists() or (folder / "out").exists()
    return count, lost


CAMPAIGNS: dict[str, Callable[[Path], tuple[int, int]]] = {"kills": kills, "files": files, "archives": hostile}


def main() -> int:
    """Runs the named campaigns; 1 where one has lost something."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *CAMPAIGNS], help="all where none is named")
    total = 0
    for name in parser.parse_args().names or CAMPAIGNS:
        with tempfile.TemporaryDirectory(prefix="forex-assets-") as folder:
            cases, lost = CAMPAIGNS[name](Path(folder))
        print(f"{name}: {cases} cases, {lost} lost", flush=True)
        total += lost
    return 1 if total else 0


if __name__ == "__main__":
    raise SystemExit(main())
