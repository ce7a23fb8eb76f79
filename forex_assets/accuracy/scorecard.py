"""Scorecard: scores with intervals by record, horizon, engine, model, scope.

Each forecast counts once, at its target: no earlier step, no shadow, no superseded version. Formulas are in
`core.scores`, intervals in `compare`.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from forex_assets.accuracy.compare import coverage_interval, effective_size, overlap_between, skill, skills
from forex_assets.core import scores
from forex_assets.core.fan import Array
from forex_assets.core.finding import Finding
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import (
    MODEL_QUANTILE_COLUMNS,
    ORIGIN_SCORES,
    QUANTILE_COLUMNS,
    QUANTILE_LEVELS,
    REALIZED_SCHEMA,
    Schema,
    conform,
)

ALL: Final = "all"
RECENT_SCOPES: Final = {"last 60 days": 60, "last year": 365}
"""Recent scopes and their calendar days up to today."""

ENOUGH: Final = 30
"""Fewest realized forecasts to judge a coverage."""

WANTED_COVERAGE: Final = 0.95

GROUP: Final = ("record", "horizon", "engine", "model")

SCORED: Final = (
    *("realized_clp_per_usd", "origin_clp_per_usd", "error", "crps", "model_crps", "walk_crps", "constant_crps"),
    *QUANTILE_COLUMNS,
    *(MODEL_QUANTILE_COLUMNS[0], MODEL_QUANTILE_COLUMNS[-1]),
)
"""Columns that scores are computed from."""

SCORECARD_SCHEMA: Final[Schema] = {
    **dict.fromkeys(GROUP, pl.String),
    "scope": pl.String,  # last 60 days, last year, all, or a calendar year; by target date, so by when it came true
    "n": pl.Int64,  # forecasts realized; where it is 0 every figure below is null, where it is 1 every skill
    "overlap": pl.Float64,  # origins that a forecast spans: its days over the usual spacing of the origins; at least 1
    "n_effective": pl.Float64,  # independent errors among the n
    "rmse": pl.Float64,  # CLP per USD, of the median; the default unit
    "mae": pl.Float64,
    "mape": pl.Float64,  # per cent of the realized price
    "bias": pl.Float64,  # mean of realized - median: above 0 where forecasts lie too low
    "crps": pl.Float64,  # of the published fan
    **{f"pinball_{name}": pl.Float64 for name in QUANTILE_COLUMNS},  # of each published quantile
    "interval_score_80": pl.Float64,
    "interval_score_95": pl.Float64,
    "coverage_80": pl.Float64,  # share from 0 to 1 of prices inside the published 80 % band
    "coverage_95": pl.Float64,
    "coverage_95_low": pl.Float64,  # its 95 % confidence interval, Clopper-Pearson on coverage_n_effective
    "coverage_95_high": pl.Float64,
    "coverage_n_effective": pl.Float64,  # independent ones among the n hits and misses of the 95 % band
    "sharpness_80": pl.Float64,  # mean width of the band
    "sharpness_95": pl.Float64,
    "walk_rmse": pl.Float64,  # of the random walk: tomorrow is like the last known price
    "walk_crps": pl.Float64,  # of the EWMA(.97) walk
    "constant_crps": pl.Float64,  # of the random walk with constant volatility
    "rmse_skill": pl.Float64,  # 1 - rmse / walk_rmse: .05 is five per cent better; then its 95 % confidence interval
    "rmse_skill_low": pl.Float64,
    "rmse_skill_high": pl.Float64,
    "crps_skill": pl.Float64,  # 1 - crps / walk_crps, likewise
    "crps_skill_low": pl.Float64,
    "crps_skill_high": pl.Float64,
    "constant_crps_skill": pl.Float64,  # 1 - crps / constant_crps, likewise
    "constant_crps_skill_low": pl.Float64,
    "constant_crps_skill_high": pl.Float64,
    "model_crps": pl.Float64,  # of the model's own fan, before calibration
    "model_coverage_95": pl.Float64,  # share of prices inside the model's own 95 % band
    **ORIGIN_SCORES,  # mean age of the starting prices; crps against stored_crps on the same dates, likewise
}

PIT_SCHEMA: Final[Schema] = {
    **dict.fromkeys(GROUP, pl.String),
    "low": pl.Float64,  # lower edge of the bin, part of it
    "high": pl.Float64,  # upper edge, part of the last bin alone
    "count": pl.Int64,  # forecasts whose PIT lies in the bin; as many in each where fans are right
    "model_count": pl.Int64,  # the same before calibration
}


def scorecard(realized: pl.DataFrame, today: date) -> pl.DataFrame:
    """Scores every group over recent scopes, all dates and years.

    Args:
        realized: `REALIZED_SCHEMA`, any horizons, both records, any order, no nulls.
        today: targets later than this are left out; the last 60 days begin 59 days before it.

    Returns:
        `SCORECARD_SCHEMA`: by record, horizon, engine, model; the three scopes that there always are, also with n = 0,
        then the years that have something. Nulls where there is nothing to calculate from; never NaN.

    Raises:
        ValueError: a frame of another schema, or a price or loss that is none.
    """
    rows = counted(conform(realized, REALIZED_SCHEMA, "accuracy/realized")).filter(pl.col("target_date") <= today)
    card = [
        {**dict(zip(GROUP, key, strict=True)), "scope": scope, **_scores(part)}
        for key, group in _groups(_complete(rows))
        for scope, part in _scopes(group, today)
    ]
    return pl.DataFrame(card, schema=SCORECARD_SCHEMA)


def pit_histogram(realized: pl.DataFrame, bins: int = 10) -> pl.DataFrame:
    """PIT histogram of each group.

    Flat if fans are calibrated, U-shaped if too narrow.

    Args:
        realized: `REALIZED_SCHEMA`.
        bins: of equal width, at least 1.

    Returns:
        `PIT_SCHEMA`, all bins of every record, horizon, engine and model that has a row.
    """
    edges = np.linspace(0, 1, bins + 1)
    rows: list[dict[str, Any]] = []
    for key, group in _groups(counted(realized)):
        published, model = (np.histogram(group[name].to_numpy(), edges)[0] for name in ("pit", "model_pit"))
        for i in range(bins):
            figures = (edges[i], edges[i + 1], int(published[i]), int(model[i]))
            rows.append(dict(zip(PIT_SCHEMA, (*key, *figures), strict=True)))
    return pl.DataFrame(rows, schema=PIT_SCHEMA)


def counted(realized: pl.DataFrame) -> pl.DataFrame:
    """Rows that count, oldest first.

    Targets, no shadows, the latest version of each forecast.
    """
    one = ["record", "horizon", "engine", "model", "as_of", "config_fingerprint"]
    rows = realized.filter(pl.col("is_target") & ~pl.col("is_shadow")).sort("as_of", "version", "config_fingerprint")
    return rows.unique(one, keep="last", maintain_order=True)


def overlap_of(rows: pl.DataFrame) -> float:
    """Origins that a forecast spans; see `compare.overlap_between`.

    Several forecasts on a day, under several configs, are spanned as well.

    Args:
        rows: of one record, horizon, engine and model, with `as_of` and `target_date`.
    """
    days = rows["as_of"].unique().sort().to_numpy().astype("datetime64[D]")
    ahead = (rows["target_date"] - rows["as_of"]).dt.total_days().to_numpy()
    return overlap_between(days, ahead, rows.height / max(1, len(days)))


def coverage_is_within_its_interval(card: pl.DataFrame, record: str = "ledger") -> Finding:
    """Warns if the interval of the coverage excludes 95 %.

    Scope `all`, each horizon, engine and model with 30 realized forecasts or more; passes without any. With four
    horizons at 95 % confidence, one scorecard in seven warns by chance.

    Args:
        card: `SCORECARD_SCHEMA`.
        record: the checked record; benchmark engines in a backtest are not checked.
    """
    name = "coverage_is_within_its_interval"
    rows = card.filter((pl.col("scope") == ALL) & (pl.col("record") == record))
    judged = rows.filter(pl.col("n") >= ENOUGH)
    if judged.is_empty():
        most = max(rows["n"].to_list(), default=0)
        message = f"not enough evidence: {most} realized forecasts at most, a coverage needs {ENOUGH}"
        return Finding(name, True, "warn", message, {"judged": 0, "most_realized": most})
    is_inside = pl.lit(WANTED_COVERAGE).is_between(pl.col("coverage_95_low"), pl.col("coverage_95_high"))
    outside = judged.filter(~is_inside)
    rows = outside if outside.height else judged
    message = "; ".join(_coverage_words(row) for row in rows.iter_rows(named=True))
    values = {"judged": judged.height, "outside": outside["horizon"].to_list()}
    return Finding(name, outside.is_empty(), "warn", message, values)


def _complete(rows: pl.DataFrame) -> pl.DataFrame:
    """Refuses rows with a null or non-finite figure."""
    for name in SCORED:
        holes = rows.filter(~pl.col(name).is_finite().fill_null(False))
        if holes.height:
            raise ValueError(f"accuracy/realized: {name} is {holes[name][0]} for {holes['as_of'][0]}; make it anew")
    return rows


def _coverage_words(row: dict[str, Any]) -> str:
    """One row's coverage in words."""
    return (
        f"{row['horizon']} {row['engine']}: 95 % bands held {row['coverage_95']:.1%} "
        f"[{row['coverage_95_low']:.1%}, {row['coverage_95_high']:.1%}] of {row['n']}, "
        f"n_effective {row['coverage_n_effective']:.0f}"
    )


def _groups(rows: pl.DataFrame) -> Iterator[tuple[tuple[str, ...], pl.DataFrame]]:
    """Yields the rows of each group, short horizons first."""
    parts = {tuple(map(str, key)): part for key, part in rows.partition_by(GROUP, as_dict=True).items()}
    for key in sorted(parts, key=lambda key: (key[0], HORIZONS.index(key[1]), *key[2:])):
        yield key, parts[key]


def _scopes(rows: pl.DataFrame, today: date) -> Iterator[tuple[str, pl.DataFrame]]:
    """Rows of each scope, by target date."""
    for name, days in RECENT_SCOPES.items():
        yield name, rows.filter(pl.col("target_date") > today - timedelta(days=days))
    yield ALL, rows
    for year in rows["target_date"].dt.year().unique().sort():
        yield str(year), rows.filter(pl.col("target_date").dt.year() == year)


def _scores(rows: pl.DataFrame) -> dict[str, Any]:
    """Figures of one row; only n without forecasts."""
    if rows.is_empty():
        return {"n": 0}
    y, error = rows["realized_clp_per_usd"].to_numpy(), rows["error"].to_numpy()
    overlap = overlap_of(rows)
    losses = scores.pinball(y, rows.select(QUANTILE_COLUMNS).to_numpy()).mean(axis=0)
    return {
        "n": rows.height,
        "overlap": overlap,
        "n_effective": effective_size(error, overlap),
        "rmse": scores.rmse(error),
        "mae": scores.mae(error),
        "mape": scores.mape(error, y),
        "bias": scores.bias(error),
        **{f"pinball_{name}": float(loss) for name, loss in zip(QUANTILE_COLUMNS, losses, strict=True)},
        **_band_scores(rows, y, overlap),
        **_skill_scores(rows, y, error, overlap),
        **_origin_scores(rows, overlap),
    }


def _band_scores(rows: pl.DataFrame, y: Array, overlap: float) -> dict[str, float]:
    """Interval score, coverage and sharpness of the bands."""
    figures: dict[str, float] = {}
    for percent, lower in ((80, QUANTILE_LEVELS.index(0.10)), (95, QUANTILE_LEVELS.index(0.025))):
        low, high = (rows[QUANTILE_COLUMNS[i]].to_numpy() for i in (lower, -1 - lower))
        figures[f"interval_score_{percent}"] = float(scores.interval_score(y, low, high, 1 - percent / 100).mean())
        figures[f"coverage_{percent}"] = float(scores.covered(y, low, high).mean())
        figures[f"sharpness_{percent}"] = scores.sharpness(low, high)
    hits = scores.covered(y, rows[QUANTILE_COLUMNS[0]].to_numpy(), rows[QUANTILE_COLUMNS[-1]].to_numpy())
    n_effective = effective_size(hits.astype(np.float64), overlap)
    figures["coverage_95_low"], figures["coverage_95_high"] = coverage_interval(figures["coverage_95"], n_effective)
    model = scores.covered(y, rows[MODEL_QUANTILE_COLUMNS[0]].to_numpy(), rows[MODEL_QUANTILE_COLUMNS[-1]].to_numpy())
    return {**figures, "coverage_n_effective": n_effective, "model_coverage_95": float(model.mean())}


def _skill_scores(rows: pl.DataFrame, y: Array, error: Array, overlap: float) -> dict[str, float | None]:
    """CRPS of all fans, and skills with intervals."""
    walk_error = y - rows["origin_clp_per_usd"].to_numpy()
    crps, walk, constant = (rows[name].to_numpy() for name in ("crps", "walk_crps", "constant_crps"))
    pairs = [(error**2, walk_error**2, True), (crps, walk, False), (crps, constant, False)]
    figures: dict[str, float | None] = {"walk_rmse": scores.rmse(walk_error)}
    for name in ("crps", "walk_crps", "constant_crps", "model_crps"):
        figures[name] = float(rows[name].to_numpy().mean())
    names = ("rmse_skill", "crps_skill", "constant_crps_skill")
    for name, effect in zip(names, skills(pairs, overlap=overlap), strict=True):
        figures |= {name: effect.value, f"{name}_low": effect.low, f"{name}_high": effect.high}
    return figures


def _origin_scores(rows: pl.DataFrame, overlap: float) -> dict[str, float | None]:
    """Age and worth of the starting prices."""
    aged = rows.drop_nulls("origin_age_sessions")
    paired = rows.drop_nulls("stored_crps")
    effect = skill(paired["crps"].to_numpy(), paired["stored_crps"].to_numpy(), overlap=overlap)
    return {
        "mean_origin_age": aged.select(pl.col("origin_age_sessions").mean()).item(),
        "assumed_origins": aged.select(pl.col("is_origin_assumed").mean()).item(),
        "origin_gain": effect.value,
        "origin_gain_low": effect.low,
        "origin_gain_high": effect.high,
    }
