"""Price sources of a run: services in order, stored histories, generated market."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from forex_assets.core.calendar import SessionCalendar
from forex_assets.core.holidays import market_calendar
from forex_assets.core.session import Branch, Session
from forex_assets.market.price_store import PriceStore, TrialPriceStore
from forex_assets.market.prices import BRL, COPPER, DOLLAR_INDEX, USDCLP, Attempt, PriceSeries, PriceSource
from forex_assets.market.sample import SampleMarket, sample_market
from forex_assets.market.source_probe import probe_sources
from forex_assets.market.sources import published
from forex_assets.market.sources.central_bank import CentralBankSource
from forex_assets.market.sources.fred import FredMonthly
from forex_assets.market.sources.mindicador import MindicadorSource
from forex_assets.market.sources.published import PublishedSeries
from forex_assets.market.sources.yahoo import YahooSource

YAHOO_SYMBOLS = {USDCLP.name: "CLP=X", COPPER.name: "HG=F", DOLLAR_INDEX.name: "DX-Y.NYB", BRL.name: "BRL=X"}


def calendar_of(series: PriceSeries) -> SessionCalendar:
    """Returns the sessions of a series."""
    return market_calendar(series.calendar)


@dataclass(frozen=True)
class PriceSources:
    """Price sources of one run.

    Attributes:
        session: settings, clock and tables.
        deadline_s: seconds after which a silent source is given up.
        accepts_revision: whether most stored closes may change in one fetch.
        is_trial: whether fetched prices are merged without being stored.
    """

    session: Session
    deadline_s: float
    accepts_revision: bool = False
    is_trial: bool = False

    def daily(self, series: PriceSeries) -> list[PriceSource]:
        """Returns daily price sources in the order asked."""
        s = self.session.settings
        yahoo = YahooSource(series, YAHOO_SYMBOLS[series.name], s.yahoo_url, calendar_of(series), **self._limits)
        if series is not USDCLP:
            return [yahoo]
        return [yahoo, *self._official(published.BANK_CLOSE, published.MINDICADOR_CLOSE)]

    def observado_sources(self) -> list[PriceSource]:
        """Returns sources of the dólar observado by its own date."""
        return self._official(published.BANK_OBSERVADO, published.MINDICADOR_OBSERVADO)

    def copper_lme_sources(self) -> list[PriceSource]:
        """Returns sources of London copper."""
        return self._official(published.BANK_COPPER, published.MINDICADOR_COPPER)

    def policy_rate_sources(self) -> list[PriceSource]:
        """Returns sources of Chile's policy rate."""
        return self._official(published.BANK_POLICY_RATE, published.MINDICADOR_POLICY_RATE)

    def _official(self, bank: PublishedSeries, mindicador: PublishedSeries) -> list[PriceSource]:
        """Returns the Banco Central, then mindicador.cl."""
        return [self._bank(bank), self._mindicador(mindicador)]

    def _bank(self, series: PublishedSeries) -> CentralBankSource:
        s = self.session.settings
        user, password = (v.get_secret_value() if v else None for v in (s.bcch_user, s.bcch_password))
        calendar = calendar_of(USDCLP)
        return CentralBankSource(user, password, s.bcch_url, calendar, series, **self._limits)

    def _mindicador(self, series: PublishedSeries) -> MindicadorSource:
        url = self.session.settings.mindicador_url
        return MindicadorSource(url, calendar_of(USDCLP), series, **self._limits)

    @property
    def _limits(self) -> dict[str, Any]:
        return {"deadline_s": self.deadline_s, "ca_file": self.session.settings.ca_file}

    @property
    def central_bank(self) -> CentralBankSource:
        """Banco Central de Chile's dólar observado."""
        return self._bank(published.BANK_CLOSE)

    @property
    def fred(self) -> FredMonthly:
        """FRED's monthly copper price."""
        s = self.session.settings
        key = s.fred_api_key.get_secret_value() if s.fred_api_key else None
        return FredMonthly(api_key=key, root_url=s.fred_url, **self._limits)

    @property
    def histories(self) -> PriceStore:
        """Stored histories of real prices; the generated market needs none."""
        return (TrialPriceStore if self.is_trial else PriceStore)(self.session.live_tables)

    def every(self) -> Mapping[str, PriceSource]:
        """Returns every source by a name for people."""
        return {
            "Yahoo CLP=X": self.daily(USDCLP)[0],
            "Yahoo HG=F": self.daily(COPPER)[0],
            "Banco Central": self.central_bank,
            "mindicador.cl": self._mindicador(published.MINDICADOR_CLOSE),
            "FRED PCOPPUSDM": self.fred,
        }

    def probe(self) -> list[Attempt]:
        """Asks every source at once."""
        return probe_sources(self.every(), self.session.now)

    def branch(self) -> Branch:
        """Decides between real and generated prices.

        `FOREX_MARKET=auto` generates prices only if no source answers and nothing is stored.
        """
        market = self.session.settings.market
        if market != "auto":
            return market
        if any(self.histories.sources(series) for series in (USDCLP, COPPER)):
            return "live"
        return "live" if any(answer.is_ok for answer in self.probe()) else "sample"

    def sample(self) -> SampleMarket:
        """Generates the market as of the clock."""
        # All years: a window moving with the clock would drop its oldest rows.
        calendars = {series.calendar: calendar_of(series) for series in (USDCLP, COPPER)}
        return sample_market(self.session.now, calendars, years=100)


def sources_of(session: Session) -> PriceSources:
    """The sources with the deadline of the session's settings."""
    return PriceSources(session, session.settings.source_deadline_s)
