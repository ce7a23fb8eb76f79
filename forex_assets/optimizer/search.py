"""Chooses the best candidate; ties keep the current settings."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

import numpy as np
import polars as pl

from forex_assets.accuracy.compare import effective_size, skills
from forex_assets.accuracy.scorecard import overlap_of
from forex_assets.core.fan import Array
from forex_assets.optimizer.space import Candidate, Space
from forex_assets.optimizer.tables import CANDIDATES_SCHEMA

Objective = Literal["crps", "rmse"]
LOSS: Final[dict[str, str]] = {"crps": "CRPS", "rmse": "squared error"}
STANDARD_ERRORS: Final = 1.0
"""Within so many of the best, a candidate is its equal."""

ROUNDING: Final = 1e-9
"""Share of the loss below which a difference is rounding."""


@dataclass(frozen=True, eq=False)
class Losses:
    """One candidate's losses.

    Attributes:
        values: one an origin, oldest first, shape (n,); CRPS, or the squared error of the median.
        overlap: origins that a forecast spans, at least 1.
    """

    values: Array
    overlap: float


@dataclass(frozen=True)
class Choice:
    """Result of a search.

    Attributes:
        chosen: fingerprint of the challenger; the incumbent's where nothing is better by more than chance.
        table: `CANDIDATES_SCHEMA`.
        words: a sentence or two.
    """

    chosen: str
    table: pl.DataFrame
    words: str


def losses_of(rows: pl.DataFrame, objective: Objective) -> dict[str, Losses]:
    """Losses by candidate, on origins scored for all.

    Args:
        rows: `REALIZED_SCHEMA`, one a candidate and origin, of one horizon.
        objective: which loss.
    """
    if rows.is_empty():
        return {}
    count = rows["config_fingerprint"].n_unique()
    shared = rows.group_by("as_of").agg(pl.col("config_fingerprint").n_unique().alias("count"))
    days = shared.filter(pl.col("count") == count)["as_of"].implode()
    loss = pl.col("crps") if objective == "crps" else pl.col("error") ** 2
    kept = rows.filter(pl.col("as_of").is_in(days)).sort("config_fingerprint", "as_of").with_columns(loss=loss)
    found = {}
    for (name,), part in kept.partition_by("config_fingerprint", as_dict=True, maintain_order=True).items():
        found[str(name)] = Losses(part["loss"].to_numpy(), overlap_of(part))
    return found


def choose(losses: Mapping[str, Losses], candidates: Sequence[Candidate], incumbent: str) -> str:
    """The challenger's fingerprint.

    The best is the lowest mean loss. Whoever's paired difference to it is within one standard error is its equal: of
    these the current settings, if among them, else the cheapest, then the lower loss.

    Args:
        losses: by fingerprint, of those that were tried to the end, all on the same origins.
        candidates: with their costs.
        incumbent: fingerprint of the current settings.
    """
    tried = {name: each for name, each in losses.items() if len(each.values)}
    if incumbent not in tried:
        return incumbent
    best = min(tried, key=lambda name: (float(tried[name].values.mean()), name))
    equal = [name for name in tried if _is_equal(tried[name], tried[best])]
    if incumbent in equal:
        return incumbent
    cost = {each.config.fingerprint: each.cost for each in candidates}
    return min(equal, key=lambda name: (cost[name], float(tried[name].values.mean()), name))


def _is_equal(losses: Losses, best: Losses) -> bool:
    difference = losses.values - best.values
    chance = STANDARD_ERRORS * standard_error(difference, losses.overlap)
    return bool(difference.mean() <= chance + ROUNDING * best.values.mean())


def standard_error(values: Array, overlap: float) -> float:
    """Standard error of a mean of overlapping values.

    0 for fewer than two.
    """
    if len(values) < 2:
        return 0.0
    return float(np.std(values, ddof=1) / np.sqrt(effective_size(values, overlap)))


def candidates_table(
    losses: Mapping[str, Losses],
    space: Space,
    objective: Objective,
    *,
    search_id: str,
    searched_at: datetime,
    seconds: Mapping[str, float],
    words: str,
    origins: Sequence[date] = (),
) -> Choice:
    """Chooses, and tabulates every candidate with its paired gain.

    Args:
        losses: by fingerprint, of those tried to the end.
        space: what was to be tried.
        objective: which loss they are.
        search_id: names the search.
        searched_at: the platform's clock.
        seconds: of one fan, by fingerprint, as measured; for people.
        words: of origins and method, for people.
        origins: that candidates were compared on, ascending.
    """
    incumbent = space.incumbent.fingerprint
    chosen = choose(losses, space.candidates, incumbent)
    gains = _gains(losses, incumbent, objective)
    order = sorted((name for name in losses if len(losses[name].values)), key=lambda n: float(losses[n].values.mean()))
    rank = {name: place for place, name in enumerate(order, start=1)}
    rows = []
    span = {"first_origin": origins[0] if origins else None, "last_origin": origins[-1] if origins else None}
    for each in space.candidates:
        name = each.config.fingerprint
        row = _row(each, losses.get(name), gains.get(name), objective)
        fixed = {"search_id": search_id, "searched_at": searched_at, "rank": rank.get(name), **span}
        marks = {"is_incumbent": name == incumbent, "is_chosen": name == chosen, "seconds": seconds.get(name)}
        rows.append({**row, **fixed, **marks, "words": "" if name in losses else "not tried"})
    table = pl.DataFrame(rows, schema=CANDIDATES_SCHEMA).sort("rank", "loss", nulls_last=True, maintain_order=True)
    return Choice(chosen, table, _sentence(table, chosen, incumbent, objective, f"{space.words}; {words}"))


def _gains(
    losses: Mapping[str, Losses], incumbent: str, objective: Objective
) -> dict[str, tuple[float | None, float | None, float | None]]:
    """Gains on the incumbent with intervals, from shared resamples."""
    if incumbent not in losses:
        return {}
    reference = losses[incumbent]
    pairs = [(each.values, reference.values, objective == "rmse") for each in losses.values()]
    found = skills(pairs, overlap=reference.overlap)
    return {name: (each.value, each.low, each.high) for name, each in zip(losses, found, strict=True)}


def _row(
    each: Candidate,
    losses: Losses | None,
    gain: tuple[float | None, float | None, float | None] | None,
    objective: Objective,
) -> dict[str, object]:
    config = each.config
    fields = ("context_length", "num_samples", "temperature", "representation", "is_calibrated")
    mean = None if losses is None or not len(losses.values) else float(losses.values.mean())
    error = None if losses is None else standard_error(losses.values, losses.overlap)
    if objective == "rmse" and mean:  # of the root, to first order
        mean, error = mean**0.5, None if error is None else error / (2 * mean**0.5)
    return {
        "horizon": config.horizon,
        "candidate": config.fingerprint,
        "config": json.dumps(config.model_dump(), sort_keys=True),
        **{name: getattr(config, name) for name in fields},
        "loss": mean,
        "loss_se": error,
        **dict(zip(("gain", "gain_low", "gain_high"), gain or (None, None, None), strict=True)),
        "n": 0 if losses is None else len(losses.values),
        "n_effective": None if losses is None else effective_size(losses.values, losses.overlap),
        "same_as": ", ".join(each.same_as),
    }


def _sentence(table: pl.DataFrame, chosen: str, incumbent: str, objective: Objective, words: str) -> str:
    ranked = table.filter(pl.col("rank").is_not_null())
    if ranked.is_empty():
        return f"nothing could be compared, the current settings stay; {words}"
    losses = ranked["loss"]
    low, high = float(losses.min()), float(losses.max())  # type: ignore[arg-type]
    if ranked.height > 1 and high - low <= ROUNDING * high:
        said = (
            f"all candidates have the same {LOSS[objective]}, so that nothing can be chosen by it; "
            "the current settings stay"
        )
    elif chosen == incumbent:
        said = "nothing is better than the current settings by more than one standard error; they stay"
    else:
        row = table.filter(pl.col("is_chosen")).row(0, named=True)
        interval = "" if row["gain_low"] is None else f" [{100 * row['gain_low']:+.1f}, {100 * row['gain_high']:+.1f}]"
        settings = f"context {row['context_length']}, samples {row['num_samples']}, temperature {row['temperature']}"
        gain = f"{LOSS[objective]} {100 * row['gain']:+.1f} %{interval}"
        said = f"found {chosen} ({settings}): {gain} better than the current settings"
    return f"{said}; {words}"
