"""A configs folder in a git repository, and a child process that is killed where a test says. No test lies here."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from forex_assets.core.config_store import ConfigStore
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import DeploymentPolicy
from forex_assets.deployment.deployer import Deployer
from forex_assets.deployment.deployment_store import DeploymentStore
from forex_assets.deployment.record import DeploymentRecord

NOW = datetime(2025, 6, 13, 23, 0, tzinfo=UTC)
WATCHED = {"open", "os.rename", "os.remove", "os.mkdir", "os.link", "os.chmod", "os.truncate", "subprocess.Popen"}
"""Calls to the file system that Python announces; flushes are between the steps that the writers name."""


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


def make_world(root: Path, *, with_git: bool = True) -> Path:
    """A folder with `configs/chronos_7d.json` and another file, committed where there is to be a repository."""
    configs = root / "configs"
    configs.mkdir(parents=True)
    (configs / "chronos_7d.json").write_text(OLD.model_dump_json(indent=2), encoding="utf-8")
    (root / "other.txt").write_text("theirs\n", encoding="utf-8")
    (root / ".gitignore").write_text("/configs/backups/\n/configs/.locks/\n/state/\n", encoding="utf-8")
    if with_git:
        git(root, "init", "-q")
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", "first")
    return root


def deployer(root: Path, *, policy: DeploymentPolicy | None = None, **more: object) -> Deployer:
    store = DeploymentStore(root / "state")
    return Deployer(root / "configs", store, policy or DeploymentPolicy(), **more)  # type: ignore[arg-type]


def live(root: Path, horizon: str = "7d") -> InferenceConfig:
    return ConfigStore(root / "configs").read(horizon)


def deploy(
    root: Path, wanted: InferenceConfig = NEW, *, expected: str | None = OLD.fingerprint, **more: object
) -> DeploymentRecord:
    return deployer(root, **more).deploy(wanted, expected=expected, reason="better", by="loop", now=NOW)


def in_a_child(action: Callable[[], object], *, kill_at_call: int | None = None) -> tuple[int, int]:
    """Runs an action in a forked process that kills itself before its n-th call to the file system.

    Returns:
        The signal that ended it (0 for none), and how many calls it made where it was not killed.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        seen = 0

        def count(event: str, _: object) -> None:
            nonlocal seen
            if event in WATCHED:
                seen += 1
                if seen == kill_at_call:
                    os.kill(os.getpid(), signal.SIGKILL)

        code = 1
        try:
            sys.addaudithook(count)
            action()
            os.write(writer, str(seen).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0), int(told or 0)
