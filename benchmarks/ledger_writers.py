"""Writers without a lock, appending to one chain.

`python benchmarks/ledger_writers.py --store s3://bucket/folder` with the service's environment names set. Prints how
many entries were lost, whether the chain is whole, and the median time of an append in the first and the last tenth.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

from forex_assets.core.store.opening import open_store
from forex_assets.core.store.warehouse import Warehouse
from forex_assets.forecasts.ledger_store import LedgerStore
from ledger import HORIZON, MADE, forecast_of


def write(address: str, first: int, last: int) -> None:
    """Appends forecasts and prints the seconds of each."""
    store, seconds = LedgerStore(Warehouse(open_store(address))), list[float]()
    for number in range(first, last):
        forecast = forecast_of(number)
        began = time.perf_counter()
        store.append(forecast, **MADE)
        seconds.append(time.perf_counter() - began)
    print(json.dumps(seconds))


def main() -> None:
    """Starts the writers, waits for them, and looks at the chain."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True)
    parser.add_argument("--entries", type=int, default=1000)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--part", type=int, nargs=2, help="what one writer appends")
    given = parser.parse_args()
    if given.part:
        write(given.store, *given.part)
        return
    quota = given.entries // given.writers
    parts = [(str(quota * n), str(quota * (n + 1))) for n in range(given.writers)]
    command = [sys.executable, __file__, "--store", given.store, "--part"]
    writers = [subprocess.Popen([*command, *part], stdout=subprocess.PIPE, text=True) for part in parts]
    seconds = [json.loads(writer.communicate()[0]) for writer in writers]
    store, tenth = LedgerStore(Warehouse(open_store(given.store))), max(quota // 10, 1)
    rows = store.read(HORIZON)
    first = statistics.median(s for times in seconds for s in times[:tenth])
    last = statistics.median(s for times in seconds for s in times[-tenth:])
    lost = quota * given.writers - rows["as_of"].n_unique()
    verdict = store.verify(HORIZON) or "whole"
    print(f"{quota * given.writers} entries by {given.writers} writers: {lost} lost, chain {verdict}")
    print(f"append, median ms: first tenth {1000 * first:.0f}, last tenth {1000 * last:.0f}")


if __name__ == "__main__":
    main()
