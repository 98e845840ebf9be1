"""The uvicorn server, taught to drain before it stops, and its listening socket, which minds dead peers.

uvicorn's own shutdown closes every WebSocket in one instant with 1012; here readiness goes first, then every connection
is told `bye` over the drain window, and only then uvicorn ends. This module and `ingress`, which has the protocols, are
the only ones that know uvicorn.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import socket
import time
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette

from hub import collector
from hub.config import InvalidSettings, Settings
from hub.ingress import HttpProtocol
from hub.upgrade import WebSocketProtocol

GRACE_SECONDS = 5
FORCED_SECONDS = 1
USER_TIMEOUT_MS = 9_000  # the same for streams, which nobody answers: what they were sent must be acknowledged
SEND_BUFFER_BYTES = 64 * 1024
TIDY_TICKS = 600
SPARE_FILES = 64  # for requests, Redis, and what the process has open anyway

log = logging.getLogger("hub.server")


class DrainingServer(uvicorn.Server):
    """A server that hands its connections over before it stops. A second signal makes it stop at once."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start; what is there then stays, and need not be looked through for garbage (uvicorn)."""
        await super().startup(sockets)
        self._collector = collector.Collector()

    async def on_tick(self, counter: int) -> bool:
        """Tidy up in time; called ten times a second (uvicorn)."""
        if counter % TIDY_TICKS == 0:
            self._collector.tidy(len(self.lifespan.state["state"].hub.live.roster))
        return await super().on_tick(counter)

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
        if self.force_exit:  # who is cut off hears of it and ends; cancelled, each would leave a traceback
            for connection in list(self.server_state.connections):
                connection.transport.abort()
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn leaves the lifespan open then, to be cancelled with a traceback
            with suppress(TimeoutError):
                await asyncio.wait_for(self.lifespan.shutdown(), FORCED_SECONDS)

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


def fit(settings: Settings) -> Settings:
    """Allow as many connections as this process may have sockets; what is above that would be cut off unheard."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    room = max(1, most - settings.database_pool - SPARE_FILES)
    if room >= settings.max_connections:
        return settings
    log.warning("only %d connections fit into %d file descriptors, HUB_MAX_CONNECTIONS is above that", room, most)
    return settings.model_copy(update={"max_connections": room})


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
        "proxy_headers": False,  # nothing here depends on where a client is
        "server_header": False,
        "access_log": False,
        "log_config": None,
        "timeout_graceful_shutdown": GRACE_SECONDS,
        "timeout_keep_alive": 75,  # above the edge's, so that the edge closes idle connections first
        "backlog": 4096,
    }
    DrainingServer(uvicorn.Config(app, **options)).run(sockets=[listener])
