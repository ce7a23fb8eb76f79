"""Bad usage ends with exit code 2 and names thing and value; a full disk is one line, not a traceback."""

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.cli.common import print_json, reported


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("forecast --horizon 8d", "--horizon 8d"),
        ("forecast --as-of nope", "--as-of nope"),
        ("report --as-of 2999-01-01", "future"),
        ("scorecard --horizon 7", "--horizon 7"),
        ("backtest --to nope", "--to nope"),
        ("scorecard --origin yesterday", "--origin yesterday"),
        ("validate --origin yesterday", "--origin yesterday"),
        ("run --origin yesterday", "--origin yesterday"),
        ("backtest --every 0d", "'0d'"),
        ("backtest --from 2023-01-01 --to 2022-01-01", "later than the last"),
        ("history --limit 0", "--limit"),
        ("replay --from nope --to 2024-01-01", "--from nope"),
        ("replay --from 2024-01-01 --to 2023-01-01", "later than --to"),
        ("replay --from 2023-01-01 --to 2024-01-01 --every 0d", "--every 0d"),
        ("replay --from 2023-01-01 --to 2024-01-01 --policy /no/such.yaml", "/no/such.yaml"),
        ("replay --from 2023-01-01 --to 2999-01-01", "--to 2999-01-01"),
        ("dashboard --every nan", "--every"),
        ("rollback --horizon all", "--horizon all"),
        ("rollback --horizon 7d --to ../../nosuch", "--to ../../nosuch"),
        ("optimize request", "--horizon"),
        ("runs --kind [/x]", "--kind [/x]"),
        ("compare nosuch", "nosuch"),
        ("best --metric nosuch", "--metric nosuch"),
        ("backup verify /no/such/file", "/no/such/file"),
        ("backup restore .", ".: no such file"),
        ("detectors --worlds 1", "--worlds"),
        ("mail test", "FOREX_SMTP_HOST"),
    ],
)
def test_bad_usage_is_exit_code_2_and_names_what_is_wrong(workspace: Path, typed: str, named: str) -> None:
    done = CliRunner().invoke(app, shlex.split(typed))
    assert isinstance(done.exception, SystemExit)
    assert done.exit_code == 2, done.output
    assert named in " ".join(done.output.split())
    assert "Traceback" not in done.output


@pytest.mark.parametrize("command", ["forecast --stored", "backtest", "run", "validate"])
@pytest.mark.parametrize("model", ["/nowhere", "no such model", "configs"])
def test_a_model_that_can_be_none_is_bad_usage(
    workspace: Path, environment: Callable[..., None], command: str, model: str
) -> None:
    named = str(workspace / model) if model == "configs" else model  # a folder without a model
    environment(FOREX_MODEL=named)
    done = CliRunner().invoke(app, shlex.split(command))
    assert done.exit_code == 2
    assert f"FOREX_MODEL={named}" in done.output.replace("\n", "")


@pytest.mark.parametrize("command", ["verify", "restore"])
def test_a_file_that_is_no_archive_is_bad_usage(workspace: Path, command: str) -> None:
    (workspace / "notes.txt").write_text("buy copper")
    done = CliRunner().invoke(app, ["backup", command, str(workspace / "notes.txt")])
    assert done.exit_code == 2
    assert "notes.txt is no archive of forex-assets" in done.output.replace("\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_one_line_with_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    @reported
    def command() -> None:
        Path("/dev/full").write_text("x")

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 1
    assert "No space left on device; see to space" in capsys.readouterr().err


def test_a_folder_that_cannot_be_copied_names_the_first_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "gone.parquet").symlink_to(tmp_path / "nowhere")

    @reported
    def command() -> None:
        shutil.copytree(tmp_path / "from", tmp_path / "to")

    with pytest.raises(typer.Exit) as ended:
        command()
    assert ended.value.exit_code == 1
    printed = capsys.readouterr().err.replace("\n", "")
    assert "gone.parquet" in printed
    assert "No such file" in printed
    assert "None" not in printed


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_json_is_readable_whatever_the_terminal_can_show(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    out = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(out, encoding))
    print_json({"words": "señal ≥ 1 – 😀"})
    assert json.loads(out.getvalue().decode(encoding)) == {"words": "señal ≥ 1 – 😀"}
