"""Reads the latest stored fans of a session."""

import polars as pl

from forex_assets.core import names
from forex_assets.core.horizon import HORIZONS
from forex_assets.core.schemas import FORECAST_SCHEMA
from forex_assets.core.session import Session
from forex_assets.desk.outlook import DeskError, Outlook
from forex_assets.market.price_sources import calendar_of
from forex_assets.market.prices import USDCLP


def read_outlook(session: Session, horizons: tuple[str, ...] = HORIZONS) -> Outlook:
    """Returns the fans of the newest issue; older ones are left out.

    Raises:
        DeskError: none is stored.
        WarehouseError: a table cannot be read.
    """
    stored = {name: session.tables.read(names.LATEST, name, FORECAST_SCHEMA) for name in horizons}
    return outlook_of({name: fan for name, fan in stored.items() if fan is not None and fan.height}, session)


def outlook_of(fans: dict[str, pl.DataFrame], session: Session) -> Outlook:
    """Returns the newest issue among fans as an outlook."""
    if not fans:
        raise DeskError(
            f"no fan is stored in {session.tables.place()}; make them with `forex-assets forecast`, "
            "or set FOREX_MARKET=sample to try it on generated prices"
        )

    def issue(fan: pl.DataFrame) -> tuple[object, ...]:
        return fan["as_of"][0], fan["origin_session"][0], fan["origin_clp_per_usd"][0]

    newest = max((issue(fan) for fan in fans.values()), key=lambda stamp: stamp[:2])
    fans = {name: fan.sort("step") for name, fan in fans.items() if issue(fan) == newest}
    return Outlook(fans, calendar_of(USDCLP), session.today)
