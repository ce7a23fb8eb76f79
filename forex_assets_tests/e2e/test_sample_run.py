"""The whole spine on the generated market: what a bare clone without a network does."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from click.testing import Result
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from forex_assets.cli import app, first_run
from forex_assets.cli.runner import RunFailed, materialize_forecasts, materialize_market
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import FORECAST_SCHEMA, QUANTILE_COLUMNS, SAMPLE_SOURCE
from forex_assets.core.session import Session, open_session
from forex_assets.core.settings import PROJECT
from forex_assets.forecasts.chronos.loading import load_counts
from forex_assets.locations import forecasting, optimization
from forex_assets_tests.forecasts.chronos.tiny_models import build_bolt

AS_OF = date(2025, 6, 13)  # a Friday
TARGETS = {"7d": date(2025, 6, 19), "15d": date(2025, 6, 27), "30d": date(2025, 7, 11), "90d": date(2025, 9, 11)}
"""By hand: 20 June is a holiday in Chile, 28 June and 13 July fall on weekends, 11 September on a Thursday."""


def cli(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), env={"COLUMNS": "80"})


def new_session() -> Session:
    return open_session()


@pytest.fixture
def filled(with_forecasts: Path) -> Path:
    return with_forecasts


def test_all_four_fans_are_written_with_their_targets_and_say_that_they_are_sample_data(filled: Path) -> None:
    for horizon in HORIZONS:
        fan = pl.read_parquet(filled / "warehouse/sample/forecasts/latest" / f"{horizon}.parquet")
        assert dict(fan.schema) == FORECAST_SCHEMA
        assert set(fan["source"]) == {SAMPLE_SOURCE}
        assert set(fan["as_of"]) == {AS_OF}
        assert fan["target_date"][0] == fan["session"][-1] == TARGETS[horizon]
        assert fan["step"].to_list() == list(range(1, fan.height + 1))
        assert (fan.select(pl.concat_list(QUANTILE_COLUMNS).list.diff().list.min().min()).item() or 0) >= 0


def test_nothing_generated_lands_among_the_real_tables(filled: Path) -> None:
    tables = [p.relative_to(filled / "warehouse") for p in (filled / "warehouse").rglob("*.parquet")]
    assert tables
    assert {path.parts[0] for path in tables} == {"sample"}


def test_the_same_inputs_give_the_same_forecast_bit_for_bit(filled: Path) -> None:
    file = filled / "warehouse/sample/forecasts/latest/30d.parquet"
    first = pl.read_parquet(file).drop("engine_seconds")
    materialize_market(new_session())
    materialize_forecasts(new_session(), ["30d"])
    assert_frame_equal(pl.read_parquet(file).drop("engine_seconds"), first, check_exact=True)


def test_one_horizon_run_leaves_the_others_as_they_are(filled: Path) -> None:
    folder = filled / "warehouse/sample/forecasts/latest"
    before = {path.name: path.read_bytes() for path in folder.glob("*.parquet") if path.stem != "7d"}
    materialize_forecasts(new_session(), ["7d"])
    assert {path.name: path.read_bytes() for path in folder.glob("*.parquet") if path.stem != "7d"} == before


def test_what_the_command_line_runs_is_in_the_instance_that_the_ui_shows(filled: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
        key = dg.AssetKey(["forecasts", "latest"])
        assert instance.get_materialized_partitions(key) == set(HORIZONS)
        event = instance.get_latest_materialization_event(dg.AssetKey(["market", "usdclp"]))
        assert event is not None
        metadata = event.asset_materialization.metadata
        assert SAMPLE_SOURCE in str(metadata["data"].value)
        assert "data:image/png;base64," in str(metadata["plot"].value)


def test_a_forecast_reads_nothing_later_than_the_clock(filled: Path, environment: Callable[..., None]) -> None:
    file = filled / "warehouse/sample/forecasts/latest/7d.parquet"
    environment(FOREX_AS_OF="2025-03-14")
    materialize_forecasts(new_session(), ["7d"])  # on market tables that reach June
    early = pl.read_parquet(file).drop("engine_seconds")
    assert early["origin_session"][0] == date(2025, 3, 14)
    materialize_market(new_session())  # on tables that end in March
    materialize_forecasts(new_session(), ["7d"])
    late = pl.read_parquet(file).drop("engine_seconds")
    assert_frame_equal(late, early, check_exact=True)


def test_a_broken_config_fails_the_run_in_words(filled: Path) -> None:
    file = filled / "configs/chronos_7d.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"temperature": "hot"}))
    with pytest.raises(RunFailed, match=r"chronos_7d\.json.*temperature.*hot"):
        materialize_forecasts(new_session(), ["7d"])


def test_the_command_line_prints_fans_for_people_and_for_programs(workspace: Path) -> None:
    result = cli("forecast")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("USD/CLP ") == len(HORIZONS)
    assert SAMPLE_SOURCE in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines() if "/" not in line)
    for word in ("80 % band", "95 % band", "no change 95 %", "ewma", "FOREX_MODEL"):
        assert word in result.stdout
    rows = json.loads(cli("forecast", "--horizon", "7d", "--stored", "--json").stdout)
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1]["target_date"] == str(TARGETS["7d"])
    status = json.loads(cli("status", "--json").stdout)
    assert status["is_sample"] is True
    assert [f["as_of"] for f in status["forecasts"]] == [str(AS_OF)] * 4
    assert len(status["runs"]) == 5
    assert "market/usdclp" in cli("status").stdout
    doctor = cli("doctor", "--json")
    assert doctor.exit_code == 0, doctor.output
    assert json.loads(doctor.stdout)["stale"] == []
    assert "A forecast can be made" in cli("doctor").stdout
    (market, *_) = json.loads(cli("ingest", "--json").stdout)
    assert market["asset"] == "market/copper_hgf_usd_lb"
    assert "Prices in" in cli("ingest").stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["forecast", "--horizon", "8d"], "7d, 15d, 30d, 90d, all"),
        (["forecast", "--as-of", "someday"], "--as-of someday"),
        (["forecast", "--nonsense"], "nonsense"),
    ],
)
def test_bad_usage_exits_with_two_and_says_what_is_right(workspace: Path, args: list[str], words: str) -> None:
    done = cli(*args)
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_fault_exits_with_one_and_one_line_that_names_it(filled: Path) -> None:
    (filled / "configs/chronos_7d.json").write_text("{")
    done = cli("forecast", "--stored", "--horizon", "7d")
    assert done.exit_code == 1
    assert "chronos_7d.json" in done.stderr
    assert isinstance(done.exception, SystemExit), "no traceback"


def test_a_price_that_is_stale_at_the_clock_is_refused_in_a_run_of_its_own(
    filled: Path, environment: Callable[..., None]
) -> None:
    environment(FOREX_AS_OF="2025-08-13")
    with pytest.raises(RunFailed, match=r"unfit to forecast.*is_not_stale.*2025-06-13.*forex-assets ingest"):
        materialize_forecasts(new_session(), ["90d"])


def test_a_damaged_table_is_named_with_its_remedy(filled: Path) -> None:
    file = filled / "warehouse/sample/market/usdclp.parquet"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(RunFailed, match=r"usdclp\.parquet is damaged.*(backup|anew)"):
        materialize_forecasts(new_session(), ["7d"])
    done = cli("status")
    assert done.exit_code == 1
    assert "usdclp.parquet is damaged" in done.stderr


def test_a_warehouse_that_cannot_be_made_is_one_line(workspace: Path, environment: Callable[..., None]) -> None:
    (workspace / "file").write_text("")
    environment(FOREX_WAREHOUSE=str(workspace / "file"), DAGSTER_HOME=str(workspace / "file/dagster"))
    done = cli("ingest")
    assert done.exit_code == 2
    assert "there is a file of that name; name a folder" in done.stderr


def test_a_model_without_the_configured_settings_is_seen_by_the_doctor_and_refused_by_the_forecast(
    filled: Path, environment: Callable[..., None]
) -> None:
    folder = filled / "bolt"
    build_bolt(folder)
    environment(FOREX_MODEL=str(folder))
    words = r"num_samples is set \(200\) but bolt\S* \(chronos-bolt\) does not sample"
    doctor = cli("doctor", "--json")
    assert doctor.exit_code == 1
    assert re.search(words, json.loads(doctor.stdout)["models"][0]["error"])
    with pytest.raises(RunFailed, match=words):
        materialize_forecasts(new_session(), ["7d"])
    for horizon in HORIZONS:
        file = filled / f"configs/chronos_{horizon}.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"num_samples": None, "temperature": None}))
    materialize_forecasts(new_session(), list(HORIZONS))
    fan = pl.read_parquet(filled / "warehouse/sample/forecasts/latest/90d.parquet")
    assert (fan["engine"][0], fan["model"][0]) == ("chronos-bolt", "bolt@fan2")
    assert set(load_counts().values()) == {1}  # four horizons, one load


def dagster_materialize(select: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("dagster")), "asset", "materialize"]
    command += ["-m", "forex_assets.locations.forecasting", "--select", select, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, env=dict(os.environ))


def test_dagsters_own_command_materializes_one_partition_and_a_range(filled: Path) -> None:
    folder = filled / "warehouse/sample/forecasts/latest"
    for file in folder.glob("*.parquet"):
        file.unlink()
    one = dagster_materialize('key:"forecasts/latest"', "--partition", "15d")
    assert one.returncode == 0, one.stderr[-2000:]
    assert sorted(p.stem for p in folder.glob("*.parquet")) == ["15d"]
    several = dagster_materialize('key:"forecasts/latest"', "--partition-range", "7d...90d")
    assert several.returncode == 0, several.stderr[-2000:]
    assert sorted(p.stem for p in folder.glob("*.parquet")) == sorted(HORIZONS)


def test_make_run_leaves_every_asset_made_that_needs_no_search_and_one_page(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = (PROJECT / "Makefile").read_text().partition("\nrun:")[2].partition("\n\n")[0]
    recipe = re.findall(r"^\t@\$\(BIN\)/(.*)$", rule, re.MULTILINE)
    *commands, last = [shlex.split(line.removesuffix(" >/dev/null")) for line in recipe]
    assert last == ["python", "-m", first_run.__name__]
    for command in commands:
        assert command[0] == "forex-assets"
        few = ["--from", "2024-01-01"] if "backtest" in command else []
        done = cli(*command[1:], *few)
        assert done.exit_code == 0, done.output
    capsys.readouterr()
    first_run.main()
    page = workspace / "warehouse/sample/report/daily.html"
    assert f"The daily report: {page}" in capsys.readouterr().out
    assert page.is_file()
    assert len([file for file in (page.parent / "kept").rglob("*") if file.is_file()]) == 1
    with dg.DagsterInstance.get() as instance:
        for location in (forecasting, optimization):
            graph = location.defs.resolve_asset_graph()
            for key in graph.materializable_asset_keys - {*first_run.SEARCHED, *first_run.BY_HAND}:
                assert instance.get_latest_materialization_event(key) is not None, key
                if graph.get(key).partitions_def is not None:
                    assert set(instance.get_materialized_partitions(key)) == set(HORIZONS), key
        assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
        assert instance.fetch_observations(dg.AssetKey(["config", "inference"]), limit=9).records
