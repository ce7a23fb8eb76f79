"""Alignment in time of two price series.

A source dated one day late makes one series seem to lead the other; the checks find it before it flatters a model.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from forex_assets.core.finding import Finding
from forex_assets.market.prices import COPPER, USDCLP, PriceSeries
from forex_assets.market.quality import usable

WINDOW: Final = 250
LAGS: Final = (-2, -1, 0, 1, 2)
ENOUGH: Final = 60
"""Fewest joint sessions: standard error .13, true correlation -.34."""

LEAD_LAG_SCHEMA: Final = {"lag": pl.Int64, "correlation": pl.Float64, "n": pl.Int64}


def lead_lag(
    copper: pl.DataFrame, usdclp: pl.DataFrame, window: int = WINDOW, lags: Sequence[int] = LAGS
) -> pl.DataFrame:
    """Correlates daily log returns of copper and peso at each lag.

    At lag k copper's return of joint session i meets the peso's of session i + k: **a positive lag means that copper
    leads**. Returns run between joint sessions, so both span the same days.

    Args:
        copper: `prices_schema` or wider; rows without a close and bad ticks are left out.
        usdclp: `prices_schema`.
        window: number of latest joint sessions.
        lags: in joint sessions.

    Returns:
        lag, correlation, n (pairs), in the order of `lags`; correlation is null with fewer than three pairs or a
        constant series.
    """
    x, y = _joint_returns(usable(copper, COPPER), COPPER.value, usable(usdclp, USDCLP), USDCLP.value, window)
    rows = [(lag, *_correlation_at(x, y, lag)) for lag in lags]
    return pl.DataFrame(rows, schema=LEAD_LAG_SCHEMA, orient="row")


def copper_and_peso_move_on_the_same_day(copper: pl.DataFrame, usdclp: pl.DataFrame) -> Finding:
    """Warns if copper and peso correlate most at another lag.

    One of them is then dated a day off. It does not block: a quiet year can have noise at another lag, and a forecast
    of the peso alone does not depend on copper.
    """
    name = "copper_and_peso_move_on_the_same_day"
    table = lead_lag(copper, usdclp)
    joint = _joint(usable(copper, COPPER), COPPER.value, usable(usdclp, USDCLP), USDCLP.value).tail(WINDOW).height
    by_lag = dict(table.select("lag", "correlation").iter_rows())
    values: dict[str, Any] = {"joint_sessions": joint, **{f"lag_{lag:+d}": value for lag, value in by_lag.items()}}
    if joint < ENOUGH:
        return Finding(name, False, "warn", f"not enough: {joint} joint sessions, {ENOUGH} needed", values)
    known = {lag: value for lag, value in by_lag.items() if value is not None}
    if not known:
        return Finding(name, False, "warn", f"not measurable: a price stands still over {joint} joint sessions", values)
    largest = max(known, key=lambda lag: abs(known[lag]))
    by_lag_text = ", ".join(f"lag {lag:+d}: {value:+.2f}" for lag, value in known.items())
    message = f"largest at lag {largest:+d} over {joint} joint sessions ({by_lag_text}; positive: copper leads)"
    return Finding(name, largest == 0, "warn", message, {**values, "largest_lag": largest})


def overlap(a: pl.DataFrame, b: pl.DataFrame, series: PriceSeries) -> dict[str, Any]:
    """Compares two sources of one series on their joint sessions.

    Args:
        a: `prices_schema`.
        b: `prices_schema`; bad ticks of either are left out.

    Returns:
        `n` joint sessions, `first_session`, `last_session`, `median_abs_pct` and `max_abs_pct` of a / b - 1,
        `max_session`, and `corr_lag_-1`, `corr_lag_+0`, `corr_lag_+1` of log returns (positive: `a` leads). None if not
        measurable.
    """
    rows = _joint(usable(a, series), series.value, usable(b, series), series.value)
    x, y = _returns(rows)
    result: dict[str, Any] = {f"corr_lag_{lag:+d}": _correlation_at(x, y, lag)[0] for lag in (-1, 0, 1)}
    off = ((rows["x"] / rows["y"] - 1).abs() * 100).to_numpy()
    worst: int | None = int(off.argmax()) if len(off) else None
    return {
        "n": rows.height,
        "first_session": _text(rows["session"].min()),
        "last_session": _text(rows["session"].max()),
        "median_abs_pct": float(np.median(off)) if len(off) else None,
        "max_abs_pct": float(off.max()) if len(off) else None,
        "max_session": None if worst is None else _text(rows["session"][worst]),
        **result,
    }


def _text(day: object) -> str | None:
    return day.isoformat() if isinstance(day, date) else None


def _joint(a: pl.DataFrame, a_value: str, b: pl.DataFrame, b_value: str) -> pl.DataFrame:
    """Joins prices `x` and `y` of joint sessions, oldest first."""
    left = a.select("session", x=pl.col(a_value))
    return left.join(b.select("session", y=pl.col(b_value)), on="session", how="inner").sort("session")


def _returns(rows: pl.DataFrame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Log returns of `x` and `y` between rows."""
    return np.diff(np.log(rows["x"].to_numpy())), np.diff(np.log(rows["y"].to_numpy()))


def _joint_returns(
    a: pl.DataFrame, a_value: str, b: pl.DataFrame, b_value: str, window: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Log returns of both between the last joint sessions."""
    return _returns(_joint(a, a_value, b, b_value).tail(window))


def _correlation_at(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], lag: int) -> tuple[float | None, int]:
    """Returns the correlation of x[i] with y[i + lag], and the pairs.

    None if there is none.
    """
    n = max(len(x) - abs(lag), 0)
    first, second = x[max(-lag, 0) :][:n], y[max(lag, 0) :][:n]
    if n < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None, n
    return float(np.corrcoef(first, second)[0, 1]), n


ENOUGH_TO_DATE: Final = 60
"""Fewest joint sessions for dating one source by another."""
CLEARLY: Final = 0.2
"""Excess correlation at another lag that counts; averages and closes differ anyway."""
DISAGREEMENT_PCT: Final = 1.5
"""Largest median difference of two sources, per cent.

The Banco Central's daily average and a close differ by about half a per cent; a wrong day or unit by far more.
"""


def _lag_apart(values: Mapping[str, Any]) -> int | None:
    """Returns a lag with clearly higher correlation than 0; None without one."""
    correlations = {lag: values[f"corr_lag_{lag:+d}"] for lag in (-1, 0, 1)}
    if values["n"] < ENOUGH_TO_DATE or None in correlations.values():
        return None
    best = max(correlations, key=lambda lag: correlations[lag])
    return best if best and correlations[best] > correlations[0] + CLEARLY else None


def sources_agree(pairs: Sequence[tuple[tuple[str, pl.DataFrame], ...]], series: PriceSeries) -> Finding:
    """Warns if two sources of one series disagree or are dated apart.

    A source dated a session late differs by only half a per cent; its returns match the other's of the session before.

    Args:
        pairs: (name, prices) of one source and of another; empty with a single source.
    """
    name = "sources_agree"
    measured = {f"{a[0]} / {b[0]}": overlap(a[1], b[1], series) for a, b in pairs}
    compared = {who: values for who, values in measured.items() if values["n"]}
    if not compared:
        return Finding(name, True, "warn", "one source only: nothing to compare", {"comparisons": 0})
    faults = [
        who
        for who, values in compared.items()
        if values["median_abs_pct"] > DISAGREEMENT_PCT or _lag_apart(values) is not None
    ]
    message = "; ".join(
        f"{who}: median {v['median_abs_pct']:.2f} %, largest {v['max_abs_pct']:.1f} % on {v['max_session']}, "
        f"{v['n']} sessions" + ("" if (lag := _lag_apart(v)) is None else f", dated apart: alike at lag {lag:+d}")
        for who, v in compared.items()
    )
    return Finding(name, not faults, "warn", message, {"comparisons": len(compared), **compared})
