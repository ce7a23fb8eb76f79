"""Stored fans and scenarios for Python programs.

`import forex_assets as fx`; `docs/desk.md` has examples that a test runs.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from forex_assets.core.horizon import days_of
from forex_assets.core.schemas import QUANTILE_COLUMNS
from forex_assets.core.session import open_session
from forex_assets.desk.answers import Answer
from forex_assets.desk.drivers import joint_prices
from forex_assets.desk.drivers_store import driver_prices, peso_prices
from forex_assets.desk.odds import odds
from forex_assets.desk.outlook import Basis, DayLaw, Outlook
from forex_assets.desk.outlook_store import read_outlook
from forex_assets.desk.what_if import Scenario, scenario_answer
from forex_assets.desk.what_if import scenario as ask_scenario

if TYPE_CHECKING:
    import pandas as pd

Day = date | str
"""A date, or its ISO text such as 2026-03-31."""


@dataclass(frozen=True, eq=False)
class DeskFan:
    """The latest stored fan of one horizon, or of all.

    Questions without a date are about the last session of the fan.
    """

    outlook: Outlook

    @property
    def basis(self) -> Basis:
        """Price, its age, model, past errors, sample or real data."""
        return self.outlook.basis()

    @property
    def last_day(self) -> date:
        """Last session of the fan."""
        return self.outlook.last_day

    def probability_above(self, level: float, by: Day | None = None) -> float:
        """Returns the chance of a close above a level on a date.

        Args:
            level: CLP per USD.
            by: a weekend or holiday means the session before it.

        Raises:
            QuestionError: an impossible level, or a date that the fan does not reach.
        """
        return odds(self.outlook, [level], self._day(by))[0].above

    def probability_touch(self, level: float, by: Day | None = None) -> float:
        """Returns the chance that a close reaches a level."""
        return odds(self.outlook, [level], self._day(by))[0].touch

    def quantile(self, probability: float, on: Day | None = None) -> float:
        """Returns a quantile of the price on a date."""
        return self._day(on).law.quantile(probability)

    def to_polars(self) -> pl.DataFrame:
        """Returns mean and nine quantiles by session, CLP per USD."""
        columns = ["horizon", "session", "step", "mean", *QUANTILE_COLUMNS]
        return pl.concat([fan.select(columns) for fan in self.outlook.fans.values()])

    def to_pandas(self) -> "pd.DataFrame":
        """Returns `to_polars` as pandas, indexed by session for one horizon."""
        frame: Any = self.to_polars().to_pandas()
        return frame.set_index("session") if len(self.outlook.fans) == 1 else frame

    def _day(self, day: Day | None) -> DayLaw:
        return self.outlook.at(
            self.last_day if day is None else date.fromisoformat(day) if isinstance(day, str) else day
        )


@dataclass(frozen=True, eq=False)
class DeskScenario:
    """The dollar if its drivers move, beside the fan."""

    outlook: Outlook
    result: Scenario

    @property
    def median(self) -> float:
        """Median given the moves, CLP per USD."""
        return self.result.law.median

    def quantile(self, probability: float) -> float:
        """Returns the price that is not passed with a probability."""
        return self.result.law.quantile(probability)

    @property
    def answer(self) -> Answer:
        """Rows, history of such moves, caveats, and the facts behind them."""
        return scenario_answer(self.outlook, self.result)

    def to_pandas(self) -> "pd.DataFrame":
        """Returns scenario and fan as two rows."""
        import pandas as pd

        return pd.DataFrame(list(self.answer.rows)).set_index("what")


def fan(horizon: str | None = None, *, warehouse: str | Path | None = None) -> DeskFan:
    """Returns the latest stored fan.

    Args:
        horizon: 7d, 15d, 30d or 90d; None reads all and interpolates between their dates.
        warehouse: folder of the tables; that of the settings by default.

    Raises:
        DeskError: none is stored.
        ValueError: no such horizon.
    """
    session = open_session(warehouse=warehouse)
    if horizon is None:
        return DeskFan(read_outlook(session))
    days_of(horizon)
    return DeskFan(read_outlook(session, (horizon,)))


def scenario(
    *,
    copper: float | None = None,
    dxy: float | None = None,
    brl: float | None = None,
    horizon: str = "30d",
    warehouse: str | Path | None = None,
) -> DeskScenario:
    """Returns the dollar's distribution if drivers move.

    Args:
        copper: move by the horizon, -.10 for -10 %; None leaves it out.
        dxy: of the dollar index.
        brl: of the Brazilian reals per dollar.
        horizon: 7d, 15d, 30d or 90d.
        warehouse: folder of the tables; that of the settings by default.

    Raises:
        DeskError: no fan, a driver without prices, or a move that cannot be meant.
    """
    session = open_session(warehouse=warehouse)
    outlook = read_outlook(session)
    moves = {name: move for name, move in (("copper", copper), ("dxy", dxy), ("brl", brl)) if move is not None}
    return DeskScenario(outlook, scenario_on(session, outlook, outlook.target(horizon), moves))


def scenario_on(session: Any, outlook: Outlook, day: DayLaw, moves: dict[str, float]) -> Scenario:
    """Reads the drivers' prices and answers."""
    drivers, market = driver_prices(session)
    return ask_scenario(outlook, day, joint_prices(peso_prices(session), drivers, list(moves)), moves, market)
