"""Object stores as a store: S3, Google Cloud Storage, Azure, by `obstore`.

`obstore` (extra `s3`) is imported at the first use. Requests are repeated here and not by the library: after a lost
answer a conditional write meets its own object, and only its content tells it from another's.
"""

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from forex_assets.core.store.lease import Lease
from forex_assets.core.store.port import (
    Changed,
    Confirm,
    Entry,
    Store,
    Taken,
    WarehouseError,
    is_plain_key,
    plain_key,
    waits,
)

if TYPE_CHECKING:
    from obstore.store import ObjectStore

ATTEMPTS: Final = 8
"""Tries of one request."""
FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 5.0
NO_BUCKET: Final = "NoSuchBucket"
"""S3's code for a missing bucket, which must not look empty."""
TIMEOUT: Final = timedelta(seconds=30)
CONNECT_TIMEOUT: Final = timedelta(seconds=5)

Value = TypeVar("Value")


@dataclass(frozen=True)
class Remote(Store):
    """Objects of one bucket, below a prefix.

    Credentials and endpoint come from the services' own environment names, such as `AWS_ACCESS_KEY_ID` and
    `AWS_ENDPOINT_URL`.

    Attributes:
        address: such as `s3://bucket/usdclp`.
        folder: prefix of every key below the address, empty or ending in `/`.
        timeout: of one request.
    """

    address: str
    folder: str = ""
    timeout: timedelta = TIMEOUT
    _parent: "Remote | None" = field(default=None, repr=False, compare=False)

    @property
    def has_turns(self) -> bool:
        return False

    def get(self, key: str) -> Entry | None:
        import obstore

        def read() -> Entry:
            result = obstore.get(self._client, self._path(key))
            version = _version(result.meta)
            return Entry(bytes(result.bytes()), version, _state(version))

        return self._or_none("read", key, read)

    def state(self, key: str) -> str | None:
        import obstore

        return self._or_none("read", key, lambda: _state(_version(obstore.head(self._client, self._path(key)))))

    def put(self, key: str, content: bytes) -> None:
        import obstore

        path = self._path(key)
        self._tried("write", key, lambda: obstore.put(self._client, path, content, use_multipart=False))

    def create(self, key: str, content: bytes) -> None:
        def is_free(now: Entry | None) -> bool:
            return now is None

        if not self._swapped(key, content, "create", is_free):
            raise Taken(f"{self.place(key)} is there already; nothing was written")

    def replace(self, key: str, content: bytes, tag: object) -> None:
        def is_unchanged(now: Entry | None) -> bool:
            return now is not None and now.tag == tag

        if not isinstance(tag, dict) or not self._swapped(key, content, tag, is_unchanged):
            raise Changed(f"{self.place(key)} was changed meanwhile; nothing was written")

    def remove(self, key: str) -> None:
        import obstore

        self._or_none("remove", key, lambda: obstore.delete(self._client, self._path(key)))

    def list(self, prefix: str = "") -> Sequence[str]:
        head = self._path(prefix) if prefix else self.folder.rstrip("/")
        try:
            items = self._tried("list", prefix, partial(self._listed, head))
        except FileNotFoundError as error:
            raise self._fault("list", prefix, error) from error
        keys = (str(item["path"]).removeprefix(self.folder) for item in items)
        return sorted(key for key in keys if is_plain_key(key))  # not every service sorts them

    def _listed(self, head: str) -> Sequence[Any]:
        """Every object below a path."""
        import obstore

        return [item for page in obstore.list(self._client, head or None) for item in page]

    def place(self, key: str = "") -> str:
        return f"{self.address}/{self.folder}{key}".rstrip("/")

    def under(self, folder: str) -> "Remote":
        return Remote(self.address, self._path(folder) + "/", self.timeout, self._parent or self)

    def lock(self, name: str, timeout_s: float = 60.0) -> AbstractContextManager[Confirm]:
        return Lease(self, name).held(timeout_s)

    def tidy(self) -> None:
        """Does nothing: writes leave no drafts."""

    def turn(self, name: str, timeout_s: float = 60.0) -> AbstractContextManager[None]:
        return nullcontext()

    @cached_property
    def _own_client(self) -> "ObjectStore":
        from obstore.store import from_url

        options: dict[str, Any] = {"timeout": self.timeout, "connect_timeout": CONNECT_TIMEOUT}
        if os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"):
            options["allow_http"] = True
        retries: dict[str, Any] = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}
        try:
            client: ObjectStore = from_url(self.address, client_options=options, retry_config=retries)  # type: ignore[call-overload]
            return client
        except Exception as error:
            raise self._fault("open", "", error) from error

    @property
    def _client(self) -> "ObjectStore":
        return (self._parent or self)._own_client

    def _path(self, key: str) -> str:
        return self.folder + plain_key(key)

    def _swapped(self, key: str, content: bytes, mode: Any, may_write: Callable[[Entry | None], bool]) -> bool:
        """Writes conditionally; whether the content is ours.

        Args:
            mode: `create`, or the version that is replaced.
            may_write: whether the condition holds for what is there now, so that a refusal was passing (409).
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        path, is_lost = self._path(key), False
        last: Exception | None = None
        for _, wait_s in zip(range(ATTEMPTS), waits(FIRST_WAIT_S, LONGEST_WAIT_S), strict=False):
            try:
                obstore.put(self._client, path, content, mode=mode, use_multipart=False)
                return True
            except (AlreadyExistsError, PreconditionError) as error:
                last, now = error, self.get(key)
                # After a lost answer the object may be ours, and only then: two writers may write the same.
                if is_lost and now is not None and now.content == content:
                    return True
                if not may_write(now):
                    return False
            except FileNotFoundError as error:
                if mode == "create" or NO_BUCKET in str(error):
                    raise self._fault("write", key, error) from error
                return False  # there is nothing to replace
            except (BaseError, OSError) as error:
                if not _is_passing(error):
                    raise self._fault("write", key, error) from error
                last, is_lost = error, True
            time.sleep(wait_s)
        raise self._fault("write", key, last or OSError("no answer"))

    def _or_none(self, verb: str, key: str, request: Callable[[], Value]) -> Value | None:
        """Answer of a request; None where there is no such object."""
        try:
            return self._tried(verb, key, request)
        except FileNotFoundError as error:
            if NO_BUCKET in str(error):
                raise self._fault(verb, key, error) from error
            return None

    def _tried(self, verb: str, key: str, request: Callable[[], Value]) -> Value:
        """Answer of a request that may be repeated.

        Raises:
            FileNotFoundError: there is no such object or bucket.
        """
        from obstore.exceptions import BaseError

        last: Exception | None = None
        for _, wait_s in zip(range(ATTEMPTS), waits(FIRST_WAIT_S, LONGEST_WAIT_S), strict=False):
            try:
                return request()
            except FileNotFoundError:
                raise
            except (BaseError, OSError) as error:
                if not _is_passing(error):
                    raise self._fault(verb, key, error) from error
                last = error
            time.sleep(wait_s)
        raise self._fault(verb, key, last or OSError("no answer"))

    def _fault(self, verb: str, key: str, error: Exception) -> WarehouseError:
        code = re.search(r"<Code>(\w+)</Code>", str(error))
        first = str(error).partition("\n")[0].partition(": <?xml")[0].strip()[:300]
        reason = " ".join([*([code[1]] if code else []), first or type(error).__name__])
        return WarehouseError(
            f"cannot {verb} {self.place(key)}: {reason}; check FOREX_STORE, the service's credentials and the network"
        )


def _version(meta: Any) -> dict[str, str]:
    """Version of an object as conditional writes take it."""
    return {name: str(meta[name]) for name in ("e_tag", "version") if meta[name] is not None}


def _state(version: dict[str, str]) -> str:
    return " ".join(version.values())


def _is_passing(error: Exception) -> bool:
    """Tells whether a repeated request may succeed.

    Time-outs, 5xx, 409 and broken connections pass.
    """
    from obstore.exceptions import GenericError

    is_passing = isinstance(error, GenericError | TimeoutError | ConnectionError)
    return is_passing and NO_BUCKET not in str(error)
