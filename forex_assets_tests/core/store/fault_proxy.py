"""A server between client and S3 that refuses requests, loses answers or waits."""

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import urlsplit

FAULTS: Final = ("409", "412", "500", "503", "lost before", "lost after", "slow")
"""A status without doing anything; a connection cut before or after the request was done; an answer after the limit."""
SLOW_S: Final = 3.0

Plan = Callable[[int, str, str], str]
"""Fault of a request by its number, method and path; empty for none."""


@contextlib.contextmanager
def fault_proxy(endpoint: str, plan: Plan) -> Iterator[tuple[str, list[str]]]:
    """Starts the proxy; yields its address and the requests as they come."""
    target, seen = urlsplit(endpoint), list[str]()
    guard, ended = threading.Lock(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            with guard:
                seen.append(f"{self.command} {self.path.partition('?')[0]}")
                fault = plan(len(seen), self.command, self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if fault == "lost before":
                self.close_connection = True
                return
            if fault.isdigit():
                self._answer(int(fault), {}, b"<Error><Code>Fault</Code></Error>")
                return
            connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=60)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if fault == "slow":
                ended.wait(SLOW_S)
            if fault in ("lost after", "slow"):
                self.close_connection = True
                return
            self._answer(answer.status, dict(answer.getheaders()), content)

        def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            is_head = self.command == "HEAD"
            self.send_header("Content-Length", headers.get("Content-Length", "0") if is_head else str(len(content)))
            self.end_headers()
            if not is_head:
                self.wfile.write(content)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _handle

        def log_message(self, format: str, *args: object) -> None:
            """Prints nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
