"""An evening's polling for the observado of the next banking day: the rule, and real ticks of the sensor."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.dagster import keys
from forex_assets.core.dagster.resources import SessionResource
from forex_assets.core.names import CLOCK, MARKET
from forex_assets.locations.forecasting import build
from forex_assets.market.polling import Evening, next_step
from forex_assets.market.sensors import observado_sensor

CALENDAR = SessionCalendar("CLP", frozenset({date(2024, 7, 16)}))
SANTIAGO = ZoneInfo("America/Santiago")
FRIDAY, MONDAY = date(2024, 7, 5), date(2024, 7, 8)


def local(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), SANTIAGO).astimezone(UTC)


OUT = Evening(local(FRIDAY, 18, 30), True, FRIDAY, None, None, has_origin=False)
"""Friday, 18:30: the observado of Monday is not there yet."""


def action(evening: Evening, **changes: object) -> str:
    return next_step(replace(evening, **changes), CALENDAR).action  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "expected"),
    [((17, 59), "wait"), ((18, 0), "ask"), ((20, 59), "ask"), ((21, 0), "wait"), ((23, 0), "wait"), ((9, 0), "wait")],
)
def test_it_is_asked_from_six_to_nine_in_santiago(at: tuple[int, int], expected: str) -> None:
    assert action(OUT, now=local(FRIDAY, *at)) == expected


@pytest.mark.parametrize("day", [date(2024, 7, 6), date(2024, 7, 7), date(2024, 7, 16)])
def test_weekends_and_holidays_have_no_polling(day: date) -> None:
    assert action(OUT, now=local(day, 18, 30)) == "wait"


def test_nothing_is_asked_without_an_account_once_it_is_there_or_before_its_turn() -> None:
    assert action(OUT, has_account=False) == "wait"
    assert action(OUT, newest_observado=MONDAY) == "wait"
    assert action(OUT, not_before=local(FRIDAY, 18, 31)) == "wait"
    assert action(OUT, not_before=local(FRIDAY, 18, 30)) == "ask"
    assert action(OUT, newest_observado=None) == "ask"


def test_before_a_holiday_the_observado_after_it_is_wanted() -> None:
    before = replace(OUT, now=local(date(2024, 7, 15), 18, 30))
    assert action(before, newest_observado=date(2024, 7, 15)) == "ask"
    assert action(before, newest_observado=date(2024, 7, 17)) == "wait"


def test_the_origin_is_picked_again_where_the_observado_came_after_it() -> None:
    came = replace(OUT, newest_observado=MONDAY, now=local(FRIDAY, 19, 40), has_origin=True)
    assert action(came, origin_observado=FRIDAY) == "renew"
    assert action(came, origin_observado=None) == "renew"
    assert action(came, origin_observado=MONDAY) == "wait"
    assert action(came, has_origin=False) == "wait", "the evening's own run comes first"


DEFS = build()


def tick(instance: dg.DagsterInstance, at: datetime, cursor: str | None = None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance, cursor, definitions=DEFS, resources={"session": SessionResource()})
    result = observado_sensor(lambda: at)(context)
    assert isinstance(result, dg.SensorResult)
    return result


def report(instance: dg.DagsterInstance, key: dg.AssetKey, at: datetime, **metadata: str) -> None:
    event = dg.AssetMaterialization(key, metadata={CLOCK: at.isoformat(), MARKET: "live", **metadata})
    instance.report_runless_asset_event(event)


@pytest.fixture
def live(environment: Callable[..., None]) -> Callable[..., None]:
    environment(FOREX_MARKET="live", BCCH_USER="a@example.cl", BCCH_PASSWORD="secret")
    return environment


@pytest.mark.usefixtures("live")
def test_an_evening_by_real_ticks() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        asked_at = local(FRIDAY, 18, 2)
        first = tick(instance, asked_at)
        (request,) = first.run_requests
        assert request.asset_selection == [keys.OBSERVADO]
        again = datetime.fromisoformat(first.cursor)
        assert timedelta(minutes=8) <= again - asked_at <= timedelta(minutes=14)
        assert not tick(instance, again - timedelta(minutes=1), first.cursor).run_requests
        (second,) = tick(instance, again, first.cursor).run_requests
        assert second.run_key != request.run_key
        report(instance, keys.ORIGIN, local(FRIDAY, 19), newest_observado=str(FRIDAY))
        report(instance, keys.OBSERVADO, local(FRIDAY, 19, 40), last_session=str(MONDAY))
        (renewal,) = tick(instance, local(FRIDAY, 19, 41), "no instant").run_requests
        assert set(renewal.asset_selection) == {keys.QUOTES, keys.ORIGIN}
        (repeated,) = tick(instance, local(FRIDAY, 19, 50)).run_requests
        assert repeated.run_key == renewal.run_key, "Dagster launches a key once"
        report(instance, keys.ORIGIN, local(FRIDAY, 19, 55), newest_observado=str(MONDAY))
        assert not tick(instance, local(FRIDAY, 20)).run_requests


def test_generated_prices_and_a_clock_set_by_hand_ask_nobody(live: Callable[..., None]) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(instance, local(FRIDAY, 18, 30)).run_requests
        live(FOREX_MARKET="sample")
        assert not tick(instance, local(FRIDAY, 18, 30)).run_requests
        live(FOREX_MARKET="live", FOREX_AS_OF="2024-07-05T18:30")
        assert not tick(instance, local(FRIDAY, 18, 30)).run_requests
