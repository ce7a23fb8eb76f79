"""How two price series stand to each other in time: copper against the peso, one source against another.

A source that dates its bars one day late makes one series "lead" the other; that shows here before it flatters a model.
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
"""Joint sessions below which a correlation's standard error, over .13, drowns what is looked for (-.34)."""

LEAD_LAG_SCHEMA: Final = {"lag": pl.Int64, "correlation": pl.Float64, "n": pl.Int64}


def lead_lag(
    copper: pl.DataFrame, usdclp: pl.DataFrame, window: int = WINDOW, lags: Sequence[int] = LAGS
) -> pl.DataFrame:
    """Correlation of copper's and the peso's daily log returns at each lag, over the last joint sessions.

    At lag k copper's return of joint session i meets the peso's of joint session i + k: **a positive lag means that
    copper leads**. Returns run from joint session to joint session, so both span the same days.

    Args:
        copper: `prices_schema` of copper, or its wider table; rows without a close and bad ticks are left out.
        usdclp: `prices_schema` of the peso.
        window: how many joint sessions, the latest; they make one return fewer.
        lags: which lags, in joint sessions.

    Returns:
        lag, correlation, n (pairs of returns), in the order of `lags`; correlation is null where fewer than three pairs
        or a series that stands still leave none.
    """
    x, y = _joint_returns(usable(copper, COPPER), COPPER.value, usable(usdclp, USDCLP), USDCLP.value, window)
    rows = [(lag, *_correlation_at(x, y, lag)) for lag in lags]
    return pl.DataFrame(rows, schema=LEAD_LAG_SCHEMA, orient="row")


def copper_and_peso_move_on_the_same_day(copper: pl.DataFrame, usdclp: pl.DataFrame) -> Finding:
    """Warns when the largest absolute correlation is not at lag 0: one of the two is dated a day off.

    It does not block: a sound feed in a quiet year can have noise at another lag, and a forecast of the peso alone is
    right whatever copper's dates are.
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
    shown = ", ".join(f"lag {lag:+d}: {value:+.2f}" for lag, value in known.items())
    message = f"largest at lag {largest:+d} over {joint} joint sessions ({shown}; positive: copper leads)"
    return Finding(name, largest == 0, "warn", message, {**values, "largest_lag": largest})


def overlap(a: pl.DataFrame, b: pl.DataFrame, series: PriceSeries) -> dict[str, Any]:
    """How far two sources of one series disagree on the sessions that both have.

    Args:
        a: `prices_schema` from one source.
        b: the same series from another; bad ticks of either are left out.
        series: what the prices are of.

    Returns:
        `n` joint sessions, `first_session` and `last_session`, `median_abs_pct` and `max_abs_pct` of a over b less one,
        `max_session` where that was, and `corr_lag_-1`, `corr_lag_+0`, `corr_lag_+1` of log returns (positive: `a`
        leads). None for what cannot be measured.
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
    """Sessions that both have, oldest first, with prices `x` and `y`."""
    left = a.select("session", x=pl.col(a_value))
    return left.join(b.select("session", y=pl.col(b_value)), on="session", how="inner").sort("session")


def _returns(rows: pl.DataFrame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Log returns of `x` and of `y` from row to row."""
    return np.diff(np.log(rows["x"].to_numpy())), np.diff(np.log(rows["y"].to_numpy()))


def _joint_returns(
    a: pl.DataFrame, a_value: str, b: pl.DataFrame, b_value: str, window: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Log returns of both between the last `window` joint sessions."""
    return _returns(_joint(a, a_value, b, b_value).tail(window))


def _correlation_at(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], lag: int) -> tuple[float | None, int]:
    """Pearson correlation of x[i] with y[i + lag], None where there is none; and how many pairs there were."""
    n = max(len(x) - abs(lag), 0)
    first, second = x[max(-lag, 0) :][:n], y[max(lag, 0) :][:n]
    if n < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None, n
    return float(np.corrcoef(first, second)[0, 1]), n


ENOUGH_TO_DATE: Final = 60
"""Joint sessions under which correlations do not say which day a source means."""
CLEARLY: Final = 0.2
"""How much more alike two sources have to be a session apart than on the same session: averages and closes are not."""
DISAGREEMENT_PCT: Final = 1.5
"""Median difference beyond which two sources are not of the same market. The Banco Central's daily average and a close
differ by the day's own range, about half a percent; a wrong day or unit by far more."""


def _lag_apart(values: Mapping[str, Any]) -> int | None:
    """The lag other than 0 at which two sources are clearly more alike; None where there is none, or too little."""
    found = {lag: values[f"corr_lag_{lag:+d}"] for lag in (-1, 0, 1)}
    if values["n"] < ENOUGH_TO_DATE or None in found.values():
        return None
    best = max(found, key=lambda lag: found[lag])
    return best if best and found[best] > found[0] + CLEARLY else None


def sources_agree(pairs: Sequence[tuple[tuple[str, pl.DataFrame], ...]], series: PriceSeries) -> Finding:
    """Warns when two sources of one series disagree on the sessions that both cover, or tell one story a day apart.

    A source that dates its prices a session late agrees with the other to a day's move, about half a per cent; its
    returns give it away: they are the other's of a session before.

    Args:
        pairs: (name, prices) of one source and of another; empty where only one source has ever answered.
        series: what the prices are of.
    """
    name = "sources_agree"
    measured = {f"{a[0]} / {b[0]}": overlap(a[1], b[1], series) for a, b in pairs}
    compared = {who: values for who, values in measured.items() if values["n"]}
    if not compared:
        return Finding(name, True, "warn", "one source only: nothing to compare", {"comparisons": 0})
    wrong = [
        who
        for who, values in compared.items()
        if values["median_abs_pct"] > DISAGREEMENT_PCT or _lag_apart(values) is not None
    ]
    message = "; ".join(
        f"{who}: median {v['median_abs_pct']:.2f} %, largest {v['max_abs_pct']:.1f} % on {v['max_session']}, "
        f"{v['n']} sessions" + ("" if (lag := _lag_apart(v)) is None else f", dated apart: alike at lag {lag:+d}")
        for who, v in compared.items()
    )
    return Finding(name, not wrong, "warn", message, {"comparisons": len(compared), **compared})
