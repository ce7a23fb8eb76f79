"""Local market data server: generated prices in wire formats, and failures.

The real clients are pointed at it, so that what is tested is what runs: sockets, status lines, bodies.
"""

import json
import random
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import quoteattr
from zoneinfo import ZoneInfo

ZONES = {"CLP=X": "Europe/London", "HG=F": "America/New_York"}
ZONES |= {"BRL=X": "Europe/London", "DX-Y.NYB": "America/New_York"}
TYPES = {"CLP=X": "CURRENCY", "HG=F": "FUTURE", "BRL=X": "CURRENCY", "DX-Y.NYB": "INDEX"}
HTML = "<html><body><h1>Will be right back</h1><br></body></html>"
KEY, USER, PASSWORD = "key+/very secret", "desk@example.org", "p&ss wörd"
SECRETS = (KEY, "very", USER, "desk%40example", PASSWORD, "p%26ss", "ss w")
"""Secrets and their encoded forms, which no message may contain."""

BarRow = tuple[date, float | None, float | None]


def walk(days: Iterable[date], start: float, seed: int, volatility: float = 0.01) -> dict[date, float]:
    """A generated price for each day: a geometric random walk."""
    generator, price, prices = random.Random(seed), start, {}
    for day in days:
        price *= 1 + generator.gauss(0, volatility)
        prices[day] = round(price, 4)
    return prices


def weekdays(first: date, last: date) -> list[date]:
    """Monday to Friday from `first` through `last`."""
    days = (first + timedelta(days=k) for k in range((last - first).days + 1))
    return [day for day in days if day.weekday() < 5]


@dataclass
class MarketServer:
    """Served prices and failures; tests set the fields while it runs.

    Attributes:
        bars: Yahoo's daily bars by symbol: (date as stamped, open, close).
        last: Yahoo's last price by symbol, with its (aware) moment.
        monthly: FRED's values; None is served as `.`.
        observed: Banco Central's values: (date, value as text, statusCode).
        indicators: mindicador's values by code: unit, and value by day.
        faults: by service (`yahoo`, `fred`, `central_bank`): a list of failures, one used up a request; the last stays.
            `mindicador` as well. A text in braces is answered as it is.
        retry_after: header of error answers, where set.
        requests: how often each service was asked; `other` are paths that no chart, series or value is at.
        queries: the query of every request, by service.
    """

    bars: dict[str, list[BarRow]] = field(default_factory=dict)
    last: dict[str, tuple[float, datetime]] = field(default_factory=dict)
    monthly: dict[date, float | None] = field(default_factory=dict)
    observed: list[tuple[date, str, str]] = field(default_factory=list)
    indicators: dict[str, tuple[str, dict[date, Any]]] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    retry_after: str | None = None
    requests: Counter[str] = field(default_factory=Counter)
    queries: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    def take_fault(self, service: str) -> str:
        """Returns the failure of a service's next request, or `ok`."""
        due = self.faults.get(service) or ["ok"]
        return due.pop(0) if len(due) > 1 else due[0]

    def body(self, service: str, path: str, query: dict[str, str]) -> str:
        """The right answer."""
        if service == "yahoo":
            return json.dumps(self._chart(unquote(path.rsplit("/", 1)[1]), query))
        if service == "mindicador":
            return json.dumps(self._indicator(*path.split("/")[-2:]))
        return self._observations(query) if service == "fred" else json.dumps(self._values(query))

    def _chart(self, symbol: str, query: dict[str, str]) -> dict[str, Any]:
        zone = ZoneInfo(ZONES[symbol])
        stamped = [
            (int(datetime.combine(day, time(), zone).timestamp()), *rest) for day, *rest in self.bars.get(symbol, [])
        ]
        begin, end = float(query["period1"]), float(query["period2"])
        rows = [row for row in stamped if begin <= row[0] < end]
        opens, closes = [row[1] for row in rows], [row[2] for row in rows]
        quote = {"open": opens, "high": closes, "low": opens, "close": closes, "volume": [0] * len(rows)}
        price, at = self.last.get(symbol, (None, None))
        meta = {
            "currency": {"CLP=X": "CLP", "BRL=X": "BRL"}.get(symbol, "USD"),
            "symbol": symbol,
            "instrumentType": TYPES[symbol],
            "exchangeTimezoneName": ZONES[symbol],
            "regularMarketPrice": price,
            "regularMarketTime": int(at.timestamp()) if at else None,
            "validRanges": ["1d", "max"],
        }
        result: dict[str, Any] = {"meta": meta, "indicators": {"quote": [quote if rows else {}]}}
        if rows:
            result["timestamp"] = [row[0] for row in rows]
        return {"chart": {"result": [result], "error": None}}

    def _indicator(self, code: str, year: str) -> dict[str, Any]:
        unit, values = self.indicators.get(code, ("", {}))
        observations = [
            {"fecha": midnight.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"), "valor": value}
            for day, value in sorted(values.items(), reverse=True)
            for midnight in [datetime.combine(day, time(), ZoneInfo("America/Santiago"))]
            if str(day.year) == year
        ]
        return {"version": "1.7.0", "codigo": code, "nombre": code, "unidad_medida": unit, "serie": observations}

    def _observations(self, query: dict[str, str]) -> str:
        items = "".join(
            f'<observation date="{day}" value={quoteattr("." if value is None else repr(value))}/>\n'
            for day, value in self.monthly.items()
            if day.isoformat() <= query["observation_end"]
        )
        return f'<?xml version="1.0" encoding="utf-8" ?>\n<observations units="lin">\n{items}</observations>\n'

    def _values(self, query: dict[str, str]) -> dict[str, Any]:
        if (query["user"], query["pass"]) != (USER, PASSWORD):
            message = f"Invalid username or password: {query['user']} {query['pass']}"
            return {"Codigo": -5, "Descripcion": message, "Series": {"Obs": None}}
        first, last = query.get("firstdate", "1900-01-01"), query["lastdate"]
        values = [
            {"indexDateString": day.strftime("%d-%m-%Y"), "value": value, "statusCode": status}
            for day, value, status in self.observed
            if first <= day.isoformat() <= last
        ]
        return {"Codigo": 0, "Descripcion": "Success", "Series": {"seriesId": query["timeseries"], "Obs": values}}


EMPTY = {"yahoo": '{"chart": {"result": [], "error": null}}', "fred": "", "central_bank": "", "mindicador": ""}
PATHS = {
    "/v8/finance/chart/": "yahoo",
    "/fred/series/observations": "fred",
    "/mindicador/api/": "mindicador",
    "/SieteRestWS/SieteRestWS.ashx": "central_bank",
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    market: MarketServer

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        service = next((name for path, name in PATHS.items() if url.path.startswith(path)), "other")
        self.market.requests[service] += 1
        self.market.queries.setdefault(service, []).append(query)
        if service == "other":
            self.reply(404, "nothing here")
        else:
            self.answer(service, self.market.take_fault(service), self.market.body(service, url.path, query))

    def answer(self, service: str, fault: str, body: str) -> None:
        if fault == "dropped":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif fault == "stalled":
            self.market.released.wait()
            self.close_connection = True
        elif fault.startswith("{"):
            self.reply(200, fault)
        elif fault.isdecimal():
            self.reply(int(fault), f"error {fault} at {self.path}")
        else:
            self.reply(
                200, {"html": HTML, "truncated": body[: len(body) // 2], "empty": EMPTY[service]}.get(fault, body)
            )

    def reply(self, status: int, body: str) -> None:
        raw = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(raw)))
        if status >= 400 and self.market.retry_after:
            self.send_header("Retry-After", self.market.retry_after)
        self.end_headers()
        self.wfile.write(raw)


@contextmanager
def serving(market: MarketServer, tls: ssl.SSLContext | None = None) -> Iterator[MarketServer]:
    """Serves `market` on a free local port, by https with `tls`; stalled requests end with it."""
    handler = type("Handler", (_Handler,), {"market": market})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        market.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield market
        finally:
            market.released.set()
            server.shutdown()
            thread.join()
