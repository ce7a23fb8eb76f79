"""One search from the live settings to the table of candidates, for asset and command line."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from forex_assets.accuracy.backtest_run import inputs_of
from forex_assets.core.horizon import HORIZONS, days_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.forecasts.chronos.finder import EMBEDDED, ResolvedModel
from forex_assets.forecasts.engine import Engine, Origin, traits_of
from forex_assets.forecasts.forecast import covariates_for, data_fingerprint, usable
from forex_assets.market.prices import USDCLP
from forex_assets.optimizer.candidate_backtest_run import Report, silent, splits_of, trial_rows
from forex_assets.optimizer.methods import run_method
from forex_assets.optimizer.origins import Split
from forex_assets.optimizer.search import Choice, Losses, candidates_table, losses_of
from forex_assets.optimizer.space import Space, space_of
from forex_assets.optimizer.tpe import suggest
from forex_assets.platform import Platform

FIRST_MODEL: Final = "amazon/chronos-t5-small"
"""Of a horizon without a config, where no other has one."""

SESSIONS_A_WEEK: Final = 5
"""Of seven days: the steps of the fans that say what a candidate costs."""


def run_search(platform: Platform, horizons: Sequence[str], *, report: Report = silent) -> dict[str, Choice]:
    """Search the settings of horizons; what an earlier search that was ended has tried is not tried again.

    Horizons with the same model are searched together where the method allows, so that one path of the model serves
    all of them.

    Args:
        platform: settings, prices, policy.
        horizons: such as `["7d"]`.
        report: told how many origins are done, of how many; starts anew with each model or horizon.

    Raises:
        EngineError: no prices, no model, or one that cannot do what a config asks.
        ConfigError, PolicyError: a file cannot be used.
    """
    splits, models = splits_of(platform, horizons), {}
    for horizon in horizons:
        models[horizon] = platform.model_for(live_or_first(platform, horizon))
    spaces = {horizon: _space(platform, *models[horizon]) for horizon in horizons}
    if platform.policy.search.method == "grid" and platform.policy.search.max_seconds is None:
        _run_together(platform, models, spaces, splits, report)
    return {
        horizon: _search(platform, models[horizon][0], spaces[horizon], splits[horizon], report) for horizon in horizons
    }


def live_or_first(platform: Platform, horizon: str) -> InferenceConfig:
    """What is live; for a horizon without a config what a search begins from: the grid's middle, another's model.

    Raises:
        ConfigError: there is a config, and it cannot be used.
    """
    if platform.configs.path(horizon).exists():
        return platform.configs.read(horizon)
    others = [each for each in HORIZONS if platform.configs.path(each).exists()]
    model = platform.configs.read(others[0]).model if others else FIRST_MODEL
    policy = platform.policy.search
    lengths = sorted(policy.context_length[horizon])
    return InferenceConfig(
        horizon=horizon,  # type: ignore[arg-type]  # days_of has accepted it
        model=model,
        context_length=lengths[len(lengths) // 2],
        num_samples=max(policy.num_samples),
        temperature=1.0,
        representation="returns" if model == EMBEDDED else "anchored",
    )


def _space(platform: Platform, found: ResolvedModel, config: InferenceConfig) -> Space:
    return space_of(config, traits_of(platform.engine(found)), platform.policy.search)


def _run_together(
    platform: Platform,
    models: Mapping[str, tuple[ResolvedModel, InferenceConfig]],
    spaces: Mapping[str, Space],
    splits: Mapping[str, Split],
    report: Report,
) -> None:
    """Every trial of the grid, all horizons of a model in one pass; they are kept, and read again by each search."""
    for found in {each[0].location: each[0] for each in models.values()}.values():
        here = [horizon for horizon, (model, _) in models.items() if model.location == found.location]
        configs = {horizon: [each.config for each in spaces[horizon].candidates] for horizon in here}
        trial_rows(platform, platform.engine(found), configs, {h: splits[h].search for h in here}, report=report)


def _search(platform: Platform, found: ResolvedModel, space: Space, split: Split, report: Report) -> Choice:
    """One horizon by the policy's method."""
    policy, horizon, engine = platform.policy.search, space.incumbent.horizon, platform.engine(found)
    deadline = None if policy.max_seconds is None else time.perf_counter() + policy.max_seconds

    def evaluate(configs: Sequence[InferenceConfig]) -> Mapping[str, Losses]:
        rows = trial_rows(
            platform, engine, {horizon: configs}, {horizon: split.search}, report=report, deadline=deadline
        )
        return losses_of(rows[horizon], policy.objective)

    tried = run_method(space, policy, evaluate, suggest)
    words = "; ".join([tried.words, split.words, *_remarks(platform, found, horizon, deadline)])
    return candidates_table(
        tried.losses,
        space,
        policy.objective,
        search_id=search_id(platform, engine, space, split),
        searched_at=platform.now,
        origins=split.search,
        seconds=_seconds(platform, engine, space),
        words=words,
    )


def _remarks(platform: Platform, found: ResolvedModel, horizon: str, deadline: float | None) -> list[str]:
    """What limits the result, for people."""
    words = []
    if deadline is not None and time.perf_counter() >= deadline:
        limit = platform.policy.search.max_seconds
        words.append(f"max_seconds {limit:g} ran out: compared on the origins that all were tried at")
    if found.stands_in:
        configured = live_or_first(platform, horizon).model
        words.append(f"measured on the embedded model, which stands in for {configured}: it says nothing of that one")
    return words


def search_id(platform: Platform, engine: Engine, space: Space, split: Split) -> str:
    """Names a search by what it depends on: candidates, origins, model, method, and every price that was known."""
    policy = platform.policy.search
    prices, features = inputs_of(platform.session)
    parts = (
        *(each.config.fingerprint for each in space.candidates),
        *(day.isoformat() for day in split.search),
        *(engine.name, engine.model, policy.method, policy.objective, str(policy.seed)),
        *(str(policy.max_candidates), str(policy.max_seconds)),
        data_fingerprint(prices, covariates_for(engine, space.incumbent, features)),
    )
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:12]


def _seconds(platform: Platform, engine: Engine, space: Space) -> dict[str, float]:
    """What one fan from the newest price takes alone; for people, no choice rests on it.

    Taken once for settings that differ in nothing that costs time: temperature and calibration do not.
    """
    values = usable(inputs_of(platform.session)[0])[USDCLP.value].to_numpy().astype(np.float64)
    origin = Origin(values, days_of(space.incumbent.horizon) * SESSIONS_A_WEEK // 7, {})
    made, taken = dict[tuple[object, ...], float](), {}
    # The first is never like the others.
    engine.forecast([origin], space.incumbent.model_copy(update={"uses_copper": False}))
    for each in space.candidates:
        config = each.config.model_copy(update={"uses_copper": False})
        cost = (*each.cost, config.representation)
        if cost not in made:
            began = time.perf_counter()
            engine.forecast([origin], config)
            made[cost] = time.perf_counter() - began
        taken[each.config.fingerprint] = made[cost]
    return taken
