"""Laws of a store, the same for a folder, memory and a real S3 server."""

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from forex_assets.core.store.opening import open_store
from forex_assets.core.store.port import Changed, Locked, Store, Taken, WarehouseError, update

ADDRESSES = ("folder", "memory", "s3")
PLACES = pytest.mark.parametrize("address", ADDRESSES, indirect=True)
SHARED = pytest.mark.parametrize("address", ["folder", "s3"], indirect=True)

RACES = """
import sys
from forex_assets.core.store.opening import open_store
from forex_assets.core.store.port import Changed, Taken, update
address, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = open_store(address)
won = []
print("ready", flush=True)
sys.stdin.readline()
for number in range(rounds):
    try:
        store.create(f"created/{number}", name.encode())
        won.append(f"created/{number}")
    except Taken:
        pass
    seen = store.get(f"seed/{number}")
    if seen is not None and seen.content == b"seed":
        try:
            store.replace(f"seed/{number}", name.encode(), seen.tag)
            won.append(f"seed/{number}")
        except Changed:
            pass
    update(store, "log", lambda before: (before or b"") + f"{name}-{number} ".encode())
print(*won, flush=True)
"""


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty store."""
    if request.param == "folder":
        return str(tmp_path / "store")
    return request.getfixturevalue("s3_address") if request.param == "s3" else f"memory://{request.node.nodeid}"


@pytest.fixture
def store(address: str) -> Store:
    return open_store(address)


@PLACES
def test_what_was_put_is_got_and_what_was_not_is_none(store: Store) -> None:
    assert store.get("a/b.json") is None
    assert store.state("a/b.json") is None
    for content in (b"one", b"", bytes(range(256)) * 4000):
        store.put("a/b.json", content)
        entry = store.get("a/b.json")
        assert entry is not None
        assert entry.content == content
        assert store.state("a/b.json") == entry.state
    store.put("a/b.json", b"another")
    assert store.state("a/b.json") != entry.state


@PLACES
def test_create_refuses_a_taken_key_even_for_equal_content(store: Store) -> None:
    store.create("a", b"one")
    for content in (b"two", b"one"):
        with pytest.raises(Taken, match="a is there already; nothing was written"):
            store.create("a", content)
    entry = store.get("a")
    assert entry is not None
    assert entry.content == b"one"
    store.remove("a")
    store.create("a", b"three")


@PLACES
def test_replace_refuses_what_was_written_or_removed_since_it_was_read(store: Store) -> None:
    store.put("a", b"one")
    read = store.get("a")
    assert read is not None
    store.replace("a", b"two", read.tag)
    with pytest.raises(Changed, match="a was changed meanwhile; nothing was written"):
        store.replace("a", b"three", read.tag)
    newer = store.get("a")
    assert newer is not None
    assert newer.content == b"two"
    store.remove("a")
    with pytest.raises(Changed):
        store.replace("a", b"three", newer.tag)
    assert store.get("a") is None


@PLACES
def test_keys_are_listed_ascending(store: Store) -> None:
    keys = ["a", "b/2", "b/1", "b/c/3", "bb/4", "b-5"]
    for key in keys:
        store.put(key, b"x")
    assert list(store.list()) == sorted(keys)
    assert list(store.list("b")) == ["b/1", "b/2", "b/c/3"]
    assert list(store.list("none")) == []


@PLACES
def test_a_store_below_holds_the_same_keys_without_the_folder(store: Store) -> None:
    below = store.under("b/c")
    below.create("1", b"x")
    assert list(store.list()) == ["b/c/1"]
    assert list(below.list()) == ["1"]
    assert store.place("b/c/1") == below.place("1")
    assert below.under("d").place() == store.place("b/c/d")
    below.remove("1")
    below.remove("1")
    assert list(store.list()) == []


@PLACES
@pytest.mark.parametrize("key", ["", "/a", "a/", "../a", "a/../b", ".hidden", "a//b", "a\\b", "x" * 201])
def test_a_key_that_is_no_plain_path_is_refused(store: Store, key: str) -> None:
    for attempt in (lambda: store.get(key), lambda: store.put(key, b"x"), lambda: store.remove(key)):
        with pytest.raises(WarehouseError, match="is no plain name"):
            attempt()


@PLACES
def test_an_update_is_called_again_where_another_wrote_meanwhile(store: Store) -> None:
    seen = list[bytes | None]()

    def change(before: bytes | None) -> bytes:
        seen.append(before)
        if len(seen) == 1:
            store.create("a", b"other")
        elif len(seen) == 2:
            store.put("a", b"OTHER")
        return (before or b"") + b"+mine"

    assert update(store, "a", change) == b"OTHER+mine"
    assert seen == [None, b"other", b"OTHER"]


@PLACES
def test_a_lock_keeps_others_out_names_its_holder_and_is_free_afterwards(store: Store) -> None:
    with store.lock("deploy/7d", 1) as confirm:
        confirm()
        with pytest.raises(Locked, match=r"deploy/7d in .* has been locked for over 0 s by process \d+ on"):
            store.lock("deploy/7d", 0).__enter__()
        with store.lock("deploy/15d", 0):
            pass  # another name is free
    with pytest.raises(RuntimeError, match="mine"), store.lock("deploy/7d", 0):
        raise RuntimeError("mine")
    with store.lock("deploy/7d", 0):
        pass


@PLACES
def test_a_lock_has_one_holder_at_a_time_among_threads(store: Store) -> None:
    inside, most = list[int](), list[int]()

    def work() -> None:
        for _ in range(3):
            with store.lock("x", 60):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 9


@SHARED
def test_of_racing_processes_one_wins_each_key_and_no_update_is_lost(store: Store, address: str) -> None:
    rounds, names = 15, ["p", "q", "r"]
    for number in range(rounds):
        store.put(f"seed/{number}", b"seed")
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACES, address, name, str(rounds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    answers = [racer.communicate("go\n", timeout=120)[0].split() for racer in racers]
    wins = Counter(key for answer in answers for key in answer)
    assert wins == Counter([f"{kind}/{number}" for kind in ("created", "seed") for number in range(rounds)])
    for name, answer in zip(names, answers, strict=True):
        held = {key: store.get(key) for key in answer}
        assert {key: entry.content for key, entry in held.items() if entry} == dict.fromkeys(answer, name.encode())
    log = store.get("log")
    assert log is not None
    assert sorted(log.content.decode().split()) == sorted(f"{name}-{n}" for name in names for n in range(rounds))
