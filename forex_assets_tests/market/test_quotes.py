"""The archive of prices as they were seen, and the origin picked from it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.names import QUOTES, USDCLP
from forex_assets.core.schemas import QUOTES_SCHEMA, history_schema, prices_schema
from forex_assets.core.session import Session, session_on
from forex_assets.core.settings import load_settings
from forex_assets.market.ingestion import ingest_observado
from forex_assets.market.price_sources import PriceSources, sources_of
from forex_assets.market.price_store import PriceStore
from forex_assets.market.prices import OBSERVADO
from forex_assets.market.prices import USDCLP as USDCLP_SERIES
from forex_assets.market.quotes import archive, archive_of, origin_at, publication_time, series_sd

CALENDAR = SessionCalendar("CLP", frozenset())
SANTIAGO = ZoneInfo("America/Santiago")
FRIDAY, MONDAY, TUESDAY = date(2024, 7, 5), date(2024, 7, 8), date(2024, 7, 9)


def local(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), SANTIAGO).astimezone(UTC)


def history(*rows: tuple[object, ...], source: str = "central_bank") -> pl.DataFrame:
    """Versions of (session, value, available_at, fetched_at, superseded_at, is_provisional)."""
    names = ["session", "clp_per_usd", "available_at", "fetched_at", "superseded_at", "is_provisional"]
    table = pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows], schema_overrides={
        "available_at": pl.Datetime("us", "UTC"), "fetched_at": pl.Datetime("us", "UTC"),
        "superseded_at": pl.Datetime("us", "UTC"),
    })  # fmt: skip
    schema = history_schema("clp_per_usd")
    return table.with_columns(source=pl.lit(source), is_suspect=pl.lit(False)).select(
        [pl.col(name).cast(dtype) for name, dtype in schema.items()]
    )


def test_an_observado_is_known_from_its_first_sight_where_that_was_noted_and_by_rule_where_it_was_downloaded() -> None:
    rule = local(FRIDAY, 18)
    seen = local(FRIDAY, 18, 24)
    table = archive(
        [],
        [
            history(
                (MONDAY, 940.0, rule, seen, None, False),
                (FRIDAY, 935.0, local(date(2024, 7, 4), 18), seen, None, False),
            )
        ],
        CALENDAR,
    )
    assert dict(table.schema) == QUOTES_SCHEMA
    old, new = table.to_dicts()
    assert (new["session"], new["dated"], new["available_at"], new["is_assumed"]) == (FRIDAY, MONDAY, seen, False)
    assert new["observed_at"] == rule
    # 24 hours and 24 minutes after it came out: a download.
    assert (old["available_at"], old["seen_at"], old["is_assumed"]) == (local(date(2024, 7, 4), 18), seen, True)


def test_a_value_downloaded_weeks_later_keeps_the_rule_of_its_source() -> None:
    later = local(date(2024, 9, 2), 12)
    published_at = local(MONDAY, 9)
    table = archive([], [history((MONDAY, 940.0, published_at, later, None, False), source="mindicador")], CALENDAR)
    [row] = table.to_dicts()
    assert (row["available_at"], row["seen_at"], row["is_assumed"]) == (published_at, later, True)


def test_a_revised_observado_keeps_its_first_sight() -> None:
    first, second = local(FRIDAY, 18, 5), local(MONDAY, 10)
    table = archive(
        [],
        [
            history(
                (MONDAY, 940.0, local(FRIDAY, 18), first, second, False),
                (MONDAY, 940.5, local(FRIDAY, 18), second, None, False),
            )
        ],
        CALENDAR,
    )
    [row] = table.to_dicts()
    assert (row["clp_per_usd"], row["seen_at"]) == (940.5, first)


def test_every_provisional_price_is_kept_with_its_own_time() -> None:
    at = [local(FRIDAY, 13), local(FRIDAY, 17)]
    rows = [(FRIDAY, 940.0 + i, moment, local(FRIDAY, 19), None, True) for i, moment in enumerate(at)]
    final = (FRIDAY, 945.0, local(MONDAY, 19, 15), local(MONDAY, 19, 20), None, False)
    table = archive([history(*rows, final, source="yahoo")], [], CALENDAR)
    assert table["clp_per_usd"].to_list() == [940.0, 941.0]
    assert table["observed_at"].to_list() == at
    assert set(table["available_at"]) == {local(FRIDAY, 19)}


def evenings(minutes: list[int]) -> list[tuple[date, datetime]]:
    sessions = CALENDAR.between(date(2024, 5, 31), date(2024, 12, 31))[: len(minutes)]
    return [(day, local(day, 18) + timedelta(minutes=m)) for day, m in zip(sessions, minutes, strict=True)]


def test_twenty_evenings_that_agree_give_the_time_of_publication() -> None:
    assert publication_time(evenings([5] * 19)) is None
    assert publication_time(evenings([5] * 19 + [42])) == time(18, 42)
    assert publication_time(evenings([5] * 19 + [66])) is None
    assert publication_time(evenings([90] + [5] * 20)) == time(18, 5), "only the newest twenty count"


def test_sights_of_another_day_say_nothing_of_the_evening() -> None:
    late = [(day, at + timedelta(days=1)) for day, at in evenings([5] * 30)]
    assert publication_time(late) is None


@pytest.fixture
def session(tmp_path: Path) -> Session:
    folders = {"warehouse": tmp_path / "warehouse", "configs": tmp_path / "configs"}
    return session_on(load_settings(**folders, market="live", as_of="2024-07-05T19:00"))


def store_prices(session: Session) -> pl.DataFrame:
    """Sixty finished sessions through Wednesday, stored as `market/usdclp`."""
    days = CALENDAR.between(date(2024, 4, 10), date(2024, 7, 3))
    values = 930 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.008, len(days))))
    rows = pl.DataFrame({"session": days, "clp_per_usd": values}).with_columns(
        source=pl.lit("yahoo"),
        is_provisional=pl.lit(False),
        is_suspect=pl.lit(False),
        is_quarantined=pl.lit(False),
        available_at=pl.lit(local(date(2024, 7, 4), 19)),
        fetched_at=pl.lit(local(date(2024, 7, 4), 19)),
    )
    frame = rows.select([pl.col(name).cast(dtype) for name, dtype in prices_schema("clp_per_usd").items()])
    session.live_tables.write(USDCLP, frame)
    return frame


def test_the_origin_comes_from_the_archive_and_never_from_what_was_seen_later(session: Session) -> None:
    prices = store_prices(session)
    without = origin_at(session, prices)
    assert without is not None
    assert (without.kind, without.age_sessions) == ("finished bar", 2)
    rule = local(FRIDAY, 18)
    rows = [(MONDAY, 940.0, rule, local(FRIDAY, 18, 30), None, False)]
    session.live_tables.write(QUOTES, archive([], [history(*rows)], CALENDAR))
    picked = origin_at(session, prices)
    assert picked is not None
    assert (picked.level, picked.kind, picked.age_sessions, picked.is_assumed) == (940.0, "dólar observado", 0, False)
    late = [(MONDAY, 940.0, rule, local(FRIDAY, 19, 30), None, False)]
    session.live_tables.write(QUOTES, archive([], [history(*late)], CALENDAR))
    assert origin_at(session, prices) == without


def test_the_archive_reads_the_stored_histories_of_every_source(session: Session) -> None:
    store = PriceStore(session.live_tables)
    fields = ["session", "clp_per_usd", "source", "is_provisional", "is_suspect", "available_at"]
    observado = history((MONDAY, 940.0, local(FRIDAY, 18), local(FRIDAY, 18, 30), None, False)).select(fields)
    last = history((FRIDAY, 941.0, local(FRIDAY, 17), local(FRIDAY, 18), None, True), source="yahoo").select(fields)
    store.merge(OBSERVADO, observado, local(FRIDAY, 18, 30))
    store.merge(USDCLP_SERIES, last, local(FRIDAY, 18, 30))
    table = archive_of(session)
    assert table.select("quote_kind", "clp_per_usd", "seen_at").rows() == [
        ("last price", 941.0, local(FRIDAY, 18, 30)),
        ("dólar observado", 940.0, local(FRIDAY, 18, 30)),
    ]


def test_the_spread_of_returns_leaves_provisional_prices_out(session: Session) -> None:
    prices = store_prices(session)
    wild = prices.tail(1).with_columns(session=pl.lit(FRIDAY), clp_per_usd=pl.lit(2000.0), is_provisional=pl.lit(True))
    assert series_sd(pl.concat([prices, wild])) == series_sd(prices) == pytest.approx(0.008, rel=0.5)
    assert series_sd(prices.head(1)) == 0.0


@dataclass(frozen=True)
class OneObservado:
    """Source of Monday's observado, out on Friday at 18:00."""

    name: str = "central_bank"

    def fetch(self, start: date | None, as_of: datetime) -> pl.DataFrame:
        fields = ["session", "clp_per_usd", "source", "is_provisional", "is_suspect", "available_at"]
        return history((MONDAY, 940.0, local(FRIDAY, 18), local(FRIDAY, 18), None, False)).select(fields)


@pytest.mark.parametrize(("as_of", "is_assumed"), [(None, False), ("2024-07-05T18:20", True)])
def test_a_run_may_use_what_it_fetched_and_a_clock_set_by_hand_saw_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_of: str | None, is_assumed: bool
) -> None:
    settings = load_settings(warehouse=tmp_path / "warehouse", configs=tmp_path, market="live", as_of=as_of)
    run = Session(settings, local(FRIDAY, 18, 20))
    monkeypatch.setattr(PriceSources, "observado_sources", lambda self: [OneObservado()])
    ingest_observado(sources_of(run))
    table = archive_of(run)
    run.live_tables.write(QUOTES, table)
    assert table["is_assumed"].to_list() == [is_assumed]
    picked = origin_at(run, store_prices(run))
    assert picked is not None
    assert (picked.level, picked.is_assumed) == (940.0, is_assumed)
