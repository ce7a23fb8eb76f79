"""A webhook: messages as JSON by POST, for chat systems and other programs."""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from forex_assets.market.prices import SourceError
from forex_assets.market.sources.fetching import ask, redact
from forex_assets.operations.alerts.events import DeliveryError, Message, clean_line

REQUEST_LIMIT_S: Final = 15.0
DEADLINE_S: Final = 30.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the POST into a GET, or take the address's secret elsewhere."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        """None: the redirect itself is the answer."""
        return


@dataclass(frozen=True)
class Webhook:
    """The channel `webhook`.

    Args:
        url: where to post; secret as a whole, since such addresses carry their password.
        request_limit_s: seconds that the server may be silent.
        deadline_s: seconds for everything.
    """

    url: str = field(repr=False)
    request_limit_s: float = REQUEST_LIMIT_S
    deadline_s: float = DEADLINE_S

    def __post_init__(self) -> None:
        is_plain = self.url.isascii() and self.url.isprintable() and " " not in self.url
        try:
            parts = urlsplit(self.url)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            is_address = False
        if not (is_plain and is_address):
            raise ValueError(
                "FOREX_WEBHOOK_URL=… is no address such as https://example.com/hook; letters beyond ASCII are written "
                "as %C3%B1, or xn--… in a host's name"
            )

    @property
    def name(self) -> str:
        """Of its log."""
        return "webhook"

    @property
    def where(self) -> str:
        """Scheme and host; the rest of the address is secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}"

    def send(self, message: Message) -> str:
        """Post a message. `Idempotency-Key` and `id` are the same when it is sent again.

        Returns:
            The HTTP status.

        Raises:
            DeliveryError: another status than 2xx, no connection, or no answer.
        """
        request = urllib.request.Request(
            self.url,
            data=json_of(message),
            method="POST",
            headers={
                "Content-Type": "application/json; charset=utf-8",
                "User-Agent": "forex-assets",
                "Idempotency-Key": message.id,
            },
        )
        try:
            # One attempt: what fails is tried again from the outbox.
            return ask("webhook", lambda _: self._post(request), deadline_s=self.deadline_s, attempts=1)
        except SourceError:
            raise self._silence(self.deadline_s) from None

    def _post(self, request: urllib.request.Request) -> str:
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=self.request_limit_s) as answer:
                return f"HTTP {answer.status} from {self.where}"
        except urllib.error.HTTPError as error:
            with error:
                said = clean_line(redact(f"{error.code} {error.reason}", self.url, urlsplit(self.url).path))
            raise DeliveryError(f"{self.where} answered HTTP {said}; see to FOREX_WEBHOOK_URL") from None
        except TimeoutError:
            raise self._silence(self.request_limit_s) from None
        except urllib.error.URLError as error:
            raise self._unreached(error.reason) from None
        except (http.client.HTTPException, OSError) as error:
            raise DeliveryError(f"{self.where} hung up ({type(error).__name__})", is_uncertain=True) from None

    def _silence(self, seconds: float) -> DeliveryError:
        return DeliveryError(f"{self.where} did not answer within {seconds:g} s", is_uncertain=True)

    def _unreached(self, reason: object) -> DeliveryError:
        if isinstance(reason, TimeoutError):
            return self._silence(self.request_limit_s)
        if isinstance(reason, ssl.SSLCertVerificationError):
            words = clean_line(reason.verify_message)
            return DeliveryError(f"{self.where} shows a certificate that is not trusted ({words})")
        return DeliveryError(f"{self.where} cannot be reached ({type(reason).__name__}); see to FOREX_WEBHOOK_URL")


def json_of(message: Message) -> bytes:
    """`{"id", "subject", "words", "count", "events": [{"id", "kind", "horizon", "title", "words", "figures", …}]}`."""
    body = {
        "id": message.id,
        "subject": message.subject,
        "words": message.words,
        "count": len(message.events),
        "events": [event.model_dump(mode="json") for event in message.events],
    }
    return json.dumps(body, ensure_ascii=False).encode()
