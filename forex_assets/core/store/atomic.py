"""Atomic file replacement: readers see the old or new file, whole.

Bytes go to a draft in the target's folder, are flushed to disk, and take the target's name in one step.
"""

import contextlib
import os
import stat
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

DRAFT_PREFIX: Final = ".tmp-"
STALE_AFTER_S: Final = 3600.0
"""Age in seconds from which a draft is a dead writer's."""

STEPS: Final = ("drafted", "written", "synced", "replaced", "finished")
"""Steps reported to `at_step`; the target is new from `replaced` on."""


def _pass_over(step: str) -> None:
    """Ignores a step."""


def _accept(draft: Path) -> None:
    """Accepts any draft."""


def write_atomically(
    path: Path,
    write: Callable[[BinaryIO], None],
    *,
    at_step: Callable[[str], None] = _pass_over,
    check: Callable[[Path], None] = _accept,
    through_link: bool = True,
    tidies: bool = True,
) -> None:
    """Replaces a file by what `write` produces.

    Args:
        path: the target; its folder must exist.
        write: writes the whole content to an open binary file.
        at_step: called with each name of `STEPS`; tests end the process there.
        check: reads the draft on disk; an exception keeps the old file.
        through_link: a link at the target is followed and stays, as a person may want for settings. Otherwise it is
            replaced: whoever may write to the folder could have planted it.
        tidies: whether drafts of dead writers are looked for first, among all files of the folder.

    Raises:
        OSError: no space, permission or folder. Before `replaced` the old file stays; no draft is left.
    """
    target = Path(os.path.realpath(path)) if through_link else Path(os.path.realpath(path.parent), path.name)
    if tidies:
        remove_drafts(target.parent)
    draft = target.with_name(f"{DRAFT_PREFIX}{uuid.uuid4().hex}")
    try:
        with _open_draft(draft, target) as file:
            at_step("drafted")
            write(file)
            at_step("written")
            file.flush()
            os.fsync(file.fileno())
        check(draft)
        at_step("synced")
        os.replace(draft, target)
        at_step("replaced")
        _sync_folder(target.parent)
        at_step("finished")
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_bytes_atomically(
    path: Path,
    content: bytes,
    *,
    at_step: Callable[[str], None] = _pass_over,
    check: Callable[[Path], None] = _accept,
    through_link: bool = True,
    tidies: bool = True,
) -> None:
    """Replaces a file by bytes, see `write_atomically`."""

    def write(file: BinaryIO) -> None:
        file.write(content)

    write_atomically(path, write, at_step=at_step, check=check, through_link=through_link, tidies=tidies)


def create_once(path: Path, content: bytes, *, at_step: Callable[[str], None] = _pass_over) -> None:
    """Creates a whole, flushed file; never replaces one.

    Costs the same however many files the folder has.

    Raises:
        FileExistsError: the file exists; it is untouched.
        OSError: no space, no permission, no folder, or a file system without hard links.
    """
    draft = path.with_name(f"{DRAFT_PREFIX}{uuid.uuid4().hex}")

    def publish(step: str) -> None:
        if step == "replaced":
            os.link(draft, path)  # refuses an existing name; a rename would replace it
        at_step(step)

    try:
        write_bytes_atomically(draft, content, at_step=publish, tidies=False)
    finally:
        draft.unlink(missing_ok=True)


def _open_draft(draft: Path, target: Path) -> BinaryIO:
    """Opens a new draft with the target's mode, or the umask's.

    `tempfile.mkstemp` would make it 0600, unreadable for other users.
    """
    # Only os.open both refuses an existing name and honours the umask.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with contextlib.suppress(FileNotFoundError):
        mode = target.lstat().st_mode
        if stat.S_ISREG(mode):
            os.fchmod(descriptor, stat.S_IMODE(mode))
    return os.fdopen(descriptor, "wb")


def _sync_folder(folder: Path) -> None:
    """Flushes a folder: a power cut could restore the old name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_drafts(folder: Path, older_than_s: float = STALE_AFTER_S) -> None:
    """Removes drafts of dead writers, by age.

    If a living writer's old draft is removed, its `os.replace` raises and the target is unharmed.

    Args:
        older_than_s: age in seconds; 0 only while holding a lock that every writer takes.
    """
    for draft in folder.glob(f"{DRAFT_PREFIX}*"):
        remove_draft(draft, older_than_s)


def remove_draft(draft: Path, older_than_s: float = STALE_AFTER_S) -> None:
    """Removes a dead writer's draft, see `remove_drafts`."""
    # Another may have removed it, or it is another user's: the caller goes on.
    with contextlib.suppress(FileNotFoundError, PermissionError):
        if draft.stat().st_mtime <= time.time() - older_than_s:
            draft.unlink()
