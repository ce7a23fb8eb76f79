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

    def unlisted_years(self, after: date, through: date) -> list[int]:
        """Returns years of a period that the list does not reach.

        The bank publishes its meetings by calendar year: a year with a date counts as listed.
        """
        listed = self.policy_meetings[-1].year if self.policy_meetings else 0
        return [year for year in range(after.year, through.year + 1) if year > listed]

    def words(self, after: date, through: date) -> str:
        """Says which meetings lie ahead, or of which years none is known."""
        days = ", ".join(day.isoformat() for day in self.ahead(after, through))
        parts = (
            [f"Policy meetings until then: {days}; the session after one is livelier than the band knows."]
            if days
            else []
        )
        if years := self.unlisted_years(after, through):
            listed = " and ".join(map(str, years))
            parts.append(f"No policy meetings of {listed} are listed: add the Banco Central's dates to configs/{FILE}.")
        return " ".join(parts)
