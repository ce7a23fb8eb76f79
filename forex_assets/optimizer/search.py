"""Chooses a challenger among the candidates of a search.

A challenger must be better than the current settings by more than chance, adjusted for the number of candidates.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

import numpy as np
import polars as pl

from forex_assets.accuracy.compare import Skill, effective_size, skills
from forex_assets.accuracy.scorecard import overlap_of
from forex_assets.core.fan import Array
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import SearchPolicy
from forex_assets.optimizer.block_permutation import p_values
from forex_assets.optimizer.criterion import better
from forex_assets.optimizer.space import Candidate, Space
from forex_assets.optimizer.tables import CANDIDATES_SCHEMA

Objective = Literal["crps", "rmse"]
LOSS: Final[dict[str, str]] = {"crps": "CRPS", "rmse": "squared error"}
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
        chosen: fingerprint of the challenger, or of the current settings.
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
    losses = {}
    for (name,), part in kept.partition_by("config_fingerprint", as_dict=True, maintain_order=True).items():
        losses[str(name)] = Losses(part["loss"].to_numpy(), overlap_of(part))
    return losses


def p_values_of(losses: Mapping[str, Losses], space: Space) -> dict[str, float]:
    """P-value of "no better than the current settings", by contender.

    One-sided, and adjusted for the number of contenders: at level α the chance that any of equal ones passes is α.

    Args:
        losses: by fingerprint, all on the same origins.
        space: the candidates; those that were not tried are left out.
    """
    current = losses.get(space.incumbent.fingerprint)
    tried = [name for candidate in space.contenders if (name := candidate.config.fingerprint) in losses]
    if current is None or not tried or not len(current.values):
        return {}
    return dict(zip(tried, no_better(current, [losses[name].values for name in tried]), strict=True))


def no_better(current: Losses, others: Sequence[Array]) -> list[float]:
    """Adjusted p-values of others against the current settings."""
    differences = current.values[:, None] - np.stack(others, axis=1)
    is_rounding = np.abs(differences.mean(axis=0)) <= ROUNDING * current.values.mean()
    return [float(p) for p in p_values(np.where(is_rounding, 0.0, differences), current.overlap)]


def pick(chances: Sequence[float], means: Sequence[float], significance: float) -> int | None:
    """Place of the lowest loss among the significantly better; None without any.

    Of equal losses the first wins.
    """
    better_ones = [place for place, chance in enumerate(chances) if chance <= significance]
    if not better_ones:
        return None
    least = min(means[place] for place in better_ones)
    return next(place for place in better_ones if means[place] - least <= ROUNDING * least)


def choose(losses: Mapping[str, Losses], space: Space, significance: float) -> str:
    """Fingerprint of the challenger, or of the current settings.

    Of equal losses the shortest context wins.
    """
    chances = p_values_of(losses, space)
    contexts = {candidate.config.fingerprint: candidate.config.context_length for candidate in space.contenders}
    order = sorted(chances, key=lambda name: (contexts[name], name))
    means = [float(losses[name].values.mean()) for name in order]
    place = pick([chances[name] for name in order], means, significance)
    return space.incumbent.fingerprint if place is None else order[place]


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
    policy: SearchPolicy,
    *,
    search_id: str,
    searched_at: datetime,
    words: str,
    origins: Sequence[date] = (),
    as_file: Callable[[InferenceConfig], InferenceConfig] = lambda config: config,
) -> Choice:
    """Chooses, and tabulates every candidate with its paired gain.

    Args:
        losses: by fingerprint, of those tried to the end.
        space: the candidates.
        policy: objective and significance.
        search_id: names the search.
        searched_at: the platform's clock.
        words: origins and method, for people.
        origins: that candidates were compared on, ascending.
        as_file: a candidate as the config file would hold it; the table names candidates by these.
    """
    incumbent = space.incumbent.fingerprint
    chances, chosen = p_values_of(losses, space), choose(losses, space, policy.significance)
    gains = _gains(losses, incumbent, policy.objective)
    order = sorted((name for name in losses if len(losses[name].values)), key=lambda n: float(losses[n].values.mean()))
    rank = {name: place for place, name in enumerate(order, start=1)}
    contenders = {candidate.config.fingerprint for candidate in space.contenders}
    shared = {
        "search_id": search_id,
        "searched_at": searched_at,
        "first_origin": origins[0] if origins else None,
        "last_origin": origins[-1] if origins else None,
    }
    rows = []
    for candidate in space.candidates:
        name, published = candidate.config.fingerprint, as_file(candidate.config)
        remark = "" if name == incumbent else _remark(name, losses, chances, contenders)
        rows.append(
            {
                **_row(candidate, losses.get(name), gains.get(name), policy.objective),
                **shared,
                "candidate": published.fingerprint,
                "config": json.dumps(published.model_dump(), sort_keys=True),
                "rank": rank.get(name),
                "is_incumbent": name == incumbent,
                "is_chosen": name == chosen,
                "words": remark,
            }
        )
    table = pl.DataFrame(rows, schema=CANDIDATES_SCHEMA).sort("rank", "loss", nulls_last=True, maintain_order=True)
    places = {candidate.config.fingerprint: place for place, candidate in enumerate(space.candidates)}
    best = min(chances, key=lambda name: (chances[name], float(losses[name].values.mean())), default=None)
    row = rows[places[chosen if chosen != incumbent or best is None else best]]
    chance = chances.get(chosen if chosen != incumbent else best or "")
    sentence = _sentence(table, row, chance, len(chances), policy)
    return Choice(str(rows[places[chosen]]["candidate"]), table, f"{sentence}; {space.words}; {words}")


def _remark(name: str, losses: Mapping[str, Losses], chances: Mapping[str, float], contenders: Collection[str]) -> str:
    """Standing of a candidate, for people."""
    if name not in losses:
        return "not tried"
    if name not in contenders:
        return "fewer paths: sampling noise, never chosen"
    return f"p {chances[name]:.3f}" if name in chances else ""


def _gains(
    losses: Mapping[str, Losses], incumbent: str, objective: Objective
) -> dict[str, tuple[float | None, float | None, float | None]]:
    """Gains on the incumbent with intervals, from shared resamples."""
    if incumbent not in losses:
        return {}
    reference = losses[incumbent]
    pairs = [(entry.values, reference.values, objective == "rmse") for entry in losses.values()]
    gains = skills(pairs, overlap=reference.overlap)
    return {name: (entry.value, entry.low, entry.high) for name, entry in zip(losses, gains, strict=True)}


def _row(
    candidate: Candidate,
    losses: Losses | None,
    gain: tuple[float | None, float | None, float | None] | None,
    objective: Objective,
) -> dict[str, object]:
    config = candidate.config
    fields = ("context_length", "num_samples", "temperature", "representation", "is_calibrated")
    mean = None if losses is None or not len(losses.values) else float(losses.values.mean())
    error = None if losses is None else standard_error(losses.values, losses.overlap)
    if objective == "rmse" and mean:  # of the root, to first order
        mean, error = mean**0.5, None if error is None else error / (2 * mean**0.5)
    return {
        "horizon": config.horizon,
        **{name: getattr(config, name) for name in fields},
        "loss": mean,
        "loss_se": error,
        **dict(zip(("gain", "gain_low", "gain_high"), gain or (None, None, None), strict=True)),
        "n": 0 if losses is None else len(losses.values),
        "n_effective": None if losses is None else effective_size(losses.values, losses.overlap),
        "same_as": ", ".join(candidate.same_as),
    }


def _sentence(
    table: pl.DataFrame, row: Mapping[str, Any], chance: float | None, contenders: int, policy: SearchPolicy
) -> str:
    """Result of the search, for people.

    Args:
        table: every candidate.
        row: of the chosen candidate, else of the best contender.
        chance: its p-value.
        contenders: number that the p-value is adjusted for.
        policy: objective and significance.
    """
    losses, loss = table["loss"].drop_nulls(), LOSS[policy.objective]
    if losses.is_empty():
        return "nothing could be compared, the current settings stay"
    low, high = float(losses.min()), float(losses.max())  # type: ignore[arg-type]
    if losses.len() > 1 and high - low <= ROUNDING * high:
        return f"all candidates have the same {loss}, so that it cannot tell them apart; the current settings stay"
    if chance is None:
        return "no other settings were compared; the current settings stay"
    settings = f"context {row['context_length']}, samples {row['num_samples']}, temperature {row['temperature']}"
    gain = better(Skill(row["gain"], row["gain_low"], row["gain_high"], row["n"], row["n_effective"]))
    figures = f"{loss} {gain} against the current settings, p {chance:.3f} adjusted for {contenders} candidates"
    if row["is_chosen"]:
        return f"found {row['candidate']} ({settings}): {figures}"
    return (
        f"no candidate is significantly better than the current settings (best: {row['candidate']}, {settings}: "
        f"{figures}; wanted p ≤ {policy.significance:g}); they stay"
    )
