"""From prices to a launched search on the generated market: reports, decision, request, sensor, record, status."""

import importlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from forex_assets.cli import app
from forex_assets.cli.runner import (
    RunFailed,
    materialize_backtest,
    materialize_decisions,
    materialize_market,
)
from forex_assets.core import names
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.session import Session, open_session
from forex_assets.forecasts.engines import engines_of
from forex_assets.locations.optimization import build
from forex_assets.monitoring.degradation import DEGRADATION_SCHEMA, degradation_report
from forex_assets.monitoring.reports import degradation_of, realized_of
from forex_assets.monitoring.trigger import DECISION_SCHEMA
from forex_assets.optimizer.sensors import optimize_on_trigger
from forex_assets.optimizer.tables import SEARCH_REQUEST_SCHEMA
from forex_assets_tests.stock import fill_from

Change = Callable[..., None]
DEFS = build()


def cli(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), env={"COLUMNS": "80"})


def new_session() -> Session:
    return open_session()


@pytest.fixture
def filled(with_forecasts: Path) -> Path:
    return with_forecasts


@pytest.fixture
def searched(workspace: Path, stock: Path, request: pytest.FixtureRequest) -> Path:
    """The workspace after the first decision and search of 7 days."""

    def make() -> None:
        request.getfixturevalue("filled")
        materialize_decisions(new_session(), ["7d"])
        search()

    fill_from(stock / "searched", workspace, make)
    return workspace


def decision(horizon: str = "7d") -> dict[str, object]:
    """The last decision of a horizon as `status --json` tells it."""
    records = json.loads(cli("status", "--json").stdout)["optimization"]
    return next(record for record in records if record["horizon"] == horizon)


def search() -> list[str]:
    """One tick of the sensor; what it asks for is run here. The decisions answered."""
    answered = []
    with dg.DagsterInstance.get() as instance:
        context = dg.build_sensor_context(instance, definitions=DEFS, resources={"session": SessionResource()})
        for request in optimize_on_trigger.evaluate_tick(context).run_requests or []:
            done = DEFS.resolve_job_def(names.OPTIMIZE_JOB).execute_in_process(
                instance=instance, partition_key=request.partition_key, tags=dict(request.tags)
            )
            assert done.success
            answered.append(request.tags[names.DECISION_TAG])
    return answered


def requests(folder: Path) -> list[Path]:
    return sorted((folder / "warehouse/optimizer/requests").rglob("*.json"))


def counted(monkeypatch: pytest.MonkeyPatch, module: str, name: str) -> list[object]:
    """Results of a function's calls from here on."""
    place = importlib.import_module(module)
    function, results = getattr(place, name), list[object]()

    def call(*args: Any, **options: Any) -> object:
        results.append(function(*args, **options))
        return results[-1]

    monkeypatch.setattr(place, name, call)
    return results


def test_a_horizon_that_was_never_optimized_is_searched_once_and_then_left_in_peace(
    filled: Path, environment: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies = counted(monkeypatch, "forex_assets.core.session", "read_policy")
    drifts = counted(monkeypatch, "forex_assets.monitoring.reports", "drift_report")
    materialize_decisions(new_session(), list(HORIZONS))
    # Two runs, of the drift report, then of degradation and decision of all four horizons, judge drift once.
    assert (len(policies), len(drifts)) == (2, 1)
    root = filled / "warehouse/sample"
    for horizon in HORIZONS:
        table = pl.read_parquet(root / f"monitoring/trigger_decision/{horizon}.parquet")
        assert dict(table.schema) == DECISION_SCHEMA
        assert set(table["horizon"]) == {horizon}
        report = pl.read_parquet(root / f"monitoring/degradation_report/{horizon}.parquet")
        assert dict(report.schema) == DEGRADATION_SCHEMA
    record = decision()
    assert record["fires"] is True
    assert record["reasons"] == ["age"]
    assert "never optimized" in str(record["words"])
    assert record["last_optimized"] is None
    assert len(search()) == 4
    assert search() == []
    row = pl.read_parquet(root / "optimizer/search_request/7d.parquet")
    assert dict(row.schema) == SEARCH_REQUEST_SCHEMA
    assert row["reason"].to_list() == ["age"]
    assert row["words"].to_list() == [record["words"]]
    environment(FOREX_AS_OF="2025-06-16")
    materialize_decisions(new_session(), ["7d"])
    later = decision()
    assert (later["fires"], later["last_optimized"], later["age_days"]) == (False, "2025-06-13", 3)
    assert search() == []
    environment(FOREX_AS_OF="2025-06-27")
    materialize_decisions(new_session(), ["7d"])
    assert decision()["reasons"] == ["age"]
    assert len(search()) == 1


def test_a_request_is_answered_by_one_decision_and_named_in_it(searched: Path) -> None:
    asked = cli("optimize", "request", "--horizon", "7d", "--reason", "new regime")
    assert asked.exit_code == 0, asked.output
    assert len(requests(searched)) == 1
    assert "new regime" in str(decision()["requests"])
    materialize_decisions(new_session(), ["7d"])
    record = decision()
    assert record["reasons"] == ["manual"]
    assert "new regime" in str(record["words"])
    assert record["requests"] == []
    assert len(search()) == 1
    row = pl.read_parquet(searched / "warehouse/sample/optimizer/search_request/7d.parquet")
    assert "new regime" in row["words"][0]
    materialize_decisions(new_session(), ["7d"])
    assert decision()["fires"] is False
    assert requests(searched) == []


def test_a_decision_that_fails_answers_no_request(searched: Path) -> None:
    cli("optimize", "request", "--horizon", "7d")
    policy = searched / "configs/policy.yaml"
    good = policy.read_text()
    policy.write_text("surprise: 1\n")
    with pytest.raises(RunFailed, match=r"policy\.yaml.*surprise"):
        materialize_decisions(new_session(), ["7d"])
    policy.write_text(good)
    materialize_decisions(new_session(), ["7d"])
    assert decision()["reasons"] == ["manual"]


def test_a_spoilt_request_is_named_and_stops_no_decision(filled: Path) -> None:
    cli("optimize", "request", "--horizon", "7d")
    requests(filled)[0].write_text("{")
    materialize_decisions(new_session(), ["7d"])
    assert decision()["reasons"] == ["age"]
    with dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(keys.TRIGGER_DECISION)
    assert event is not None
    assert event.asset_materialization is not None
    assert "remove it and ask again" in str(event.asset_materialization.metadata["unreadable_requests"].value)


def test_a_clock_in_the_past_knows_nothing_of_later_decisions(searched: Path, environment: Change) -> None:
    environment(FOREX_AS_OF="2025-05-30")
    assert decision()["words"] is None
    materialize_market(new_session())
    materialize_decisions(new_session(), ["7d"])
    assert "never optimized" in str(decision()["words"])


def test_the_command_says_what_was_decided_in_eighty_columns(filled: Path) -> None:
    ask = ("optimize", "request", "--horizon", "all", "--reason", "x" * 90)
    for args in (("optimize", "decide", "--horizon", "7d"), ask, ("status",)):
        result = cli(*args)
        assert result.exit_code == 0, result.output
        wide = [line for line in result.stdout.splitlines() if len(line) > 80]
        assert all("x" * 90 in line or "warehouse" in line for line in wide), wide
    assert "never optimized" in result.stdout
    assert [
        record["horizon"] for record in json.loads(cli("optimize", "decide", "--horizon", "7d", "--json").stdout)
    ] == ["7d"]


def test_without_prices_there_is_no_decision_but_words(workspace: Path) -> None:
    with pytest.raises(RunFailed, match=r"no USD/CLP prices.*forex-assets ingest"):
        materialize_decisions(new_session(), ["7d"])


def test_the_drift_report_says_in_words_what_it_found(filled: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        job = DEFS.resolve_job_def(names.DRIFT_JOB)
        assert job.execute_in_process(instance=instance).success
        event = instance.get_latest_materialization_event(keys.DRIFT_REPORT)
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert "drift" in str(metadata[names.WORDS].value).lower()
    assert metadata["severity"].value in {"NONE", "LOW", "MEDIUM", "HIGH"}


def test_errors_are_those_of_the_engine_that_forecasts_now_and_known_by_the_clock(
    filled: Path, environment: Change
) -> None:
    materialize_backtest(new_session(), ["7d"])
    rows = realized_of(new_session(), "7d")
    assert set(rows["record"]) == {"backtest"}
    assert realized_of(new_session(), "7d", rows).height == rows.height, "a date backtested twice counts once"
    assert rows["realized_available_at"].max() <= new_session().now  # type: ignore[operator]
    weekly = degradation_report(rows, new_session().policy, new_session().today)
    assert weekly.n < weekly.n_needed
    daily = degradation_of(new_session(), engines_of(new_session().settings), "7d")
    assert daily.n >= daily.n_needed
    assert daily.fires_calibrated is not None, daily.words
    path = filled / "warehouse/sample/accuracy/backtest/7d.parquet"
    table = pl.read_parquet(path)
    mixed = table.with_columns(
        engine=pl.when(pl.col("as_of") < date(2025, 1, 1)).then(pl.lit("other")).otherwise(pl.col("engine"))
    )
    mixed.write_parquet(path)
    realized = realized_of(new_session(), "7d")
    assert set(realized["engine"]) == {"ewma"}
    assert realized.height == table.filter(pl.col("as_of") >= date(2025, 1, 1)).height
    environment(FOREX_AS_OF="2025-06-03")
    assert realized_of(new_session(), "7d")["realized_available_at"].max() <= datetime(2025, 6, 4, tzinfo=UTC)  # type: ignore[operator]
    assert new_session().now - datetime(2025, 6, 3, tzinfo=UTC) < timedelta(days=1)
