"""A request of a service and its answer outside ASGI: the short way for what changes something.

Publishing is a small piece of work, and the layers between a socket and its handler took longer than the handler did:
a scope, events and messages for each request, half a dozen functions around it, two writes for one answer. So `ingress`
asks here first. A request with a body that comes whole, from no web page, for a path of the API is answered by the same
operation as any other and written at once; everything else (pages, with their CORS; what is only read; large or
chunked bodies) goes the way of every ASGI server. tests/contract compares what both ways answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response

from hub.api.operation import State
from hub.api.route import Path, Paths
from hub.middleware import CLOSE, NOSNIFF, failed, note, request_id

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
METHODS = frozenset({b"POST", b"PUT", b"PATCH", b"DELETE"})
MAX_BODY_BYTES = 64 * 1024  # beyond it reading has to be held back, as it is in ASGI
IN_ASGI = frozenset({b"origin", b"expect", b"transfer-encoding"})

RawHeaders = Sequence[tuple[bytes, bytes]]
Begin = Callable[["Exchange"], None]


def written(status: int, headers: RawHeaders, body: bytes) -> bytes:
    """Write an answer (RFC 9112, section 2.1)."""
    head = b"".join([b"%b: %b\r\n" % header for header in headers])
    if head.count(b"\n") != len(headers):
        raise RuntimeError("a header has a line break")
    return b"%b%b\r\n%b" % (STATUS_LINES[status], head, body)


class Exchange:
    """A request from its head to its answer; uvicorn takes it for one of its cycles, of which it has what is used."""

    __slots__ = ("_begin", "_path", "_scope", "body", "disconnected", "keep_alive", "more_body", "response_complete")

    def __init__(self, path: Path, scope: MutableMapping[str, Any], begin: Begin) -> None:
        """`begin` is called once the request is there, to have it answered."""
        self._path = path
        self._scope = scope
        self._begin: Begin | None = begin
        self.body = bytearray()
        self.more_body = self.keep_alive = True
        self.response_complete = self.disconnected = False

    @classmethod
    def read(
        cls, method: bytes, url: bytes, headers: RawHeaders, app_state: dict[str, Any], begin: Begin
    ) -> Exchange | None:
        """Read a head; None if it is none for the short way."""
        raw_path, _, query = url.partition(b"?")
        if b"#" in url or not url.isascii():
            return None
        named = dict(headers)
        if len(named) != len(headers) or not IN_ASGI.isdisjoint(named):
            return None
        if int(named.get(b"content-length", b"0")) > MAX_BODY_BYTES:
            return None
        api: Paths = app_state["api"]
        found = api.find(raw_path)
        if found is None:
            return None
        path, parameters = found
        scope = {
            "type": "http",
            "http_version": "1.1",
            "scheme": "http",
            "method": method.decode(),
            "root_path": "",
            "path": raw_path.decode(),
            "raw_path": raw_path,
            "path_params": parameters,
            "query_string": query,
            "headers": headers,
            "route": path,
            "state": app_state,
        }
        return cls(path, scope, begin)

    @property
    def message_event(self) -> Exchange:
        """What is told of every part that comes, and of the end of the connection (uvicorn)."""
        return self

    def set(self) -> None:
        """Begin as soon as all is there."""
        if self._begin is not None and not self.more_body and not self.disconnected:
            begin, self._begin = self._begin, None
            begin(self)

    async def answer(self, defaults: RawHeaders) -> bytes:
        """Have the request answered; return all of the answer, with the server's `defaults` among its headers."""
        begun, state = time.perf_counter(), self._scope["state"]["state"]
        name = request_id(self._scope["headers"])
        structlog.contextvars.bind_contextvars(request_id=name)
        try:
            response = await self._path.answer(Request(self._scope, self._receive))
        except Exception:  # noqa: BLE001 - whatever it is, it is logged and answered
            response = failed()
        note(self._scope, state, response.status_code, time.perf_counter() - begun)
        return self._written(response, state, [*defaults, *response.raw_headers, (b"x-request-id", name.encode())])

    def _written(self, response: Response, state: State, headers: list[tuple[bytes, bytes]]) -> bytes:
        headers.append(NOSNIFF)
        if state.hub.live.roster.draining:
            self.keep_alive = False
        if not self.keep_alive:
            headers.append(CLOSE)
        return written(response.status_code, headers, bytes(response.body))

    async def _receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": bytes(self.body), "more_body": False}
