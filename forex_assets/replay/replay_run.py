"""Runs a replay on the stored prices, for asset and command line."""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from forex_assets.accuracy.backtest_store import engine_key
from forex_assets.accuracy.past_dates import origin_dates, parse_every
from forex_assets.accuracy.start_level import book_of
from forex_assets.core import names
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import Policy
from forex_assets.core.progress import Report
from forex_assets.core.schemas import COPPER_SCHEMA, empty
from forex_assets.core.session import Session
from forex_assets.forecasts.engine import Engine, EngineError, Origin, traits_of
from forex_assets.forecasts.engines import Engines
from forex_assets.forecasts.forecast import COVARIATE_ENGINES
from forex_assets.market.gaps import per_session_prices
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import USDCLP
from forex_assets.optimizer.candidate_backtest_run import silent
from forex_assets.optimizer.search_run import live_or_first
from forex_assets.replay.known import KnownMarket, PastDates
from forex_assets.replay.library import Library
from forex_assets.replay.lineage import Evenings
from forex_assets.replay.loop import Replay
from forex_assets.replay.results import Results
from forex_assets.replay.searching import Searching, Seconds
from forex_assets.replay.sessions import listed
from forex_assets.replay.strategies import ReplayError, Strategy, strategies_of
from forex_assets.replay.trial_store import TrialStore

REPEATS: Final = 5
"""Fans timed for each setting, of which the median counts."""


@dataclass(frozen=True)
class Stretch:
    """Evenings of a replay.

    Attributes:
        first: earliest evening.
        last: latest evening.
        every: distance, a number of d (sessions), w or m.
    """

    first: date
    last: date
    every: str = "1w"

    def days(self) -> list[date]:
        """The evenings, ascending.

        Raises:
            ReplayError: `every` is no distance, or there is no evening.
        """
        try:
            every = parse_every(self.every)
        except ValueError as error:
            raise ReplayError(f"--every {self.every}: {error}") from error
        if self.first > self.last:
            raise ReplayError(f"--from {self.first} is later than --to {self.last}; turn them round")
        days = origin_dates(calendar_of(USDCLP), self.first, self.last, every)
        if not days:
            raise ReplayError(f"no evening from {self.first} to {self.last} every {self.every}; give a longer stretch")
        return days


def run_replay(
    session: Session,
    engines: Engines,
    stretch: Stretch,
    others: Sequence[tuple[str, Policy]] = (),
    *,
    horizons: Sequence[str] = HORIZONS,
    seconds: Seconds | None = None,
    report: Report = silent,
) -> Results:
    """Replays the loop on the session's prices, from its current settings.

    Fans that an earlier replay stored are not made again.

    Args:
        stretch: evenings; each must have a fan's history before it.
        others: policies to compare, by name, besides the built-in ones.
        horizons: replayed together, since drift watches the errors of all.
        seconds: of one fan by settings; None times them here.
        report: called with fans' days and then evenings done, and in total.

    Raises:
        ReplayError: the stretch has no evening, a policy or model cannot be replayed, or prices begin too late.
        EngineError: no prices, no model, or one that cannot do what a config asks.
        WarehouseError: a table cannot be read or written.
    """
    days, strategies = stretch.days(), strategies_of(session.policy, others)
    market = market_of(session)
    fit = [day for day in days if market.is_fit(day)]
    if not fit:
        raise ReplayError(
            f"no evening from {days[0]} to {days[-1]} has a year of prices before it; the stored prices begin on "
            f"{market.peso['session'][0] if market.peso.height else 'no day'}: choose a later --from"
        )
    engine, start = _start(session, engines, horizons)
    key, level = engine_key(engine.name, engine.model, "all"), session.policy.search.origin
    library = Library(engine, market, TrialStore(session.tables, key, level), session.settings.compute_setting)
    past = PastDates(fit[0], fit[-1])
    searching = Searching(library, traits_of(engine), seconds or Timed(engine, market, fit[-1]))
    grid = {horizon: _grid(searching, config, strategies) for horizon, config in start.items()}
    library.ensure(grid, _origins(market, strategies, fit, past, grid), report)
    replay = Replay(library, Evenings(library, past), searching, start, _reads_copper(engine, start))
    return Results(library, past, replay.run(strategies, fit, report), grid)


def market_of(session: Session) -> KnownMarket:
    """The session's stored prices and quotes.

    Raises:
        EngineError: no prices are stored.
    """
    peso = session.tables.read(names.USDCLP)
    if peso is None:
        raise EngineError(f"no USD/CLP prices in {session.tables.place()}; bring them in with `forex-assets ingest`")
    copper = session.tables.read(names.COPPER)
    known = pl.col("available_at") <= session.now
    return KnownMarket(
        peso.filter(known),
        empty(COPPER_SCHEMA) if copper is None else copper.filter(known),
        book_of(session, session.policy.search.origin),
        listed(calendar_of(USDCLP)),
    )


@dataclass
class Timed:
    """Seconds of one fan by settings, timed once each.

    Attributes:
        engine: makes the fans.
        market: prices.
        day: whose history is read.
    """

    engine: Engine
    market: KnownMarket
    day: date

    def __post_init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def __call__(self, config: InferenceConfig) -> float:
        """Median of several fans after a warm-up, above 0."""
        if config.fingerprint not in self._seconds:
            origin = Origin(per_session_prices(self.market.at(self.day).peso), STEPS[str(config.horizon)], {})
            taken = []
            for _ in range(REPEATS + 1):
                began = time.process_time()
                self.engine.forecast([origin], config)
                taken.append(time.process_time() - began)
            self._seconds[config.fingerprint] = max(statistics.median(taken[1:]), 1e-9)
        return self._seconds[config.fingerprint]


STEPS: Final = {"7d": 5, "15d": 11, "30d": 21, "90d": 63}
"""Sessions of a timed fan, by horizon."""


def _start(session: Session, engines: Engines, horizons: Sequence[str]) -> tuple[Engine, dict[str, InferenceConfig]]:
    """Engine and current settings as fans are really made with them.

    Raises:
        ReplayError: horizons use several models, or a model reads copper.
    """
    resolved = {horizon: engines.resolve(live_or_first(session, horizon)) for horizon in horizons}
    models = {model.model: model for model, _ in resolved.values()}
    if len(models) > 1:
        raise ReplayError(
            f"the horizons use several models ({', '.join(sorted(models))}), and a replay shares the fans of one; "
            "set FOREX_MODEL to it"
        )
    configs = {horizon: config for horizon, (_, config) in resolved.items()}
    if copper := [horizon for horizon, config in configs.items() if config.uses_copper]:
        raise ReplayError(
            f"uses_copper is true for {', '.join(copper)}, and a replay makes fans without it; set it to false in "
            f"configs/chronos_{copper[0]}.json"
        )
    return engines.engine(next(iter(models.values()))), configs


def _grid(searching: Searching, config: InferenceConfig, strategies: Sequence[Strategy]) -> list[InferenceConfig]:
    """Settings that some search may compare or choose, the current ones first."""
    configs = {config.fingerprint: config}
    for strategy in strategies:
        space = searching.space(config, strategy.policy)
        for contender in space.contenders:
            configs.setdefault(contender.config.fingerprint, contender.config)
    return list(configs.values())


def _origins(
    market: KnownMarket,
    strategies: Sequence[Strategy],
    days: Sequence[date],
    past: PastDates,
    grid: Mapping[str, Sequence[InferenceConfig]],
) -> dict[str, list[date]]:
    """Dates of all needed fans, by horizon."""
    origins = {}
    for horizon in grid:
        needed = {*days, *past.days}
        for strategy in strategies:
            if strategy.rules:
                for day in days:
                    split = market.split(day, horizon, strategy.policy)
                    needed |= {*split.search, *split.validation}
        origins[horizon] = sorted(needed)
    return origins


def _reads_copper(engine: Engine, start: Mapping[str, InferenceConfig]) -> bool:
    return engine.name in COVARIATE_ENGINES and any(config.uses_copper for config in start.values())
