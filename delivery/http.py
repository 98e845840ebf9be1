"""One HTTP exchange with a provider, and the only question that matters when it fails: may it have arrived?

The Resend and Twilio edges put this under their SDKs instead of the SDKs' own clients, which have no timeout, no kept
connection, or follow redirects; webhooks use it as it is. `Unreachable` means that not a byte of the request left;
`NoAnswer` that it may have. One session per worker keeps connections alive; nothing is ever repeated here. Rejected:
`requests` in threads, three times the processor time per send and no limit on a body that trickles.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL


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
    """A pool of connections with one deadline for everything.

    For servers of strangers: a `resolver` that decides where names lead (then no proxy is asked), and at most
    `most_bytes` of the body of a refusal, none of an acceptance.
    """

    def __init__(
        self,
        *,
        total_seconds: float,
        connect_seconds: float = 5.0,
        connections: int = 100,
        resolver: Callable[[], AbstractResolver] | None = None,
        most_bytes: int | None = None,
    ) -> None:
        self._resolver = resolver
        self._most_bytes = most_bytes
        self._timeout = aiohttp.ClientTimeout(total=total_seconds, connect=min(connect_seconds, total_seconds))
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def exchange(self, method: str, url: str, **request: Any) -> Answer:
        """Send one request, as aiohttp's `request` takes it; raise `Unreachable` or `NoAnswer`."""
        try:
            proxy = None if self._resolver else proxy_for(URL(url).origin())
            async with self._open().request(method, url, allow_redirects=False, proxy=proxy, **request) as response:
                body = await self._body(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoAnswer(f"{type(error).__name__}: {error}") from error
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, body)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        if self._most_bytes is None:
            return await response.read()
        return b"" if response.ok else await response.content.read(self._most_bytes)

    async def close(self) -> None:
        """Close every connection; the next exchange opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        """Open the session at the first use, on the loop that will use it."""
        if self._session is None:
            resolver = self._resolver() if self._resolver else None
            connector = aiohttp.TCPConnector(limit=self._connections, resolver=resolver)
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self._session


@lru_cache(maxsize=64)
def proxy_for(origin: URL) -> str | None:
    """Find the proxy of the environment for a provider, once: aiohttp would look it up for every request, and in
    ``~/.netrc`` for credentials nobody meant to send."""
    host = origin.host or ""
    return None if proxy_bypass(host) else getproxies().get(origin.scheme)


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
