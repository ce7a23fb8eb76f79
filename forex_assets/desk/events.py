"""Policy meetings ahead, from `configs/events.yaml`."""

from datetime import date
from typing import Final

from pydantic import BaseModel, ConfigDict, field_validator

FILE: Final = "events.yaml"


class Events(BaseModel):
    """Dates that people keep.

    Attributes:
        policy_meetings: days on which the Banco Central announces its rate, ascending.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy_meetings: tuple[date, ...] = ()

    @field_validator("policy_meetings")
    @classmethod
    def _ascending(cls, days: tuple[date, ...]) -> tuple[date, ...]:
        if list(days) != sorted(set(days)):
            raise ValueError("dates must ascend, each once")
        return days

    def ahead(self, after: date, through: date) -> list[date]:
        """Returns meetings after a day, through another."""
        return [day for day in self.policy_meetings if after < day <= through]

    def words(self, after: date, through: date) -> str:
        """Says which meetings lie ahead, or that none is known."""
        if not self.policy_meetings or self.policy_meetings[-1] <= after:
            return f"No policy meeting after {after} is listed in configs/{FILE}."
        days = ", ".join(day.isoformat() for day in self.ahead(after, through))
        return (
            f"Policy meetings until then: {days}; the session after one is livelier than the band knows."
            if days
            else ""
        )
