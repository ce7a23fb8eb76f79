"""Watch levels: chances that people want to hear of, once.

A level fires when its chance reaches the asked probability. It fires again only after the chance has fallen below that
probability by a margin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from forex_assets.core.horizon import HORIZON_DAYS

FILE: Final = "levels.yaml"


class WatchLevel(BaseModel):
    """One level to watch.

    Attributes:
        level: CLP per USD.
        by: a date, or a horizon that moves along, such as 30d.
        probability: chance at which it fires.
        kind: `touch`: a close reaches it by the date; `above` and `below`: the close on the date.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Annotated[float, Field(ge=100, le=10_000)]
    by: date | str
    probability: Annotated[float, Field(gt=0, lt=1)]
    kind: Literal["above", "below", "touch"] = "touch"

    @field_validator("by")
    @classmethod
    def _by_is_a_date_or_a_horizon(cls, value: date | str) -> date | str:
        if isinstance(value, str) and value not in HORIZON_DAYS:
            raise ValueError(f"{value!r} is neither a date such as 2026-03-31 nor one of {', '.join(HORIZON_DAYS)}")
        return value

    @property
    def name(self) -> str:
        """Identity of the level from one run to the next."""
        return f"{self.kind} {self.level:g} by {self.by} at {self.probability:g}"

    def day(self, as_of: date) -> date:
        """Returns the date asked, counted from the issue for a horizon."""
        return as_of + timedelta(days=HORIZON_DAYS[self.by]) if isinstance(self.by, str) else self.by


class WatchLevels(BaseModel):
    """`configs/levels.yaml`.

    Attributes:
        levels: to watch; may be empty.
        margin: fall of the chance below its probability before it may fire again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: tuple[WatchLevel, ...] = ()
    margin: Annotated[float, Field(ge=0, le=0.5)] = 0.05


@dataclass(frozen=True)
class Watch:
    """State of one level.

    Attributes:
        level: as written in the file.
        chance: today's probability.
        is_crossed: the chance has reached its limit and not fallen back by the margin.
        fires: it has reached it just now.
    """

    level: WatchLevel
    chance: float
    is_crossed: bool
    fires: bool


def watches(settings: WatchLevels, chances: Sequence[float], crossed: Mapping[str, bool]) -> list[Watch]:
    """Moves every level's state by today's chance.

    Args:
        settings: the levels.
        chances: one a level, in order.
        crossed: state before, by name; absent if the level is new.
    """
    result = []
    for level, chance in zip(settings.levels, chances, strict=True):
        was_crossed = crossed.get(level.name, False)
        limit = level.probability - settings.margin if was_crossed else level.probability
        is_crossed = chance >= limit
        result.append(Watch(level, chance, is_crossed, is_crossed and not was_crossed))
    return result
