"""Frames → text/event-stream, on any ASGI server: the same JSON as on WebSocket, one event a frame.

The event's id is the client's cursor once it has applied the frame, so a browser that reconnects by itself resumes
where it was. sse-starlette encodes the events; its response class, with four tasks a connection, is not used.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub import handshake
from hub.api import problem
from hub.api.operation import State
from hub.auth import Principal
from hub.connection import Connection
from hub.encoding import as_chunk, as_event
from hub.errors import CLIENT_GONE, HubError, Unauthorized
from hub.handshake import Start
from hub.lean import LeanStream
from hub.middleware import CLOSE

RETRY = b"retry: 1000\n\n"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


async def endpoint(request: Request) -> Response:
    """Serve `GET /v1/stream`."""
    state: State = request.scope["state"]["state"]
    state.gate.check_origin(request.headers)
    state.hub.live.roster.check_room()
    cursor = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    start = handshake.read_start(request, cursor)
    principal = await handshake.identify(request, state)
    if principal is None:
        raise Unauthorized("send a token, or open the stream with a ticket")
    if request.method == "HEAD":  # a stream without a body would never end, and spoil the connection for what follows
        return Response(headers={name.decode(): value.decode() for name, value in HEADERS})
    return EventStream(state, principal, start)


class EventStream(Response):
    """A response that lasts as long as the connection; joins when it is asked to send, leaves whatever happens."""

    def __init__(self, state: State, principal: Principal, start: Start) -> None:
        self._state = state
        self._principal = principal
        self._start = start
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the stream (ASGI), outside of ASGI where the server lets us."""
        detach = scope["state"].get("detach") if self._state.settings.lean else None
        encode = as_event if detach is None else as_chunk
        connection = handshake.connect(self._principal, self._state, "sse", encode)
        live, handed_over = self._state.hub.live, False
        try:
            await live.join(connection, self._start.cursor, self._start.items)
            # In ASGI too the connection ends with the stream; HTTP/2 has other ways (RFC 9113, section 8.2.2).
            last = [CLOSE] if detach is None and scope["http_version"] == "1.1" else []
            await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, *last]})
            await send({"type": "http.response.body", "body": RETRY, "more_body": True})
            handed_over = detach is not None and detach(LeanStream(self._state, connection))
            if detach is None:
                await self._run(connection, scope, receive, send)
        except HubError as error:
            await problem.response(error)(scope, receive, send)
        finally:
            if not handed_over:
                live.leave(connection)

    async def _run(self, connection: Connection, scope: Scope, receive: Receive, send: Send) -> None:
        writer = asyncio.create_task(self._write(connection, scope, send))
        listener = asyncio.create_task(_until_disconnect(receive))
        try:
            await asyncio.wait({writer, listener}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            writer.cancel()
            listener.cancel()
            await asyncio.gather(writer, listener, return_exceptions=True)
            connection.abandon(CLIENT_GONE)

    async def _write(self, connection: Connection, scope: Scope, send: Send) -> None:
        try:
            while batch := await connection.drain():
                await self._send(send, b"".join(batch))
                self._state.metrics.written["sse"] += len(batch)
            await self._send(send, b"", more=False)
        except TimeoutError:
            connection.abandon()
            if (abort := scope["state"].get("abort")) is not None:
                abort()
        except OSError:
            pass  # the client went first

    async def _send(self, send: Send, body: bytes, *, more: bool = True) -> None:
        async with asyncio.timeout(self._state.settings.stall_seconds):
            await send({"type": "http.response.body", "body": body, "more_body": more})


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
