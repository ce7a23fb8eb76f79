"""Yahoo's daily bars through yfinance, the real client, held to our deadline and to failures that can be told apart.

How bars are dated is said in `yahoo_dating`. Here belongs the client: yfinance keeps process-wide state (one session,
one cookie, answers of closed ranges remembered, exceptions hidden), and all of it is dealt with in this file.
"""

import atexit
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import polars as pl

from forex_assets.core.calendar import SessionCalendar
from forex_assets.market.prices import PriceSeries, SourceError
from forex_assets.market.sources.fetching import (
    ATTEMPTS,
    DEADLINE_S,
    REQUEST_LIMIT_S,
    ask,
    broken_connection,
    fetched_frame,
    no_answer,
    refusal,
)
from forex_assets.market.sources.yahoo_dating import Bar, LastPrice, dated_rows, dating_of

if TYPE_CHECKING:
    import pandas as pd

NAME: Final = "yahoo"
CHART: Final = "/v8/finance/chart/"
COOKIE_LIMIT_S: Final = 4.0
"""Limit of a request of the cookie step, which charts can do without: it must not eat the deadline."""
BEGINNING: Final = date(1980, 1, 1)
"""Earlier than any series here: the whole history."""
MARGIN: Final = timedelta(days=10)
"""Asked for before `start`: over a long weekend a shorter range holds no bar, and Yahoo answers that like a failure."""

_client = threading.Lock()
"""yfinance's session is one for the process: one fetch at a time."""


class YahooSource:
    """Port `PriceSource` of one Yahoo symbol, under its dating rule."""

    def __init__(
        self,
        series: PriceSeries,
        symbol: str,
        base_url: str | None,
        calendar: SessionCalendar,
        *,
        deadline_s: float = DEADLINE_S,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
        cache_dir: Path | None = None,
    ) -> None:
        """Ask for one symbol.

        Args:
            series: names the price column.
            symbol: Yahoo's symbol; it needs a rule in `yahoo_dating`.
            base_url: another server with Yahoo's chart service, and then no other host is asked; None: Yahoo's own.
            calendar: the market's sessions.
            deadline_s: seconds for one fetch, all attempts together.
            attempts: how often a fetch asks at the most.
            sleep: waits between attempts.
            cache_dir: where yfinance keeps its cookie, the same for the whole process (the first one given counts);
                None: a temporary folder.

        Raises:
            ValueError: nobody has measured how the symbol's bars are dated.
        """
        self._series, self._rule, self._calendar = series, dating_of(symbol), calendar
        self._base_url, self._cache_dir = base_url.rstrip("/") if base_url else None, cache_dir
        self._deadline_s, self._attempts, self._sleep = deadline_s, attempts, sleep

    @property
    def name(self) -> str:
        """The `source` of its rows."""
        return NAME

    def fetch(self, start: date | None, as_of: datetime) -> pl.DataFrame:
        """Rows (`fetched_schema`) of sessions from `start` on (all where None) with `available_at` ≤ `as_of`.

        Raises:
            SourceError: nothing usable came.
        """
        bars, last = ask(
            NAME,
            lambda left_s: self._chart(start, as_of, left_s),
            deadline_s=self._deadline_s,
            attempts=self._attempts,
            sleep=self._sleep,
        )
        rows = dated_rows(bars, last, self._rule, self._calendar, as_of)
        if not rows:
            raise SourceError(NAME, f"{len(bars)} bars for {self._rule.symbol}, none of a session known by {as_of}")
        return fetched_frame(self._series.value, NAME, [row for row in rows if start is None or row.session >= start])

    def _chart(self, start: date | None, as_of: datetime, left_s: float) -> tuple[list[Bar], LastPrice | None]:
        """Bars and last price from one chart request."""
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

        ticker = Ticker(self._rule.symbol, session=_session(self._base_url, ends_at))
        ticker._tz = self._rule.bar_zone.key  # known, so that it costs no request of its own (and no failing one)
        ticker._data.cache_get.cache_clear()  # answers of closed ranges are remembered, bad ones included
        try:
            frame = ticker.history(interval="1d", start=start, end=as_of, auto_adjust=False, actions=False)
        except SourceError:
            raise
        except YFException as error:
            said = getattr(error, "yahoo_reason", None) or f"no bars for {self._rule.symbol}"
            raise SourceError(NAME, f"empty answer: {said}", is_retryable=True) from None
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
    """The chart's last price with its moment; None where either is missing."""
    price, at = meta.get("regularMarketPrice"), meta.get("regularMarketTime")
    if not isinstance(price, int | float) or not hasattr(at, "to_pydatetime"):
        return None
    return LastPrice(float(price), at.to_pydatetime())


@cache
def _private_folder() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="forex-assets-yahoo-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    return Path(folder.name)


_prepared: list[Path] = []


def _prepare(cache_dir: Path | None) -> None:
    """Set yfinance's process-wide state, once: failures raised and not hidden, nothing printed, a cache of its own."""
    if _prepared:
        return
    import yfinance

    yfinance.config.debug.hide_exceptions = False
    # Every failure is raised and told by us; its warnings about the cookie step would go to stderr besides.
    logging.getLogger("yfinance").setLevel(logging.CRITICAL)
    folder = cache_dir or _private_folder()
    yfinance.set_tz_cache_location(str(folder))
    _prepared.append(folder)


def _session(base_url: str | None, ends_at: float) -> Any:
    """A session for yfinance that keeps to the deadline, tells failures apart and, given a base address, asks no other.

    The base address is put in here and not into yfinance's modules: they hold it as a name of their own, twice, and the
    cookie step's hosts besides, so that nothing else would confine it.

    Args:
        base_url: server for charts; None: the addresses that yfinance asks for.
        ends_at: `time.monotonic` after which no request begins or lasts.
    """
    from curl_cffi import requests as curl
    from curl_cffi.requests import exceptions as curl_errors

    class ChartSession(curl.Session[Any]):
        was_forbidden = False

        def request(self, method: Any, url: str, *args: Any, **options: Any) -> Any:
            is_chart = urlsplit(url).path.startswith(CHART)
            if base_url is not None:
                if not is_chart:  # yfinance goes on without a cookie when its hosts cannot be reached
                    raise curl_errors.ConnectionError(f"only {base_url} is asked")
                url = base_url + urlsplit(url).path
            limit_s = max(min(ends_at - time.monotonic(), REQUEST_LIMIT_S if is_chart else COOKIE_LIMIT_S), 0.001)
            options["timeout"] = limit_s
            if not is_chart:
                return super().request(method, url, *args, **options)
            try:
                response = super().request(method, url, *args, **options)
            except curl_errors.Timeout:
                raise no_answer(NAME, limit_s) from None
            except curl_errors.RequestException as error:
                raise broken_connection(NAME, error) from None
            if response.status_code in (401, 403) and not self.was_forbidden:
                self.was_forbidden = True  # the first time yfinance gets a new cookie and asks again
                return response
            return _checked(response)

    return ChartSession(impersonate="chrome")


def _checked(response: Any) -> Any:
    """`response` where it can be a chart.

    Raises:
        SourceError: an HTTP error, or a body that is no JSON.
    """
    if response.status_code >= 400:
        raise refusal(NAME, response.status_code, response.headers.get("Retry-After"))
    if not response.content.strip():
        raise SourceError(NAME, "empty answer", is_retryable=True)
    try:
        response.json()
    except ValueError:
        raise SourceError(NAME, "answer is not JSON", is_retryable=True) from None
    return response
