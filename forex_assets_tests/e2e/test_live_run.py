"""The spine on live sources: the real clients against a server of our own, well and in every way unwell."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from forex_assets.cli.overview import doctor_of
from forex_assets.cli.runner import RunFailed, materialize_forecasts, materialize_market
from forex_assets.core.holidays import market_calendar
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.session import Session, open_session
from forex_assets.market.price_sources import sources_of
from forex_assets_tests.market.market_server import PASSWORD, SECRETS, USER, MarketServer, serving, weekdays

KEY = "0123456789abcdef0123456789abcdef"
TODAY = date(2024, 6, 12)  # a Wednesday; 19:00 in Santiago is 23:00 UTC, midnight in London
FIRST = date(2023, 6, 1)
NOW = "2024-06-12T22:30:00+00:00"  # half past six in the evening: Wednesday's bar of the peso is still running


def generated() -> tuple[dict[date, float], dict[date, float]]:
    """Closes of the peso and of copper on their true days, correlated by -.6, so that a wrong day would show."""
    generator, peso, copper = random.Random(7), {}, {}
    clp, usd = 900.0, 4.0
    for day in weekdays(FIRST, TODAY):
        shock = generator.gauss(0, 1)
        usd *= 1 + 0.012 * shock
        clp *= 1 + 0.006 * (-0.6 * shock + 0.8 * generator.gauss(0, 1))
        peso[day], copper[day] = round(clp, 2), round(usd, 4)
    return peso, copper


PESO, COPPER = generated()


@pytest.fixture
def market(workspace: Path, environment: Callable[..., None]) -> Iterator[MarketServer]:
    days = weekdays(FIRST, TODAY)
    late = dict(zip(days[1:], days, strict=False))  # a peso bar carries the weekday before its date
    bars = [(day, PESO[before], PESO[before]) for day, before in late.items()]
    copper_bars = [(day, COPPER[day], COPPER[day]) for day in days if market_calendar("COMEX").is_session(day)]
    observed = [(day, str(PESO[before]), "OK") for day, before in late.items()]
    months = {date(2023 + m // 12, m % 12 + 1, 1): 9000.0 + m for m in range(5, 16)}
    last = {"CLP=X": (PESO[TODAY], datetime(2024, 6, 12, 21, 0, tzinfo=UTC))}
    with serving(MarketServer(bars={"CLP=X": bars, "HG=F": copper_bars}, observed=observed, last=last)) as server:
        server.monthly.update(months)
        environment(
            FOREX_MARKET="live",
            FOREX_AS_OF=NOW,
            FOREX_YAHOO_URL=server.url,
            FOREX_FRED_URL=f"{server.url}/fred",
            FOREX_BCCH_URL=server.url,
            FOREX_MINDICADOR_URL=f"{server.url}/mindicador",
            FRED_API_KEY=KEY,
            BCCH_USER=USER,
            BCCH_PASSWORD=PASSWORD,
            FOREX_SOURCE_DEADLINE_S="10",  # ample for an answer under any load
        )
        yield server


def new_session() -> Session:
    return open_session()


def table(key: str, partition: str | None = None) -> pl.DataFrame:
    frame = new_session().live_tables.read(key, partition)
    assert frame is not None, key
    return frame


def run(*horizons: str) -> list[dict[str, object]]:
    """Brings prices in and forecasts; without horizons given, a week."""
    report = materialize_market(new_session())
    materialize_forecasts(new_session(), list(horizons or ["7d"]))
    return report


def test_prices_stand_on_their_true_days_and_fans_start_from_todays_last_price(market: MarketServer) -> None:
    run(*HORIZONS)
    prices = table("market/usdclp")
    truth = {day: PESO[day] for day in PESO if market_calendar("CLP").is_session(day)}
    assert dict(prices.select("session", "clp_per_usd").iter_rows()) == truth
    assert prices.filter("is_provisional")["session"].to_list() == [TODAY - timedelta(days=1), TODAY]
    assert set(prices["source"]) == {"yahoo"}
    for horizon in HORIZONS:
        fan = table("forecasts/latest", horizon)
        assert fan["origin_session"][0] == TODAY
        assert fan["origin_clp_per_usd"][0] == PESO[TODAY]
        assert fan["is_origin_provisional"].all()
    with dg.DagsterInstance.get() as instance:
        records = instance.event_log_storage.get_asset_check_summary_records(
            [dg.AssetCheckKey(dg.AssetKey(["features", "copper"]), "copper_and_peso_move_on_the_same_day")]
        )
        (summary,) = records.values()
        assert summary.last_check_execution_record.status.value == "SUCCEEDED"


def test_the_evening_shows_the_observado_of_the_next_banking_day(market: MarketServer) -> None:
    tomorrow = TODAY + timedelta(days=1)
    market.observed.append((tomorrow, "875.25", "OK"))
    materialize_market(new_session())
    fixings = table("market/observado")
    assert (fixings["session"][-1], fixings["clp_per_usd"][-1]) == (tomorrow, 875.25)
    assert fixings["available_at"][-1] == datetime(2024, 6, 12, 22, tzinfo=UTC)  # 18:00 in Chile's winter
    market.faults["yahoo"] = ["500"]
    run()
    fan = table("forecasts/latest", "7d").row(0, named=True)
    assert (fan["origin_session"], fan["origin_clp_per_usd"], fan["origin_age_sessions"]) == (TODAY, 875.25, 0)
    assert (fan["origin_kind"], fan["origin_dated"], fan["is_origin_provisional"]) == (
        "dólar observado", tomorrow, False
    )  # fmt: skip
    assert table("market/quotes").filter(pl.col("dated") == tomorrow)["clp_per_usd"].unique().to_list() == [875.25]


FAULTS = ["html", "stalled"]  # every kind is tried on the adapters themselves
"""One of each kind; every fault of every source is in the adapters' tests."""


@pytest.mark.parametrize("fault", FAULTS)
def test_with_yahoo_down_the_central_bank_stands_in_and_copper_is_what_is_stored(
    market: MarketServer, fault: str, environment: Callable[..., None]
) -> None:
    materialize_market(new_session())
    environment(FOREX_SOURCE_DEADLINE_S="2")
    stored = table("market/copper_hgf_usd_lb")
    market.faults["yahoo"] = [fault]
    report = {str(record["asset"]): record for record in run()}
    prices = table("market/usdclp")
    assert set(prices["source"]) == {"central_bank"}
    assert prices["session"][-1] == TODAY - timedelta(days=1)
    tried = report["market/usdclp"]["sources_tried"]
    assert [(t["source"], t["used"]) for t in tried] == [("yahoo", False), ("central_bank", True)]  # type: ignore[attr-defined]
    copper = table("market/copper_hgf_usd_lb").filter(pl.col("source") == "yahoo")
    assert copper.drop("monthly_level_usd_lb").equals(stored.drop("monthly_level_usd_lb"))
    assert copper["monthly_level_usd_lb"].drop_nulls().len() > 0
    assert table("forecasts/latest", "7d")["source"][0] == "central_bank"


def test_with_everything_dark_the_stored_history_stands_in(market: MarketServer) -> None:
    run()
    before = table("market/usdclp")
    market.faults.update(yahoo=["500"], fred=["500"], central_bank=["500"])
    run()
    assert table("market/usdclp").equals(before)


def test_with_everything_dark_and_nothing_stored_the_run_fails_and_says_what_each_answered(
    market: MarketServer, environment: Callable[..., None]
) -> None:
    market.faults.update(yahoo=["429"], fred=["html"], central_bank=["500"])
    with pytest.raises(RunFailed, match=r"yahoo: HTTP 429.*central_bank: HTTP 500.*stored: nothing") as caught:
        materialize_market(new_session())
    assert not any(secret in str(caught.value) for secret in (KEY, *SECRETS))
    environment(FOREX_MARKET="auto")  # the same network, and leave to use the generated market
    run()
    assert new_session().market == "sample"
    market.faults.clear()
    run()  # the network is back: real prices take over by themselves
    assert new_session().market == "live"
    assert SAMPLE_SOURCE not in set(table("forecasts/latest", "7d")["source"])


def test_without_any_copper_the_table_is_empty_and_forecasts_go_on(market: MarketServer) -> None:
    market.bars["HG=F"] = []
    market.faults["fred"] = ["500"]
    run("90d")
    assert table("market/copper_hgf_usd_lb").is_empty()
    assert table("features/copper").is_empty()
    assert table("forecasts/latest", "90d").height > 60


def test_drivers_come_in_where_sources_have_them_and_are_left_out_where_not(market: MarketServer) -> None:
    days = weekdays(FIRST, TODAY)
    market.bars["BRL=X"] = [(day, 5.0, 5.0 + k / 1000) for k, day in enumerate(days)]
    market.indicators["tpm"] = ("Porcentaje", dict.fromkeys(days[-30:], 5.75))
    report = materialize_market(new_session(), with_drivers=True)
    (record,) = (entry for entry in report if entry["asset"] == "market/drivers")
    assert record["missing"] == "dollar_index"
    drivers = table("market/drivers")
    late = dict(pairwise(days))  # the bar of the next weekday carries a session
    row = drivers.drop_nulls("brl_per_usd").row(-1, named=True)
    assert row["brl_per_usd"] == {day: close for day, _, close in market.bars["BRL=X"]}[late[row["session"]]]
    assert drivers["dollar_index"].null_count() == drivers.height


def test_a_bad_fetch_changes_nothing_and_a_revision_is_kept(market: MarketServer) -> None:
    materialize_market(new_session())
    before = sources_of(new_session()).histories.history(*_usdclp())
    good = market.bars["CLP=X"]
    market.bars["CLP=X"] = [(day, a and a / 2204.6, b and b / 2204.6) for day, a, b in good]
    materialize_market(new_session())
    after = sources_of(new_session()).histories.history(*_usdclp())
    assert before is not None
    assert after is not None
    assert after.equals(before)
    changed_day, old, _ = good[-10]
    assert old is not None
    market.bars["CLP=X"] = [(d, a, b) if d != changed_day else (d, old + 1, old + 1) for d, a, b in good]
    materialize_market(new_session())
    (revision,) = table("market/revisions").to_dicts()
    assert (revision["series"], revision["old_value"], revision["new_value"]) == ("usdclp", old, old + 1)
    assert revision["session"] < changed_day


def _usdclp():  # type: ignore[no-untyped-def]
    from forex_assets.market.prices import USDCLP

    return USDCLP, "yahoo"


def test_a_stale_price_blocks_the_forecast_and_says_so(market: MarketServer) -> None:
    market.bars["CLP=X"] = market.bars["CLP=X"][:-30]
    market.last.clear()
    market.faults.update(central_bank=["500"])
    with pytest.raises(RunFailed, match=r"market/usdclp: check is_not_stale failed: last price 2024-04") as caught:
        materialize_market(new_session())
    assert "yahoo not used since 2024-06-12 (1 evening): stale: its last finished session is 2024-04-" in str(
        caught.value
    )
    diagnosis = doctor_of(new_session())
    assert not diagnosis["can_forecast"]  # doctor runs the same checks and says the same
    (blocking,) = [check for trial in diagnosis["prices"] for check in trial["checks"] if check["blocks"]]
    assert blocking["check"] == "is_not_stale"
    assert blocking["message"] in str(caught.value)
    market.faults.clear()
    assert doctor_of(new_session())["can_forecast"]
    materialize_market(new_session())
    assert set(table("market/usdclp")["source"]) == {"central_bank"}


def test_two_runs_at_once_lose_nothing(market: MarketServer) -> None:
    command = [sys.executable, "-m", "forex_assets", "ingest", "--json"]

    def ingest(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ))

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(ingest, range(2)))
    assert [d.returncode for d in done] == [0, 0], [d.stderr[-500:] for d in done]
    history = sources_of(new_session()).histories.history(*_usdclp())
    assert history is not None
    assert (
        history.filter(pl.col("superseded_at").is_null()).select("session", "is_provisional").is_duplicated().any()
        is False
    )
    assert table("market/usdclp")["session"].to_list() == [d for d in PESO if market_calendar("CLP").is_session(d)]


def test_no_secret_is_in_what_is_printed_logged_or_recorded(market: MarketServer, workspace: Path) -> None:
    market.faults.update(yahoo=["500"], fred=["html"], central_bank=["404"])
    done = subprocess.run(
        [sys.executable, "-m", "forex_assets", "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert json.loads(done.stdout)["can_forecast"] is False
    assert done.returncode == 1
    with pytest.raises(RunFailed):
        materialize_market(new_session())
    seen = (done.stdout + done.stderr).encode()
    seen += b"".join(file.read_bytes() for file in workspace.rglob("*") if file.is_file())
    assert not [secret for secret in (KEY, *SECRETS) if secret != "very" and secret.encode() in seen]
