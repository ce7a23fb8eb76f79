"""Paired losses of champion and challenger on the same dates."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forex_assets.accuracy.compare import FEWEST, Skill, effective_size
from forex_assets.accuracy.scorecard import overlap_of
from forex_assets.core.fan import Array
from forex_assets.core.schemas import QUANTILE_COLUMNS
from forex_assets.core.scores import covered

CHAMPION, CHALLENGER = 0, 1
"""Places in every pair of this package's arrays."""

TAIL: Final = 0.025
"""Tail probability of a 95 % interval, each side."""

WALK: Final = "ewma"
"""Name of the EWMA benchmark, champion of a horizon without settings."""

_PAIRED: Final = ("as_of", "target_date", "realized_clp_per_usd", "error", "crps", "q025", "q975")


@dataclass(frozen=True, eq=False)
class Evidence:
    """Forecasts of both on the same origins, with outcomes.

    Oldest first.

    Attributes:
        as_of: days of the origins, a `pl.Date` series.
        realized: CLP per USD, shape (n,).
        errors: realized - median, CLP per USD, shape (2, n): champion, challenger.
        crps: CLP per USD, shape (2, n).
        hits: whether the 95 % band held the price, shape (2, n).
        seconds: of the two engines for one fan each, taken by turns; shape (2, pairs), above 0.
        overlap: forecasts that run at once, at least 1.
    """

    as_of: pl.Series
    realized: Array
    errors: Array
    crps: Array
    hits: NDArray[np.bool_]
    seconds: Array
    overlap: float

    @property
    def n(self) -> int:
        """Origins."""
        return len(self.realized)

    @property
    def squares(self) -> Array:
        """Squared errors, shape (2, n)."""
        return self.errors**2

    @property
    def percentages(self) -> Array:
        """Absolute errors as shares of what came true, shape (2, n)."""
        return np.asarray(np.abs(self.errors) / np.abs(self.realized))


def evidence_of(
    champion: pl.DataFrame, challenger: pl.DataFrame, seconds: Array, *, overlap: float | None = None
) -> Evidence:
    """Pairs both on their common origins, at the target.

    Args:
        champion: `REALIZED_SCHEMA`, one engine and config; rows of other steps than the target's are left out.
        challenger: the same.
        seconds: see `Evidence`; shape (2, 0) where nothing was timed.
        overlap: forecasts that run at once; None to read it off the dates.

    Raises:
        ValueError: an origin stands twice, the two were held against other prices, or seconds of another shape.
    """
    seconds = np.asarray(seconds, dtype=np.float64)
    if seconds.ndim != 2 or len(seconds) != 2 or not (seconds > 0).all():
        raise ValueError(f"seconds of shape {seconds.shape}; wanted two rows, champion and challenger, all above 0")
    sides = [rows.filter("is_target").select(_PAIRED) for rows in (champion, challenger)]
    both = sides[0].join(sides[1], on="as_of", how="inner", suffix="_b", validate="1:1").sort("as_of")
    if (both["realized_clp_per_usd"] != both["realized_clp_per_usd_b"]).any():
        raise ValueError("champion and challenger were held against different prices; make both anew on the same table")

    def pair(name: str) -> Array:
        return np.stack([both[name].to_numpy(), both[f"{name}_b"].to_numpy()])

    realized, low, high = both["realized_clp_per_usd"].to_numpy(), pair("q025"), pair("q975")
    return Evidence(
        as_of=both["as_of"],
        realized=realized,
        errors=pair("error"),
        crps=pair("crps"),
        hits=np.stack([covered(realized, low[side], high[side]) for side in (CHAMPION, CHALLENGER)]),
        seconds=seconds,
        overlap=overlap_of(both) if overlap is None else max(1.0, overlap),
    )


def walk_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """The EWMA benchmark's forecasts from the same origins.

    Args:
        rows: `REALIZED_SCHEMA`.

    Returns:
        The same columns, those that `evidence_of` reads being the walk's.
    """
    walk = {name: pl.col(f"walk_{name}") for name in (*QUANTILE_COLUMNS, "crps")}
    return rows.with_columns(
        error=pl.col("realized_clp_per_usd") - pl.col("walk_q50"),
        engine=pl.lit(WALK),
        model=pl.lit(WALK),
        config_fingerprint=pl.lit(WALK),
        **walk,
    )


def gain(loss: Array, reference: Array, overlap: float, *, root: bool = False) -> Skill:
    """Skill with its 95 % interval by the delta method.

    1 - mean loss / mean reference loss, on the effective sample size.

    The log of the ratio has the standard error of its influences, loss / mean loss - reference / mean reference, over
    the root of their effective size, and Student's t on that size. `compare.skill` comes to the same by resampling, at
    a hundred times the price, which the simulation of the gate cannot pay.

    Args:
        loss: of the challenger, oldest first, shape (n,), 0 or more.
        reference: of the champion on the same dates, shape (n,).
        overlap: forecasts that run at once.
        root: compare the roots of the means: with squared errors, the RMSE.

    Returns:
        No value where either lost nothing; no bounds where fewer than four errors are independent.
    """
    n, means = len(loss), (float(loss.mean()) if len(loss) else 0.0, float(reference.mean()) if len(loss) else 0.0)
    if min(means) <= 0:
        return Skill(None, None, None, n, float(n))
    influence = loss / means[0] - reference / means[1]
    n_effective = effective_size(influence, overlap)
    power = 0.5 if root else 1.0
    log_ratio = power * math.log(means[0] / means[1])
    if n_effective < FEWEST:
        return Skill(1 - math.exp(log_ratio), None, None, n, n_effective)
    reach = power * student(n_effective) * float(np.std(influence)) / math.sqrt(n_effective)
    return Skill(
        1 - math.exp(log_ratio), 1 - math.exp(log_ratio + reach), 1 - math.exp(log_ratio - reach), n, n_effective
    )


def student(n_effective: float) -> float:
    """Student's t quantile at 97.5 %.

    At least one degree of freedom.
    """
    from scipy.special import stdtrit  # here, since every code server would pay for it at the top

    return float(stdtrit(max(1.0, n_effective - 1), 1 - TAIL))
