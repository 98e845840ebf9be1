"""The opening of a WebSocket outside ASGI: the short way for a client that brings all it needs.

A WebSocket costs most before its first frame: its request is parsed twice, a protocol machine is built for it and a
dozen layers are called, and the stream leaves all of that behind at once. So `ingress` asks here first. Whoever comes
with a sound handshake and a token that holds is answered (RFC 6455, section 4.2.2) and handed over to a lean stream.
Everybody else (no token yet, a ticket, which can be taken only once, anything that has to be refused and explained)
goes the way of every ASGI server, from the start, as if nothing had been asked. The checks are the ones of
websocket.py, in the same order.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

from starlette.datastructures import QueryParams
from websockets.utils import accept_key

from hub import handshake
from hub.api.operation import State
from hub.auth import Principal
from hub.encoding import as_message
from hub.errors import HubError
from hub.handshake import Start
from hub.lean import LeanWebSocket
from hub.protocol import SUBPROTOCOL

PATH = b"/v1/ws"
KEY_BYTES = 16
SWITCHING = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: {}\r\n{}\r\n"
)
CHOSEN = f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n"

HandOver = Callable[[LeanWebSocket], bool]
"""Gives the socket to the stream; False if the client has gone."""


class Opening(NamedTuple):
    """A request for `/v1/ws` whose handshake is sound."""

    headers: Mapping[str, str]
    query_params: Mapping[str, str]

    @classmethod
    def read(cls, target: bytes, raw_headers: Sequence[tuple[bytes, bytes]]) -> Self | None:
        """Read a GET of HTTP/1.1 that asks for an upgrade; None if it is none for the short way."""
        path, _, query = target.partition(b"?")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw_headers}
        if path != PATH or len(headers) != len(raw_headers) or not _is_sound(headers):
            return None
        opening = cls(headers, QueryParams(query) if query else {})
        return None if "ticket" in opening.query_params else opening

    async def admit(self, state: State, hand_over: HandOver) -> bool:
        """Open the stream; False, with nothing said or done, if this client is not for the short way."""
        try:
            state.gate.check_origin(self.headers)
            state.hub.live.roster.check_room()
            start = handshake.read_start(self, self.query_params.get("resume"))
            principal = await handshake.identify(self, state)
        except HubError:
            return False
        if principal is None:
            return False
        self._begin(state, principal, start, hand_over)
        return True

    def _begin(self, state: State, principal: Principal, start: Start, hand_over: HandOver) -> None:
        stream = LeanWebSocket(state, handshake.connect(principal, state, "websocket", as_message), self._answer())
        if hand_over(stream):
            # Not awaited: in a crowd thousands wait for their snapshot, and a request is many times a stream.
            state.hub.live.spawn(greet(stream, state, start))

    def _answer(self) -> bytes:
        offered = [name.strip() for name in self.headers.get("sec-websocket-protocol", "").split(",")]
        accept = accept_key(self.headers["sec-websocket-key"])
        return SWITCHING.format(accept, CHOSEN if SUBPROTOCOL in offered else "").encode()


async def greet(stream: LeanWebSocket, state: State, start: Start) -> None:
    """Bring a stream that has its socket live, then hear what its client says."""
    await handshake.join(state, stream.connection, start)
    stream.listen()


def _is_sound(headers: Mapping[str, str]) -> bool:
    """Tell whether a handshake has what RFC 6455, section 4.2.1, asks for, besides the upgrade itself."""
    try:
        key = binascii.a2b_base64(headers.get("sec-websocket-key", "").encode(), strict_mode=True)
    except ValueError:
        return False
    return (
        len(key) == KEY_BYTES
        and headers.get("sec-websocket-version") == "13"
        and "host" in headers
        and "content-length" not in headers
        and "transfer-encoding" not in headers
    )
