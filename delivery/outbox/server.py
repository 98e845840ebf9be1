"""Run the recording providers on loopback, able to cut a connection the way a dying provider does.

ASGI has no word for "drop it", so the HTTP protocol class puts its transport into the scope; `cut` aborts it. A
handler that has cut its connection may return anything: nobody will read it.
"""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import Self

import uvicorn
from starlette.requests import Request
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class _CuttableProtocol(HttpToolsProtocol):
    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.scope["state"]["transport"] = self.transport


def cut(request: Request) -> None:
    """Reset the connection of a request, without an answer."""
    request.state.transport.abort()


class Server:
    """The providers on a port of their own, as an async context manager; `url` is their address."""

    def __init__(self, app: ASGIApp, *, port: int = 0) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            app, http=_CuttableProtocol, lifespan="off", log_level="warning", access_log=False, ws="none"
        )
        config.timeout_graceful_shutdown = 1
        self._server = uvicorn.Server(config)
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve until a signal comes."""
        await self._server.serve([self._socket])

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._server._serve([self._socket]))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._server.should_exit = True
        await self._task
        self._socket.close()
