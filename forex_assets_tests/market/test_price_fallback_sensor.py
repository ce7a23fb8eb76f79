"""`warn_on_price_fallback` by real ticks over real records."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from forex_assets.core.dagster import keys
from forex_assets.core.dagster.metadata import attempts_table
from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.market.prices import Attempt
from forex_assets.market.sensors import warn_on_price_fallback

YAHOO = {"source": "yahoo"}
BANK = {"source": "central_bank"}
STORED = {
    "source": "yahoo",  # whose rows they are; they came from what was stored
    "sources_tried": attempts_table([Attempt("yahoo", False, "503", 0.1), Attempt("stored", True, "rows 9", 0.0)]),
}
ASKED = {
    "source": "yahoo",
    "sources_tried": attempts_table([Attempt("yahoo", True, "rows 9", 0.1)]),
}


class Desk:
    """Writes materializations and ticks the sensor."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursor: str | None = None

    def prices(self, *metadata: dict[str, Any], key: dg.AssetKey = keys.USDCLP) -> None:
        for entry in metadata:
            self.instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=entry))

    def tick(self) -> list[dg.AssetObservation]:
        result = warn_on_price_fallback.evaluate_tick(dg.build_sensor_context(self.instance, cursor=self.cursor))
        self.cursor = result.cursor
        assert not result.run_requests
        return [event for event in result.asset_events if isinstance(event, dg.AssetObservation)]


@pytest.fixture
def desk() -> Iterator[Desk]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Desk(instance)


def test_two_fallbacks_are_no_warning_and_the_third_is_one(desk: Desk) -> None:
    desk.prices(BANK, YAHOO, BANK)
    assert desk.tick() == []
    desk.prices(BANK)
    (warning,) = desk.tick()
    assert warning.asset_key == keys.USDCLP
    assert "3 times in 7 days" in (warning.description or "")
    assert "central_bank" in (warning.description or "")


def test_a_warning_is_given_once_for_each_further_fallback(desk: Desk) -> None:
    desk.prices(BANK, BANK, BANK)
    assert len(desk.tick()) == 1
    assert desk.tick() == []
    desk.prices(YAHOO)
    assert desk.tick() == []
    desk.prices(BANK)
    assert "4 times" in (desk.tick()[0].description or "")


def test_prices_served_from_the_stored_history_are_fallbacks_whatever_source_they_once_had(desk: Desk) -> None:
    desk.prices(STORED, STORED, STORED)
    assert len(desk.tick()) == 1


@pytest.mark.parametrize("metadata", [YAHOO, ASKED, {"source": SAMPLE_SOURCE}, {}])
def test_the_first_source_and_the_generated_market_are_none(desk: Desk, metadata: dict[str, Any]) -> None:
    desk.prices(*[metadata] * 5)
    assert desk.tick() == []


def test_each_series_is_counted_by_itself(desk: Desk) -> None:
    desk.prices(BANK, BANK)
    desk.prices({"source": "fred"}, key=keys.COPPER)
    assert desk.tick() == []
    desk.prices({"source": "fred"}, {"source": "none"}, key=keys.COPPER)
    assert [request.asset_key for request in desk.tick()] == [keys.COPPER]


def test_fallbacks_older_than_seven_days_are_forgotten(desk: Desk) -> None:
    desk.prices(BANK, BANK, BANK)
    week_later(desk.instance, BANK)
    assert desk.tick() == []


def week_later(instance: dg.DagsterInstance, metadata: dict[str, Any]) -> None:
    """A materialization whose time of writing is eight days from now."""
    event = dg.AssetMaterialization(keys.USDCLP, metadata=metadata)
    instance.report_runless_asset_event(event)
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        import json

        from sqlalchemy import text

        newest = connection.execute(text("select max(id) from event_logs")).scalar()
        (body,) = connection.execute(text("select event from event_logs where id = :id"), {"id": newest}).one()
        entry = json.loads(body)
        entry["timestamp"] += 8 * 86400
        connection.execute(
            text("update event_logs set event = :event where id = :id"), {"event": json.dumps(entry), "id": newest}
        )


@pytest.mark.parametrize("cursor", ["{", "[]", '{"market/usdclp": "x"}'])
def test_a_lost_cursor_says_a_warning_twice_rather_than_never(desk: Desk, cursor: str) -> None:
    desk.prices(BANK, BANK, BANK)
    desk.tick()
    desk.cursor = cursor
    assert len(desk.tick()) == 1
