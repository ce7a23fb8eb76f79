"""Runs a validation for asset and command line."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from forex_assets.accuracy.backtest_run import inputs_of
from forex_assets.core.horizon import target_of
from forex_assets.core.progress import Report
from forex_assets.core.schemas import USDCLP_SCHEMA, empty
from forex_assets.core.session import Session
from forex_assets.forecasts.engines import Engines
from forex_assets.forecasts.forecast import last_session, make_forecast
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import USDCLP
from forex_assets.market.quotes import origin_at
from forex_assets.optimizer.candidate_backtest_run import level_words, silent, splits_of, trial_rows
from forex_assets.optimizer.champion_challenger import ChampionChallenger, champion_challenger_of
from forex_assets.optimizer.origins import Split, apart_from
from forex_assets.optimizer.paired_losses import walk_rows
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
    splits, validations = splits_of(session, horizons), {}
    for horizon in horizons:
        pair = champion_challenger_of(session, engines, horizon)
        live = judge_shadow(session, engines, horizon)
        if live is not None and live.verdict == "approved":
            validations[horizon] = live
            publish(session, live)
            continue
        if live is not None:
            pair = replace(pair, notes=(*pair.notes, f"the trial that ended: {live.words}"))
        split = apart_from(splits[horizon], pair.searched, horizon)
        validations[horizon] = _validate(session, engines, pair, split, report)
    return validations


def _validate(session: Session, engines: Engines, pair: ChampionChallenger, split: Split, report: Report) -> Validation:
    """Validates one horizon; may start a shadow trial."""
    policy = session.policy
    if pair.is_settled:
        validation = nothing_to_validate(pair.subject(session), policy, notes=pair.notes)
        publish(session, validation)
        return validation
    sides = pair.sides(engines)
    rows = _rows(session, pair, sides, split, report)
    seconds = seconds_by_turns(session, *sides, split.validation[-policy.validation.timing_pairs :])
    validation = validate(
        pair.subject(session, repr(seconds.tolist())),
        *rows,
        seconds,
        policy,
        notes=(split.words, *level_words(session), *pair.notes),
        has_beaten_champion=pair.has_beaten_live,
    )
    shadow = begin(session, pair, validation)
    if shadow is not None:
        words = f"the challenger runs beside the current settings from {shadow.since} to {shadow.until}, marked shadow"
        validation = replace(validation, notes=(*validation.notes, words))
    publish(session, validation, sides)
    return validation


def publish(session: Session, validation: Validation, sides: tuple[Side, Side] | None = None) -> Pages:
    """Writes the report's pages."""
    history, fans = empty(USDCLP_SCHEMA), dict[str, pl.DataFrame]()
    if sides is not None:
        history, fans = _newest_fans(session, dict(zip(("champion", "challenger"), sides, strict=True)))
    is_sample = session.market == "sample"
    return write_pages(session.tables, validation, history=history, fans=fans, is_sample=is_sample)


def _rows(
    session: Session, pair: ChampionChallenger, sides: tuple[Side, Side], split: Split, report: Report
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of both on the validation's origins.

    Bands are calibrated by earlier origins; without a config the champion is the EWMA benchmark.

    Those of the walk stand beside the challenger's own.
    """
    champion, challenger = sides
    configs = [challenger.config] if pair.live is None else [champion.config, challenger.config]
    horizon, days = pair.horizon, [*split.search, *split.validation]
    rows = trial_rows(session, challenger.engine, {horizon: configs}, {horizon: days}, report=report)[horizon]
    judged = rows.filter(pl.col("as_of").is_in(list(split.validation)))
    challenger_rows = judged.filter(pl.col("config_fingerprint") == challenger.config.fingerprint)
    if pair.live is None:
        return walk_rows(challenger_rows), challenger_rows
    return judged.filter(pl.col("config_fingerprint") == champion.config.fingerprint), challenger_rows


def _newest_fans(session: Session, sides: Mapping[str, Side]) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """The engines' own fans as of the clock, no band corrected.

    Args:
        sides: by name, of one horizon.

    Returns:
        The prices (`USDCLP_SCHEMA`), and `FORECAST_SCHEMA` by title.
    """
    prices, features = inputs_of(session)
    start, fans = origin_at(session, prices), {}
    last = last_session(prices, start)
    for name, side in sides.items():
        target = target_of(side.config.horizon, session.today, last, calendar_of(USDCLP))
        fan = make_forecast(side.engine, side.config, target, prices, features, clock=time.perf_counter, start=start)
        fans[f"{name}: its own fan, bands not corrected"] = fan
    return prices, fans
