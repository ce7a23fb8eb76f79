"""The chain of hashes: repetitions, and detection of every change."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forex_assets.core.schemas import FORECAST_SCHEMA, LEDGER_SCHEMA, with_later_columns
from forex_assets.forecasts.ledger import (
    FAN_COLUMNS,
    LedgerError,
    Misfit,
    entry_of,
    fan_hash,
    first_misfit,
    says_the_same,
)

ISSUED = datetime(2024, 1, 8, 22, tzinfo=UTC)
STEPS = 3


def forecast_of(day: int = 0, seed: int = 0, horizon: str = "7d", config: str = "c0ffee") -> pl.DataFrame:
    """A forecast of generated numbers, issued `day` days after 2024-01-08."""
    as_of = date(2024, 1, 8) + timedelta(days=day)
    rng = np.random.default_rng(seed)
    texts = dict.fromkeys((name for name, dtype in FORECAST_SCHEMA.items() if dtype == pl.String), "text")
    rows = {
        **{name: np.sort(rng.normal(900, 20, STEPS)) for name, dtype in FORECAST_SCHEMA.items() if dtype == pl.Float64},
        **texts,
        "as_of": as_of,
        "horizon": horizon,
        "target_date": as_of + timedelta(days=STEPS),
        "step": list(range(1, STEPS + 1)),
        "session": [as_of + timedelta(days=step) for step in range(1, STEPS + 1)],
        "origin_session": as_of,
        "is_origin_provisional": False,
        "origin_dated": as_of,
        "origin_observed_at": ISSUED - timedelta(hours=1),
        "origin_age_sessions": 0,
        "is_origin_assumed": False,
        "is_calibrated": True,
        "calibration_errors": 250,
        "config_fingerprint": config,
        "data_fingerprint": f"data of {day}, {seed}",
    }
    return pl.DataFrame(rows, schema=FORECAST_SCHEMA)


def chain_of(n: int) -> list[pl.DataFrame]:
    """An intact chain of n entries."""
    entries: list[pl.DataFrame] = []
    for place in range(1, n + 1):
        previous = entries[-1]["entry_hash"][0] if entries else ""
        header = {"code_version": "0.1.0+abc", "sequence": place, "version": 1, "previous_hash": previous}
        entries.append(entry_of(forecast_of(place, place), issued_at=ISSUED + timedelta(days=place), **header))
    return entries


def entry(**changes: object) -> pl.DataFrame:
    header = {"issued_at": ISSUED, "code_version": "1", "sequence": 1, "version": 1, "previous_hash": ""}
    return entry_of(changes.pop("forecast", forecast_of()), **{**header, **changes})


CHAIN = chain_of(5)


def changed(frame: pl.DataFrame, name: str, row: int | None = None) -> pl.DataFrame:
    """Changes one column of a frame, in one row or in all."""
    dtype = frame.schema[name]
    old = pl.col(name)
    if dtype == pl.Float64:  # the last bit
        new = pl.lit(pl.Series([float(np.nextafter(value, np.inf)) for value in frame[name]]))
    elif dtype == pl.String:
        new = old + "x"
    elif dtype == pl.Boolean:
        new = ~old
    else:
        new = old + (timedelta(days=1) if dtype.is_temporal() else 1)
    return frame.with_columns(
        pl.when(pl.int_range(pl.len()) == (pl.int_range(pl.len()) if row is None else row))
        .then(new)
        .otherwise(old)
        .alias(name)
    )


def test_a_fan_hash_is_that_of_its_canonical_json_written_by_hand() -> None:
    columns = {}
    frame = forecast_of()
    for name in frame.columns:
        if name == "engine_seconds":
            continue
        values = []
        for value in frame[name].to_list():
            if isinstance(value, float):
                values.append(value.hex())
            elif isinstance(value, datetime):
                values.append(value.strftime("%Y-%m-%dT%H:%M:%S+00:00"))
            elif isinstance(value, date):
                values.append(value.strftime("%Y-%m-%d"))
            else:
                values.append(value)
        columns[name] = values
    text = json.dumps(columns, sort_keys=True, separators=(",", ":"))
    assert fan_hash(frame) == hashlib.sha256(text.encode()).hexdigest()


def test_an_entry_hash_is_that_of_its_header_written_by_hand() -> None:
    record = entry(is_shadow=True, sequence=7, version=2, previous_hash="beef")
    text = (
        '{"as_of":"2024-01-08","code_version":"1","config_fingerprint":"c0ffee","data_fingerprint":"data of 0, 0",'
        f'"engine":"text","fan_hash":"{fan_hash(forecast_of())}","horizon":"7d","is_replay":false,"is_shadow":true,'
        '"issued_at":"2024-01-08T22:00:00+00:00","model":"text","previous_hash":"beef","schema_version":2,"sequence":7,'
        '"version":2}'
    )
    assert record["entry_hash"].to_list() == [hashlib.sha256(text.encode()).hexdigest()] * STEPS


@pytest.mark.parametrize("name", FAN_COLUMNS)
def test_every_column_of_a_fan_counts_to_the_last_bit_of_its_last_row(name: str) -> None:
    assert fan_hash(changed(forecast_of(), name, STEPS - 1)) != fan_hash(forecast_of())


def test_the_seconds_that_an_engine_took_do_not_count() -> None:
    assert fan_hash(changed(forecast_of(), "engine_seconds")) == fan_hash(forecast_of())


def test_null_and_its_name_are_two_values() -> None:
    texts = [forecast_of().with_columns(source=pl.lit(value, pl.String)) for value in (None, "null", "None", "")]
    assert len({fan_hash(frame) for frame in texts}) == 4


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(), min_size=STEPS, max_size=STEPS), st.lists(st.floats(), min_size=STEPS, max_size=STEPS))
def test_two_fans_share_a_hash_only_where_they_are_equal_bit_for_bit(one: list[float], other: list[float]) -> None:
    hashes = [fan_hash(forecast_of().with_columns(q50=pl.Series(values))) for values in (one, other)]
    assert (hashes[0] == hashes[1]) == ([x.hex() for x in one] == [x.hex() for x in other])


def test_an_entry_has_the_ledgers_columns_and_the_forecasts_values_by_step() -> None:
    record = entry(forecast=forecast_of().reverse())
    assert dict(record.schema) == LEDGER_SCHEMA
    assert record.select(FAN_COLUMNS).equals(forecast_of().select(FAN_COLUMNS))
    assert record["entry_hash"][0] == entry()["entry_hash"][0]


def test_an_instant_is_the_same_in_every_zone() -> None:
    santiago = ISSUED.astimezone(timezone(timedelta(hours=-3)))
    assert entry(issued_at=santiago).equals(entry())


def test_what_is_not_one_whole_forecast_is_refused() -> None:
    two = pl.concat([forecast_of(0), forecast_of(1).with_columns(step=pl.col("step") + STEPS)])
    with pytest.raises(LedgerError, match=r"one as_of, one data_fingerprint"):
        entry(forecast=two)
    with pytest.raises(LedgerError, match=r"a step stands twice"):
        entry(forecast=pl.concat([forecast_of(), forecast_of()]))
    with pytest.raises(LedgerError, match=r"no rows"):
        entry(forecast=forecast_of().clear())
    with pytest.raises(LedgerError, match=r"null in q50"):
        entry(forecast=forecast_of().with_columns(q50=pl.lit(None, pl.Float64)))
    with pytest.raises(LedgerError, match=r"no time zone"):
        entry(issued_at=datetime(2024, 1, 8))  # noqa: DTZ001
    with pytest.raises(ValueError, match=r"missing columns \['q50'\]"):
        entry(forecast=forecast_of().drop("q50"))


def test_the_same_said_later_or_elsewhere_in_the_chain_is_the_same() -> None:
    later = entry(issued_at=ISSUED + timedelta(days=1), sequence=9, version=3, previous_hash="beef")
    assert says_the_same(entry(), later)
    slower = entry(forecast=changed(forecast_of(), "engine_seconds"))
    assert says_the_same(entry(), slower)


@pytest.mark.parametrize("name", ["data_fingerprint", "config_fingerprint", "engine", "model", "q025", "walk_q975"])
def test_other_inputs_or_another_fan_are_not_the_same(name: str) -> None:
    assert not says_the_same(entry(), entry(forecast=changed(forecast_of(), name)))


def test_other_code_or_a_shadow_is_not_the_same() -> None:
    assert not says_the_same(entry(), entry(code_version="2"))
    assert not says_the_same(entry(), entry(is_shadow=True))


def test_the_age_of_the_starting_price_alone_makes_no_new_entry() -> None:
    older = forecast_of().with_columns(origin_age_hours=pl.lit(3.0))
    assert says_the_same(entry(), entry(forecast=older, issued_at=ISSUED + timedelta(hours=2)))
    assert not says_the_same(entry(), entry(forecast=forecast_of().with_columns(origin_source=pl.lit("other"))))
    assert entry(forecast=older)["entry_hash"][0] != entry()["entry_hash"][0]


def test_a_forecast_may_leave_its_origin_open() -> None:
    nulls = [pl.lit(None, dtype=forecast_of().schema[name]).alias(name) for name in ADDED]
    assert first_misfit([entry(forecast=forecast_of().with_columns(nulls))]) is None


ADDED = [
    "origin_kind", "origin_source", "origin_dated", "origin_observed_at", "origin_age_hours", "origin_age_sessions",
    "origin_disagreement_pct", "is_origin_assumed",
]  # fmt: skip
"""Columns that the second version of the schema added."""


def first_version(frame: pl.DataFrame, previous_hash: str) -> pl.DataFrame:
    """An entry as the first version wrote it, its hash from JSON made by hand."""

    def plain(value: object) -> object:
        if isinstance(value, float):
            return value.hex()
        return value.isoformat() if isinstance(value, date) else value

    old = frame.drop(*ADDED, "schema_version").with_columns(previous_hash=pl.lit(previous_hash))
    head = ["horizon", "as_of", "sequence", "version", "issued_at", "previous_hash", "data_fingerprint",
            "config_fingerprint", "code_version", "engine", "model", "is_shadow", "is_replay"]  # fmt: skip
    header = [
        "issued_at",
        "sequence",
        "version",
        "is_shadow",
        "is_replay",
        "code_version",
        "previous_hash",
        "entry_hash",
    ]

    def digest(values: dict[str, object]) -> str:
        return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    fan = digest({name: [plain(v) for v in old[name].to_list()] for name in old.columns if name not in header})
    return old.with_columns(entry_hash=pl.lit(digest({"fan_hash": fan, **{n: plain(old[n][0]) for n in head}})))


def test_a_chain_begun_by_the_first_version_goes_on_in_the_second_and_every_change_is_found() -> None:
    first = with_later_columns(first_version(CHAIN[0], ""))
    second = with_later_columns(first_version(CHAIN[1], first["entry_hash"][0]))
    header = {"code_version": "2", "sequence": 3, "version": 1, "previous_hash": second["entry_hash"][0]}
    third = entry_of(forecast_of(2), issued_at=ISSUED, **header)
    assert [frame["schema_version"][0] for frame in (first, second, third)] == [1, 1, 2]
    assert first_misfit([first, second, third]) is None
    assert "gives the hash" in misfit_reason([changed(first, "q50"), second, third])
    lowered = third.with_columns(schema_version=pl.lit(1, pl.Int64))
    assert "which its schema version does not have" in misfit_reason([first, second, lowered])
    forged = second.with_columns(origin_kind=pl.lit("last price"))
    assert "holds origin_kind, which its schema version does not have" in misfit_reason([first, forged, third])
    newer = third.with_columns(schema_version=pl.lit(3, pl.Int64))
    assert "schema version is 3, this version of forex-assets reads 1 to 2" in misfit_reason([first, second, newer])


def test_an_untouched_chain_fits_and_so_does_an_empty_one() -> None:
    assert first_misfit(CHAIN) is None
    assert first_misfit([]) is None


@pytest.mark.parametrize("row", [None, 1])
@pytest.mark.parametrize("name", LEDGER_SCHEMA)
def test_a_value_changed_in_any_column_is_found_at_its_entry(name: str, row: int | None) -> None:
    chain = [*CHAIN[:2], changed(CHAIN[2], name, row), *CHAIN[3:]]
    misfit = first_misfit(chain)
    assert misfit is not None
    assert misfit.place == 3


@pytest.mark.parametrize("row", range(STEPS))
def test_a_row_removed_is_found(row: int) -> None:
    cut = CHAIN[1].filter(pl.int_range(pl.len()) != row)
    assert first_misfit([CHAIN[0], cut, *CHAIN[2:]]) == Misfit(2, misfit_reason([CHAIN[0], cut]))
    assert "its content gives the hash" in misfit_reason([CHAIN[0], cut])


def misfit_reason(chain: list[pl.DataFrame]) -> str:
    misfit = first_misfit(chain)
    assert misfit is not None
    return misfit.reason


def test_rows_in_another_order_or_twice_are_found() -> None:
    assert "gives the hash" in misfit_reason([CHAIN[0].reverse()])
    assert "gives the hash" in misfit_reason([pl.concat([CHAIN[0], CHAIN[0]])])
    assert "no rows" in misfit_reason([CHAIN[0].clear()])


def test_an_entry_that_is_missing_extra_or_in_anothers_place_is_found() -> None:
    assert (
        str(first_misfit([*CHAIN[:2], *CHAIN[3:]]))
        == "entry 3: its sequence is 4, should be 3: an entry is missing or extra"
    )
    assert "its sequence is 2, should be 3" in misfit_reason([*CHAIN[:2], CHAIN[1], *CHAIN[2:]])
    assert "its sequence is 3, should be 2" in misfit_reason([CHAIN[0], CHAIN[2], CHAIN[1], *CHAIN[3:]])
    assert "its sequence is 2, should be 1" in misfit_reason(CHAIN[1:])


def test_a_forged_entry_whose_own_hash_is_right_is_found_at_the_next_one() -> None:
    forged = entry(forecast=forecast_of(2, 99), sequence=2, previous_hash=CHAIN[0]["entry_hash"][0])
    misfit = first_misfit([CHAIN[0], forged, *CHAIN[2:]])
    assert misfit is not None
    assert misfit.place == 3
    names = [frame["entry_hash"][0][:12] for frame in (CHAIN[1], forged)]
    assert misfit.reason == f"it was chained to {names[0]}…, but before it stands {names[1]}…"
    assert "it was chained to beef…, but before it stands nothing" in misfit_reason([entry(previous_hash="beef")])


def test_an_entry_that_cannot_be_had_is_a_misfit_with_the_reason() -> None:
    def entries() -> Iterator[pl.DataFrame]:
        yield from CHAIN[:3]
        raise LedgerError("the disk is gone")

    assert first_misfit(entries()) == Misfit(4, "the disk is gone")


def test_a_misfit_says_its_place_its_file_and_the_reason() -> None:
    assert str(Misfit(4, "why", "000004.parquet")) == "entry 4 (000004.parquet): why"
