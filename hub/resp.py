"""A connection to Redis that fails loudly: RESP over one socket, parsed by hiredis, every reply handed on at once.

Only the propagator uses it. redis-py's asynchronous pub/sub hides reconnects, hangs on a frozen server and can spin the
event loop on a dead one, and costs twice the CPU per message. Here the socket either
delivers or calls `lost`, writing is a synchronous append, and whoever owns the connection decides what happens next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self, cast

import hiredis
from redis.asyncio.connection import parse_url

CONNECT_SECONDS = 1.0
MAX_UNSENT_BYTES = 8 * 1024 * 1024

Reply = Any  # bytes, int, list or None, as hiredis gives them


class RedisFailed(ConnectionError):
    """Redis answered a command with an error, or the connection broke."""


class RespConnection(asyncio.Protocol):
    """One socket to Redis. `reply` is called for every reply, `lost` once when it is gone."""

    def __init__(self, reply: Callable[[Reply], None], lost: Callable[[Exception | None], None]) -> None:
        self._reader = hiredis.Reader()
        self._reply = reply
        self._lost = lost
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, url: str, reply: Callable[[Reply], None], lost: Callable[[Exception | None], None]) -> Self:
        """Connect and sign in as the URL says; raise `OSError` or `TimeoutError` after a second at the latest."""
        options: dict[str, Any] = dict(parse_url(url))
        connection = cls(reply, lost)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection._connect(options)
                if options.get("password"):
                    await connection._ask(b"AUTH", *_credentials(options))
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _connect(self, options: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        if "path" in options:
            await loop.create_unix_connection(lambda: self, options["path"])
            return
        secure = "SSL" in getattr(options.get("connection_class"), "__name__", "")
        host, port = options.get("host", "localhost"), options.get("port", 6379)
        await loop.create_connection(lambda: self, host, port, ssl=secure or None)

    async def _ask(self, *command: bytes) -> Reply:
        """Send one command and wait for its reply, before anything else is said."""
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        handler, self._reply = self._reply, answer.set_result
        try:
            self.send(*command)
            reply = await answer
        finally:
            self._reply = handler
        if isinstance(reply, hiredis.ReplyError):
            raise RedisFailed(str(reply))
        return reply

    def send(self, *command: bytes | str) -> bool:
        """Append a command; those of one turn of the event loop leave in one write. False: too much is waiting."""
        if self._transport is None or self._transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
            return False
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(hiredis.pack_command(tuple(command)))  # type: ignore[arg-type]  # its stub wants one
        return True

    def abort(self) -> None:
        """Drop the connection without waiting for anything."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport is not None:
            self._transport.write(b"".join(unsent))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio.Protocol)."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit

    def data_received(self, data: bytes) -> None:
        """Hand on every complete reply (asyncio.Protocol)."""
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._reply(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner, once (asyncio.Protocol)."""
        self._transport = None
        self._lost(exc)


def _credentials(options: dict[str, Any]) -> list[bytes]:
    return [options[name].encode() for name in ("username", "password") if options.get(name)]
