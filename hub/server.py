"""The uvicorn server, taught three things: to drain before it stops, to let streams go, to mind dead peers.

uvicorn's own shutdown closes every WebSocket in one instant with 1012; here readiness goes first, then every connection
is told `bye` over the drain window, and only then uvicorn ends. ASGI has no way to drop a connection whose peer does
not read, nor to go on without a task per connection, so the protocols put `abort` and `detach` into the scope's state.
This is the only module that knows uvicorn; tests/test_server.py fails when a new one changes what is used here.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from types import FrameType
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from hub.config import InvalidSettings, Settings
from hub.lean import LeanWebSocket

GRACE_SECONDS = 5
USER_TIMEOUT_MS = 30_000
SEND_BUFFER_BYTES = 64 * 1024
TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Gone:
    """What a protocol has for a transport once it was taken over."""

    def close(self) -> None:
        """Do nothing."""

    def is_closing(self) -> bool:
        """It is."""
        return True


class HttpProtocol(HttpToolsProtocol):
    """HTTP whose requests can drop their connection, or hand it over after the response began."""

    def on_message_begin(self) -> None:
        """Put `abort` and `detach` into the request's scope (httptools)."""
        super().on_message_begin()
        self.scope["state"] |= {"abort": self.transport.abort, "detach": self._detach}

    def on_headers_complete(self) -> None:
        """Offer `detach` to HTTP/1.1 only: the stream goes on in chunks (httptools)."""
        super().on_headers_complete()
        if self.parser.get_http_version() != "1.1":
            self.scope["state"].pop("detach")

    def _detach(self, stream: asyncio.Protocol) -> bool:
        """Hand the socket to `stream`; False if it is gone."""
        transport, cycle = self.transport, self.cycle
        if transport.is_closing() or cycle.disconnected:
            return False
        self.connections.discard(self)
        cycle.disconnected = True  # so that uvicorn does not miss the end of the response
        cycle.transport = self.transport = cast("asyncio.Transport", Gone())
        self.parser = None  # type: ignore[assignment]  # a cycle, like the next two: free now, not by and by
        del cycle.scope["state"]["detach"], cycle.scope["state"]["abort"]
        transport.set_protocol(stream)
        stream.connection_made(transport)
        return True


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that can be dropped, or handed over after it was accepted.

    What the client sent since the handshake is kept until then: a message may have come in parts, and those of it that
    the application has not heard yet belong to whoever takes over.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._received: bytearray | None = bytearray()
        self._heard = 0

    def data_received(self, data: bytes) -> None:
        """Keep what comes after the handshake; answer one that websockets finds too long to read (asyncio)."""
        if self.handshake_initiated and self._received is not None:
            self._received += data
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.transport.write(TOO_LONG)  # uvicorn would say nothing, and keep the socket for ever
            self.transport.close()

    async def receive(self) -> Any:
        """Count what the application has heard (ASGI)."""
        message = await super().receive()
        self._heard += message["type"] == "websocket.receive"
        return message

    async def send(self, message: Any) -> None:
        """Send; a refusal completes the handshake, but uvicorn would log it as an error (ASGI)."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True

    async def run_asgi(self) -> None:
        """Put `abort` and `detach` into the scope, then run (uvicorn)."""
        self.scope["state"] |= {"abort": self.transport.abort, "detach": self._detach}
        await super().run_asgi()

    def _detach(self, stream: LeanWebSocket) -> bool:
        """Hand the socket to `stream`, with what was not heard; False if it is gone."""
        transport = self.transport
        if self.disconnected or self.close_sent or transport.is_closing():
            return False
        self.stop_keepalive()
        self.connections.discard(self)
        self.transport = cast("asyncio.Transport", Gone())
        received, self._received = bytes(self._received or b""), None
        del self.conn, self.scope["state"]["detach"], self.scope["state"]["abort"]  # cycles: free now, not by and by
        transport.set_protocol(stream)
        stream.connection_made(transport)
        stream.go_on(received, heard=self._heard)
        return True


class DrainingServer(uvicorn.Server):
    """A server that hands its connections over before it stops. A second signal makes it stop at once."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then stop (uvicorn)."""
        hub = self.lifespan.state["state"].hub
        draining = asyncio.create_task(hub.live.drain())
        while not draining.done() and not self.force_exit:
            await asyncio.wait({draining}, timeout=0.1)
        draining.cancel()
        deadline = time.monotonic() + GRACE_SECONDS
        while len(hub.live.roster) and time.monotonic() < deadline and not self.force_exit:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain on the first signal, stop at once on the second (uvicorn)."""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True
        if sig != signal.SIGTERM:
            self._captured_signals.append(sig)


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket, with bounds that every accepted connection inherits."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise InvalidSettings(f"HUB_HOST, HUB_PORT: cannot listen on {host}, {port}: {error.strerror}") from None
    listener.set_inheritable(False)
    return listener


def serve(app: Starlette, settings: Settings) -> None:
    """Run a node until it is told to stop."""
    listener = listen(settings.host, settings.port)
    options: dict[str, Any] = {
        "http": HttpProtocol,
        "ws": WebSocketProtocol,
        "loop": "uvloop",
        "ws_max_size": settings.max_frame_bytes,
        "ws_per_message_deflate": False,
        "ws_ping_interval": None,  # hub.v1 has pings that a page can see
        "proxy_headers": True,
        "forwarded_allow_ips": settings.forwarded_allow_ips,
        "server_header": False,
        "access_log": False,
        "log_config": None,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        "timeout_keep_alive": 75,  # above the edge's, so that the edge closes idle connections first
        "backlog": 4096,
    }
    DrainingServer(uvicorn.Config(app, **options)).run(sockets=[listener])
