"""Reads of one command, counted from outside: each table at most once, over all of its runs and checks."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from forex_assets.core.schemas import REALIZED_SCHEMA, empty
from forex_assets.core.store.warehouse import Warehouse

COUNTING = """
import collections, json, os, sys

reads = collections.Counter()

def count(event, args):
    if event == "open" and isinstance(args[0], (str, bytes, os.PathLike)):
        path, mode = os.fsdecode(args[0]), args[1] or "r"
        if path.endswith((".parquet", ".json", ".yaml")) and not set(mode) & set("wax+") and os.path.exists(path):
            reads[path] += 1

sys.addaudithook(count)

import polars as pl

def refuse(source, *args, **kwargs):
    if isinstance(source, (str, os.PathLike)):
        raise AssertionError(f"polars reads {source} itself, which no audit hook sees")
    return read(source, *args, **kwargs)

read, pl.read_parquet = pl.read_parquet, refuse
import forex_assets.core.settings as settings
loads = []
load = settings.load_settings
settings.load_settings = lambda *args, **kwargs: (loads.append(1), load(*args, **kwargs))[1]

from forex_assets.cli import main

sys.argv = ["forex-assets", "forecast", "--horizon", "all", "--stored", "--json"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("READS", json.dumps({"loads": len(loads), "files": reads}))
"""


def run(*command: str) -> str:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_forecast_of_all_horizons_reads_no_table_twice_and_fifteen_at_most(
    workspace: Path, environment: Callable[..., None]
) -> None:
    run("-m", "forex_assets", "forecast", "--json")
    for horizon in ("7d", "15d", "30d", "90d"):
        Warehouse(workspace / "warehouse/sample").write("accuracy/backtest", empty(REALIZED_SCHEMA), horizon)
    environment(FOREX_AS_OF="2025-06-16")
    counts = json.loads(run("-c", COUNTING).split("READS ")[1])
    tables = {path: n for path, n in counts["files"].items() if path.endswith(".parquet")}
    assert len(tables) >= 10  # prices, features, and by horizon backtest, record and ledger: the counter counts
    assert sum(tables.values()) <= 15
    configs = {path: n for path, n in counts["files"].items() if str(workspace / "configs") in path}
    assert len(configs) >= 4
    assert {path: n for path, n in (tables | configs).items() if n > 1} == {}
    assert counts["loads"] <= 2
