"""A configs folder under git, and a process killed on demand."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from forex_assets.core.config_store import ConfigStore
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import DeploymentPolicy
from forex_assets.core.store.folder import Folder
from forex_assets.deployment.deployer import Deployer
from forex_assets.deployment.deployment_store import DeploymentStore
from forex_assets.deployment.git import GitExport
from forex_assets.deployment.record import DeploymentRecord

NOW = datetime(2025, 6, 13, 23, 0, tzinfo=UTC)
WATCHED = {"open", "os.rename", "os.remove", "os.mkdir", "os.link", "os.chmod", "os.truncate", "subprocess.Popen"}
"""File system calls that Python announces; flushes lie between the steps that the writers name."""


def config(context: int, horizon: str = "7d") -> InferenceConfig:
    return InferenceConfig(
        horizon=horizon,
        model="m",
        context_length=context,
        num_samples=100,
        temperature=1.0,  # type: ignore[arg-type]
    )


OLD, NEW, NEWER = config(180), config(90), config(270)


def git(folder: Path, *words: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *who, "-C", str(folder), *words], capture_output=True, text=True, check=True, env=clean
    )
    return done.stdout.strip()


@cache
def _first_commit() -> tempfile.TemporaryDirectory[str]:
    """The repository that each world is a copy of; removed at the end of the process."""
    folder = tempfile.TemporaryDirectory()
    root = Path(folder.name)
    (root / "configs").mkdir()
    (root / "configs/chronos_7d.json").write_text(OLD.model_dump_json(indent=2), encoding="utf-8")
    # A file of the last two seconds is read twice; in every world it is to be older.
    os.utime(root / "configs/chronos_7d.json", (NOW.timestamp(), NOW.timestamp()))
    (root / "other.txt").write_text("theirs\n", encoding="utf-8")
    (root / ".gitignore").write_text("/configs/backups/\n/configs/.locks/\n/state/\n", encoding="utf-8")
    for words in (("init", "-q", "--template="), ("add", "-A"), ("commit", "-q", "-m", "first")):
        git(root, *words)
    (root / ".git/hooks").mkdir()
    return folder


class World:
    """A folder with `configs/chronos_7d.json` (`OLD`) and another file, both committed; or a copy of another world."""

    def __init__(self, root: Path, *, with_git: bool = True, like: "World | None" = None) -> None:
        self.root, self.file = root, root / "configs/chronos_7d.json"
        left_out = None if with_git else shutil.ignore_patterns(".git")
        shutil.copytree(_first_commit().name if like is None else like.root, root, ignore=left_out, dirs_exist_ok=True)

    def git(self, *words: str) -> str:
        return git(self.root, *words)

    def deployer(self, *, policy: DeploymentPolicy | None = None, **more: object) -> Deployer:
        store = DeploymentStore(Folder(self.root / "state"))
        more = {"commit": GitExport(self.root / "configs"), **more}
        return Deployer(Folder(self.root / "configs", follows_links=True), store, policy or DeploymentPolicy(), **more)  # type: ignore[arg-type]

    def deploy(
        self, wanted: InferenceConfig = NEW, *, expected: str | None = OLD.fingerprint, **more: object
    ) -> DeploymentRecord:
        return self.deployer(**more).deploy(wanted, expected=expected, reason="better", by="loop", now=NOW)  # type: ignore[arg-type]

    def rollback(
        self, *, by: str = "ana", minutes: int = 0, to: str | None = None, policy: DeploymentPolicy | None = None
    ) -> DeploymentRecord:
        now = NOW + timedelta(minutes=minutes)
        return self.deployer(policy=policy).rollback("7d", reason="r", by=by, now=now, to=to)

    def records(self) -> list[DeploymentRecord]:
        return self.deployer().records("7d")

    def current(self, horizon: str = "7d") -> InferenceConfig:
        return ConfigStore(Folder(self.root / "configs")).read(horizon)

    def committed(self) -> bytes:
        return self.git("show", "HEAD:configs/chronos_7d.json").encode()

    def die_at(self, step: str) -> int:
        """Deploys in a process killed after a step; its last signal."""

        def die(at: str) -> None:
            if at == step:
                os.kill(os.getpid(), signal.SIGKILL)

        return in_a_child(lambda: self.deploy(at_step=die))[0]


def in_a_child(action: Callable[[], object], *, kill_at_call: int | None = None) -> tuple[int, int]:
    """Runs an action in a process killed at a file system call.

    Returns:
        The signal that ended it (0 for none), and the number of calls where it was not killed.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        calls = 0

        def count(event: str, _: object) -> None:
            nonlocal calls
            if event in WATCHED:
                calls += 1
                if calls == kill_at_call:
                    os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            sys.addaudithook(count)
            action()
            os.write(writer, str(calls).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0), int(answer or 0)
