"""A faulty line costs time and no write: refusals, lost answers and silence are told apart."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from forex_assets.core.store import remote
from forex_assets.core.store.port import Changed, Entry, Taken, WarehouseError, update
from forex_assets.core.store.remote import Remote
from forex_assets_tests.core.store.fault_proxy import FAULTS, fault_proxy

WRITES = pytest.mark.parametrize("verb", ["put", "create", "replace"])


def content_of(entry: Entry | None) -> bytes | None:
    return None if entry is None else entry.content


def remote_at(address: str, timeout_s: float = 2.0) -> Remote:
    return Remote(address, timeout=timedelta(seconds=timeout_s))


@WRITES
@pytest.mark.parametrize("fault", FAULTS)
def test_a_write_succeeds_once_after_any_single_fault(
    verb: str, fault: str, s3_address: str, s3_endpoint: str, environment: Callable[..., None]
) -> None:
    if verb == "put" and fault in ("409", "412"):
        pytest.skip("a write without a condition is not refused by one")
    direct = remote_at(s3_address)
    direct.put("a", b"old") if verb == "replace" else None
    tag = direct.get("a")
    writes = list[int]()

    def plan(number: int, method: str, path: str) -> str:
        if method == "PUT":
            writes.append(number)
        return fault if method == "PUT" and len(writes) == 1 else ""

    with fault_proxy(s3_endpoint, plan) as (proxy, _):
        environment(AWS_ENDPOINT_URL=proxy)
        store = remote_at(s3_address)
        if verb == "put":
            store.put("a", b"new")
        elif verb == "create":
            store.create("a", b"new")
        else:
            assert tag is not None
            store.replace("a", b"new", tag.tag)
    assert content_of(direct.get("a")) == b"new"
    assert len(writes) == 2


@pytest.mark.parametrize("fault", ["lost before", "500"])
def test_anothers_content_under_the_key_is_not_taken_for_a_lost_write(
    fault: str, s3_address: str, s3_endpoint: str, environment: Callable[..., None]
) -> None:
    direct = remote_at(s3_address)
    direct.put("kept", b"old")
    read = direct.get("kept")
    assert read is not None

    def plan(number: int, method: str, path: str) -> str:
        if method != "PUT":
            return ""
        key = path.partition("?")[0].rpartition("/")[2]
        if content_of(direct.get(key)) in (None, b"old"):
            direct.put(key, b"theirs")
            return fault
        return ""

    with fault_proxy(s3_endpoint, plan) as (proxy, _):
        environment(AWS_ENDPOINT_URL=proxy)
        store = remote_at(s3_address)
        with pytest.raises(Taken):
            store.create("new", b"mine")
        with pytest.raises(Changed):
            store.replace("kept", b"mine", read.tag)
    assert content_of(direct.get("new")) == content_of(direct.get("kept")) == b"theirs"


def test_updates_over_a_line_that_loses_every_third_answer_lose_none(
    s3_address: str, s3_endpoint: str, environment: Callable[..., None]
) -> None:
    direct = remote_at(s3_address)
    assert direct.get("log") is None
    with fault_proxy(s3_endpoint, lambda number, method, path: "lost after" if number % 3 == 0 else "") as (proxy, _):
        environment(AWS_ENDPOINT_URL=proxy)
        store = remote_at(s3_address)
        for number in range(12):
            update(store, "log", lambda before, number=number: (before or b"") + f"{number} ".encode())  # type: ignore[misc]
    assert content_of(direct.get("log")) == b"".join(f"{n} ".encode() for n in range(12))


@pytest.mark.parametrize("fault", ["500", "lost before"])
def test_a_line_that_stays_down_is_an_error_in_words_with_the_place(
    fault: str, s3_address: str, s3_endpoint: str, environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "ATTEMPTS", 2)
    direct = remote_at(s3_address)
    assert direct.list() == []
    with fault_proxy(s3_endpoint, lambda *_: fault) as (proxy, seen):
        environment(AWS_ENDPOINT_URL=proxy)
        store = remote_at(s3_address)
        for attempt in (
            partial(store.get, "a"),
            partial(store.put, "a", b"x"),
            partial(store.create, "a", b"x"),
            partial(store.state, "a"),
            store.list,
        ):
            with pytest.raises(WarehouseError, match=f"cannot (read|write|list) {s3_address}.*; check FOREX_STORE"):
                attempt()
    assert len(seen) == 10
    assert direct.list() == []


def test_a_bucket_that_is_not_there_is_an_error_and_not_an_empty_store(
    s3_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "ATTEMPTS", 2)
    store = remote_at(s3_address.replace("s3://tests", "s3://nosuchbucket"))
    for attempt in (lambda: store.get("a"), store.list):
        with pytest.raises(WarehouseError, match=r"cannot (read|list) s3://nosuchbucket"):
            attempt()
