"""Bad ticks are marked, real moves are not; checks can fail."""

import math
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forex_assets.core.calendar import calendar_of
from forex_assets.core.finding import Finding
from forex_assets.core.schemas import COPPER_SCHEMA, prices_schema
from forex_assets.market import quality
from forex_assets.market.findings import findings
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries
from forex_assets.market.quality import mark_bad_ticks

MONDAY = date(2024, 1, 1)
CALENDAR = calendar_of("CLP", [])


def weekdays(count: int) -> list[date]:
    return [MONDAY + timedelta(days=7 * (n // 5) + n % 5) for n in range(count)]


def prices(*values: float | None, series: PriceSeries = USDCLP, marked: bool = True, **columns: Any) -> pl.DataFrame:
    count = len(values)
    instant = datetime(2024, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "session": weekdays(count),
            series.value: list(values),
            "source": ["yahoo"] * count,
            "is_provisional": [False] * count,
            "is_suspect": [False] * count,
            "available_at": [instant] * count,
            "fetched_at": [instant] * count,
            "is_quarantined": [False] * count,
            **columns,
        },
        schema=prices_schema(series.value),
    )
    return mark_bad_ticks(frame, series) if marked else frame


def wandering(count: int, level: float = 900.0) -> list[float]:
    rng = random.Random(5)
    return [level * math.exp(0.01 * rng.gauss(0, 1)) for _ in range(count)]


def marks(*values: float | None, series: PriceSeries = COPPER) -> list[int]:
    marked = prices(*values, series=series)["is_quarantined"]
    return [n for n, is_bad in enumerate(marked) if is_bad]


@pytest.mark.parametrize(
    ("values", "bad"),
    [
        ([900, 901, 5.46, 903, 904], [2]),  # impossible, whatever follows
        ([900, 901, 902, 5.46], [3]),
        ([5.46, 5.00, 900, 901], [0, 1]),
        ([900, 5.46, 5.0, 4.9, 901], [1, 2, 3]),
        ([900, 902, 1100, 905, 904], [2]),  # possible, but taken back
        ([900, 902, 700, 905, 904], [2]),
        ([900, 901, 974, 902, 903], [2]),  # +8.1 %
        ([900, 901, 972, 902, 903], []),  # +7.9 %
        ([900, 901, 985, 932, 935], []),  # +9.3 % of which more than a third stays
        ([900, 960, 910, 965, 905, 1010, 906, 960], []),  # +11 % and back among days of 6 %
        ([900, 901, 1200, 1190, 1195], []),  # stays
        ([900, 901, 675, 680, 670, 900, 905], []),  # a quarter down, back a week later: two real moves
        ([900, 901, 1200, 1210, 902, 901], [2, 3]),  # two bad ticks
        ([900, 901, 1200, 600, 902, 901], [2, 3]),  # of either sign
        ([900, 901, 990, 995, 902, 901], []),  # +10 % for two days: a shock that faded
        ([900, 902, 1100, 905, 1100, 905, 904], [2, 4]),  # one after another
        ([900, 902, 1100, 5.0, 905], [2, 3]),  # an impossible value is no witness
        ([900, 901, 1200], []),  # nothing after it yet
        ([1200, 900, 901], []),  # nothing before it
        ([900, None, 1200, None, 902], [2]),  # nulls are passed over
        ([900, math.nan, 901], []),
        ([900], []),
        ([], []),
    ],
)
def test_bad_ticks_by_hand(values: list[float | None], bad: list[int]) -> None:
    assert marks(*values, series=USDCLP) == bad


def test_a_real_fall_that_stays_is_no_bad_tick_and_a_move_below_the_rule_is_left() -> None:
    assert marks(5.8, 5.81, 4.36, 4.34, 4.4) == []  # -25 %
    assert marks(4.45, 4.743, 4.46, 4.47) == []  # +6.6 %


@settings(max_examples=60, deadline=None)
@given(scale=st.floats(0.4, 2.0), where=st.integers(1, 28), size=st.floats(1.12, 1.4), up=st.booleans())
def test_one_planted_tick_is_found_alone_at_any_scale(scale: float, where: int, size: float, up: bool) -> None:
    calm = [900.0 * (1 + 0.002 * math.sin(n)) * scale for n in range(30)]
    assert marks(*calm, series=USDCLP) == []
    calm[where] *= size if up else 1 / size
    assert marks(*calm, series=USDCLP) == [where]


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=15), cut=st.integers(1, 15))
def test_what_comes_later_changes_only_the_last_two_marks(steps: list[float], cut: int) -> None:
    values = [900.0]
    for step in steps:
        values.append(min(max(values[-1] * math.exp(step), 250.0), 2900.0))
    known = min(cut, len(values))
    settled = range(known - 2)
    whole, part = marks(*values, series=USDCLP), marks(*values[:known], series=USDCLP)
    assert [n for n in whole if n in settled] == [n for n in part if n in settled]


def by_name(frame: pl.DataFrame, series: PriceSeries = USDCLP, as_of: date | None = None) -> dict[str, Finding]:
    day = as_of or frame["session"].drop_nulls().max()
    assert isinstance(day, date)
    return {finding.name: finding for finding in findings(frame, series, CALENDAR, day)}


def failing(frame: pl.DataFrame, series: PriceSeries = USDCLP, as_of: date | None = None) -> dict[str, str]:
    return {name: f.severity for name, f in by_name(frame, series, as_of).items() if not f.passed}


def test_a_sound_table_passes_every_check() -> None:
    assert failing(prices(*wandering(300))) == {}
    assert failing(prices(*wandering(300, 4.0), series=COPPER), COPPER) == {}
    assert len(by_name(prices(*wandering(300, 4.0), series=COPPER), COPPER)) == 12


def test_a_session_twice_or_out_of_order_blocks() -> None:
    frame = prices(*wandering(10))
    for variant in (pl.concat([frame[:5], frame[4:]]), pl.concat([frame[5:], frame[:5]])):
        assert failing(variant, as_of=weekdays(10)[-1])["sessions_strictly_increase"] == "block"


def test_a_row_on_a_weekend_or_holiday_warns() -> None:
    frame = prices(*wandering(10)).with_columns(pl.col("session") + pl.duration(days=1))
    finding = by_name(frame)["sessions_are_business_days"]
    assert (finding.passed, finding.severity) == (False, "warn")
    assert finding.values == {"rows_off_calendar": 2, "rows_on_weekends": 2}
    rests = calendar_of("CLP", weekdays(10)[3:4])
    assert "no CLP session" in quality.sessions_are_business_days(prices(*wandering(10)), USDCLP, rests).message


@pytest.mark.parametrize("column", ["clp_per_usd", "available_at", "source", "is_quarantined"])
def test_a_null_blocks(column: str) -> None:
    frame = prices(*wandering(10))
    nulled = frame.with_columns(pl.when(pl.int_range(pl.len()) != 4).then(pl.col(column)).alias(column))
    finding = quality.has_no_nulls(nulled, USDCLP)
    assert (finding.passed, finding.severity, finding.values) == (False, "block", {column: 1})


def test_a_value_out_of_range_blocks_unless_it_is_marked() -> None:
    values = [*wandering(50), 5.46, *wandering(50)]
    assert "prices_are_in_range" not in failing(prices(*values))
    unmarked = quality.prices_are_in_range(prices(*values, marked=False), USDCLP)
    assert (unmarked.passed, unmarked.severity) == (False, "block")
    assert "5.46 of" in unmarked.message
    assert not quality.prices_are_in_range(prices(900, math.nan, marked=False), USDCLP).passed


def test_big_moves_and_bad_ticks_warn_while_they_are_recent() -> None:
    fall = [*wandering(20), *wandering(20, 700)]
    finding = by_name(prices(*fall))["moves_are_ordinary"]
    assert (finding.passed, finding.severity) == (False, "warn")
    assert finding.values["recent_big_moves"] == 1
    tick = by_name(prices(*wandering(20), 5.46, *wandering(20)))["moves_are_ordinary"]
    assert (tick.passed, tick.values["recent_bad_ticks"]) == (False, 1)
    assert "quarantined" in tick.message
    long_ago = by_name(prices(*wandering(20), 5.46, *wandering(20), *wandering(260, 700)))["moves_are_ordinary"]
    assert long_ago.passed
    assert (long_ago.values["bad_ticks"], long_ago.values["big_moves"]) == (1, 1)


def test_a_big_move_on_the_newest_row_is_named_and_does_not_block() -> None:
    finding = by_name(prices(*wandering(20), 1200.0))["moves_are_ordinary"]
    assert finding.values["is_newest_price_a_big_move"] is True
    assert finding.severity == "warn"
    assert "tomorrow shows" in finding.message


FINISHED_LATE = {"is_current": "warn", "last_finished_price_is_current": "warn"}


@pytest.mark.parametrize(
    ("late", "failures"),
    [
        (0, {}),
        (2, {}),
        (3, {"is_current": "warn"}),
        (5, {"is_current": "warn"}),
        (6, FINISHED_LATE),
        (10, FINISHED_LATE),
        (11, FINISHED_LATE | {"is_not_stale": "block"}),
    ],
)
def test_a_late_price_warns_and_a_stale_one_blocks(late: int, failures: dict[str, str]) -> None:
    frame = prices(*wandering(20))
    assert failing(frame, as_of=weekdays(20 + late)[-1]) == failures
    copper = prices(*wandering(20, 4.0), series=COPPER)
    assert set(failing(copper, COPPER, weekdays(20 + late)[-1]).values()) <= {"warn"}


def test_age_is_counted_from_the_last_usable_price() -> None:
    frame = prices(*wandering(20), 5.46)
    assert quality.is_current(frame, USDCLP, CALENDAR, weekdays(21)[-1]).values["age_sessions"] == 1


def test_five_identical_closes_warn_and_four_do_not() -> None:
    for run, passes in ((4, True), (5, False)):
        finding = by_name(prices(*wandering(10), *[905.0] * run, *wandering(10)))["prices_keep_moving"]
        assert (finding.passed, finding.severity, finding.values["longest_run"]) == (passes, "warn", run)
    assert by_name(prices(*[905.0] * 9, *wandering(250)))["prices_keep_moving"].passed


def test_copper_in_another_unit_is_named() -> None:
    for factor, words in ((2204.62, "USD/t"), (100, "US cents/lb")):
        finding = quality.copper_is_in_usd_per_pound(prices(*[v * factor for v in wandering(20, 4.0)], series=COPPER))
        assert not finding.passed
        assert finding.message.endswith(f"looks like {words}")


def test_no_data_is_never_green() -> None:
    nothing = prices()
    for finding in (
        quality.is_current(nothing, USDCLP, CALENDAR, MONDAY),
        quality.is_not_stale(nothing, USDCLP, CALENDAR, MONDAY),
        quality.prices_keep_moving(nothing, USDCLP),
        quality.copper_is_in_usd_per_pound(prices(series=COPPER)),
    ):
        assert not finding.passed
    assert quality.moves_are_ordinary(nothing, USDCLP).values["big_moves"] == 0


def test_rows_with_only_a_monthly_level_are_no_fault() -> None:
    daily = prices(*wandering(19, 4.0), series=COPPER).with_columns(monthly_level_usd_lb=pl.lit(None, pl.Float64))
    level = daily[-1:].with_columns(
        pl.lit(None, pl.Float64).alias("close_usd_lb"),
        pl.col("session") + pl.duration(days=1),
        source=pl.lit("fred"),
        monthly_level_usd_lb=pl.lit(4.0),
    )
    table = pl.concat([daily, level]).select(list(COPPER_SCHEMA))
    assert failing(table, COPPER) == {}
    other = table.with_columns(source=pl.lit("yahoo"))
    assert failing(other, COPPER) == {"has_no_nulls": "warn"}
