"""One HTTP exchange with a provider, and the only question that matters when it fails: may it have arrived?

The Resend and Twilio edges put this under their SDKs instead of the SDKs' own clients, which have no timeout, no kept
connection, or follow redirects. `Unreachable` means that not a byte of the request left; `NoAnswer` that it may have.
One client per worker keeps connections alive; a request that was written is never repeated here. Rejected: aiohttp,
three times the processor time per exchange, all of it in the interpreter; `requests` in threads, more still.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime

from pyreqwest.client import ClientBuilder
from pyreqwest.exceptions import PoolTimeoutError, RequestError

IDLE_SECONDS = 15.0
"""For which an unused connection is kept: less than servers do, so that none is closed under a request."""
CONNECTING = "client error (Connect)"
"""How hyper, below the client, says that there was no connection yet. Any other failure may follow the request."""


class Unreachable(Exception):
    """Nothing was sent: refused, no such host, no TLS, no free connection in time."""


class NoAnswer(Exception):
    """It was sent, at least in part, and no whole answer came back."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """A pool of connections with one deadline for everything, through the proxy that the environment names."""

    def __init__(self, *, total_seconds: float, connect_seconds: float = 5.0, connections: int = 100) -> None:
        connect = timedelta(seconds=min(connect_seconds, total_seconds))
        builder = ClientBuilder().timeout(timedelta(seconds=total_seconds)).connect_timeout(connect)
        builder = builder.max_connections(connections).pool_timeout(connect)
        builder = builder.pool_idle_timeout(timedelta(seconds=IDLE_SECONDS))
        # HTTP/1: what happens to a connection happens to one request.
        self._client = builder.http1_only().follow_redirects(False).build()

    async def exchange(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Send one request; raise `Unreachable` or `NoAnswer`."""
        try:
            request = self._client.request(method.upper(), url).headers(headers)
            if body is not None:
                request = request.body_bytes(body)
            response = await request.build().send()
            content = bytes(await response.bytes())
        except (PoolTimeoutError, ValueError) as error:  # ValueError: an address that is none
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        except RequestError as error:
            causes = [cause["message"] for cause in error.details["causes"] or [{"message": error.message}]]
            # The class does not tell: a connection that is lost under a request is a `ConnectError` as well.
            kind = Unreachable if CONNECTING in causes else NoAnswer
            raise kind(f"{type(error).__name__}: {causes[-1]}") from error
        return Answer(response.status, dict(response.headers), content)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After, whatever its case: seconds from now, from a number or an HTTP date (RFC 9110, 10.2.3)."""
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
