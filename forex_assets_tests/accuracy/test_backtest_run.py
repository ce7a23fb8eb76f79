"""One backtest on the generated market's files: which engine by which name, which dates, which fans stand."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from forex_assets.accuracy.backtest_run import (
    ENGINES,
    BacktestRun,
    Origins,
    UnknownEngine,
    choose_engine,
    latest_runs,
    rows_from_stored_prices,
    run_backtest,
)
from forex_assets.accuracy.backtest_store import BacktestStore
from forex_assets.accuracy.peers import PEERS
from forex_assets.accuracy.scorecard import scorecard
from forex_assets.cli import app
from forex_assets.core.calendar import SANTIAGO
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import (
    FORECAST_SCHEMA,
    ORIGIN_SCHEMA,
    QUOTES_SCHEMA,
    REALIZED_SCHEMA,
    USDCLP_SCHEMA,
    empty,
)
from forex_assets.core.session import Session, open_session
from forex_assets.forecasts.baselines import EwmaEngine, RandomWalkEngine
from forex_assets.forecasts.chronos.finder import label_of
from forex_assets.forecasts.engine import Engine, EngineError
from forex_assets.forecasts.engines import engines_of
from forex_assets.market.price_sources import PriceSources, calendar_of
from forex_assets.market.prices import USDCLP
from forex_assets_tests.forecasts.chronos.tiny_models import build_bolt
from forex_assets_tests.forecasts.test_quality import fan
from forex_assets_tests.places import root_of

CALENDAR = calendar_of(USDCLP)
ORIGINS = Origins(date(2025, 3, 3), date(2025, 4, 30))
WEEKS = [date(2025, 3, day) for day in (7, 14, 21, 28)] + [date(2025, 4, day) for day in (4, 11, 17, 25)]
"""By hand: Fridays, but for Good Friday, 18 April; the week of 30 April has not ended by then."""


@pytest.fixture
def session(workspace: Path) -> Session:
    return with_prices()


def with_prices() -> Session:
    """Three years of the generated market's prices up to 13 June 2025, and the walk as the model."""
    session = open_session()
    rows = PriceSources(session, 1.0).sample().usdclp.filter(pl.col("session") > date(2022, 6, 1))
    columns = {"fetched_at": pl.lit(session.now, USDCLP_SCHEMA["fetched_at"]), "is_quarantined": pl.lit(False)}
    keep(session, rows.with_columns(**columns).select(list(USDCLP_SCHEMA)))
    return session


def keep(session: Session, prices: pl.DataFrame) -> None:
    session.tables.write("market/usdclp", prices)


def stored(session: Session) -> pl.DataFrame:
    prices = session.tables.read("market/usdclp")
    assert prices is not None
    return prices


def revised(prices: pl.DataFrame, session: date, factor: float) -> pl.DataFrame:
    """The same prices, that of one session corrected by its source."""
    value = pl.col(USDCLP.value)
    return prices.with_columns(pl.when(pl.col("session") == session).then(value * factor).otherwise(value))


def walk(session: Session, name: str = "ewma", origins: Origins = ORIGINS) -> pl.DataFrame:
    """A backtest of one week ahead."""
    return run(session, engine_name=name, origins=origins)[0]


def run(session: Session, **options: Any) -> BacktestRun:
    """`run_backtest` of the EWMA walk at 7 days from `ORIGINS`, unless told otherwise."""
    options = {"engine_name": "ewma", "origins": ORIGINS, **options}
    return run_backtest(session, engines_of(session.settings), "7d", **options)


def choose(session: Session, name: str) -> tuple[Engine, InferenceConfig]:
    return choose_engine(session, engines_of(session.settings), "7d", name)


def test_walks_and_peers_go_by_their_names_with_the_configs_settings(session: Session) -> None:
    config = session.configs.read("7d")
    for name, engine_class in (("ewma", EwmaEngine), ("random-walk", RandomWalkEngine)):
        engine, used = choose(session, name)
        assert isinstance(engine, engine_class)
        assert (engine.name, used) == (name, config)
    for name, peer in PEERS.items():
        assert choose(session, name) == (peer, config)
        assert peer.name == name
    assert set(ENGINES) == {"auto", "ewma", "random-walk", *PEERS}


def test_auto_is_what_forecasts_are_made_with(session: Session, environment: Callable[..., None]) -> None:
    assert choose(session, "auto")[0].name == "ewma"  # FOREX_MODEL of the workspace
    environment(FOREX_MODEL="embedded")
    with_model = open_session()
    engine, used = choose(with_model, "auto")
    model, expected = engines_of(with_model.settings).resolve(with_model.configs.read("7d"))
    assert (engine.model, used) == (label_of(model), expected)
    assert (used.model, used.representation, used.num_samples) == ("embedded", "returns", 200)


def test_any_other_word_is_a_model_whatever_forecasts_are_made_with(session: Session, workspace: Path) -> None:
    build_bolt(workspace / "tiny")
    engine, used = choose(session, str(workspace / "tiny"))
    assert (engine.model, engine.name) == ("tiny@fan2", "chronos-bolt")
    assert used == session.configs.read("7d")
    assert choose(session, "embedded")[1].representation == "returns"


@pytest.mark.parametrize("name", ["EWMA walk", "./no/such/folder", "configs"])
def test_a_name_that_is_nothing_is_refused_with_what_there_is(session: Session, workspace: Path, name: str) -> None:
    wanted = str(workspace / name) if name == "configs" else name  # a folder without a model
    with pytest.raises(UnknownEngine, match=r"there is no such folder|without a config\.json") as caught:
        choose(session, wanted)
    assert wanted in str(caught.value)
    assert "ewma" in str(caught.value)


def test_origins_are_five_years_of_weeks_up_to_the_day_before_the_clock(session: Session) -> None:
    dates = Origins().dates(session.today)
    assert 255 <= len(dates) <= 261
    assert dates[0] >= date(2020, 6, 12)
    assert dates[-1] == date(2025, 6, 6)  # the week of Friday the 13th, the clock's day, has not ended the day before
    assert ORIGINS.dates(session.today) == WEEKS
    assert Origins(date(2025, 6, 9), every="1d").dates(session.today)[-1] == date(2025, 6, 12)
    with pytest.raises(ValueError, match="2025-07-01 is later than the last, 2025-06-12"):
        Origins(date(2025, 7, 1)).dates(session.today)


def test_rows_are_scored_forecasts_of_every_origin_and_step(session: Session) -> None:
    progress: list[tuple[int, int]] = []
    rows, skipped, _ = run_backtest(
        session,
        engines_of(session.settings),
        "7d",
        engine_name="ewma",
        origins=ORIGINS,
        report=lambda *done: progress.append(done),
    )
    assert dict(rows.schema) == REALIZED_SCHEMA
    assert set(rows["record"]) == {"backtest"}
    assert rows["as_of"].unique().sort().to_list() == WEEKS
    assert skipped == []
    assert progress == [(0, 8), (8, 8)]
    market = dict(stored(session).select("session", USDCLP.value).iter_rows())
    assert rows["realized_clp_per_usd"].to_list() == [market[day] for day in rows["session"]]


def test_origins_that_were_run_are_not_run_again(session: Session) -> None:
    first = walk(session)
    folder = root_of(session.tables) / "accuracy/backtest_fans/7d/ewma"
    stamps = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    progress: list[tuple[int, int]] = []
    again, skipped, _ = run_backtest(
        session,
        engines_of(session.settings),
        "7d",
        engine_name="ewma",
        origins=ORIGINS,
        report=lambda *done: progress.append(done),
    )
    assert_frame_equal(again, first, check_exact=True)
    assert (progress, skipped) == ([(8, 8)], [])
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == stamps


def test_origins_with_too_little_before_them_are_passed_over_and_named(session: Session) -> None:
    early = Origins(date(2023, 5, 25), date(2023, 6, 30))
    rows, skipped, _ = run(session, origins=early)
    assert skipped
    assert all(words.endswith("usable sessions, 250 are needed") for words in skipped)
    done = {words[:10] for words in skipped} | {str(day) for day in rows["as_of"]}
    assert done == {str(day) for day in early.dates(session.today)}


def test_nothing_later_than_the_clock_is_taken_for_truth_or_seen(
    session: Session, environment: Callable[..., None]
) -> None:
    """Tables reach June, the clock stands at 10 April: what became known later might as well be poison."""
    environment(FOREX_AS_OF="2025-04-10")
    past = open_session()
    first = walk(past)
    assert first["realized_available_at"].max() <= past.now  # type: ignore[operator]
    assert first["session"].max() <= date(2025, 4, 10)  # type: ignore[operator]
    assert not first.filter(pl.col("as_of") == date(2025, 4, 4)).is_empty()
    shutil.rmtree(root_of(past.tables) / "accuracy")
    is_later = pl.col("available_at") > past.now
    value = pl.when(is_later).then(pl.col(USDCLP.value) * 1.3).otherwise(USDCLP.value)
    keep(past, stored(past).with_columns(value))
    assert_frame_equal(walk(past), first, check_exact=True)


def test_of_an_origin_whose_prices_were_revised_the_fan_made_last_stands(session: Session) -> None:
    before, prices = walk(session), stored(session)
    keep(session, revised(prices, date(2025, 4, 3), 1.01))
    after = walk(session)
    assert after["as_of"].unique().sort().to_list() == WEEKS
    assert not after.select("as_of", "step").is_duplicated().any()
    is_touched = pl.col("as_of") >= date(2025, 4, 3)
    one, other = (f.filter(is_touched).sort("as_of", "step") for f in (before, after))
    assert not set(one["data_fingerprint"]) & set(other["data_fingerprint"])
    assert not one["ewma_sd"].is_in(other["ewma_sd"].implode()).any()
    same = ["as_of", "step", "data_fingerprint", "q50", "model_q025"]
    assert_frame_equal(*(f.filter(~is_touched).select(same) for f in (before, after)), check_exact=True)
    keep(session, prices)  # and the source takes it back
    assert_frame_equal(walk(session), before, check_exact=True)


def test_a_walk_under_settings_that_come_back_is_the_one_of_those_settings(session: Session) -> None:
    """Walks of all settings share a folder: fans of other settings must not stand for these."""
    before, file = walk(session), session.settings.configs / "chronos_7d.json"
    text = file.read_text()
    file.write_text(text.replace('"seed": 0', '"seed": 1'))
    other = walk(session)
    assert set(other["config_fingerprint"]) == {session.configs.read("7d").fingerprint}
    file.write_text(text)
    progress: list[tuple[int, int]] = []
    rows, *_ = run_backtest(
        session,
        engines_of(session.settings),
        "7d",
        engine_name="ewma",
        origins=ORIGINS,
        report=lambda *done: progress.append(done),
    )
    assert_frame_equal(rows, before, check_exact=True)
    assert progress == [(8, 8)]  # nothing is run again


def test_bands_are_calibrated_by_errors_known_before_each_origin_unless_the_config_says_no(session: Session) -> None:
    long = Origins(date(2024, 3, 1), date(2025, 4, 30))
    rows = walk(session, origins=long)
    assert rows["is_calibrated"].any()
    for row in rows.filter("is_target", "is_calibrated").tail(3).iter_rows(named=True):
        known = rows.filter(pl.col("step") == row["step"], pl.col("realized_available_at") < row["issued_at"])
        assert row["calibration_errors"] == known.height
    file = session.settings.configs / "chronos_7d.json"
    file.write_text(file.read_text().replace('"is_calibrated": true', '"is_calibrated": false'))
    plain = walk(session, origins=long)
    assert not plain["is_calibrated"].any()
    assert plain["q025"].to_list() == plain["model_q025"].to_list()


def with_observado(session: Session) -> None:
    """Fixings 2 % above the close of the session that they average, downloaded long after they came out."""
    prices = stored(session)
    days = [CALENDAR.next(day) for day in prices["session"]]
    known = [datetime.combine(day, time(9), SANTIAGO).astimezone(UTC) for day in days]
    quotes = {
        "quote_kind": "dólar observado",
        "session": prices["session"],
        "dated": days,
        "clp_per_usd": prices[USDCLP.value] * 1.02,
        "observed_at": known,
        "seen_at": session.now,
        "available_at": known,
        "is_assumed": True,
        "source": "mindicador",
    }
    session.tables.write("market/quotes", pl.DataFrame(quotes, schema=QUOTES_SCHEMA))


def test_past_dates_start_from_the_observado_of_their_evening_unless_stored_prices_are_asked_for(
    session: Session,
) -> None:
    with_observado(session)
    live, plain = run(session).rows, run(session, level="stored").rows
    levels = dict(stored(session).select("session", USDCLP.value).iter_rows())
    for row in live.unique("as_of").iter_rows(named=True):
        assert row["origin_session"] == row["as_of"]
        assert row["origin_clp_per_usd"] == pytest.approx(levels[row["as_of"]] * 1.02)
        assert (row["origin_kind"], row["is_origin_assumed"]) == ("dólar observado", True)
    assert set(plain["origin_kind"]) == {"finished bar"}
    assert plain["stored_crps"].null_count() == plain.height  # compared with themselves they would gain nothing
    paired = live.join(plain, on=["as_of", "session"], suffix="_plain")
    assert paired.height == live.height
    assert paired["stored_crps"].to_list() == paired["crps_plain"].to_list()
    assert (paired["crps"] > paired["crps_plain"]).mean() > 0.5  # type: ignore[operator]  # 2 % off is far off


def test_the_scorecard_from_stored_prices_is_that_of_the_backtests_own_dates_and_names_what_live_was_worth(
    session: Session,
) -> None:
    with_observado(session)
    live = run(session).rows
    session.tables.write("accuracy/backtest", live, "7d")
    session.tables.write("accuracy/scorecard", scorecard(live, session.today))
    rows = rows_from_stored_prices(session, "7d")
    pairs = rows.join(live, on=["as_of", "session"], suffix="_live")
    assert set(rows["as_of"]) == set(WEEKS)
    assert pairs.filter(pl.col("crps") != pl.col("stored_crps_live")).is_empty()
    result = CliRunner().invoke(app, ["scorecard", "--origin", "stored", "--json"])
    card = {row["scope"]: row for row in json.loads(result.stdout)}["all"]
    at_target = rows.filter("is_target")
    assert card["crps"] == pytest.approx(at_target["crps"].mean())
    assert card["mean_origin_age"] == pytest.approx(at_target["origin_age_sessions"].mean())
    targets = live.filter("is_target")
    assert card["origin_gain"] == pytest.approx(1 - targets["crps"].mean() / targets["stored_crps"].mean())  # type: ignore[operator]
    words = " ".join(CliRunner().invoke(app, ["scorecard", "--origin", "stored"]).stdout.split())
    assert "from the last finished price, on the same dates" in words
    assert "Starting from what could be known, not the last finished price" in words


def test_fans_of_an_older_version_are_made_again_once(session: Session) -> None:
    """Before, no fan said what it started from: those origins are run again, also where other dates are asked for."""
    store = BacktestStore(session.tables)
    before = walk(session)
    fans = store.read("7d", "ewma")
    shutil.rmtree(root_of(session.tables) / "accuracy")
    store.add("7d", "ewma", fans.with_columns(pl.lit(None, fans.schema[name]).alias(name) for name in ORIGIN_SCHEMA))
    week = Origins(WEEKS[0], WEEKS[0] + timedelta(days=2))
    assert run(session, origins=week).renewed == 8
    again = run(session)
    assert (again.renewed, again.skipped) == (0, [])
    assert_frame_equal(again.rows, before, check_exact=True)


def test_the_newest_of_each_origin_is_kept_whole_and_in_order() -> None:
    def version(day: int, data: str) -> pl.DataFrame:
        return fan().with_columns(as_of=date(2025, 6, 13) + timedelta(days=day), data_fingerprint=pl.lit(data))

    old, kept, new = version(0, "a"), version(1, "a"), version(0, "b")
    assert_frame_equal(latest_runs(pl.concat([old, kept, new])), pl.concat([kept, new]))
    assert_frame_equal(latest_runs(pl.concat([new, kept, old])), pl.concat([kept, old]))
    assert_frame_equal(latest_runs(empty(FORECAST_SCHEMA)), empty(FORECAST_SCHEMA))


def test_without_prices_the_remedy_is_said(workspace: Path) -> None:
    with pytest.raises(EngineError, match="forex-assets ingest"):
        run(open_session())
    assert BacktestStore(open_session().tables).engines("7d") == []
