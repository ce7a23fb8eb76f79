"""Cost of append and verification by a chain's length.

`python benchmarks/ledger_length.py --entries 10 1000 10000 100000`, in memory; `--store FOLDER` or `s3://bucket/folder`
with the service's environment names set. Older entries are a few bytes each, which nobody opens; the last 40 are real
and chained, and the index lists all. Prints calls, kB and processor milliseconds of each, medians of 15.
"""

import argparse
import itertools
import statistics
import time
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta

from forex_assets.core.names import LEDGER
from forex_assets.core.store.opening import open_store
from forex_assets.core.store.port import Store
from forex_assets.core.store.warehouse import SUFFIX, Warehouse
from forex_assets.forecasts.ledger import entry_of
from forex_assets.forecasts.ledger_files import EntryFile, EntryFiles, subject_of
from forex_assets.forecasts.ledger_index import LedgerIndex, Tip
from forex_assets.forecasts.ledger_store import LedgerStore
from ledger import HORIZON, MADE, forecast_of
from store_cost import VERBS, Counting

REAL = 40
"""Entries at a chain's end that are read."""

REPEATS = 15
FINGERPRINT = "0123456789abcdef"


def fill(store: Store, entries: int) -> None:
    """Makes a chain of a length, and its index."""
    days = (date(2000, 1, 1) + timedelta(days=number) for number in range(entries))
    subjects = [(f"{day}_{FINGERPRINT}", EntryFile(number).stem) for number, day in enumerate(days, start=1)]
    real, warehouse = max(entries - REAL, 0), Warehouse(store)
    for _, stem in subjects[:real]:
        store.create(f"{LEDGER}/{HORIZON}/{stem}{SUFFIX}", b"unread")
    files, head = EntryFiles(warehouse, LEDGER), "beef" if real else ""
    for number in range(real, entries):
        forecast = forecast_of(number)
        entry = entry_of(forecast, sequence=number + 1, version=1, previous_hash=head, **MADE)
        assert subject_of(entry)[1] == subjects[number][0]
        files.create(HORIZON, entry)
        head = entry["entry_hash"][0]
    index = LedgerIndex(store.under(f"{LEDGER}_index"))
    index.add(HORIZON, subjects)
    index.put(HORIZON, Tip(sequence=entries, file=subjects[-1][1], head=head))


def cost(calls: Counter[str], work: Callable[[], object]) -> tuple[Counter[str], float]:
    """Calls and processor milliseconds of a piece of work."""
    calls.clear()
    began = time.process_time()
    work()
    return Counter(calls), 1000 * (time.process_time() - began)


def measure(address: str, entries: int) -> None:
    """Prints a row a piece of work."""
    calls, plain = Counter[str](), open_store(address).under(f"length_{entries}")
    fill(plain, entries)
    ledger, numbers = LedgerStore(Warehouse(Counting(plain, calls))), itertools.count(entries)
    head = str(ledger.head(HORIZON))

    def verify() -> None:
        assert ledger.verify_after(HORIZON, entries, head).misfit is None

    works: dict[str, Callable[[], object]] = {
        "append": lambda: ledger.append(forecast_of(next(numbers)), **MADE),
        "again": lambda: ledger.append(forecast_of(entries - 5), **MADE),
        "verify": verify,
    }
    for name, work in works.items():
        seen = [cost(calls, work) for _ in range(REPEATS)]
        middle = {key: statistics.median(sample[0][key] for sample in seen) for key in (*VERBS, "read", "written")}
        verbs = ", ".join(f"{middle[verb]:.0f} {verb}" for verb in VERBS if middle[verb])
        kilobytes = (middle["read"] + middle["written"]) / 1000
        milliseconds = statistics.median(sample[1] for sample in seen)
        print(f"{entries:>7,} {name:<8}{milliseconds:>7.1f} ms CPU {kilobytes:>7.0f} kB  {verbs}", flush=True)


def main() -> None:
    """Measures each length."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="memory://length")
    parser.add_argument("--entries", type=int, nargs="+", default=[10, 1_000, 10_000, 100_000])
    given = parser.parse_args()
    for entries in given.entries:
        measure(given.store, entries)


if __name__ == "__main__":
    main()
