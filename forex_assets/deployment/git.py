"""Commits one file to its git repository, and nothing else.

No hook runs; no staged change and no other file is committed. Git's plumbing works on a temporary index, so that
changes a person has staged stay staged. Obstacles (no git, no repository, a detached head, a merge under way, a locked
index) are reported and never forced.
"""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from forex_assets.core.store.atomic import write_bytes_atomically
from forex_assets.deployment.record import GitState

TIMEOUT_S: Final = 20.0
"""Timeout of one git call, in seconds.

A hanging network file system must not hold a deployment.
"""

NAME, EMAIL = "forex-assets", "forex-assets@localhost"

BUSY: Final = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG", "rebase-merge", "rebase-apply")
"""Files that mark a merge, rebase, cherry-pick, revert or bisect."""


class GitError(Exception):
    """A call of git failed; the message is git's own last line."""


@dataclass(frozen=True)
class Commit:
    """Result of a commit.

    Attributes:
        state: `committed`, `pending` (to be retried), `no repository`, or `off`.
        words: its hash, or why there is none.
    """

    state: GitState
    words: str


Commits = Callable[[str, bytes, str], Commit]
"""Commits a config: its key, content and the message."""


@dataclass(frozen=True)
class GitExport:
    """Commits configs in a folder's repository.

    Attributes:
        folder: of the config files.
        is_copy: whether the truth lies in another store, and a clone gets a copy first.
    """

    folder: Path
    is_copy: bool = False

    def __call__(self, key: str, content: bytes, message: str) -> Commit:
        path = self.folder / key
        if not self.is_copy:
            return commit_file(path, message)
        try:
            _git(self.folder, "rev-parse", "--show-toplevel")
            write_bytes_atomically(path, content)
        except FileNotFoundError:
            return Commit("off", f"git is not installed, or {self.folder} is not there")
        except GitError:
            return Commit("no repository", f"{self.folder} is in no clone; the settings are in the store")
        except OSError as error:
            return Commit("pending", f"{path} cannot be written: {error}")
        return commit_file(path, message)


def commit_file(path: Path, message: str) -> Commit:
    """Commits one file to the current branch; unchanged counts as committed."""
    try:
        top = Path(_git(path.parent, "rev-parse", "--show-toplevel"))
    except FileNotFoundError:
        return Commit("off", "git is not installed")
    except GitError as error:
        is_none = "not a git repository" in str(error)
        return Commit("no repository" if is_none else "pending", str(error))
    try:
        return _commit(top, path.resolve().relative_to(top.resolve()).as_posix(), message)
    except (GitError, OSError, ValueError) as error:
        return Commit("pending", str(error))


def _commit(top: Path, name: str, message: str) -> Commit:
    """Commits a file, by its path under the repository's `top`.

    Raises:
        GitError: git failed.
    """
    if _answers(top, "check-ignore", "-q", "--", name):
        return Commit("off", f"{name} is ignored by git")
    if reason := _in_the_way(top):
        return Commit("pending", reason)
    branch = _git(top, "symbolic-ref", "-q", "HEAD")
    head = _git(top, "rev-parse", "HEAD") if _answers(top, "rev-parse", "-q", "--verify", "HEAD") else ""
    blob = _git(top, "hash-object", "-w", "--", name)
    before = _blob_of(top, head, name)
    if blob != before:
        head = _write_commit(top, branch, head, name, blob, message)
    else:  # committed by a process that was killed before it updated the index; others may have committed since
        head = _git(top, "log", "-1", "--format=%H", "--", name) or head
        before = _blob_of(top, f"{head}^", name)
    _agree(top, name, blob, before)
    return Commit("committed", head[:12])


def _in_the_way(top: Path) -> str:
    """Why a commit has to wait; empty where it need not."""
    folder = Path(_git(top, "rev-parse", "--absolute-git-dir"))
    for name in BUSY:
        if (folder / name).exists():
            return f"{name} in {folder}: a merge, rebase or the like is under way; the commit waits for its end"
    if (folder / "index.lock").exists():
        return f"{folder / 'index.lock'}: another git process is running, or was killed; the commit waits"
    if not _answers(top, "symbolic-ref", "-q", "HEAD"):
        return "HEAD is detached; check out a branch, and the commit follows"
    return ""


def _write_commit(top: Path, branch: str, head: str, name: str, blob: str, message: str) -> str:
    """Commits one changed file on top of the branch; its hash.

    Raises:
        GitError: the branch has moved meanwhile.
    """
    with TemporaryDirectory(prefix="forex-assets-index-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        if head:
            _git(top, "read-tree", head, env=index)
        _git(top, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}", env=index)
        tree = _git(top, "write-tree", env=index)
    parents = ["-p", head] if head else []
    commit = _git(top, "commit-tree", tree, *parents, "-m", message)
    _git(top, "update-ref", "-m", f"commit: {message}", branch, commit, head or "0" * 40)
    return commit


def _agree(top: Path, name: str, blob: str, before: str) -> None:
    """Updates the index, unless another version of the file is staged."""
    entry = _git(top, "ls-files", "-s", "--", name).split()
    staged = entry[1] if len(entry) > 1 else ""
    if staged in ("", before) and staged != blob:
        _git(top, "update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")


def _blob_of(top: Path, commit: str, name: str) -> str:
    """Hash of a file's content in a commit; may be empty."""
    if not commit or not _answers(top, "rev-parse", "-q", "--verify", f"{commit}:{name}"):
        return ""
    return _git(top, "rev-parse", f"{commit}:{name}")


def _answers(folder: Path, *words: str) -> bool:
    """Whether a git command succeeds."""
    return _run(folder, *words).returncode == 0


def _git(folder: Path, *words: str, env: dict[str, str] | None = None) -> str:
    """Output of a git command.

    Raises:
        GitError: it failed or took too long.
        FileNotFoundError: git is not installed.
    """
    done = _run(folder, *words, env=env)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"git {words[0]} ended with {done.returncode}"]
        raise GitError(lines[-1].removeprefix("fatal: "))
    return done.stdout.strip()


def _run(folder: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs git without hooks, prompts, and settings of a surrounding git."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in
           (("NAME", NAME), ("EMAIL", EMAIL))}  # fmt: skip
    fixed = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        return subprocess.run(
            ["git", "-c", "core.hooksPath=/dev/null", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env=clean | who | fixed | (env or {}),
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise GitError(f"git {words[0]} did not answer within {TIMEOUT_S:g} s") from None
