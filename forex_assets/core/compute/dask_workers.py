"""Compute by the workers of a Dask scheduler."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, ParamSpec, TypeVar

from forex_assets.core.compute.port import Compute
from forex_assets.core.compute.setting import ComputeSetting, TlsFiles
from forex_assets.core.compute.work import ComputeError, check_version, load, package_version

P = ParamSpec("P")
Result = TypeVar("Result")

CONNECT_S: Final = 10.0
"""Seconds for connecting to a scheduler, at first and after its loss."""

NO_WORKER_S: Final = 60.0
"""Seconds without any worker after which the work is given up."""

RETRY: Final = "Finished blocks are stored: run the command again, and only the others are computed"


class Dask(Compute):
    """Compute: workers of a running Dask scheduler.

    Args:
        setting: address and certificates.

    Raises:
        ComputeError: no scheduler answers, it has no worker, or a worker has another version of the code.
    """

    def __init__(self, setting: ComputeSetting) -> None:
        self._address = setting.address
        self.words = f"the Dask scheduler at {self._address}"
        try:
            from distributed import Client
        except ImportError as error:
            raise ComputeError(
                f"FOREX_COMPUTE=dask:{self._address} needs the packages dask and distributed; install them with "
                "`pip install -c constraints.txt '.[scale]'`"
            ) from error
        try:
            self._client = Client(
                self._address, timeout=CONNECT_S, security=_security(setting.tls, self._address), set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise ComputeError(
                f"no Dask scheduler answers at {self._address} ({error}); start it (docs/deploy.md), or leave "
                "FOREX_COMPUTE empty to compute on this machine"
            ) from error
        self._executor = self._client.get_executor(pure=False)
        self._had_worker = time.monotonic()
        try:
            self.workers = self._count_workers()
        except ComputeError:
            self._client.close()
            raise

    def share(self, payload: bytes) -> Any:
        """See `Compute`.

        A task of the scheduler holds the inputs: it runs once a worker that needs it, and again where a worker died.
        """
        return self._client.submit(load, package_version(), payload, pure=False)

    def submit(self, fn: Callable[P, Result], /, *args: P.args, **kwargs: P.kwargs) -> "Future[Result]":
        """See `Executor.submit`."""
        future: Future[Result] = self._executor.submit(fn, *args, **kwargs)
        return future

    def check(self) -> None:
        """See `Compute`; workers may leave and come, not stay away."""
        if self._client.status == "running" and self._client.scheduler_info(n_workers=-1)["workers"]:
            self._had_worker = time.monotonic()
        elif time.monotonic() - self._had_worker > NO_WORKER_S:
            raise ComputeError(
                f"{self.words} has had no worker for {NO_WORKER_S:g} s; start one (docs/deploy.md). {RETRY}"
            )

    def explained(self, error: Exception) -> Exception:
        """See `Compute`; a block whose workers die again and again."""
        from distributed import KilledWorker

        if not isinstance(error, KilledWorker):
            return error
        return ComputeError(
            f"workers of {self.words} died again and again under one block, the last at "
            f"{getattr(error.last_worker, 'address', error.last_worker)}: they were killed, or memory ran out (a "
            f"worker needs about 700 MB). {RETRY}"
        )

    def recover(self, lost: int) -> str:
        """See `Compute`; needs a scheduler that is there again."""
        deadline = time.monotonic() + CONNECT_S
        while self._client.status == "connecting" and time.monotonic() < deadline:
            time.sleep(0.1)
        if self._client.status != "running":
            raise ComputeError(
                f"{self.words} went away with {lost} blocks under way, and does not answer within {CONNECT_S:g} s; "
                f"start it and its workers again (docs/deploy.md), or leave FOREX_COMPUTE empty. {RETRY}"
            )
        return f"{self.words} was started anew; the {lost} lost blocks are run again"

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leaves the scheduler; it and its workers go on."""
        self._client.close()

    def _count_workers(self) -> int:
        """Number of workers, all of this version."""
        answers = self._client.run(check_version, package_version(), on_error="return")
        if not answers:
            raise ComputeError(f"{self.words} has no worker; start one (docs/deploy.md)")
        for name, error in answers.items():
            if isinstance(error, ComputeError):
                raise error
            if error is not None:
                raise ComputeError(
                    f"the worker at {name} cannot load this package ({error!r}); install this command's version there, "
                    "restart the worker, and run the command again"
                )
        return len(answers)


def _security(tls: TlsFiles, address: str) -> Any:
    """Certificates for a `tls://` address; None without TLS."""
    if not address.startswith("tls://"):
        return None
    from distributed.security import Security

    return Security(
        require_encryption=True,
        tls_ca_file=str(tls.ca),
        tls_client_cert=str(tls.cert),
        tls_client_key=str(tls.key),
    )
