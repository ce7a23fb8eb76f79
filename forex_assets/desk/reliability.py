"""Record of the chances that issued fans gave: reliability and Brier score.

Every fan of ledger and backtest is asked for levels at fixed distances from its price, at its target date, by the rules
that answer `forex-assets odds`. The ledger keeps each fan as it was issued, so its chances are those of that day.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import polars as pl

from forex_assets.core.fan import Array
from forex_assets.core.schemas import QUANTILE_COLUMNS, Schema
from forex_assets.core.scores import pit
from forex_assets.desk.touches import DAILY_CLOSES

DISTANCES: Final = (-2.0, -1.5, -1.0, -0.6, 0.6, 1.0, 1.5, 2.0)
"""Levels scored, in deviations of the walk's close at the target.

Their chances lie inside the bins, away from the edges.
"""

BINS: Final = 10
ALL: Final = "all"

RELIABILITY_SCHEMA: Final[Schema] = {
    "record": pl.String,
    "horizon": pl.String,
    "question": pl.String,
    "bin": pl.String,
    "questions": pl.Int64,
    "fans": pl.Int64,
    "mean_chance": pl.Float64,
    "observed_share": pl.Float64,
    "brier": pl.Float64,
    "brier_skill": pl.Float64,
}

_FAN: Final = ("record", "horizon", "as_of", "version", "engine", "model", "config_fingerprint", "entry_hash")


def chances_and_outcomes(realized: pl.DataFrame) -> pl.DataFrame:
    """Returns each question's chance and outcome.

    Args:
        realized: `REALIZED_SCHEMA`; fans without a price at the target, and those of challengers, are left out.

    Returns:
        record, horizon, question, chance, came (0 or 1); one row a fan, distance and question.
    """
    rows = realized.filter(~pl.col("is_shadow")).sort("step")
    keys = [*_FAN, "data_fingerprint"]
    extremes = rows.group_by(keys).agg(
        highest=pl.col("realized_clp_per_usd").max(), lowest=pl.col("realized_clp_per_usd").min()
    )
    targets = rows.filter("is_target").join(extremes, on=keys, how="inner", maintain_order="left")
    if targets.is_empty():
        return pl.DataFrame(schema={"record": pl.String, "horizon": pl.String, "question": pl.String,
                                    "chance": pl.Float64, "came": pl.Float64})  # fmt: skip
    price, sd, h = (targets[name].to_numpy().astype(np.float64) for name in ("origin_clp_per_usd", "ewma_sd", "step"))
    close, highest, lowest = (targets[name].to_numpy() for name in ("realized_clp_per_usd", "highest", "lowest"))
    quantiles = targets.select(QUANTILE_COLUMNS).to_numpy()
    tables = []
    for distance in DISTANCES:
        level = price * np.exp(distance * sd * np.sqrt(h))
        above = 1.0 - pit(level, quantiles)
        beyond = above if distance > 0 else 1.0 - above
        touched = (highest >= level) if distance > 0 else (lowest <= level)
        for question, chance, came in (
            ("above", above, close > level),
            ("touch", np.maximum(_touches(level, price, sd, h), beyond), touched),
        ):
            columns = {"chance": chance, "came": came.astype(np.float64)}
            tables.append(targets.select("record", "horizon").with_columns(
                pl.lit(question).alias("question"), *(pl.Series(name, values) for name, values in columns.items())
            ))  # fmt: skip
    return pl.concat(tables)


def _touches(level: Array, price: Array, sd: Array, sessions: Array) -> Array:
    """Returns touch chances of many questions, as `touches`."""
    from scipy.special import ndtr

    distance = np.abs(np.log(level / price)) + DAILY_CLOSES * sd
    return np.asarray(np.minimum(1.0, 2.0 * ndtr(-distance / (sd * np.sqrt(sessions)))))


def reliability(realized: pl.DataFrame) -> pl.DataFrame:
    """Returns stated chances beside observed shares, by bin and in all.

    Args:
        realized: `REALIZED_SCHEMA`, any records and horizons.

    Returns:
        `RELIABILITY_SCHEMA`; bins without a question are left out.
    """
    scored = chances_and_outcomes(realized)
    records = list(_records(scored))
    return pl.DataFrame(records, schema=RELIABILITY_SCHEMA)


def _records(scored: pl.DataFrame) -> Iterator[dict[str, Any]]:
    for key, rows in scored.group_by(["record", "horizon", "question"], maintain_order=True):
        names = dict(zip(("record", "horizon", "question"), map(str, key), strict=True))
        yield names | {"bin": ALL} | _scores(rows)
        places = (rows["chance"] * BINS).floor().clip(0, BINS - 1).cast(pl.Int64)
        for place in places.unique().sort():
            label = f"{place * 100 // BINS}-{(place + 1) * 100 // BINS} %"
            yield names | {"bin": label} | _scores(rows.filter(places == place))


def _scores(rows: pl.DataFrame) -> dict[str, Any]:
    chance, came = rows["chance"].to_numpy(), rows["came"].to_numpy()
    brier, share = float(np.mean((chance - came) ** 2)), float(came.mean())
    base = share * (1 - share)
    return {
        "questions": rows.height,
        "fans": max(1, rows.height // len(DISTANCES)),
        "mean_chance": float(chance.mean()),
        "observed_share": share,
        "brier": brier,
        "brier_skill": 1 - brier / base if base else None,
    }
