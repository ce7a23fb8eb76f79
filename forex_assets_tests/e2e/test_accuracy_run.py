"""Ledger, scores and calibration on the generated market, as a desk would run them day after day."""

import json
import re
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.cli.runner import materialize_backtest, materialize_forecasts, materialize_market
from forex_assets.core.schemas import MODEL_QUANTILE_COLUMNS, QUANTILE_COLUMNS, REALIZED_SCHEMA, SAMPLE_SOURCE
from forex_assets.core.session import open_session
from forex_assets_tests.forecasts.chronos.tiny_models import build_chronos2
from forex_assets_tests.places import root_of

Change = Callable[..., None]


def cli(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), env={"COLUMNS": "80"})


def day(text: str, environment: Change, horizon: str = "7d") -> Path:
    """One evening: prices in, a forecast, the record scored. The warehouse's folder."""
    environment(FOREX_AS_OF=text)
    session = open_session()
    materialize_market(session)
    materialize_forecasts(session, [horizon])
    return root_of(session.tables)


def test_a_forecast_is_kept_scored_when_it_comes_true_and_shown(three_evenings: Path, environment: Change) -> None:
    root = three_evenings
    day("2025-06-13", environment)
    entries = sorted(path.name for path in (root / "forecasts/ledger/7d").glob("*.parquet"))
    assert entries == [f"{number:06d}.parquet" for number in range(1, 5)]
    issued = [pl.read_parquet(root / "forecasts/ledger/7d" / name)["as_of"].unique().item() for name in entries]
    assert issued == [date(2025, 6, 2), date(2025, 6, 3), date(2025, 6, 4), date(2025, 6, 13)]
    realized = pl.read_parquet(root / "accuracy/realized/7d.parquet")
    assert dict(realized.schema) == REALIZED_SCHEMA
    assert set(realized["record"]) == {"replay"}  # the clock was set by hand
    first = pl.read_parquet(root / "forecasts/ledger/7d" / entries[0])
    issue = realized.filter(pl.col("as_of") == date(2025, 6, 2))
    assert issue["step"].to_list() == first["step"].to_list()
    market = dict(pl.read_parquet(root / "market/usdclp.parquet").select("session", "clp_per_usd").iter_rows())
    for row in issue.iter_rows(named=True):
        assert row["realized_clp_per_usd"] == market[row["session"]]
        assert row["error"] == row["realized_clp_per_usd"] - row["q50"]
    assert max(realized["session"]) < date(2025, 6, 13), "the 13th's price is provisional until its bar comes"
    assert len(list((root / "forecasts/observado_ledger/7d").glob("*.parquet"))) == 4
    fixings = pl.read_parquet(root / "accuracy/observado_realized/7d.parquet")
    published = dict(pl.read_parquet(root / "market/observado.parquet").select("session", "clp_per_usd").iter_rows())
    assert {row["as_of"] for row in fixings.iter_rows(named=True)} == {date(2025, 6, n) for n in (2, 3, 4)}
    assert [published[row["session"]] for row in fixings.iter_rows(named=True)] == list(fixings["realized_clp_per_usd"])
    result = cli("scorecard", "--json")
    assert result.exit_code == 1
    assert "no scorecard" in result.output


def test_the_same_evening_twice_is_one_entry(three_evenings: Path, environment: Change) -> None:
    day("2025-06-04", environment)
    assert len(list((three_evenings / "forecasts/ledger/7d").glob("*.parquet"))) == 3


def test_bands_are_corrected_by_the_backtest_and_the_fan_says_which_part_is_whose(
    with_forecasts: Path,
) -> None:
    root = with_forecasts / "warehouse/sample"
    before = pl.read_parquet(root / "forecasts/latest/7d.parquet")
    assert not before["is_calibrated"].any()
    assert before.select(QUANTILE_COLUMNS).rows() == before.select(MODEL_QUANTILE_COLUMNS).rows()
    materialize_backtest(open_session(), ["7d"])
    backtest = pl.read_parquet(root / "accuracy/backtest/7d.parquet")
    assert backtest["as_of"].n_unique() == 260
    assert set(backtest["record"]) == {"backtest"}
    materialize_forecasts(open_session(), ["7d"])
    after = pl.read_parquet(root / "forecasts/latest/7d.parquet")
    assert after["is_calibrated"].all()
    assert after.select(MODEL_QUANTILE_COLUMNS).rows() == before.select(MODEL_QUANTILE_COLUMNS).rows()
    assert after.select(QUANTILE_COLUMNS).rows() != before.select(QUANTILE_COLUMNS).rows()
    assert after["q50"].to_list() == pytest.approx(before["q50"].to_list())
    known = backtest.filter((pl.col("step") == 1) & (pl.col("realized_available_at") < open_session().now))
    assert after["calibration_errors"][0] == known.height
    assert len(list((root / "forecasts/ledger/7d").glob("*.parquet"))) == 2  # another fan is another version
    effect = pl.read_parquet(root / "accuracy/copper_effect/7d.parquet")
    assert set(effect["comparison"]) == {"ridge", "gated"}


def test_backtest_prints_a_card_and_goes_on_where_it_was(with_market: Path) -> None:
    options = ("backtest", "--horizon", "7d", "--engine", "random-walk", "--from", "2025-01-01", "--every", "2w")
    result = cli(*options)
    assert result.exit_code == 0, result.output
    assert SAMPLE_SOURCE in result.output
    assert "random-walk" in result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    fans = with_market / "warehouse/sample/accuracy/backtest_fans/7d/random-walk"
    stamps = {path.name: path.stat().st_mtime_ns for path in fans.iterdir()}
    records = json.loads(cli(*options, "--json").stdout)
    assert {path.name: path.stat().st_mtime_ns for path in fans.iterdir()} == stamps
    card = next(r for r in records if r["scope"] == "all")
    assert card["n"] >= 10
    assert card["rmse_skill"] == 0.0  # a random walk against the random walk


def test_forecast_ends_with_a_scorecard_in_the_warehouse(with_market: Path) -> None:
    assert cli("forecast", "--horizon", "7d", "--stored").exit_code == 0
    result = cli("scorecard")
    assert result.exit_code == 0
    assert "Nothing has come true yet" in result.output


def test_verify_names_the_first_entry_that_was_changed(three_evenings: Path) -> None:
    root = three_evenings
    assert re.search(r"7d: 3 entries, intact", cli("ledger", "verify").output)
    file = sorted((root / "forecasts/ledger/7d").glob("*.parquet"))[1]
    pl.read_parquet(file).with_columns(pl.col("q975") * 1.01).write_parquet(file)
    broken = cli("ledger", "verify", "--horizon", "7d")
    assert broken.exit_code == 1
    assert file.name in broken.output.replace("\n", "")
    records = json.loads(cli("ledger", "verify", "--json").stdout)
    intact = {(record["series"], record["horizon"]): record["misfit"] is None for record in records}
    assert [place for place, is_intact in intact.items() if not is_intact] == [("usdclp", "7d")]
    assert len(intact) == 8


def test_verify_sees_that_the_end_of_the_chain_was_cut_off(three_evenings: Path) -> None:
    root = three_evenings
    sorted((root / "forecasts/ledger/7d").glob("*.parquet"))[-1].unlink()
    for cache in (root / "forecasts").glob("ledger_compacted/*"):
        cache.unlink()
    assert cli("ledger", "verify", "--horizon", "7d").exit_code == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--every", "3x"), "3x"),
        (("--from", "yesterday"), "--from yesterday"),
        (("--from", "2025-02-01", "--to", "2025-01-01"), "later than the last"),
        (("--horizon", "8d"), "8d"),
    ],
)
def test_a_bad_option_is_named(with_market: Path, options: tuple[str, ...], words: str) -> None:
    result = cli("backtest", "--engine", "ewma", *options)
    assert result.exit_code == 2
    assert words in result.output.replace("\n", " ")


def test_a_backtest_without_prices_says_how_to_get_them(workspace: Path) -> None:
    result = cli("backtest", "--horizon", "7d")
    assert result.exit_code == 1
    assert "forex-assets ingest" in result.output.replace("\n", " ")


def test_copper_as_covariates_of_a_chronos_2_is_compared_with_the_same_model_without(
    workspace: Path, environment: Change
) -> None:
    """The model is random: what is tested is that both backtests are run and compared, not what comes of it."""
    build_chronos2(workspace / "model")
    environment(FOREX_MODEL=str(workspace / "model"), FOREX_AS_OF="2006-10-31")  # few origins have a year behind them
    settings = json.loads((workspace / "configs/chronos_7d.json").read_text())
    settings |= {"num_samples": None, "temperature": None, "context_length": 32}
    (workspace / "configs/chronos_7d.json").write_text(json.dumps(settings))
    session = open_session()
    materialize_market(session)
    materialize_backtest(session, ["7d"])
    effect = session.tables.read("accuracy/copper_effect", "7d")
    assert effect is not None
    row = effect.filter((pl.col("comparison") == "covariates") & (pl.col("scope") == "all")).row(0, named=True)
    assert row["engine"] == "chronos-2"
    assert row["n"] == row["moved"] > 30  # copper changed every fan
    assert row["verdict"]
    stored = sorted(path.name for path in (root_of(session.tables) / "accuracy/backtest_fans/7d").iterdir())
    assert len([name for name in stored if name.startswith("chronos-2--")]) == 2


def test_a_warehouse_that_was_moved_is_still_held_to_the_heads_that_dagster_noted(
    three_evenings: Path, workspace: Path, environment: Change
) -> None:
    root = three_evenings
    materialize_forecasts(open_session(), ["7d"])  # repeats the last forecast: the same head again
    moved = workspace / "elsewhere"
    root.parent.rename(moved)
    environment(FOREX_WAREHOUSE=str(moved))
    whole = cli("ledger", "verify", "--horizon", "7d")
    assert whole.exit_code == 0
    assert "7d: 3 entries, intact" in whole.output
    assert "15d: 0 entries, empty" in cli("ledger", "verify", "--horizon", "15d").output
    chain = moved / "sample/forecasts/ledger/7d"
    sorted(chain.glob("*.parquet"))[-1].unlink()
    cut = cli("ledger", "verify", "--horizon", "7d")
    assert cut.exit_code == 1
    assert "lacks 1 of 3 entries" in " ".join(cut.output.split())
    shutil.rmtree(chain)
    gone = cli("ledger", "verify", "--horizon", "7d")
    assert gone.exit_code == 1
    assert "lacks 3 of 3 entries" in " ".join(gone.output.split())
