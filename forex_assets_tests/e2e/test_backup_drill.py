"""The drill: forecasts, a backup, all gone, a restore: the same tables, a ledger that verifies, records that go on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.cli.runner import materialize_forecasts, materialize_market
from forex_assets.core import names
from forex_assets.core.session import open_session
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.locations.forecasting import build


def cli(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), env={"COLUMNS": "200"})


def tables(root: Path) -> dict[str, pl.DataFrame]:
    left_out = ("ledger_compacted", "backups")
    paths = sorted(path for path in root.rglob("*.parquet") if not any(name in path.parts for name in left_out))
    return {str(path.relative_to(root)): pl.read_parquet(path) for path in paths}


def test_everything_gone_comes_back_as_it_was(with_market: Path, environment: Callable[..., None]) -> None:
    workspace = with_market
    environment(FOREX_BACKUPS=str(workspace / "other-disk"), DAGSTER_HOME=str(workspace / "warehouse/dagster"))
    (workspace / "dagster").rename(workspace / "warehouse/dagster")
    materialize_forecasts(open_session(), ["7d"])
    before, verified = tables(workspace / "warehouse"), json.loads(cli("ledger", "verify", "--json").stdout)
    job = build().resolve_job_def(names.BACKUP_JOB)
    with dg.DagsterInstance.get() as instance:
        assert job.execute_in_process(instance=instance).success
    (archive,) = json.loads(cli("backup", "list", "--json").stdout)
    assert cli("backup", "verify").exit_code == 0
    shutil.rmtree(workspace / "warehouse")
    shutil.rmtree(workspace / "configs")
    assert cli("backup", "restore", archive["archive"]).exit_code == 0
    after = tables(workspace / "warehouse")
    assert set(after) == set(before)
    assert all(after[name].equals(before[name]) for name in before)
    again = json.loads(cli("ledger", "verify", "--json").stdout)
    assert again == verified
    assert next(row for row in again if row["horizon"] == "7d")["noted"] == 1, "Dagster's records are back too"
    materialize_forecasts(open_session(), ["7d"])
    refused = cli("backup", "restore")
    assert refused.exit_code == 1
    assert "--force" in refused.output
    forced = json.loads(cli("backup", "restore", "--force", "--json").stdout)
    assert set(forced["kept"]) >= {"warehouse", "configs"}
    assert cli("backup", "prune").stdout.strip() == "nothing to remove"


def test_an_archive_that_is_not_there_is_said(workspace: Path) -> None:
    nothing = cli("backup", "restore")
    assert nothing.exit_code == 1
    assert "forex-assets backup create" in nothing.output
    assert cli("backup", "verify", str(workspace / "x.tar.gz")).exit_code == 2


def test_a_warehouse_that_is_a_link_is_restored_where_it_leads_to(
    with_market: Path, environment: Callable[..., None]
) -> None:
    workspace = with_market
    environment(FOREX_BACKUPS=str(workspace / "other-disk"))
    assert cli("backup", "create").exit_code == 0
    (workspace / "warehouse").rename(workspace / "big-disk")
    (workspace / "warehouse").symlink_to(workspace / "big-disk")
    before = tables(workspace / "big-disk")
    assert cli("backup", "restore", "--force").exit_code == 0
    assert (workspace / "warehouse").is_symlink()
    after = {name: table for name, table in tables(workspace / "big-disk").items() if ".replaced-" not in name}
    assert set(after) == set(before)


@pytest.mark.timeout(600)  # where it is the first to want the three evenings, on a slow machine
def test_a_bucket_that_was_lost_comes_back_from_its_copy_and_the_next_fan_is_issued(
    three_evenings: Path, environment: Callable[..., None], tmp_path: Path, s3_address: str
) -> None:
    """Dagster's records and the settings stay; the copy lies in a folder, as after `store copy` each night."""
    bucket, fresh = f"{s3_address}/lost", f"{s3_address}/fresh"
    for source, target in (
        (str(three_evenings.parent), bucket), (str(tmp_path / "configs"), f"{bucket}/configs"),
        (bucket, str(tmp_path / "copy")), (str(tmp_path / "copy"), fresh),
    ):  # fmt: skip
        assert cli("store", "copy", source, target).exit_code == 0
    verified = json.loads(cli("ledger", "verify", "--json").stdout)
    environment(FOREX_STORE=fresh, FOREX_AS_OF="2025-06-05")
    assert json.loads(cli("ledger", "verify", "--json").stdout) == verified
    row = next(row for row in verified if row["horizon"] == "7d")
    assert row["noted"] == 3, "against the heads in Dagster's records"
    session = open_session()
    materialize_market(session)
    materialize_forecasts(session, ["7d"])
    assert LedgerStore(session.tables).count("7d") == 4
    assert LedgerStore(session.tables).verify("7d") is None
