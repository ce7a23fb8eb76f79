"""Yahoo's daily bars through yfinance, within a deadline.

yfinance keeps state for the whole process (one session, one cookie, cached answers, hidden exceptions); this file deals
with it. `yahoo_dating` dates the bars.
"""

import atexit
import json
import logging
import tempfile
import threading
import time
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import polars as pl

from forex_assets.core.calendar import SessionCalendar
from forex_assets.market.prices import PriceSeries, SourceError
from forex_assets.market.sources.fetching import (
    REQUEST_LIMIT_S,
    AskedSource,
    broken_connection,
    fetched_frame,
    no_answer,
    refusal,
    trusted_certificates,
    untrusted,
)
from forex_assets.market.sources.yahoo_answer import NAME, held_chart
from forex_assets.market.sources.yahoo_dating import Bar, LastPrice, YahooDating, dated_rows, dating_of

if TYPE_CHECKING:
    import pandas as pd

CHART: Final = "/v8/finance/chart/"
COOKIE_LIMIT_S: Final = 4.0
"""Seconds for the optional cookie request."""
BEGINNING: Final = date(1980, 1, 1)
"""Start of a whole history; before any series."""
MARGIN: Final = timedelta(days=10)
"""Extra days before `start`: Yahoo refuses a range without bars."""

_client = threading.Lock()
"""Lock on yfinance's only session."""


class YahooSource(AskedSource):
    """Daily bars of one Yahoo symbol, under its dating rule."""

    name = NAME

    def __init__(
        self,
        series: PriceSeries,
        symbol: str,
        base_url: str | None,
        calendar: SessionCalendar,
        *,
        cache_dir: Path | None = None,
        **limits: Any,
    ) -> None:
        """Source of one symbol.

        Args:
            symbol: needs a rule in `yahoo_dating`.
            base_url: the only server asked; None: Yahoo's own.
            limits: of one fetch, see `ask`.
            cache_dir: folder of yfinance's cookie; the first one given serves the whole process. None: a temporary one.

        Raises:
            ValueError: the symbol has no dating rule.
        """
        super().__init__(**limits)
        self._series, self._rule, self._calendar = series, dating_of(symbol), calendar
        self._base_url, self._cache_dir = base_url.rstrip("/") if base_url else None, cache_dir

    def fetch(self, start: date | None, as_of: datetime) -> pl.DataFrame:
        """Fetches rows, see `PriceSource.fetch`."""
        bars, last = self._ask(lambda left_s: self._chart(start, as_of, left_s))
        rows = dated_rows(bars, last, self._rule, self._calendar, as_of)
        if not rows:
            raise SourceError(NAME, f"{len(bars)} bars for {self._rule.symbol}, none of a session known by {as_of}")
        return fetched_frame(self._series.value, NAME, [row for row in rows if start is None or row.session >= start])

    def _chart(self, start: date | None, as_of: datetime, left_s: float) -> tuple[list[Bar], LastPrice | None]:
        """Requests bars and last price of one chart."""
        ends_at = time.monotonic() + left_s
        if not _client.acquire(timeout=max(left_s, 0)):
            raise no_answer(NAME, self._deadline_s, is_retryable=False)
        try:
            return self._ask_client(start - MARGIN if start else BEGINNING, as_of, ends_at)
        finally:
            _client.release()

    def _ask_client(self, start: date, as_of: datetime, ends_at: float) -> tuple[list[Bar], LastPrice | None]:
        _prepare(self._cache_dir)
        from yfinance import Ticker
        from yfinance.exceptions import YFException

        ticker = Ticker(
            self._rule.symbol,
            session=_session(self._base_url, ends_at, self._rule, trusted_certificates(NAME, self._ca_file)),
        )
        ticker._tz = self._rule.bar_zone.key  # set, so that yfinance does not request it
        ticker._data.cache_get.cache_clear()  # yfinance caches answers, bad ones included
        try:
            frame = ticker.history(interval="1d", start=start, end=as_of, auto_adjust=False, actions=False)
        except SourceError:
            raise
        except YFException as error:
            reason = getattr(error, "yahoo_reason", None) or f"no bars for {self._rule.symbol}"
            raise SourceError(NAME, f"empty answer: {reason}", is_retryable=True) from None
        except Exception as error:  # noqa: BLE001 - yfinance lets through whatever an odd answer makes it raise
            raise SourceError(NAME, f"answer is not a chart ({type(error).__name__})", is_retryable=True) from None
        if frame.empty:
            raise SourceError(NAME, f"empty answer: no bars for {self._rule.symbol}", is_retryable=True)
        return bars_of(frame), last_price_of(ticker.history_metadata)


def bars_of(frame: "pd.DataFrame") -> list[Bar]:
    """Converts yfinance's frame to bars; NaN becomes None.

    Args:
        frame: indexed by midnight in the exchange's zone.
    """
    prices = frame[["Open", "Close", "High", "Low"]].astype("float64")
    rows = prices.astype(object).where(prices.notna(), None)
    return [Bar(stamp.date(), *row) for stamp, *row in rows.itertuples(name=None)]


def last_price_of(meta: Any) -> LastPrice | None:
    """Returns the chart's last price and its moment; None if missing."""
    price, at = meta.get("regularMarketPrice"), meta.get("regularMarketTime")
    if isinstance(price, bool) or not isinstance(price, int | float) or not hasattr(at, "to_pydatetime"):
        return None
    return LastPrice(float(price), at.to_pydatetime())


@cache
def _private_folder() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="forex-assets-yahoo-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    return Path(folder.name)


_prepared: list[Path] = []


def _prepare(cache_dir: Path | None) -> None:
    """Sets yfinance's process-wide state, once.

    Exceptions are raised, nothing is printed, the cache is private.
    """
    if _prepared:
        return
    import yfinance

    yfinance.config.debug.hide_exceptions = False
    # Errors are raised; its warnings would go to stderr as well.
    logging.getLogger("yfinance").setLevel(logging.CRITICAL)
    try:
        folder = cache_dir or _private_folder()
    except OSError as error:
        raise SourceError(NAME, f"no temporary folder ({error.strerror or error}); make room, or set TMPDIR") from None
    yfinance.set_tz_cache_location(str(folder))
    _prepared.append(folder)


def _session(base_url: str | None, ends_at: float, rule: YahooDating, certificates: str | None) -> Any:
    """Makes a session for yfinance with deadline and readable errors.

    The base address is set here: yfinance's modules hold it twice, and the hosts of the cookie step too.

    Args:
        base_url: only server asked; None for yfinance's own.
        ends_at: `time.monotonic` after which no request starts or lasts.
        rule: of the symbol asked for.
        certificates: file of those to trust; None for the usual ones.
    """
    from curl_cffi import requests as curl
    from curl_cffi.requests import exceptions as curl_errors

    class ChartSession(curl.Session[Any]):
        was_forbidden = False

        def request(self, method: Any, url: str, *args: Any, **options: Any) -> Any:
            is_chart = urlsplit(url).path.startswith(CHART)
            if base_url is not None:
                if not is_chart:  # yfinance works without a cookie
                    raise curl_errors.ConnectionError(f"only {base_url} is asked")
                url = base_url + urlsplit(url).path
            limit_s = max(min(ends_at - time.monotonic(), REQUEST_LIMIT_S if is_chart else COOKIE_LIMIT_S), 0.001)
            options["timeout"] = limit_s
            if certificates is not None:
                options["verify"] = certificates
            if not is_chart:
                return super().request(method, url, *args, **options)
            try:
                response = super().request(method, url, *args, **options)
            except curl_errors.Timeout:
                raise no_answer(NAME, limit_s) from None
            except curl_errors.CertificateVerifyError:
                raise untrusted(NAME) from None
            except curl_errors.RequestException as error:
                raise broken_connection(NAME, error) from None
            if response.status_code in (401, 403) and not self.was_forbidden:
                self.was_forbidden = True  # yfinance gets a new cookie once and asks again
                return response
            return _checked(response, rule)

    return ChartSession(impersonate="chrome")


def _checked(response: Any, rule: YahooDating) -> Any:
    """Returns the response if it can be the chart asked for.

    Raises:
        SourceError: an HTTP error, a body that is not JSON, or another chart.
    """
    if response.status_code >= 400:
        raise refusal(NAME, response.status_code, response.headers.get("Retry-After"))
    if not response.content.strip():
        raise SourceError(NAME, "empty answer", is_retryable=True)
    try:
        body = response.json()
    except ValueError:
        raise SourceError(NAME, "answer is not JSON", is_retryable=True) from None
    response.content = json.dumps(held_chart(body, rule)).encode()
    return response
