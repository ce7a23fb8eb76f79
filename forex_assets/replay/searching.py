"""Searches and validations on stored fans, by the optimizer's rules."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl

from forex_assets.core.fan import Array
from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.policy import Policy
from forex_assets.core.schemas import REALIZED_SCHEMA, empty
from forex_assets.forecasts.calibration import calibrated_targets
from forex_assets.forecasts.engine import EngineTraits
from forex_assets.forecasts.realized import score_rows
from forex_assets.optimizer.methods import run_method
from forex_assets.optimizer.origins import Split
from forex_assets.optimizer.search import Losses, choose, losses_of
from forex_assets.optimizer.space import Space, space_of
from forex_assets.optimizer.tpe import suggest
from forex_assets.optimizer.validation import Subject, Validation, validate
from forex_assets.replay.library import Library

Seconds = Callable[[InferenceConfig], float]
"""Seconds of one fan by settings."""


@dataclass(frozen=True, eq=False)
class Searched:
    """Result of one search.

    Attributes:
        chosen: challenger, or the current settings.
        split: past dates of search and validation.
        space: the candidates.
    """

    chosen: InferenceConfig
    split: Split
    space: Space


@dataclass(eq=False)
class Searching:
    """Searches and validates on a library's fans; equal questions are answered once.

    Attributes:
        library: fans and outcomes.
        traits: of the engine.
        seconds: of one fan by settings; the time criterion compares these.
    """

    library: Library
    traits: EngineTraits
    seconds: Seconds
    _day: date | None = None
    _windows: dict[tuple[object, ...], pl.DataFrame] = field(default_factory=dict)
    _searches: dict[tuple[object, ...], Searched] = field(default_factory=dict)
    _validations: dict[tuple[object, ...], Validation] = field(default_factory=dict)

    def space(self, config: InferenceConfig, policy: Policy) -> Space:
        """Candidates of a search from current settings."""
        return space_of(config, self.traits, policy.search)

    def search(self, config: InferenceConfig, day: date, policy: Policy) -> Searched:
        """Searches on an evening, see `search_run.run_search`.

        Candidates with fewer paths than another equal one are never chosen, and are not tried.
        """
        key = (config.horizon, config.fingerprint, day, repr(policy.search))
        if key not in self._searches:
            space, split = self.space(config, policy), self.library.market.split(day, str(config.horizon), policy)
            tried = {space.incumbent.fingerprint, *(contender.config.fingerprint for contender in space.contenders)}

            def evaluate(configs: Sequence[InferenceConfig]) -> Mapping[str, Losses]:
                rows = [
                    self.scored(settings, day, split.search) for settings in configs if settings.fingerprint in tried
                ]
                return losses_of(pl.concat([empty(REALIZED_SCHEMA), *rows]), policy.search.objective)

            losses = run_method(space, policy.search, evaluate, suggest).losses
            name = choose(losses, space, policy.search.significance)
            chosen = next(candidate.config for candidate in space.candidates if candidate.config.fingerprint == name)
            self._searches[key] = Searched(chosen, split, space)
        return self._searches[key]

    def validation(self, champion: InferenceConfig, searched: Searched, day: date, policy: Policy) -> Validation:
        """Validates a challenger on an evening, see `validation_run.run_validation`."""
        challenger, split = searched.chosen, searched.split
        key = (champion.horizon, champion.fingerprint, challenger.fingerprint, day, repr(policy))
        if key not in self._validations:
            sides = (champion, challenger)
            is_judged = pl.col("as_of").is_in(list(split.validation))
            old, new = (self.scored(side, day, (*split.search, *split.validation)).filter(is_judged) for side in sides)
            pairs = min(policy.validation.timing_pairs, len(split.validation))
            seconds: Array = np.tile(np.array([[self.seconds(side)] for side in sides]), (1, pairs))
            subject = self._subject(champion, challenger, day)
            self._validations[key] = validate(subject, old, new, seconds, policy, has_beaten_champion=True)
        return self._validations[key]

    def _subject(self, champion: InferenceConfig, challenger: InferenceConfig, day: date) -> Subject:
        now = self.library.market.at(day).now
        identity = f"{champion.horizon}/{day}/{challenger.fingerprint}"
        return Subject(
            str(champion.horizon),
            identity,
            identity,
            now,
            champion.fingerprint,
            challenger.fingerprint,
            challenger.model_dump_json(),
        )

    def scored(self, config: InferenceConfig, day: date, origins: Iterable[date]) -> pl.DataFrame:
        """Rows of the targets that an evening knew, see `candidate_backtest_run.trial_rows`.

        Returns:
            `REALIZED_SCHEMA`, oldest first, bands calibrated by these origins alone where the settings say so.
        """
        days = tuple(origins)
        known = self.library.market.at(day)
        if day != self._day:  # no later evening asks again, and ten years of them take gigabytes
            self._day = day
            self._windows.clear()
        key = (config.horizon, config.fingerprint, days)
        if key not in self._windows:
            self.library.need(config, days)
            rows = self.library.targets(config).filter(
                pl.col("as_of").is_in(list(days)) & (pl.col("realized_available_at") <= known.now)
            )
            if known.bad:
                rows = rows.filter(~pl.col("session").is_in(list(known.bad)))
            self._windows[key] = score_rows(calibrated_targets(rows) if config.is_calibrated else rows)
        return self._windows[key]
