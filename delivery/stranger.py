"""HTTP to servers of strangers, the endpoints of webhooks: only where a name may lead, and little of what comes back.

The same question and answers as in `http`, over a client that lets us decide where names lead at the moment of
connecting. No proxy, behind which nobody could tell; no cookies; at most so many bytes of a refusal, none of an
acceptance.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from delivery.destination import is_public
from delivery.http import Answer, NoAnswer, Unreachable


class StrangerHttp:
    """A pool of connections with one deadline for everything; to `private` addresses too only where that is wanted."""

    def __init__(
        self,
        *,
        total_seconds: float,
        most_bytes: int,
        private: bool,
        connect_seconds: float = 5.0,
        connections: int = 100,
    ) -> None:
        self._resolver = ThreadedResolver if private else PublicResolver
        self._most_bytes = most_bytes
        self._timeout = aiohttp.ClientTimeout(total=total_seconds, connect=min(connect_seconds, total_seconds))
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def exchange(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send one request; raise `Unreachable` or `NoAnswer`."""
        try:
            asked = self._open().request(method, url, headers=headers, data=body, allow_redirects=False)
            async with asked as response:
                content = b"" if response.ok else await response.content.read(self._most_bytes)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoAnswer(f"{type(error).__name__}: {error}") from error
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, content)

    async def close(self) -> None:
        """Close every connection; the next exchange opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        """Open the session at the first use, on the loop that will use it."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections, resolver=self._resolver())
            cookies = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout, cookie_jar=cookies)
        return self._session


class PublicResolver(AbstractResolver):
    """Resolves a name to its public addresses only; a name that has none does not exist."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look a name up; raise `OSError`."""
        found = [one for one in await self._resolver.resolve(host, port, family) if is_public(one["host"])]
        if not found:
            raise OSError(None, f"{host} has no public address")
        return found

    async def close(self) -> None:
        """Release the resolver."""
        await self._resolver.close()
