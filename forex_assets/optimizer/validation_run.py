"""Runs a validation for asset and command line."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from forex_assets.accuracy.compare import block_of
from forex_assets.accuracy.superiority import spa_p_value
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.progress import Report
from forex_assets.core.schemas import USDCLP_SCHEMA, empty
from forex_assets.core.session import Session
from forex_assets.forecasts.engines import Engines
from forex_assets.optimizer.candidate_backtest_run import silent, splits_of, trial_rows
from forex_assets.optimizer.champion_challenger import CANDIDATES, Contest, contest_of
from forex_assets.optimizer.newest_fans import newest_fans
from forex_assets.optimizer.origins import Split, apart_from
from forex_assets.optimizer.paired_losses import walk_rows
from forex_assets.optimizer.search import losses_of
from forex_assets.optimizer.shadow import begin, judge_shadow
from forex_assets.optimizer.timing import Side, seconds_by_turns
from forex_assets.optimizer.validation import Validation, nothing_to_validate, validate
from forex_assets.optimizer.validation_pages import Pages, write_pages


def run_validation(
    session: Session, engines: Engines, horizons: Sequence[str], *, report: Report = silent
) -> dict[str, Validation]:
    """Validates the last search's choices and writes the pages.

    A trial beside the champion whose days are over is judged first; where live outcomes approve of it, that is the
    verdict. Trials of the search and of earlier validations are not run again.

    Args:
        horizons: such as `["7d"]`.
        report: told how many origins are done, of how many; starts anew with each horizon.

    Raises:
        NotSearchedError: a horizon has not been searched.
        EngineError: no prices, no model, or one that cannot do what a config asks.
        ConfigError, PolicyError: a file cannot be used.
        WarehouseError: a table or page cannot be read or written.
    """
    splits, found = splits_of(session, horizons), {}
    for horizon in horizons:
        contest = contest_of(session, engines, horizon)
        live = judge_shadow(session, engines, horizon)
        if live is not None and live.verdict == "approved":
            found[horizon] = live
            publish(session, live)
            continue
        if live is not None:
            contest = replace(contest, notes=(*contest.notes, f"the trial that ended: {live.words}"))
        split = apart_from(splits[horizon], contest.searched, horizon)
        found[horizon] = _validate(session, engines, contest, split, report)
    return found


def _validate(session: Session, engines: Engines, contest: Contest, split: Split, report: Report) -> Validation:
    """Validates one horizon; may start a shadow trial."""
    policy = session.policy
    if contest.is_settled:
        found = nothing_to_validate(contest.subject(session), policy, notes=contest.notes)
        publish(session, found)
        return found
    sides = contest.sides(engines)
    rows = _rows(session, contest, sides, split, report)
    seconds = seconds_by_turns(session, *sides, split.validation[-policy.validation.timing_pairs :])
    found = validate(
        contest.subject(session, repr(seconds.tolist())),
        *rows,
        seconds,
        policy,
        superiority=_superiority(session, engines, contest, split),
        notes=(split.words, *contest.notes),
        has_beaten_champion=contest.has_beaten_live,
    )
    shadow = begin(session, contest, found)
    if shadow is not None:
        words = f"the challenger runs beside the current settings from {shadow.since} to {shadow.until}, marked shadow"
        found = replace(found, notes=(*found.notes, words))
    publish(session, found, sides)
    return found


def publish(session: Session, found: Validation, sides: tuple[Side, Side] | None = None) -> Pages:
    """Writes the report's pages."""
    history, fans = empty(USDCLP_SCHEMA), dict[str, pl.DataFrame]()
    if sides is not None:
        history, fans = newest_fans(session, dict(zip(("champion", "challenger"), sides, strict=True)))
    is_sample = session.market == "sample"
    return write_pages(session.tables, found, history=history, fans=fans, is_sample=is_sample)


def _rows(
    session: Session, contest: Contest, sides: tuple[Side, Side], split: Split, report: Report
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of both on the validation's origins.

    Bands are calibrated by earlier origins; without a config the champion is the EWMA benchmark.

    Those of the walk stand beside the challenger's own.
    """
    champion, challenger = sides
    configs = [challenger.config] if contest.live is None else [champion.config, challenger.config]
    horizon, days = contest.horizon, [*split.search, *split.validation]
    rows = trial_rows(session, challenger.engine, {horizon: configs}, {horizon: days}, report=report)[horizon]
    judged = rows.filter(pl.col("as_of").is_in(list(split.validation)))
    own = judged.filter(pl.col("config_fingerprint") == challenger.config.fingerprint)
    if contest.live is None:
        return walk_rows(own), own
    return judged.filter(pl.col("config_fingerprint") == champion.config.fingerprint), own


def _superiority(session: Session, engines: Engines, contest: Contest, split: Split) -> float | None:
    """SPA p-value on the search's origins; None without trials."""
    table = session.tables.read(CANDIDATES, contest.horizon)
    if table is None or contest.live is None or not split.search:
        return None
    if contest.searched != (split.search[0], split.search[-1]):
        return None
    tried = table.filter(pl.col("rank").is_not_null())["config"]
    configs = [engines.resolve(InferenceConfig.model_validate_json(text))[1] for text in tried]
    days = {contest.horizon: split.search}
    rows = trial_rows(session, engines.engine(contest.found), {contest.horizon: configs}, days, cached_only=True)
    losses = losses_of(rows[contest.horizon], session.policy.search.objective)
    incumbent = losses.pop(engines.resolve(contest.live)[1].fingerprint, None)
    if incumbent is None or not losses:
        return None
    others = np.stack([each.values for each in losses.values()], axis=1)
    return spa_p_value(incumbent.values, others, block_of(incumbent.overlap))
