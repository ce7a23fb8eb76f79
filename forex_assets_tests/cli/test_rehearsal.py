"""A dry run's copy is made while other processes write."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from forex_assets.cli.rehearsal import rehearsal
from forex_assets.core.session import open_session


@pytest.mark.parametrize("folder", ["warehouse/sample/market", "configs"])
def test_a_draft_that_is_renamed_between_listing_and_copying_ends_no_dry_run(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """Seen as exit code 1 of `run --dry-run` on a machine under load, where that moment is long."""
    place, list_folder = workspace / folder, os.scandir
    place.mkdir(parents=True, exist_ok=True)
    draft = place / ".draft-of-another-process"
    draft.write_text("half")
    (place / "whole.json").write_text("{}")

    @contextmanager
    def listed_then_renamed(path: Any) -> Iterator[Iterator[os.DirEntry[str]]]:
        with list_folder(path) as entries:
            names = list(entries)
        draft.unlink(missing_ok=True)
        yield iter(names)

    monkeypatch.setattr(os, "scandir", listed_then_renamed)
    with rehearsal(open_session()) as copy:
        target = copy.settings.configs if folder == "configs" else copy.settings.warehouse / "sample/market"
        assert (target / "whole.json").is_file()
