"""What happens around every request, as pure ASGI: a request id, one log line, one measurement.

`BaseHTTPMiddleware` is not used: it breaks the detection of disconnects in streams and never sees WebSockets.
"""

from __future__ import annotations

import logging
import re
import time
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api.operation import State
from hub.notification import new_id

log = logging.getLogger("hub.access")
QUIET = {"/livez", "/readyz", "/metrics"}


class RequestContext:
    """Gives a request its id (the caller's, if sane), logs and measures it, and winds connections down on drain."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application inside a request's context (ASGI)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("x-request-id"))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        state: State = scope["state"]["state"]
        begun, status = time.perf_counter(), 500

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                if state.hub.live.roster.draining:
                    headers["Connection"] = "close"
            await send(message)

        try:
            await self._app(scope, receive, named)
        finally:
            self._note(scope, state, status, time.perf_counter() - begun)

    def _note(self, scope: Scope, state: State, status: int, seconds: float) -> None:
        route: Any = scope.get("route")
        path = getattr(route, "path", "unknown")
        state.metrics.requests.labels(path, str(status)).observe(seconds)
        if scope["path"] not in QUIET:
            fields = {"method": scope["method"], "route": path, "status": status, "ms": round(seconds * 1000, 1)}
            log.info("request", extra=fields)


def _request_id(given: str | None) -> str:
    return given if given and re.fullmatch(r"[A-Za-z0-9_.:-]{1,128}", given) else "req_" + new_id().hex
