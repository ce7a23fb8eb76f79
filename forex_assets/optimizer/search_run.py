"""Runs a search for asset and command line."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import polars as pl

from forex_assets.accuracy.backtest_run import inputs_of
from forex_assets.core.config_store import ConfigError
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.progress import Report
from forex_assets.core.session import Session
from forex_assets.forecasts.chronos.finder import EMBEDDED, ResolvedModel
from forex_assets.forecasts.engine import Engine, EngineError, traits_of
from forex_assets.forecasts.engines import Engines
from forex_assets.forecasts.forecast import covariates_for, data_fingerprint
from forex_assets.optimizer.candidate_backtest_run import level_words, silent, splits_of, trial_rows
from forex_assets.optimizer.champion_challenger import as_live
from forex_assets.optimizer.methods import run_method
from forex_assets.optimizer.origins import Split
from forex_assets.optimizer.search import Choice, Losses, candidates_table, losses_of
from forex_assets.optimizer.space import Space, space_of
from forex_assets.optimizer.tpe import suggest

FIRST_MODEL: Final = "amazon/chronos-t5-small"
"""Model used when no horizon has a config."""

Models = Mapping[str, tuple[ResolvedModel, InferenceConfig]]
"""Model and effective settings by horizon."""


def run_search(
    session: Session,
    engines: Engines,
    horizons: Sequence[str],
    *,
    report: Report = silent,
    together: Sequence[str] = (),
) -> dict[str, Choice]:
    """Searches the settings of horizons.

    Trials stored by an interrupted search are not run again. A grid without a time limit runs horizons of one model
    together, so that one path of the model serves all of them.

    Args:
        horizons: such as `["7d"]`.
        report: called with past dates done and in total; starts anew with each model or horizon.
        together: horizons that runs of their own search next: a grid runs and stores their trials on the same paths.

    Raises:
        EngineError: no prices, no model, or one that cannot do what a config asks.
        ConfigError, PolicyError: a file cannot be used.
    """
    models = {horizon: engines.resolve(live_or_first(session, horizon)) for horizon in horizons}
    is_whole_grid = session.policy.search.method == "grid" and session.policy.search.max_seconds is None
    others = _of_same_models(session, engines, together, models) if is_whole_grid else {}
    splits = splits_of(session, [*models, *others])
    spaces = {name: _space(session, engines, *pair) for name, pair in {**models, **others}.items()}
    grids = dict[str, pl.DataFrame]()
    if is_whole_grid:
        try:
            grids = _run_grids(session, engines, models, others, spaces, splits, report)
        except EngineError:
            if not others:
                raise
            grids = _run_grids(session, engines, models, {}, spaces, splits, report)
    return {
        horizon: _search(
            session, engines, models[horizon][0], spaces[horizon], splits[horizon], report, grids.get(horizon)
        )
        for horizon in horizons
    }


def _of_same_models(session: Session, engines: Engines, horizons: Sequence[str], models: Models) -> Models:
    """Other horizons on the same models.

    A faulty one is left out: it fails in a run of its own.
    """
    others = dict[str, tuple[ResolvedModel, InferenceConfig]]()
    locations = {resolved.location for resolved, _ in models.values()}
    for horizon in horizons:
        with suppress(ConfigError, EngineError):
            resolved, config = engines.resolve(live_or_first(session, horizon))
            if horizon not in models and resolved.location in locations:
                others[horizon] = resolved, config
    return others


def live_or_first(session: Session, horizon: str) -> InferenceConfig:
    """Current settings, or a start for a horizon without any.

    The grid's middle, with the model of another horizon.

    Raises:
        ConfigError: there is a config, and it cannot be used.
    """
    if session.configs.exists(horizon):
        return session.configs.read(horizon)
    others = [name for name in HORIZONS if session.configs.exists(name)]
    model = session.configs.read(others[0]).model if others else FIRST_MODEL
    policy = session.policy.search
    lengths = sorted(policy.context_length[horizon])
    return InferenceConfig(
        horizon=horizon,  # type: ignore[arg-type]  # days_of has accepted it
        model=model,
        context_length=lengths[len(lengths) // 2],
        num_samples=max(policy.num_samples),
        temperature=1.0,
        representation="returns" if model == EMBEDDED else "anchored",
    )


def _space(session: Session, engines: Engines, resolved: ResolvedModel, config: InferenceConfig) -> Space:
    policy = session.policy.search
    if resolved.stands_in:  # the embedded model keeps its own representation, and the file the configured model's
        policy = policy.model_copy(update={"representation": []})
    return space_of(config, traits_of(engines.engine(resolved)), policy)


def _run_grids(
    session: Session,
    engines: Engines,
    models: Models,
    others: Models,
    spaces: Mapping[str, Space],
    splits: Mapping[str, Split],
    report: Report,
) -> dict[str, pl.DataFrame]:
    """Runs all grid trials; rows of `models` by horizon.

    Horizons of one model run in one pass.
    """
    rows, every = dict[str, pl.DataFrame](), {**models, **others}
    for model in {resolved.location: resolved for resolved, _ in models.values()}.values():
        horizons = [horizon for horizon, (resolved, _) in every.items() if resolved.location == model.location]
        configs = {horizon: [candidate.config for candidate in spaces[horizon].candidates] for horizon in horizons}
        days = {horizon: splits[horizon].search for horizon in horizons}
        rows |= trial_rows(session, engines.engine(model), configs, days, report=report, wanted=[*models])
    return rows


def _search(
    session: Session,
    engines: Engines,
    resolved: ResolvedModel,
    space: Space,
    split: Split,
    report: Report,
    grid: pl.DataFrame | None,
) -> Choice:
    """Searches one horizon by the policy's method.

    `grid` holds its trials where they were run together.
    """
    policy, horizon, engine = session.policy.search, str(space.incumbent.horizon), engines.engine(resolved)
    deadline = None if policy.max_seconds is None else time.perf_counter() + policy.max_seconds

    def evaluate(configs: Sequence[InferenceConfig]) -> Mapping[str, Losses]:
        if grid is not None:
            return losses_of(grid, policy.objective)
        days = {horizon: split.search}
        rows = trial_rows(session, engine, {horizon: configs}, days, report=report, deadline=deadline)
        return losses_of(rows[horizon], policy.objective)

    tried = run_method(space, policy, evaluate, suggest)
    words = "; ".join([tried.words, split.words, *_remarks(session, resolved, horizon, deadline)])
    current = live_or_first(session, horizon)
    return candidates_table(
        tried.losses,
        space,
        policy,
        search_id=search_id(session, engine, space, split),
        searched_at=session.now,
        origins=split.search,
        words=words,
        as_file=lambda config: current if config == space.incumbent else as_live(config, current, resolved),
    )


def _remarks(session: Session, resolved: ResolvedModel, horizon: str, deadline: float | None) -> list[str]:
    """Caveats on the result, for people."""
    words = level_words(session)
    if deadline is not None and time.perf_counter() >= deadline:
        limit = session.policy.search.max_seconds
        words.append(f"max_seconds {limit:g} ran out: compared on the origins that all were tried at")
    if resolved.stands_in:
        configured = live_or_first(session, horizon).model
        words.append(f"measured on the embedded model, which stands in for {configured}: it says nothing of that one")
    return words


def search_id(session: Session, engine: Engine, space: Space, split: Split) -> str:
    """Names a search by its inputs.

    Candidates, origins, starting level, model, method and every known price.
    """
    policy = session.policy.search
    prices, features = inputs_of(session)
    parts = (
        *(candidate.config.fingerprint for candidate in space.candidates),
        *(day.isoformat() for day in split.search),
        *(engine.name, engine.model, policy.method, policy.objective, str(policy.seed)),
        *(str(policy.max_candidates), str(policy.max_seconds), policy.origin),
        data_fingerprint(prices, covariates_for(engine, space.incumbent, features)),
    )
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:12]
