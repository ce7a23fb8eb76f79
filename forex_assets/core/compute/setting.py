"""Reads `FOREX_COMPUTE`: where blocks of work are computed."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

MOST_PROCESSES: Final = 256
"""Largest number of worker processes on one machine."""

FORMS: Final = "leave it empty, or write processes:4, dask:tcp://127.0.0.1:8786 or dask:tls://host:8786"


class ComputeSettingError(ValueError):
    """`FOREX_COMPUTE` cannot be used; the message names the remedy."""


@dataclass(frozen=True)
class TlsFiles:
    """Certificates for a Dask scheduler, PEM.

    Attributes:
        ca: certificates that both sides trust.
        cert: certificate of this machine.
        key: its private key.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class ComputeSetting:
    """Place of computing, parsed from `FOREX_COMPUTE`.

    Attributes:
        kind: `auto`: this process, and one process a core for long work; `process`: this process alone; `processes`:
            worker processes of this machine; `dask`: workers of a Dask scheduler.
        processes: worker processes; 0 for the other kinds.
        address: of the scheduler, `tcp://…` or `tls://…`; empty for the other kinds.
        tls: certificates for a `tls://` address.
    """

    kind: Literal["auto", "process", "processes", "dask"]
    processes: int = 0
    address: str = ""
    tls: TlsFiles = TlsFiles()


def compute_setting(text: str, tls: TlsFiles) -> ComputeSetting:
    """Parses `FOREX_COMPUTE`.

    Args:
        text: empty, `processes:N`, `dask:tcp://host:port` or `dask:tls://host:port`.
        tls: certificates, needed for `tls://` alone.

    Raises:
        ComputeSettingError: another form, an address beyond this machine without TLS, or a missing certificate.
    """
    kind, _, rest = text.partition(":")
    if text == "":
        return ComputeSetting("auto")
    if kind == "processes":
        return _processes(rest)
    if kind == "dask":
        return ComputeSetting("dask", address=_address(rest, tls), tls=tls)
    raise ComputeSettingError(f"it names no way of computing; {FORMS}")


def _processes(text: str) -> ComputeSetting:
    """Parses the number of processes; one is this process."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_PROCESSES):
        raise ComputeSettingError(f"processes: takes a number from 1 to {MOST_PROCESSES}, such as processes:4")
    return ComputeSetting("process") if int(text) == 1 else ComputeSetting("processes", int(text))


def _address(text: str, tls: TlsFiles) -> str:
    """Checks a scheduler's address."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("tcp", "tls") or not host or not port or parts.path not in ("", "/") or "@" in parts.netloc:
        raise ComputeSettingError("dask: takes tcp://host:port or tls://host:port, such as dask:tcp://127.0.0.1:8786")
    if parts.scheme == "tcp" and not is_loopback(host):
        raise ComputeSettingError(
            f"{host} is another machine, and tcp:// would let anybody on the network run code here and there; use "
            "dask:tls:// with FOREX_COMPUTE_CA, FOREX_COMPUTE_CERT and FOREX_COMPUTE_KEY (docs/deploy.md)"
        )
    if parts.scheme == "tls":
        _check_files(tls)
    return text.rstrip("/")


def _check_files(tls: TlsFiles) -> None:
    """Refuses TLS without all three files."""
    for name, path in (("CA", tls.ca), ("CERT", tls.cert), ("KEY", tls.key)):
        if path is None:
            raise ComputeSettingError(f"tls:// needs FOREX_COMPUTE_{name}, a PEM file (docs/deploy.md)")
        if not path.is_file():
            raise ComputeSettingError(f"tls:// needs FOREX_COMPUTE_{name}, and there is no file {path}")


def is_loopback(host: str) -> bool:
    """Tells whether a host name or address is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
