"""Generated markets with candidates of known quality."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from forex_assets.core.fan import Array
from forex_assets.optimizer.paired_losses import Evidence
from generated_returns import garch
from market_faults import normal_crps

SPACING: Final = 5
"""Sessions between origins: weekly ones, as `configs/policy.yaml` has them."""

STEPS: Final = {"7d": 5, "15d": 11, "30d": 21, "90d": 63}
"""Sessions to the target."""

CANDIDATES: Final = 27
PRICE: Final = 900.0
DAILY_SD: Final = 0.006
ALPHA, BETA = 0.06, 0.92

MEDIAN_NOISE: Final = 0.25
"""Standard deviation of a forecast's noise, relative to the error's.

With it, the best of 27 equal candidates shows a gain on 42 origins of the size that such loops report. The median of
fifty sampled paths alone is off by .18.
"""

WIDE, NARROW = 1.25, 0.685
"""Relative widths of two misspecified fans with equal mean CRPS.

Within .2 % on these markets, at overlaps of one to three.
"""

WIDTH_NOISE: Final = 0.08
"""Standard deviation of the log width between candidates."""

COMMON: Final = 0.5
"""Share of the noise variance common to all candidates."""

LASTING: Final = 0.5
"""Share of the noise variance that lasts as long as a forecast."""

CHUNK: Final = 50
"""Markets generated at once, which bounds memory."""

_BAND: Final = 1.959964


@dataclass(frozen=True, eq=False)
class Worlds:
    """Forecasts of incumbent (index 0) and candidates at weekly origins.

    Attributes:
        realized: CLP per USD, shape (worlds, n).
        errors: realized - median, shape (worlds, 1 + candidates, n).
        crps: of normal fans, the same shape.
        hits: whether the 95 % band held, the same shape.
        overlap: forecasts that run at once.
    """

    realized: Array
    errors: Array
    crps: Array
    hits: Array
    overlap: float

    def pair(self, world: int, candidate: int, last: int, seconds: Array) -> Evidence:
        """Evidence on incumbent and one candidate in one market."""
        places = np.s_[world, [0, candidate], -last:]
        days = pl.date_range(pl.date(2000, 1, 7), pl.date(2000, 1, 7) + pl.duration(weeks=last - 1), "1w", eager=True)
        return Evidence(
            days, self.realized[world, -last:], self.errors[places], self.crps[places], self.hits[places] > 0, seconds,
            self.overlap,
        )  # fmt: skip


def worlds_of(
    count: int,
    origins: int,
    steps: int,
    rng: np.random.Generator,
    *,
    gain: float = 0.0,
    candidates: int = CANDIDATES,
    widths: tuple[float, float] = (1.0, 1.0),
) -> Worlds:
    """Generates markets whose candidates beat the incumbent by `gain`.

    A forecast is the true distribution with noise in median and width. The incumbent's error and width are those of the
    candidates over 1 - gain, so that RMSE and CRPS gain alike. GARCH(1,1) with t(6) shocks, normal fans.

    Args:
        count: markets.
        origins: weekly ones.
        steps: sessions to the target.
        rng: where chance comes from.
        gain: true one, 0 for candidates that are equal.
        candidates: beside the incumbent.
        widths: of the incumbent's fans and of the candidates', in the right ones'.
    """
    market = garch(count, SPACING * origins + steps, rng, ALPHA, BETA)
    returns = DAILY_SD * market.returns
    ends = np.concatenate([np.zeros((count, 1)), np.cumsum(returns, axis=1)], axis=1)
    at = SPACING * np.arange(origins)
    price = PRICE * np.exp(ends[:, at])
    move = price * np.expm1(ends[:, at + steps] - ends[:, at])
    # E v_{t+k} = 1 + (α + β)^k (v_t - 1), summed over the steps.
    ahead = (1 - (ALPHA + BETA) ** steps) / (1 - ALPHA - BETA)
    sd = price * DAILY_SD * np.sqrt(steps + ahead * (market.variances[:, at] - 1))

    noise_variance = MEDIAN_NOISE**2
    spread = np.full(1 + candidates, math.sqrt(1 + noise_variance))
    spread[0] /= 1 - gain
    extra = math.sqrt(spread[0] ** 2 - 1 - noise_variance)
    shape = (count, 1 + candidates, origins)
    noise = MEDIAN_NOISE * _noise(shape, steps, rng)
    noise[:, 0] += extra * _noise((count, 1, origins), steps, rng)[:, 0]
    factor = spread * np.array([widths[0], *[widths[1]] * candidates])
    width = sd[:, None] * factor[:, None] * np.exp(WIDTH_NOISE * _noise(shape, steps, rng))
    errors = move[:, None] - sd[:, None] * noise
    unit = errors / width
    hits = (np.abs(unit) <= _BAND).astype(np.float64)
    return Worlds(price + move, errors, normal_crps(errors, width), hits, max(1.0, steps / SPACING))


def _noise(shape: tuple[int, int, int], steps: int, rng: np.random.Generator) -> Array:
    """Standard normal noise, partly common and partly lasting.

    Shape (worlds, forecasts, origins).
    """
    common = _lasting((shape[0], 1, shape[2]), steps, rng)
    return np.asarray(math.sqrt(COMMON) * common + math.sqrt(1 - COMMON) * _lasting(shape, steps, rng))


def _lasting(shape: tuple[int, int, int], steps: int, rng: np.random.Generator) -> Array:
    """Mixes an AR(1), 1/e in `steps` sessions, with white noise."""
    keep = math.exp(-SPACING / steps)
    news = rng.standard_normal(shape)
    slow = np.empty(shape)
    slow[..., 0] = news[..., 0]
    for t in range(1, shape[2]):
        slow[..., t] = keep * slow[..., t - 1] + math.sqrt(1 - keep**2) * news[..., t]
    return np.asarray(math.sqrt(LASTING) * slow + math.sqrt(1 - LASTING) * rng.standard_normal(shape))


def many_worlds(count: int, origins: int, steps: int, seed: int, **more: Any) -> Iterator[Worlds]:
    """Yields `worlds_of` in chunks."""
    rng = np.random.default_rng(seed)
    for start in range(0, count, CHUNK):
        yield worlds_of(min(CHUNK, count - start), origins, steps, rng, **more)
