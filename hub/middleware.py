"""What happens around every request, as pure ASGI: an id, a log line, a measurement, an answer even to our own failure.

`BaseHTTPMiddleware` is not used: it breaks the detection of disconnects in streams and never sees WebSockets.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable
from typing import Any

import structlog
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api import problem
from hub.api.operation import State
from hub.errors import Forbidden, HubError
from hub.randomness import random_bytes

log = logging.getLogger("hub.access")
RawHeaders = Iterable[tuple[bytes, bytes]]
EXPOSED = ["ETag", "Link", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"]  # besides what always is
QUIET = {"/livez", "/readyz", "/metrics", "/demo/outbox"}
CACHED = {"GET", "HEAD"}
SANE_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,128}")
NOSNIFF, CLOSE = (b"x-content-type-options", b"nosniff"), (b"connection", b"close")
FAILED = "the hub failed; the request id finds the reason in its log"


class RequestContext:
    """Gives a request its id (the caller's, if sane), logs and measures it, and winds connections down on drain."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application inside a request's context (ASGI)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        name = request_id(scope["headers"])
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=name)
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        state: State = scope["state"]["state"]
        begun, answer = time.perf_counter(), _Answer(send, name, closing=state.hub.live.roster.draining)
        try:
            await self._app(scope, receive, answer)
        except Exception:
            if answer.status:
                raise  # it has begun: all that is left is to break it off
            await failed()(scope, receive, answer)
        finally:
            note(scope, state, answer.status, time.perf_counter() - begun)


class _Answer:
    """Sends an answer on, with the headers every one has; `status` is 0 before it begins."""

    def __init__(self, send: Send, request_id: str, *, closing: bool) -> None:
        self.status = 0
        self._send = send
        self._headers = [(b"x-request-id", request_id.encode()), NOSNIFF, *([CLOSE] if closing else [])]

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._headers]
        await self._send(message)


class Cors(CORSMiddleware):
    """CORS whose refusals are problems, like any other. What no page sent and no cache keeps passes untouched."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, with what its page may read of the answer (ASGI)."""
        if scope["type"] == "http" and scope["method"] not in CACHED and _header(scope["headers"], b"origin") is None:
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a browser that asks what it may do (Starlette)."""
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        refusal = problem.response(Forbidden("this origin, method or header is not allowed"))
        refusal.headers["Vary"] = answer.headers["Vary"]
        return refusal


def failed() -> Response:
    """Answer a request that the hub failed at, with the exception that is being handled."""
    log.exception("a request failed")
    return problem.response(HubError(FAILED))


def note(scope: Scope, state: State, status: int, seconds: float) -> None:
    """Measure and log a request that was answered."""
    route: Any = scope.get("route")
    path = getattr(route, "path", "unknown")
    state.metrics.requests_of(path, status).observe(seconds)
    level = logging.DEBUG if status < 400 else logging.INFO  # a line costs as much as storing a notification
    if log.isEnabledFor(level) and scope["path"] not in QUIET:
        fields = {"method": scope["method"], "route": path, "status": status, "ms": round(seconds * 1000, 1)}
        log.log(level, "request", extra=fields)


def allowed_to_read(origin: str) -> RawHeaders:
    """List what lets a page of an allowed origin read an answer."""
    return [
        (b"access-control-expose-headers", ", ".join(EXPOSED).encode()),
        (b"access-control-allow-origin", origin.encode()),
    ]


def _header(headers: RawHeaders, name: bytes) -> bytes | None:
    return next((value for key, value in headers if key == name), None)


def request_id(headers: RawHeaders) -> str:
    """Take the caller's id of a request, if it is a sane one, or make one."""
    given = _header(headers, b"x-request-id")
    return given.decode() if given and SANE_ID.fullmatch(given) else "req_" + random_bytes(16).hex()
