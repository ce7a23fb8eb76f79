"""Backtests of several horizons with a bar: what comes back, what is shown while they run, what is said of the rest."""

import io
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from forex_assets.accuracy.backtest_run import Origins, run_backtest
from forex_assets.cli import app
from forex_assets.cli.progress import SearchBar, progress_bar, run_backtests
from forex_assets.core.policy import Policy
from forex_assets.core.progress import notify
from forex_assets.core.schemas import REALIZED_SCHEMA
from forex_assets.core.session import Session, open_session
from forex_assets.forecasts.engine import EngineError
from forex_assets.forecasts.engines import engines_of
from forex_assets_tests.accuracy.test_backtest_run import ORIGINS, WEEKS, with_prices


@pytest.fixture
def session(workspace: Path) -> Session:
    with_prices()
    return open_session()


def screen(*, is_terminal: bool) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=80, force_terminal=is_terminal), out


def test_the_rows_of_all_horizons_come_back_in_the_order_asked_for(session: Session) -> None:
    console, _ = screen(is_terminal=False)
    rows = run_backtests(console, session, ["15d", "7d"], "ewma", ORIGINS)
    assert dict(rows.schema) == REALIZED_SCHEMA
    assert rows["horizon"].unique(maintain_order=True).to_list() == ["15d", "7d"]
    alone = run_backtest(session, engines_of(session.settings), "15d", engine_name="ewma", origins=ORIGINS)[0]
    assert rows.head(alone.height).equals(alone)


def test_a_terminal_shows_one_bar_with_each_horizon_and_what_is_left_of_all(session: Session) -> None:
    console, out = screen(is_terminal=True)
    run_backtests(console, session, ["7d", "15d"], "ewma", ORIGINS)
    text = out.getvalue()
    for horizon in ("7d", "15d"):
        assert f"backtest {horizon}" in text
    assert f"{2 * len(WEEKS)}/{2 * len(WEEKS)}" in text


def test_a_pipe_gets_no_bar_and_nothing_to_clean_up(session: Session) -> None:
    console, out = screen(is_terminal=False)
    run_backtests(console, session, ["7d"], "ewma", ORIGINS)
    assert out.getvalue() == ""


def test_origins_that_were_passed_over_are_counted_and_the_first_three_named(session: Session) -> None:
    console, out = screen(is_terminal=False)
    early = Origins(date(2023, 3, 1), date(2023, 6, 30))
    dates = early.dates(session.today)
    rows = run_backtests(console, session, ["7d"], "ewma", early)
    skipped = [day for day in dates if day not in set(rows["as_of"])]
    assert len(skipped) > 3
    text = out.getvalue()
    assert text.startswith(f"7d: {len(skipped)} past dates left out, such as {skipped[0]}: ")
    assert [str(day) in text for day in skipped[:4]] == [True, True, True, False]
    assert "usable sessions, 250 are needed" in text


def test_a_fault_passes_through_and_leaves_the_bar_behind(session: Session) -> None:
    console, _ = screen(is_terminal=True)
    with pytest.raises(EngineError, match="no such folder"):
        run_backtests(console, session, ["7d"], "./nowhere/at all", ORIGINS)
    run_backtests(console, session, ["7d"], "ewma", ORIGINS)  # a bar that still ran would refuse another


def test_an_engine_that_does_not_exist_is_bad_usage(session: Session) -> None:
    result = CliRunner().invoke(app, ["backtest", "--horizon", "7d", "--engine", "foo"])
    assert result.exit_code == 2
    assert "no engine 'foo'" in result.output
    assert "autoarima" in result.output


def test_one_bar_counts_search_and_validation_of_all_horizons_and_never_goes_back() -> None:
    console, _ = screen(is_terminal=True)
    policy = Policy(search={"origins": 40}, validation={"origins": 60})  # type: ignore[arg-type]
    seen = []
    with progress_bar(console) as progress:
        bar = SearchBar(progress, policy, ["7d", "30d"])

        def told(done: int, total: int, part: str) -> None:
            notify(done, total, part)
            seen.append(progress.tasks[0].completed)

        with bar.of("7d"):
            for done in (0, 20, 40, 0, 40):  # the second round tries another candidate on the same dates
                told(done, 40, "candidate_config")
            told(50, 100, "validation_report")
        with suppress(EngineError), bar.of("30d"):
            told(0, 40, "candidate_config")
            raise EngineError("no model")
        assert [task.total for task in progress.tasks] == [200]
    assert seen == [0, 20, 40, 40, 40, 70, 100]
    assert progress.tasks[0].completed == 200
