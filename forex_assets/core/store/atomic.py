"""Replacing a file so that a reader finds the old one or the new one, whole, whatever happens to the writer.

Bytes go to a draft beside the target, are flushed to the disk, and take the target's name in one step. What is in the
file is no concern of this module.
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
"""Age after which a draft belongs to a dead writer. A living one touches its draft many times a second."""

STEPS: Final = ("drafted", "written", "synced", "replaced", "finished")
"""What `at_step` is told, in this order. The target is new from `replaced` on."""


def _pass_over(step: str) -> None:
    """Do nothing at a step."""


def _accept(draft: Path) -> None:
    """Take any draft."""


def write_atomically(
    path: Path,
    write: Callable[[BinaryIO], None],
    *,
    at_step: Callable[[str], None] = _pass_over,
    check: Callable[[Path], None] = _accept,
) -> None:
    """Replace `path` by what `write` puts into the file that it is handed, so that no reader ever sees half of it.

    Args:
        path: the target; its folder must exist. A link is followed, so that the link itself stays.
        write: puts the whole content into a binary file opened for writing.
        at_step: called with each name of `STEPS` once that step is done; tests end the process there.
        check: reads the draft, which is whole and on the disk; what it raises keeps the old file.

    Raises:
        OSError: no space, no permission, no folder. Before the step `replaced` the old file stands; no draft stays.
    """
    target = Path(os.path.realpath(path))
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
) -> None:
    """`write_atomically` for content that is already there."""

    def write(file: BinaryIO) -> None:
        file.write(content)

    write_atomically(path, write, at_step=at_step, check=check)


def _open_draft(draft: Path, target: Path) -> BinaryIO:
    """A new draft with the mode that `target` has, or where there is none the mode that the umask leaves.

    `tempfile.mkstemp` would make it 0600, and the replaced file with it: other users could read the table no more.
    """
    # os.open, since only it can both refuse an existing name and honour the umask.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with contextlib.suppress(FileNotFoundError):
        os.fchmod(descriptor, stat.S_IMODE(target.stat().st_mode))
    return os.fdopen(descriptor, "wb")


def _sync_folder(folder: Path) -> None:
    """Put the folder's entry of a new name on the disk; without it a power cut can bring the old name back."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_drafts(folder: Path, older_than_s: float = STALE_AFTER_S) -> None:
    """Remove what killed writers left, judged by age alone.

    Should a living writer's draft ever be an hour old and go, its `os.replace` fails loudly and the target is unharmed.

    Args:
        folder: where drafts may lie.
        older_than_s: age in seconds; 0 only for one who holds a lock that every writer of the folder takes.
    """
    oldest = time.time() - older_than_s
    for draft in folder.glob(f"{DRAFT_PREFIX}*"):
        # Another writer may have removed it first, or it is another user's: neither may fail this write.
        with contextlib.suppress(FileNotFoundError, PermissionError):
            if draft.stat().st_mtime <= oldest:
                draft.unlink()
