"""Requests for a search on disk: whole or not there, answered once, and a spoilt file stops nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from forex_assets.core.store.folder import Folder
from forex_assets.core.store.warehouse import WarehouseError
from forex_assets.monitoring.request_store import RequestStore

NOON = datetime(2025, 6, 13, 12, tzinfo=UTC)


def ask(store: RequestStore, horizon: str = "7d", reason: str = "new regime", hour: int = 12) -> str:
    return store.add(horizon, reason=reason, asked_by="ana", asked_at=NOON.replace(hour=hour)).id


def test_a_request_is_read_back_as_it_was_made_by_its_own_horizon_only(tmp_path: Path) -> None:
    store = RequestStore(Folder(tmp_path / "requests"))
    request = store.add("7d", reason="new regime", asked_by="ana", asked_at=NOON)
    assert store.open("7d").requests == (request,)
    assert store.open("15d").requests == ()
    assert request.words == "ana on 2025-06-13 08:00: new regime"


def test_requests_are_read_oldest_first(tmp_path: Path) -> None:
    store = RequestStore(Folder(tmp_path))
    later, earlier = ask(store, hour=14), ask(store, hour=9)
    assert [request.id for request in store.open("7d").requests] == [earlier, later]


def test_an_answered_request_is_gone_and_the_other_stays(tmp_path: Path) -> None:
    store = RequestStore(Folder(tmp_path))
    first, second = ask(store, hour=9), ask(store, hour=10)
    assert [request.id for request in store.open("7d", {first}).requests] == [second]
    assert [request.id for request in store.open("7d").requests] == [second]
    store.remove("7d", first)  # gone already, and no fault


def test_no_draft_of_a_writer_that_was_killed_is_taken_for_a_request(tmp_path: Path) -> None:
    store = RequestStore(Folder(tmp_path))
    ask(store)
    (tmp_path / "7d" / ".tmp-1234").write_text('{"id":')
    (tmp_path / "7d" / ".hidden.json").write_text("{")
    backlog = store.open("7d")
    assert (len(backlog.requests), backlog.faults) == (1, ())


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": "x"}', '{"id":"x","horizon":"7d","surprise":1}'])
def test_a_file_that_is_no_request_is_named_with_the_remedy_and_stops_nothing(tmp_path: Path, content: str) -> None:
    store = RequestStore(Folder(tmp_path))
    request_id = ask(store)
    (tmp_path / "7d" / "spoilt.json").write_text(content)
    backlog = store.open("7d")
    assert [request.id for request in backlog.requests] == [request_id]
    (fault,) = backlog.faults
    assert "spoilt.json cannot be used" in fault
    assert "remove it and ask again" in fault


def test_no_other_horizon_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no horizon '8d'"):
        ask(RequestStore(Folder(tmp_path)), "8d")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WarehouseError, match=r"cannot write .*file"):
        ask(RequestStore(Folder(tmp_path / "file")))
