"""What a command refuses before it begins: other people's folders, too little memory, settings that cannot work."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.core.store.warehouse import Warehouse

SETTINGS = [
    ("FOREX_SOURCE_DEADLINE_S", "inf"),
    ("FOREX_SOURCE_DEADLINE_S", "nan"),
    ("FOREX_WAREHOUSE", "{folder}/what?"),
    ("FOREX_CONFIGS", "{folder}/a#b"),
    ("DAGSTER_HOME", "{folder}/100%20"),
    ("FOREX_WAREHOUSE", "{folder}/line\nbreak"),
    ("FOREX_WAREHOUSE", "{folder}/" + "x" * 256),
    ("FOREX_AS_OF", "0001-01-01"),
    ("FOREX_AS_OF", "0001-01-01T00:00"),
    ("FOREX_AS_OF", "9999-12-31"),
    ("FOREX_MODEL", "   "),
    ("FOREX_MODEL", "amazon/\x1b[2J"),
    ("FOREX_MODEL", "m" * 256),
    ("FOREX_YAHOO_URL", "file:///etc/passwd"),
]


@pytest.mark.parametrize(("name", "value"), SETTINGS)
def test_a_setting_that_cannot_work_is_bad_usage_in_one_line_and_nothing_is_written(
    name: str, value: str, workspace: Path, environment: Callable[..., None]
) -> None:
    environment(**{name: value.format(folder=workspace)})
    before = sorted(workspace.rglob("*"))
    done = CliRunner().invoke(app, ["status"])
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith(f"error: {name}=")
    assert sorted(workspace.rglob("*")) == before


def test_a_file_in_the_place_of_the_warehouse_is_bad_usage(workspace: Path, environment: Callable[..., None]) -> None:
    (workspace / "file").touch()
    environment(FOREX_WAREHOUSE=str(workspace / "file"))
    assert CliRunner().invoke(app, ["status"]).exit_code == 2


@pytest.mark.parametrize(("command", "megabytes"), [("forecast", 145), ("run", 400), ("forecast", 1000), ("run", 1000)])
def test_too_little_memory_is_an_error_and_no_hang(command: str, megabytes: int, workspace: Path) -> None:
    """A process begins with some 25 MB of address space."""

    def little() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes * 2**20, megabytes * 2**20))

    done = subprocess.run(
        [sys.executable, "-m", "forex_assets", command],
        capture_output=True, text=True, preexec_fn=little, timeout=60, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "ulimit -v" in done.stderr
    assert "Traceback" not in done.stderr


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="acts as root and for another user")


@needs_root
def test_root_is_refused_where_the_folder_belongs_to_somebody_else(workspace: Path) -> None:
    (workspace / "warehouse").mkdir()
    os.chown(workspace / "warehouse", 65534, 65534)
    for command in (["status"], ["rollback", "--horizon", "7d"], ["ingest"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 1
        assert "belongs to" in done.stderr
    assert list((workspace / "warehouse").iterdir()) == []


@needs_root
def test_a_lock_that_root_took_can_be_taken_by_the_folders_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    with Warehouse(tmp_path).lock("deployment"):
        owners = {path.name: path.stat().st_uid for path in [tmp_path / ".locks", *(tmp_path / ".locks").iterdir()]}
    assert set(owners.values()) == {65534}
    assert len(owners) == 3
