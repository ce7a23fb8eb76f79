"""Shadow trials: a challenger forecasts beside the champion.

Nobody acts on its forecasts; the ledger marks them shadow. Live outcomes judge it.

Its forecasts are in the ledger, marked shadow: nobody acts on them, no score of the champion's counts them.
"""

import time
from datetime import timedelta
from typing import Final

import polars as pl

from forex_assets.accuracy.backtest_run import inputs_of
from forex_assets.accuracy.realized_store import RealizedStore
from forex_assets.core import names
from forex_assets.core.code_version import code_version
from forex_assets.core.horizon import target_of
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import REALIZED_SCHEMA, empty
from forex_assets.core.session import Session
from forex_assets.forecasts.calibration import Calibration, past_errors
from forex_assets.forecasts.engine import Engine
from forex_assets.forecasts.engines import Engines
from forex_assets.forecasts.forecast import last_session, make_forecast
from forex_assets.forecasts.ledger_files import Appended
from forex_assets.forecasts.ledger_store import LedgerStore
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import USDCLP
from forex_assets.market.quotes import origin_at
from forex_assets.optimizer.candidate_backtest_run import splits_of, trial_rows
from forex_assets.optimizer.champion_challenger import ChampionChallenger, live_config, remarks
from forex_assets.optimizer.shadow_store import Shadow, ShadowStore
from forex_assets.optimizer.timing import seconds_by_turns
from forex_assets.optimizer.validation import Validation, validate

SEARCHED: Final = "trial beside the champion"


def begin(session: Session, pair: ChampionChallenger, validation: Validation) -> Shadow | None:
    """Starts a shadow trial for an inconclusive verdict.

    A trial under way goes on.

    Returns:
        What is on trial now because of this; None where nothing is.

    Raises:
        WarehouseError: the record cannot be read or written.
    """
    days = session.policy.validation.shadow_days
    is_open = validation.verdict == "inconclusive" and validation.evidence is not None and pair.live is not None
    if not days or not is_open:
        return None
    store, today = ShadowStore(session.tables), session.today
    known = store.read(pair.horizon)
    if known is not None and known.config == pair.challenger and known.champion == pair.champion:
        return known
    shadow = Shadow(
        config=pair.challenger,
        champion=pair.champion,
        since=today,
        until=today + timedelta(days=days),
        validation_id=validation.subject.validation_id,
    )
    store.write(shadow)
    return shadow


def shadow_forecast(session: Session, engines: Engines, horizon: str) -> pl.DataFrame | None:
    """Today's forecast of the challenger on trial, else None.

    Raises:
        WarehouseError, EngineError, ConfigError, ValueError: it cannot be said.
    """
    shadow, today = ShadowStore(session.tables).read(horizon), session.today
    live = live_config(session, horizon)
    if shadow is None or not shadow.runs_on(today) or live is None or live.fingerprint != shadow.champion:
        return None
    resolved, config = engines.resolve(shadow.config)
    engine = engines.engine(resolved)
    prices, features = inputs_of(session)
    start = origin_at(session, prices)
    target = target_of(horizon, today, last_session(prices, start), calendar_of(USDCLP))
    calibration = _calibration(session, engine, config, target.steps) if config.is_calibrated else None
    return make_forecast(
        engine, config, target, prices, features, clock=time.perf_counter, calibration=calibration, start=start
    )


def append_shadow(session: Session, engines: Engines, horizon: str) -> Appended | None:
    """Appends today's challenger forecast to the ledger, marked shadow.

    Returns:
        Its entry; None without a trial, or where the champion has no forecast of today.

    Raises:
        WarehouseError, EngineError, ConfigError, LedgerError, ValueError: the challenger could not forecast.
    """
    if ShadowStore(session.tables).read(horizon) is None:
        return None
    latest = session.tables.read(names.LATEST, horizon)
    fan = None
    if latest is not None and latest["as_of"][0] == session.today:
        fan = shadow_forecast(session, engines, horizon)
    if fan is None:
        return None
    store = LedgerStore(session.tables_for(names.LEDGER, fan))
    return store.append(
        fan,
        issued_at=session.now,
        code_version=code_version(),
        is_shadow=True,
        is_replay=session.settings.as_of is not None,
    )


def _calibration(session: Session, engine: Engine, config: InferenceConfig, steps: int) -> Calibration:
    """Calibration from stored trials, errors at the target."""
    split = splits_of(session, [config.horizon])[config.horizon]
    configs = {str(config.horizon): [config]}
    days = {str(config.horizon): [*split.search, *split.validation]}
    rows = trial_rows(session, engine, configs, days, cached_only=True)[config.horizon]
    # As normal scores the errors of targets a session nearer or farther are alike, and so are those on the way.
    at_each = [rows.with_columns(step=pl.lit(step, pl.Int64)) for step in range(1, steps + 1)]
    return past_errors(pl.concat(at_each)).calibration(session.now, steps)


def judge_shadow(session: Session, engines: Engines, horizon: str) -> Validation | None:
    """Verdict on a finished shadow trial, else None.

    A trial against a champion that is live no more ends without a verdict.

    Raises:
        WarehouseError: the record cannot be read or removed.
    """
    store = ShadowStore(session.tables)
    shadow, live = store.read(horizon), live_config(session, horizon)
    if shadow is None:
        return None
    if live is None or live.fingerprint != shadow.champion:
        store.remove(horizon)
        return None
    if not shadow.is_over(session.today):
        return None
    resolved, effective = engines.resolve(live)
    pair = ChampionChallenger(horizon, live, shadow.config, resolved, SEARCHED, tuple(remarks(session, resolved, live)))
    champion, challenger = pair.sides(engines)
    issued = _outcomes(session, shadow)
    fingerprint, is_shadow = pl.col("config_fingerprint"), pl.col("is_shadow")
    old = issued.filter(~is_shadow & (fingerprint == effective.fingerprint))
    new = issued.filter(is_shadow & (fingerprint == challenger.config.fingerprint))
    days = new["as_of"].to_list()[-session.policy.validation.timing_pairs :]
    seconds = seconds_by_turns(session, champion, challenger, days)
    origin_note = (
        f"judged on live outcomes: the challenger of report {shadow.validation_id} ran beside the champion from "
        f"{shadow.since} to {shadow.until}"
    )
    subject = pair.subject(session, repr(seconds.tolist()))
    verdict = validate(subject, old, new, seconds, session.policy, notes=(origin_note, *pair.notes))
    if verdict.verdict != "approved":  # an approved one stays, until the current settings have changed
        store.remove(horizon)
    return verdict


def _outcomes(session: Session, shadow: Shadow) -> pl.DataFrame:
    """Outcomes of the trial's forecasts, by last version."""
    is_of_trial = pl.col("as_of").is_between(shadow.since, shadow.until) & pl.col("is_target")
    table = RealizedStore(session.tables, names.REALIZED).read(shadow.config.horizon, where=is_of_trial)
    rows = empty(REALIZED_SCHEMA) if table is None else table
    # At a clock that was set by hand all there is are replays, and they are no track record otherwise.
    record = "ledger" if session.settings.as_of is None else "replay"
    kept = rows.filter(pl.col("record") == record).sort("as_of", "version")
    one = ["as_of", "is_shadow", "config_fingerprint"]
    return kept.unique(one, keep="last", maintain_order=True)
