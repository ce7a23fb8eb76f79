"""Runs the commands that a page shows, in one shell, and holds what they print against what the page says.

A block of kind `console` holds commands, `$ ` before the first line and `> ` before further ones, each followed by what
it prints; `…` stands for anything. `# exit code N` at a command's end says that it fails with N.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from forex_assets.core.settings import PROJECT
from forex_assets_tests.conftest import OWN

LIMIT_S = 600
MAIL_PORT = "8025"
"""On the page; whoever runs this may have something there, so another is taken."""


@dataclass(frozen=True)
class Command:
    """What a page shows.

    Attributes:
        text: what is typed, lines joined.
        prints: what it prints, as the page says; empty where the page says nothing.
        code: its exit code.
    """

    text: str
    prints: str
    code: int


def commands_of(page: str) -> Iterator[Command]:
    """Every command of a page's `console` blocks, in order.

    Raises:
        ValueError: a block is of no known kind, or does not begin with a command.
    """
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if kind != "console" or not block.startswith("$ "):
            raise ValueError(f"a block that is not run: ```{kind}\n{block}")
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            more = next((n for n, line in enumerate(lines[1:], 1) if not line.startswith("> ")), len(lines))
            typed = "\n".join([lines[0], *(line[2:] for line in lines[1:more])])
            failing = re.search(r" # exit code (\d+)$", lines[0])
            yield Command(typed, "\n".join(lines[more:]), int(failing[1]) if failing else 0)


def fits(example: str, printed: str) -> bool:
    """Whether what was printed is what the page says; spaces and the width of lines do not matter."""
    parts = [re.escape(" ".join(part.split())) for part in example.split("…")]
    pattern = ".*".join(parts).replace(re.escape(" "), r"\s+")
    return re.fullmatch(rf"\s*{pattern}\s*", " ".join(printed.split()), re.DOTALL) is not None


def free_ports(count: int) -> list[int]:
    """Ports of loopback where nobody listens."""
    with ExitStack() as held:
        servers = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


class Shell:
    """A shell in a copy of the project, which is a repository of its own, with the environment that is installed.

    Args:
        folder: empty; the copy lies in `project` below it.
    """

    def __init__(self, folder: Path) -> None:
        self.home, root = folder / "project", folder / "project"
        names = subprocess.run(
            ["git", "-C", str(PROJECT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True, text=True, check=True,
        ).stdout.split("\0")  # fmt: skip
        for name in filter(None, names):
            if (PROJECT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(PROJECT / name, root / name)
        for name in ("pyproject.toml", "constraints.txt"):
            os.utime(root / name, (1, 1))  # older than the environment, which is the one that runs this test
        (root / ".venv").symlink_to(Path(sys.executable).parents[1])
        plain = {k: v for k, v in os.environ.items() if not k.startswith((*OWN, "GIT_", "PYTEST", "COV"))}
        self.port, self.mail_port = free_ports(2)
        self.environment = plain | {
            "PYTHONPATH": str(root), "FOREX_MARKET": "sample", "PORT": str(self.port), "COLUMNS": "80",
            "GIT_CONFIG_GLOBAL": os.devnull, "HF_HUB_OFFLINE": "1",
        }  # fmt: skip
        first = "git init -q -b main . && git add -A && git -c user.name=a -c user.email=a@b commit -qm first"
        subprocess.run(first, shell=True, check=True, cwd=root, env=self.environment)
        self.shell = self._start("bash")
        assert self.shell.stdin
        assert self.shell.stdout

    def _start(self, command: str) -> subprocess.Popen[str]:
        pipe, out = subprocess.PIPE, subprocess.STDOUT
        return subprocess.Popen(
            command, shell=True, cwd=self.home, env=self.environment, stdin=pipe, stdout=pipe, stderr=out, text=True,
            start_new_session=True,
        )  # fmt: skip

    def run(self, command: Command) -> None:
        """Types a command and checks what comes.

        Raises:
            AssertionError: another exit code, or it prints something else than the page says.
        """
        end = uuid4().hex
        typed = command.text.replace(MAIL_PORT, str(self.mail_port))
        self.shell.stdin.write(f"{typed}\necho {end} $?\n")  # type: ignore[union-attr]
        self.shell.stdin.flush()  # type: ignore[union-attr]
        printed, code = "", None
        for line in self.shell.stdout:  # type: ignore[union-attr]
            before, separator, after = line.partition(end)
            printed += before
            if separator:
                code = int(after)
                break
        assert code == command.code, f"$ {command.text}\nexit code {code}, printed:\n{printed}"
        if command.prints:
            assert fits(command.prints, printed), f"$ {command.text}\nthe page says:\n{command.prints}\nbut:\n{printed}"

    def serve(self, command: Command) -> None:
        """Starts what goes on until it is stopped, waits for its page, and stops it.

        Raises:
            AssertionError: it ended, or its page did not come.
        """
        served, until = self._start(f"exec {command.text} > served.txt"), time.monotonic() + LIMIT_S
        try:
            while time.monotonic() < until and served.poll() is None:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/server_info", timeout=5) as answer:
                        assert b"dagster_webserver_version" in answer.read()
                        return
                except OSError:
                    time.sleep(0.5)
            raise AssertionError(f"$ {command.text}\n{(self.home / 'served.txt').read_text()}")
        finally:
            os.killpg(served.pid, signal.SIGINT)
            try:
                served.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(served.pid, signal.SIGKILL)
                served.communicate()

    def close(self) -> None:
        """Ends the shell and what it left running."""
        os.killpg(self.shell.pid, signal.SIGKILL)
        self.shell.communicate()
