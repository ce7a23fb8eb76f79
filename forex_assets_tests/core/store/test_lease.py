"""A lease passes on after its holder's death, and never before."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from forex_assets.core.store import lease as module
from forex_assets.core.store.lease import Lease
from forex_assets.core.store.memory import Memory
from forex_assets.core.store.opening import open_store
from forex_assets.core.store.port import Locked, WarehouseError

HOLDS = """
import sys
from forex_assets.core.store.lease import Lease
from forex_assets.core.store.opening import open_store
with Lease(open_store(sys.argv[1]), "deployment", 1.0).held(5):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_living_holder_keeps_its_lease_and_a_killed_ones_passes_on(s3_address: str) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, s3_address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    mine = Lease(open_store(s3_address), "deployment", 1.0)
    with pytest.raises(Locked, match=f"process {holder.pid} on"):
        mine.held(2.5).__enter__()  # longer than the lease: it was renewed
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    with mine.held(30) as confirm:
        confirm()
    with Lease(open_store(s3_address), "deployment", 60.0).held(0):
        pass  # given back: nobody waits


def test_a_holder_that_could_not_renew_is_told_before_it_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Memory()
    with Lease(store, "x", 600.0).held(0) as confirm:
        confirm()
        now = time.monotonic()
        monkeypatch.setattr(module.time, "monotonic", lambda: now + 301)
        with pytest.raises(WarehouseError, match="the lock x in memory:// could not be renewed"):
            confirm()


def test_a_holder_whose_lease_was_taken_over_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Memory()
    with Lease(store, "x", 0.5).held(0) as confirm:
        store.put("locks/x.json", b'{"holder": "another", "at": "2999-01-01T00:00:00+00:00"}')
        time.sleep(0.6)  # past the next renewal
        with pytest.raises(WarehouseError, match="may be another's"):
            confirm()


@pytest.mark.parametrize(("minutes", "is_dead"), [(9, False), (11, True)])
def test_a_process_that_cannot_wait_takes_over_what_is_long_dead(minutes: int, is_dead: bool) -> None:
    store = Memory()
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    store.put("locks/x.json", f'{{"holder": "gone", "at": "{at.isoformat()}"}}'.encode())
    if is_dead:
        with Lease(store, "x").held(0):
            pass
    else:
        with pytest.raises(Locked, match="by gone"):
            Lease(store, "x").held(0).__enter__()
