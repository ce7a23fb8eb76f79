"""Compares embedded models with the EWMA walk.

`python benchmarks/embedded.py CLOSES.csv`, at 5, 11, 21 and 64 sessions.

The file is yours (columns date, close: true market closes); none comes with the project. Weekly origins on one weekday,
200 samples, before any calibration. Several folders, such as those of three seeds (`train_embedded.py --seed 1
--out s1`), are put side by side on the same origins.
"""

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from accuracy_prices import closes_from
from forex_assets.accuracy.compare import skill
from forex_assets.core.fan import Array
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.scores import covered, crps, rmse
from forex_assets.core.settings import PROJECT
from forex_assets.forecasts.baselines import EwmaEngine
from forex_assets.forecasts.chronos.model import ChronosEngine
from forex_assets.forecasts.engine import Engine, Origin

STEPS = (5, 11, 21, 64)
SHIPPED = PROJECT / "forex_assets/models/embedded"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")


def fans_of(engine: Engine, config: InferenceConfig, closes: Array, origins: Sequence[int]) -> Array:
    """Quantiles at the four steps, shape (origins, 4, 9)."""
    fans = engine.forecast([Origin(closes[: i + 1], max(STEPS), {}) for i in origins], config)
    return np.stack([fan.quantiles[[k - 1 for k in STEPS]] for fan in fans])


def lines(name: str, model: Array, walk: Array, closes: Array, origins: Sequence[int]) -> list[str]:
    """One row of the table a step."""
    rows = []
    for j, k in enumerate(STEPS):
        known = [a for a, i in enumerate(origins) if i + k < len(closes)]
        y = np.array([closes[origins[a] + k] for a in known])
        last = np.array([closes[origins[a]] for a in known])
        q, w = model[known, j], walk[known, j]
        ratio = skill(crps(y, q), crps(y, w), overlap=max(1.0, k / 5))
        inside = [100 * covered(y, q[:, low], q[:, high]).mean() for low, high in ((2, 6), (0, 8))]
        rows.append(
            f"| {name} | {k} | {len(y)} | {1 - ratio.value:.4f} [{1 - ratio.high:.4f}, {1 - ratio.low:.4f}] | "  # type: ignore[operator]
            f"{rmse(y - q[:, 4]) / rmse(y - last):.4f} | {inside[0]:.1f} | {inside[1]:.1f} |"
        )
    return rows


def main() -> None:
    """The table, as markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("closes", type=Path)
    parser.add_argument("--models", type=Path, nargs="*", default=[SHIPPED])
    parser.add_argument("--weekday", choices=WEEKDAYS, default="wednesday")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=date(2016, 1, 1))
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=date(2023, 12, 31))
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--samples", type=int, default=200)
    asked = parser.parse_args()
    table = closes_from(asked.closes).filter(pl.col("session") <= asked.last)
    sessions, closes = table["session"].to_list(), table["clp_per_usd"].to_numpy()
    day = WEEKDAYS.index(asked.weekday)
    origins = [i for i, session in enumerate(sessions) if session >= asked.first and session.weekday() == day]
    config = InferenceConfig(
        horizon="90d",
        model="embedded",
        context_length=asked.context,
        num_samples=asked.samples,
        temperature=1.0,
        representation="returns",
    )
    walk = fans_of(EwmaEngine(), config, closes, origins)
    print("| model | sessions | n | CRPS / EWMA walk | RMSE of the median / random walk | inside 80 % | inside 95 % |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    print("\n".join(lines("EWMA walk", walk, walk, closes, origins)))
    for folder in asked.models:
        fans = fans_of(ChronosEngine(str(folder)), config, closes, origins)
        print("\n".join(lines(folder.resolve().name, fans, walk, closes, origins)), flush=True)


if __name__ == "__main__":
    main()
