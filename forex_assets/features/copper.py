"""The ten copper features and their computation.

Windows count copper sessions with an observed close, never calendar days or carried values: a filled day has a zero
return, which lowers volatility and correlation. Where sessions are missing between two closes, the return over k
sessions is divided by √k and counts as one of a session's variance. A feature of session t reads sessions up to t only.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forex_assets.core.columns import COLUMNS
from forex_assets.core.schemas import COPPER_SCHEMA, SAMPLE_SOURCE, USDCLP_SCHEMA, UTC, Schema, conform, empty
from forex_assets.market.gaps import sessions_between
from forex_assets.market.prices import COPPER, POUNDS_PER_TONNE, USDCLP, PriceSeries

SESSIONS_PER_YEAR: Final = 252
RSI_PERIOD: Final = 14
CORRELATION_PAIRS: Final = 90
TREND_TOLERANCE: Final = 1e-12
"""Relative difference of averages that is rounding, not a trend."""

MONTHLY_SOURCE: Final = "fred"
"""Source of monthly averages, which no daily feature reads."""

CROSSOVER: Final = "copper_sma_crossover"

_PRICE: Final = pl.col(COPPER.value)
_PESO: Final = pl.col(USDCLP.value)
_APART: Final = pl.col("sessions_apart")
"""Sessions since the row before; 1 without a gap."""


@dataclass(frozen=True, eq=False)
class Feature:
    """One feature.

    Attributes:
        name: column; unit and description are in `core.columns`.
        window: number of returns read (prices for averages); for the RSI its smoothing period.
        first_valid: first price with a value, from 1 (joint prices for the correlation).
        sessions: `copper` sessions, or `joint` ones, on which the peso traded too.
        expression: of `close_usd_lb`, and of `clp_per_usd` on joint sessions; null before `first_valid`.
    """

    name: str
    window: int
    first_valid: int
    sessions: Literal["copper", "joint"]
    expression: pl.Expr

    @property
    def unit(self) -> str:
        """Unit of the column."""
        return COLUMNS[self.name].unit

    @property
    def description(self) -> str:
        """Description of the column."""
        return COLUMNS[self.name].description


def log_return(price: pl.Expr, sessions: int = 1) -> pl.Expr:
    """ln(P_t / P_{t-sessions}), each return over k sessions by √k.

    Null on the first rows.
    """
    daily = (price / price.shift(1)).log()
    if sessions == 1:
        return daily / _APART.sqrt()
    excess = daily * (1 - 1 / _APART.sqrt())  # exactly 0 without gaps
    return (price / price.shift(sessions)).log() - excess.rolling_sum(sessions)


def volatility(price: pl.Expr, sessions: int) -> pl.Expr:
    """Annualised sample deviation (ddof 1) of the last daily log returns.

    × √252; null until `sessions` returns exist.
    """
    return log_return(price).rolling_std(sessions, ddof=1) * math.sqrt(SESSIONS_PER_YEAR)


def trend_sign(price: pl.Expr, fast: int = 20, slow: int = 50) -> pl.Expr:
    """Sign of the fast less the slow average; 0 if equal.

    Null until both exist.
    """
    gap = price.rolling_mean(fast) / price.rolling_mean(slow) - 1
    return pl.when(gap.abs() < TREND_TOLERANCE).then(0.0).otherwise(gap.sign())


def wilder_rsi(prices: NDArray[np.float64], period: int = RSI_PERIOD) -> NDArray[np.float64]:
    """Computes the relative strength index (Wilder, 1978).

    Gains and losses are averaged apart: the seed is the mean of the first `period`, then A ← ((period - 1)·A + x) /
    period. A value depends on the start of the series; after 150 sessions the start weighs (13/14)^150 < 2e-5.

    Args:
        prices: shape (n,), oldest first, no gaps.
        period: of the smoothing.

    Returns:
        Shape (n,), 0 to 100, NaN on the first `period` rows; 50 without any move (TA-Lib returns 0).
    """
    index = np.full(prices.shape[0], np.nan)
    if prices.shape[0] <= period:
        return index
    change = np.diff(prices)
    gains, losses = np.maximum(change, 0.0), np.maximum(-change, 0.0)
    gain, loss = float(gains[:period].mean()), float(losses[:period].mean())
    index[period] = _strength(gain, loss)
    for t in range(period, change.shape[0]):
        gain = ((period - 1) * gain + float(gains[t])) / period
        loss = ((period - 1) * loss + float(losses[t])) / period
        index[t + 1] = _strength(gain, loss)
    return index


def _strength(gain: float, loss: float) -> float:
    total = gain + loss
    return 50.0 if total == 0 else 100 * (gain / total)  # this order gives exactly 100 without losses


def _rsi_of(prices: pl.Series) -> pl.Series:
    return pl.Series(prices.name, wilder_rsi(prices.to_numpy()), nan_to_null=True)


def return_correlation(left: pl.Expr, right: pl.Expr, pairs: int) -> pl.Expr:
    """Correlation of the last `pairs` daily log returns.

    Null until all exist, or if one side is constant. On returns, since levels that wander correlate by chance (-.97 to
    +.49 in 90 days on real data).
    """
    x, y = log_return(left), log_return(right)
    is_still = (x.rolling_max(pairs) == x.rolling_min(pairs)) | (y.rolling_max(pairs) == y.rolling_min(pairs))
    # Without spread the quotient would be rounding noise.
    return pl.when(~is_still).then(pl.rolling_corr(x, y, window_size=pairs, min_samples=pairs).clip(-1.0, 1.0))


def _return_feature(sessions: int) -> Feature:
    return Feature(f"copper_ret_{sessions}d", sessions, sessions + 1, "copper", log_return(_PRICE, sessions))


def _volatility_feature(sessions: int) -> Feature:
    return Feature(f"copper_vol_{sessions}d", sessions, sessions + 1, "copper", volatility(_PRICE, sessions))


def _average_feature(sessions: int) -> Feature:
    return Feature(f"copper_sma_{sessions}", sessions, sessions, "copper", _PRICE.rolling_mean(sessions))


COPPER_FEATURES: Final[tuple[Feature, ...]] = (
    *(_return_feature(sessions) for sessions in (1, 5, 20)),
    *(_volatility_feature(sessions) for sessions in (20, 60)),
    *(_average_feature(sessions) for sessions in (20, 50)),
    Feature("copper_trend_signal", 50, 50, "copper", trend_sign(_PRICE)),
    Feature(
        f"copper_rsi_{RSI_PERIOD}",
        RSI_PERIOD,
        RSI_PERIOD + 1,
        "copper",
        _PRICE.map_batches(_rsi_of, return_dtype=pl.Float64),
    ),
    Feature(
        "copper_usdclp_corr_90d",
        CORRELATION_PAIRS,
        CORRELATION_PAIRS + 1,
        "joint",
        return_correlation(_PRICE, _PESO, CORRELATION_PAIRS),
    ),
)

FEATURE_NAMES: Final = tuple(feature.name for feature in COPPER_FEATURES)

FEATURES_SCHEMA: Final[Schema] = {
    "session": pl.Date,
    "available_at": UTC,  # of the latest price read
    "source": pl.String,
    **dict.fromkeys(FEATURE_NAMES, pl.Float64),
    CROSSOVER: pl.Int8,
}


def copper_features(copper: pl.DataFrame, usdclp: pl.DataFrame) -> pl.DataFrame:
    """Computes the ten features and the crossover of the averages.

    Rows without a close, quarantined rows and monthly levels are left out. Provisional closes count. The correlation
    exists on joint sessions only.

    Args:
        copper: `COPPER_SCHEMA`, USD/lb, oldest first.
        usdclp: `USDCLP_SCHEMA`, CLP per USD, oldest first.

    Returns:
        `FEATURES_SCHEMA`, one row a copper session with a close, oldest first; null before a feature's first valid
        session. `available_at` is the latest of all prices read: nothing in a row was unknown then. `source` is
        copper's, or the generated market's if the peso is generated.

    Raises:
        ValueError: another schema, sessions out of order or repeated, or a close that cannot be USD/lb.
    """
    closes = _observed(conform(copper, COPPER_SCHEMA, COPPER.name), COPPER.value)
    closes = closes.filter(pl.col("source") != MONTHLY_SOURCE)
    if closes.is_empty():
        return empty(FEATURES_SCHEMA)
    _assert_usd_lb(closes)
    closes = _with_gaps(closes, COPPER)
    peso = _observed(conform(usdclp, USDCLP_SCHEMA, USDCLP.name), USDCLP.value)
    daily = closes.with_columns(_expressions("copper")).with_columns(_crossover())
    joined = daily.join(_joint(closes, peso), on="session", how="left", maintain_order="left").with_columns(
        # The maximum ignores the nulls of sessions without a correlation.
        available_at=pl.max_horizontal(pl.col("available_at").cum_max(), "joint_available_at"),
        source=pl.when(pl.col("joint_source") == SAMPLE_SOURCE).then("joint_source").otherwise("source"),
    )
    return conform(joined.select(list(FEATURES_SCHEMA)), FEATURES_SCHEMA, "features/copper")


def _expressions(sessions: Literal["copper", "joint"]) -> list[pl.Expr]:
    return [feature.expression.alias(feature.name) for feature in COPPER_FEATURES if feature.sessions == sessions]


def _joint(closes: pl.DataFrame, peso: pl.DataFrame) -> pl.DataFrame:
    """Joint features, with the source and availability of peso prices."""
    pesos = peso.select("session", USDCLP.value, joint_source="source", joint_available_at="available_at")
    both = _with_gaps(closes.join(pesos, on="session", how="inner", maintain_order="left"), COPPER, USDCLP)
    both = both.with_columns(*_expressions("joint"), pl.col("joint_available_at").cum_max())
    names = [feature.name for feature in COPPER_FEATURES if feature.sessions == "joint"]
    return both.select("session", "joint_source", "joint_available_at", *names).drop_nulls(names)


def _with_gaps(rows: pl.DataFrame, *series: PriceSeries) -> pl.DataFrame:
    """Adds the sessions since the row before, those of all series only.

    A holiday of one market is no gap of the other.
    """
    apart = np.ones(rows.height, dtype=np.int64)
    if rows.height > 1:
        apart[1:] = np.min([sessions_between(rows, prices) for prices in series], axis=0)
    return rows.with_columns(sessions_apart=apart)


def _crossover() -> pl.Expr:
    """1 or -1 on the session where the trend changes sign.

    Null where either trend is null.
    """
    trend = pl.col("copper_trend_signal")
    before = trend.shift(1)
    event = pl.when(trend != before).then(trend).otherwise(0.0)
    return pl.when(before.is_not_null()).then(event).cast(pl.Int8).alias(CROSSOVER)


def _observed(rows: pl.DataFrame, value: str) -> pl.DataFrame:
    """Returns rows with a price and without bad ticks."""
    step = rows["session"].diff().drop_nulls()
    if (step.dt.total_days() <= 0).any():
        raise ValueError(f"{value}: sessions must strictly increase; sort the rows and drop repeated sessions")
    return rows.filter(pl.col(value).is_not_null() & ~pl.col("is_quarantined"))


def _assert_usd_lb(closes: pl.DataFrame) -> None:
    low, high = COPPER.plausible
    outside = closes.filter(~_PRICE.is_between(low, high, closed="none"))  # NaN is not between either
    if not outside.is_empty():
        first = outside.row(0, named=True)
        raise ValueError(
            f"copper close {first[COPPER.value]} on {first['session']} from {first['source']!r} cannot be USD/lb "
            f"({low} to {high}): a mix of units? divide US cents/lb by 100, USD/t by {POUNDS_PER_TONNE}"
        )
