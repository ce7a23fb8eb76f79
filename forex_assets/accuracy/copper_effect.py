"""Effect of copper: one engine with and without it.

Comparisons: `covariates` (an engine that reads them, such as Chronos-2), `ridge` (the fan moved by
`copper_correction`'s raw shift) and `gated` (moved only after the gain had been established).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from forex_assets.accuracy.compare import Skill, block_of, skill
from forex_assets.accuracy.copper_correction import corrections
from forex_assets.accuracy.scorecard import overlap_of
from forex_assets.accuracy.verdict import detectable, verdict
from forex_assets.core.fan import Array
from forex_assets.core.schemas import QUANTILE_COLUMNS, REALIZED_SCHEMA, Schema, conform
from forex_assets.features.copper import FEATURE_NAMES
from forex_assets.forecasts.realized import SCORE_COLUMNS, score_rows
from forex_assets.market.alignment import LEAD_LAG_SCHEMA, lead_lag

SuperiorityTest = Callable[[Array, Array, float], float | None]
"""Maps losses without and with copper, and a block, to a p-value.

Of "copper is no better"; None if there is nothing to test.
"""

COPPER_EFFECT_SCHEMA: Final[Schema] = {
    "horizon": pl.String,
    "comparison": pl.String,  # covariates, ridge, gated
    "engine": pl.String,
    "model": pl.String,
    "scope": pl.String,  # all, or the year of as_of
    "n": pl.Int64,
    "n_effective": pl.Float64,
    "moved": pl.Int64,  # origins whose fan copper changed
    # 1 - with / without: above 0, copper helps. Null where the scope holds too little for a value or an interval.
    **{f"{score}_skill{end}": pl.Float64 for score in ("rmse", "crps") for end in ("", "_low", "_high")},
    "rmse_spa_p": pl.Float64,  # of "copper is no better", over all; null in a year's row and where no fan was changed
    "crps_spa_p": pl.Float64,
    "detectable": pl.Float64,  # RMSE skill that the data show with 80 % power at 5 %; null: none, or no fan moved
    "is_established": pl.Boolean,  # the 95 % interval of the RMSE skill lies above 0
    "verdict": pl.String,
}

_KEY: Final = ("horizon", "as_of", "target_date")


@dataclass(frozen=True, eq=False)
class CopperEffect:
    """Effect on an engine without covariates.

    Attributes:
        table: `COPPER_EFFECT_SCHEMA`, comparisons `ridge` and `gated`, each over all and by year.
        corrections: `CORRECTION_SCHEMA`, one row an origin.
    """

    table: pl.DataFrame
    corrections: pl.DataFrame


def copper_effect(
    realized: pl.DataFrame,
    features: pl.DataFrame,
    *,
    superiority: SuperiorityTest | None = None,
    names: Sequence[str] = FEATURE_NAMES,
) -> CopperEffect:
    """Compares fans moved by ridge and gated ridge with unmoved ones.

    On every origin with a fitted ridge.

    Args:
        realized: `REALIZED_SCHEMA` without copper: one horizon, one engine, `is_target`, one row an `as_of`.
        features: `FEATURES_SCHEMA`.
        superiority: test for the p-values; None leaves them null.
        names: which of the ten features.

    Returns:
        Both tables; `table` has no rows if no origin has two years of realized ones before it.

    Raises:
        ValueError: rows of several horizons, engines or versions.
    """
    moves = corrections(realized, features, names)
    fitted = moves.filter(pl.col("raw_shift").is_not_null())
    without = realized.join(fitted.select("as_of"), on="as_of", how="semi").sort("issued_at", "as_of")
    tables = [
        compare_backtests(moved(without, fitted, column), without, comparison=name, superiority=superiority)
        for name, column in (("ridge", "raw_shift"), ("gated", "applied_shift"))
    ]
    return CopperEffect(pl.concat(tables), moves)


def moved(realized: pl.DataFrame, shifts: pl.DataFrame, column: str = "applied_shift") -> pl.DataFrame:
    """Moves whole fans by exp(shift · ewma_sd · √step) and rescores them.

    Args:
        realized: `REALIZED_SCHEMA`.
        shifts: `as_of` and `column`, one row an origin; missing, null and 0 move nothing.
        column: the shift, in ewma_sd · √step of the log price.

    Returns:
        `REALIZED_SCHEMA`, rows in the same order.
    """
    rows = realized.join(shifts.select("as_of", column), on="as_of", how="left", maintain_order="left")
    # Rows without a shift keep every figure: exp(0) is 1.
    factor = (pl.col(column).fill_null(0.0) * pl.col("ewma_sd") * pl.col("step").sqrt()).exp()
    published = (pl.col(name) * factor for name in ("mean", *QUANTILE_COLUMNS))
    return score_rows(
        rows.with_columns(published).select([name for name in REALIZED_SCHEMA if name not in SCORE_COLUMNS])
    )


def compare_backtests(
    with_copper: pl.DataFrame,
    without: pl.DataFrame,
    *,
    comparison: str = "covariates",
    superiority: SuperiorityTest | None = None,
) -> pl.DataFrame:
    """Compares one engine with and without copper on common origins.

    Args:
        with_copper: `REALIZED_SCHEMA`, one horizon, `is_target`, one row an `as_of`.
        without: the same engine's, likewise.
        comparison: what the rows are called.
        superiority: test for the p-values; None leaves them null.

    Returns:
        `COPPER_EFFECT_SCHEMA`: a row over all, then one a calendar year of `as_of`; no rows where no origin is in both.

    Raises:
        ValueError: several horizons or rows an origin, or the two do not start from or end at the same price.
    """
    pairs = _paired(with_copper, without)
    rows = [_row(part, comparison, scope, superiority) for scope, part in _scopes(pairs)]
    return pl.DataFrame(rows, schema=COPPER_EFFECT_SCHEMA, orient="row")


def verdict_on_copper(table: pl.DataFrame, comparison: str) -> str:
    """Overall verdict of one comparison, with its horizon, for people.

    Args:
        table: `COPPER_EFFECT_SCHEMA` of one horizon.
        comparison: `covariates`, `ridge` or `gated`.
    """
    rows = table.filter((pl.col("comparison") == comparison) & (pl.col("scope") == "all"))
    return f"{rows['horizon'][0]}: copper {rows['verdict'][0]}" if rows.height else "no origin to compare copper on yet"


def lead_lag_by_year(copper: pl.DataFrame, usdclp: pl.DataFrame) -> pl.DataFrame:
    """Lead-lag correlations by calendar year: `year` and `LEAD_LAG_SCHEMA`.

    At positive lags copper leads.

    Args:
        copper: `COPPER_SCHEMA` or `prices_schema` of copper.
        usdclp: `USDCLP_SCHEMA`.
    """
    tables = [pl.DataFrame(schema={"year": pl.Int32, **LEAD_LAG_SCHEMA})]
    for year in usdclp["session"].dt.year().unique().sort():
        is_year = pl.col("session").dt.year() == year
        table = lead_lag(copper.filter(is_year), usdclp.filter(is_year), window=usdclp.height)
        tables.append(table.select(pl.lit(year, dtype=pl.Int32).alias("year"), *LEAD_LAG_SCHEMA))
    return pl.concat(tables)


def _paired(with_copper: pl.DataFrame, without: pl.DataFrame) -> pl.DataFrame:
    """Joins common origins, oldest first.

    `error`, `crps` without copper, `with_error`, `with_crps` with it.
    """
    ours, theirs = (conform(rows, REALIZED_SCHEMA, "realized").filter("is_target") for rows in (with_copper, without))
    for rows in (ours, theirs):
        if rows["horizon"].n_unique() > 1:
            raise ValueError(
                f"copper is judged by horizon, not on {', '.join(sorted(rows['horizon'].unique()))} at once"
            )
        if (repeated := rows.filter(rows["as_of"].is_duplicated())).height:
            raise ValueError(
                f"several forecasts as of {repeated['as_of'][0]}: keep one version and one config an origin"
            )
    prices, scores = ("origin_clp_per_usd", "realized_clp_per_usd"), ("error", "crps")
    renamed = ours.select(*_KEY, *(pl.col(name).alias(f"with_{name}") for name in (*prices, *scores)))
    pairs = theirs.join(renamed, on=_KEY, how="inner").sort("as_of")
    for name in prices:
        if (other := pairs.filter(pl.col(name) != pl.col(f"with_{name}"))).height:
            day = other["as_of"][0]
            raise ValueError(f"{name} as of {day} differs with and without copper: run both backtests on one history")
    return pairs


def _scopes(pairs: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yields all pairs, then those of each year."""
    if pairs.height:
        yield "all", pairs
    years = pl.col("as_of").dt.year()
    for year in pairs["as_of"].dt.year().unique().sort():
        yield str(year), pairs.filter(years == year)


def _row(pairs: pl.DataFrame, comparison: str, scope: str, superiority: SuperiorityTest | None) -> dict[str, object]:
    """One row of the table."""
    overlap = overlap_of(pairs)
    squares, with_squares = pairs["error"].to_numpy() ** 2, pairs["with_error"].to_numpy() ** 2
    losses, with_losses = pairs["crps"].to_numpy(), pairs["with_crps"].to_numpy()
    rmse = skill(with_squares, squares, overlap=overlap, root=True)
    fan = skill(with_losses, losses, overlap=overlap)
    test = superiority if scope == "all" else None
    moves = pairs.filter((pl.col("error") != pl.col("with_error")) | (pl.col("crps") != pl.col("with_crps"))).height
    return {
        **{name: pairs[name][0] for name in ("horizon", "engine", "model")},
        "comparison": comparison,
        "scope": scope,
        "n": pairs.height,
        "n_effective": rmse.n_effective,
        "moved": moves,
        **_ends("rmse", rmse),
        **_ends("crps", fan),
        "rmse_spa_p": test(squares, with_squares, block_of(overlap)) if test else None,
        "crps_spa_p": test(losses, with_losses, block_of(overlap)) if test else None,
        "detectable": detectable(rmse, overlap) if moves else None,
        "is_established": rmse.low is not None and rmse.low > 0,
        "verdict": verdict(rmse, moves, overlap),
    }


def _ends(score: str, effect: Skill) -> dict[str, float | None]:
    return {f"{score}_skill": effect.value, f"{score}_skill_low": effect.low, f"{score}_skill_high": effect.high}
