"""Reads further policies of a replay from files."""

from collections.abc import Iterable
from pathlib import Path

from forex_assets.core.policy import Policy
from forex_assets.core.policy_store import read_policy
from forex_assets.core.store.folder import Folder


def policies_of(files: Iterable[str]) -> list[tuple[str, Policy]]:
    """Policies of some files, named by the files.

    Raises:
        PolicyError: no file, no YAML, or a field that is unknown, repeated or not allowed.
    """
    paths = [Path(file) for file in files]
    return [(path.stem, read_policy(Folder(path.parent, follows_links=True), path.name)) for path in paths]
