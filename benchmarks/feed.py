"""Compares a stored peso history with market closes.

`python benchmarks/feed.py CLOSES.csv`.

CLOSES.csv: columns `session` (YYYY-MM-DD) and `close` (CLP per USD), the market's close on its true date. No such file
comes with the project: their owners grant no redistribution. Reads `market/usdclp` of `FOREX_WAREHOUSE`.

Per year and over all: sessions in both, median and 95th percentile of the absolute difference in percent, and the mean
ratio of the EWMA(.97) volatilities; once with every finished bar, once with what the platform uses.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import polars as pl

from forex_assets.core.session import open_session

DECAY = 0.97
SEED = 20


def volatility(prices: np.ndarray) -> np.ndarray:
    """EWMA volatility after each return, seeded by the first twenty."""
    squares = np.diff(np.log(prices)) ** 2
    variance, path = squares[:SEED].mean(), []
    for square in squares:
        variance = DECAY * variance + (1 - DECAY) * square
        path.append(variance**0.5)
    return np.array(path)


def compare(rows: pl.DataFrame, closes: pl.DataFrame) -> pl.DataFrame:
    """Differences by year: n, median, 95th percentile, volatility ratio."""
    joint = rows.join(closes, on="session").sort("session")
    ratio = volatility(joint["clp_per_usd"].to_numpy()) / volatility(joint["close"].to_numpy())
    off = (pl.col("clp_per_usd") / pl.col("close") - 1).abs() * 100
    table = joint.with_columns(off=off, ratio=pl.Series([float("nan"), *ratio])).tail(-1)
    return (
        table.group_by(pl.col("session").dt.year().alias("year"))
        .agg(
            n=pl.len(),
            median_pct=pl.col("off").median(),
            p95_pct=pl.col("off").quantile(0.95),
            vol_ratio=pl.col("ratio").mean(),
        )
        .sort("year")
    )


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("closes", type=Path)
    closes = pl.read_csv(parser.parse_args().closes, try_parse_dates=True).select("session", "close")
    stored = open_session().live_tables.read("market/usdclp")
    if stored is None:
        sys.exit("market/usdclp is not in the warehouse: run `forex-assets ingest` first")
    finished = stored.filter(~pl.col("is_provisional") & pl.col("clp_per_usd").is_between(200, 3000))
    with pl.Config(tbl_rows=50, float_precision=3):
        print("every finished bar", compare(finished, closes))
        print("what the platform uses", compare(finished.filter(~pl.col("is_quarantined")), closes))


if __name__ == "__main__":
    main()
