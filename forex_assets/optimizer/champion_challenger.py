"""Champion and challenger: current settings and the search's choice."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from forex_assets.core.inference_config import InferenceConfig
from forex_assets.core.schemas import SAMPLE_SOURCE
from forex_assets.core.session import Session
from forex_assets.forecasts.baselines import EwmaEngine
from forex_assets.forecasts.chronos.finder import ResolvedModel
from forex_assets.forecasts.engines import Engines
from forex_assets.optimizer.paired_losses import WALK
from forex_assets.optimizer.space import DIMENSIONS
from forex_assets.optimizer.tables import CANDIDATES_SCHEMA
from forex_assets.optimizer.timing import Side
from forex_assets.optimizer.validation import Subject

CANDIDATES: Final = "optimizer/candidate_config"


class NotSearchedError(Exception):
    """A horizon has no search result to validate.

    The message says which command to run.
    """


@dataclass(frozen=True)
class ChampionChallenger:
    """Champion and challenger of a horizon.

    Attributes:
        horizon: such as `7d`.
        live: the settings that are live, as the file has them; None where there is no file yet.
        challenger: the settings that may replace them, as the file would have them.
        model: the model that both run on here.
        search_id: which search the challenger is from.
        notes: what a reader must know of the two.
        searched: first and last date that it was chosen on; None without any.
        has_beaten_live: whether the search compared it with the current settings.
    """

    horizon: str
    live: InferenceConfig | None
    challenger: InferenceConfig
    model: ResolvedModel
    search_id: str
    notes: tuple[str, ...] = ()
    searched: tuple[date, date] | None = None
    has_beaten_live: bool = False

    @property
    def champion(self) -> str:
        """Fingerprint of the current settings, or `ewma`."""
        return WALK if self.live is None else self.live.fingerprint

    @property
    def is_settled(self) -> bool:
        """Whether the challenger is the current settings already."""
        return self.live is not None and self.live.fingerprint == self.challenger.fingerprint

    def sides(self, engines: Engines) -> tuple[Side, Side]:
        """Champion and challenger with their engines and effective settings."""
        engine = engines.engine(self.model)
        challenger = Side(engine, engines.resolve(self.challenger)[1])
        if self.live is None:
            return Side(EwmaEngine(), challenger.config.model_copy(update={"uses_copper": False})), challenger
        return Side(engine, engines.resolve(self.live)[1]), challenger

    def subject(self, session: Session, measured: str = "") -> Subject:
        """Identity of a validation.

        Its id sorts by the clock and differs between two measurements.
        """
        parts = (self.horizon, self.search_id, self.champion, self.challenger.fingerprint, measured)
        digest = hashlib.sha256("/".join(parts).encode()).hexdigest()[:6]
        return Subject(
            horizon=self.horizon,
            validation_id=f"{session.now:%Y%m%dT%H%M%SZ}-{digest}",
            search_id=self.search_id,
            validated_at=session.now,
            champion=self.champion,
            challenger=self.challenger.fingerprint,
            challenger_config=json.dumps(self.challenger.model_dump(), sort_keys=True),
        )


def champion_challenger_of(session: Session, engines: Engines, horizon: str) -> ChampionChallenger:
    """The last search's choice against the current settings.

    Raises:
        NotSearchedError: the horizon has not been searched.
    """
    table = session.tables.read(CANDIDATES, horizon, CANDIDATES_SCHEMA)
    if table is None or table.is_empty():
        raise NotSearchedError(
            f"{horizon} has not been searched, so there is nothing to validate; `forex-assets run --horizon {horizon} "
            "--force` searches and validates"
        )
    chosen = table.filter(pl.col("is_chosen")).row(0, named=True)
    candidate, live = InferenceConfig.model_validate_json(chosen["config"]), live_config(session, horizon)
    resolved, effective = engines.resolve(candidate if live is None else live)
    challenger = candidate if live is None else as_live(candidate, live, resolved)
    if live is not None and engines.resolve(challenger)[1].fingerprint == effective.fingerprint:
        challenger = live  # what the stand-in fills in, where the file has nothing, is no change
    notes = remarks(session, resolved, challenger)
    incumbents = set(table.filter("is_incumbent")["candidate"])
    has_beaten_live = live is not None and bool(incumbents & {live.fingerprint, effective.fingerprint})
    if live is not None and not has_beaten_live:
        notes.append(
            "the search compared with settings that are no longer current; here the current settings are the champion"
        )
    searched = (chosen["first_origin"], chosen["last_origin"]) if chosen["last_origin"] else None
    return ChampionChallenger(
        horizon, live, challenger, resolved, chosen["search_id"], tuple(notes), searched, has_beaten_live
    )


def live_config(session: Session, horizon: str) -> InferenceConfig | None:
    """Current settings; None without a file.

    Raises:
        ConfigError: there is one, and it cannot be used.
    """
    return session.configs.read(horizon) if session.configs.exists(horizon) else None


def as_live(candidate: InferenceConfig, live: InferenceConfig, resolved: ResolvedModel) -> InferenceConfig:
    """A candidate in the form of the config file.

    Searched fields over the current settings.

    Where the embedded model stands in, candidates carry its name and its representation: the file keeps its own, and
    the stand-in makes of it the very candidate again.
    """
    kept = {"representation"} if resolved.stands_in else set[str]()
    return live.model_copy(update={name: getattr(candidate, name) for name in DIMENSIONS if name not in kept})


def remarks(session: Session, resolved: ResolvedModel, config: InferenceConfig) -> list[str]:
    """Caveats on the origin of the figures."""
    notes = []
    if resolved.stands_in:
        notes.append(
            f"measured on the embedded model, which stands in for {config.model}: settings that suit the one need not "
            "suit the other"
        )
    elif resolved.kind == WALK and config.model != WALK:
        notes.append(f"measured on the EWMA walk, which stands in for {config.model} and reads none of its settings")
    if session.market == "sample":
        notes.append(SAMPLE_SOURCE)
    return notes
