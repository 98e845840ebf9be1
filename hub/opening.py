"""The opening of a stream outside ASGI: the short way for a client that brings all it needs.

A stream costs most before its first frame: a WebSocket's request is parsed twice and a protocol machine is built for
it, either transport's is handed through a dozen layers, and the stream leaves all of that behind at once. So `ingress`
asks here first. Whoever comes with a sound request and a token that holds is answered and handed over to a lean stream.
Everybody else (no token yet, a ticket, which can be taken only once, anything that has to be refused and explained)
goes the way of every ASGI server, from the start, as if nothing had been asked. The checks are the ones of websocket.py
and sse.py, in the same order, and so are the answers: tests/contract compares them.
"""

from __future__ import annotations

import binascii
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

import structlog
from starlette.datastructures import QueryParams
from websockets.utils import accept_key

from hub import handshake
from hub.api.operation import State
from hub.auth import Principal
from hub.encoding import as_chunk, as_message
from hub.errors import HubError
from hub.exchange import written
from hub.handshake import Start
from hub.lean import LeanStream, LeanWebSocket
from hub.middleware import NOSNIFF, allowed_to_read, request_id
from hub.protocol import SUBPROTOCOL
from hub.sse import HEADERS, RETRY

WEBSOCKET, STREAM = b"/v1/ws", b"/v1/stream"
CHUNKED = b"transfer-encoding", b"chunked"
KEY_BYTES = 16
SWITCHING = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: {}\r\n{}\r\n"
)
CHOSEN = f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n"

RawHeaders = Sequence[tuple[bytes, bytes]]
HandOver = Callable[[LeanStream], bool]
"""Gives the socket to the stream; False if the client has gone."""


class Opening(NamedTuple):
    """A GET of HTTP/1.1, without a body, that asks for a stream."""

    headers: Mapping[str, str]
    query_params: Mapping[str, str]
    raw_headers: RawHeaders

    @classmethod
    def read(cls, query: bytes, raw_headers: RawHeaders) -> Self | None:
        """Read a request; None if it is none for the short way."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw_headers}
        if len(headers) != len(raw_headers) or "content-length" in headers or "transfer-encoding" in headers:
            return None
        opening = cls(headers, QueryParams(query) if query else {}, raw_headers)
        return None if "ticket" in opening.query_params else opening

    @property
    def is_websocket(self) -> bool:
        """Tell whether it has what RFC 6455, section 4.2.1, asks for, besides the upgrade itself."""
        try:
            key = binascii.a2b_base64(self.headers.get("sec-websocket-key", "").encode(), strict_mode=True)
        except ValueError:
            return False
        return len(key) == KEY_BYTES and self.headers.get("sec-websocket-version") == "13" and "host" in self.headers

    async def admit_websocket(self, state: State, hand_over: HandOver) -> bool:
        """Open a WebSocket; False, with nothing said or done, if this client is not for the short way."""
        admitted = await self._identify(state, self.query_params.get("resume"))
        if admitted is None:
            return False
        principal, start = admitted
        connection = handshake.connect(principal, state, "websocket", as_message)
        stream = LeanWebSocket(state, connection, self._switching())
        if hand_over(stream):
            # Not awaited: in a crowd thousands wait for their snapshot, and a request is many times a stream.
            state.hub.live.spawn(greet(stream, state, start))
        return True

    async def admit_stream(self, state: State, hand_over: HandOver, defaults: RawHeaders) -> bool:
        """Open a stream of events, its answer with the server's `defaults`; False as above."""
        begun = time.perf_counter()
        cursor = self.headers.get("last-event-id") or self.query_params.get("last_event_id")
        admitted = await self._identify(state, cursor)
        if admitted is None:
            return False
        name = request_id(self.raw_headers)
        structlog.contextvars.bind_contextvars(request_id=name)
        principal, start = admitted
        connection = handshake.connect(principal, state, "sse", as_chunk)
        live, handed_over = state.hub.live, False
        try:
            await live.join(connection, start.cursor, start.items)
            handed_over = hand_over(LeanStream(state, connection, self._event_stream(state, defaults, name)))
        except HubError:
            return False
        finally:
            if not handed_over:
                live.leave(connection)
        state.metrics.requests_of(STREAM.decode(), 200).observe(time.perf_counter() - begun)
        return True

    async def _identify(self, state: State, cursor: str | None) -> tuple[Principal, Start] | None:
        try:
            state.gate.check_origin(self.headers)
            state.hub.live.roster.check_room()
            start = handshake.read_start(self, cursor)
            principal = await handshake.identify(self, state)
        except HubError:
            return None
        return None if principal is None else (principal, start)

    def _switching(self) -> bytes:
        """Answer as RFC 6455, section 4.2.2, says."""
        offered = [name.strip() for name in self.headers.get("sec-websocket-protocol", "").split(",")]
        accept = accept_key(self.headers["sec-websocket-key"])
        return SWITCHING.format(accept, CHOSEN if SUBPROTOCOL in offered else "").encode()

    def _event_stream(self, state: State, defaults: RawHeaders, request_id: str) -> bytes:
        origin = self.headers.get("origin", "")
        readable = allowed_to_read(origin) if origin in state.settings.allowed_origins else ()
        named = (b"x-request-id", request_id.encode())
        headers = [*defaults, *HEADERS, *readable, (b"vary", b"Origin"), named, NOSNIFF, CHUNKED]
        return written(200, headers, b"%x\r\n%b\r\n" % (len(RETRY), RETRY))


async def greet(stream: LeanWebSocket, state: State, start: Start) -> None:
    """Bring a stream that has its socket live, then hear what its client says."""
    await handshake.join(state, stream.connection, start)
    stream.listen()
