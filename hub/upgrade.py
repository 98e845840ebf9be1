"""uvicorn's WebSocket protocol, taught to let streams go, and to be short with clients that would wear the node out.

The long way into a WebSocket, through ASGI: for clients that have yet to say who they are, for those that are refused,
and for all where streams stay in ASGI. uvicorn answers pings nobody reads the answers to, and parses whatever came in
one turn of the event loop; here that is bounded. `ingress` is the other half.
"""

from __future__ import annotations

import asyncio
import logging
import random
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeader, InvalidUpgrade
from websockets.frames import Frame, Opcode
from websockets.http11 import Request as HandshakeRequest
from websockets.http11 import Response as HandshakeResponse
from websockets.server import ServerProtocol
from websockets.typing import StatusLike

from hub.api import problem
from hub.errors import DRAIN, RATE_LIMITED
from hub.ingress import TOO_LONG, Gone, answer
from hub.lean import CLOSE_SECONDS, LeanWebSocket
from hub.pace import Pace
from hub.protocol import WEBSOCKET_VERSION, bye
from hub.roster import RECONNECT_MS

MAX_LAST_BYTES = 64 * 1024  # what a client may still be saying when it is closed
PIECE_BYTES = 1024  # so many tiny frames that parsing them takes no time worth mentioning

log = logging.getLogger("hub.upgrade")
log.setLevel(logging.WARNING)


class Conversation(ServerProtocol):
    """What websockets knows of a connection, with refusals as problems; a message need not be whole before a close."""

    def process_request(self, request: HandshakeRequest) -> Any:
        """Check a handshake; one of another version may come again with ours (RFC 6455, 4.4; websockets)."""
        try:
            return super().process_request(request)
        except InvalidHeader as error:
            if error.name != "Sec-WebSocket-Version":
                raise
            raise InvalidUpgrade(error.name, error.value) from None

    def reject(self, status: StatusLike, text: str) -> HandshakeResponse:
        """Refuse a handshake (websockets, uvicorn)."""
        response = problem.unread(int(status), text.partition("\n")[0])
        headers = Headers((name.decode(), value.decode()) for name, value in response.raw_headers)
        if status == HTTPStatus.UPGRADE_REQUIRED:
            headers["Sec-WebSocket-Version"] = WEBSOCKET_VERSION
        return HandshakeResponse(int(status), HTTPStatus(status).phrase, headers, bytes(response.body))

    def recv_frame(self, frame: Frame) -> None:
        """Take a frame; a close may come between the parts of a message (RFC 6455, 5.4)."""
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that can be dropped, or handed over after it was accepted.

    What the client sent since the handshake is kept until then: a message may have come in parts, and those of it that
    the application has not heard yet belong to whoever takes over. While messages wait to be heard nothing more is
    parsed; what is no message is counted, because nobody else does.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conn.__class__ = Conversation
        self.close_timeout = CLOSE_SECONDS  # what a flood leaves behind takes up room until then
        self._unparsed = bytearray()
        self._received: bytearray | None = bytearray()
        self._heard = 0
        self._pong = b""
        self._last_bytes = 0
        self._pace = Pace(self.app_state["state"].settings.rate_limit_frames)
        self.logger = log  # uvicorn's would write two lines for every connection, which is most of what one costs

    def data_received(self, data: bytes) -> None:
        """Parse a piece at a time; answer a handshake that websockets finds too long to read (asyncio)."""
        if not self.handshake_initiated:
            super().data_received(data)
            if self.conn.handshake_exc is not None and not self.handshake_initiated:
                self.transport.write(answer(*TOO_LONG))  # uvicorn would say nothing, and keep the socket for ever
                self.transport.close()
        else:
            self._unparsed += data
            self._parse()

    def _parse(self) -> None:
        while self._unparsed and not self.read_paused and not self.transport.is_closing():
            piece = bytes(self._unparsed[:PIECE_BYTES])
            del self._unparsed[:PIECE_BYTES]
            if self.close_sent:
                self._last_bytes += len(piece)
                if self._last_bytes > MAX_LAST_BYTES:
                    self.transport.abort()
                    return
            if self._received is not None:
                self._received += piece
            super().data_received(piece)

    def handle_ping(self) -> None:
        """Answer; while nobody reads the answers keep the last one (uvicorn)."""
        if not self._counts():
            return
        if self.writable.is_set():
            super().handle_ping()
        elif pongs := b"".join(self.conn.data_to_send()):  # the first ping of a piece finds the answers to all of it
            self._pong = pongs

    def resume_writing(self) -> None:
        """Go on, and answer the last ping (asyncio)."""
        super().resume_writing()
        if self._pong and not self.close_sent and not self.transport.is_closing():
            self.transport.write(self._pong)
        self._pong = b""

    def handle_pong(self, event: Any) -> None:
        """Count (uvicorn)."""
        if self._counts():
            super().handle_pong(event)

    def handle_cont(self, event: Any) -> None:
        """Count (uvicorn)."""
        if self._counts():
            super().handle_cont(event)

    def _counts(self) -> bool:
        """Count one more frame that no application hears of; close if there are too many."""
        if self.close_sent or self.transport.is_closing():
            return False
        if not self._pace.allows():
            self._fail(RATE_LIMITED.code, RATE_LIMITED.reason)
            return False
        return True

    def _fail(self, code: int, reason: str) -> None:
        if not self.handshake_complete:
            self.transport.abort()
            return
        self.conn.send_close(code, reason)
        self.handle_parser_exception()

    def send_receive_event_to_app(self) -> None:
        """Close on text that is no text, which uvicorn would log as our error (uvicorn)."""
        try:
            if self.curr_msg_data_type == "text":
                b"".join(self.frames).decode()
        except UnicodeDecodeError:
            self.frames = []
            if not self.close_sent:
                self._fail(1007, "invalid UTF-8")
        else:
            super().send_receive_event_to_app()

    async def receive(self) -> Any:
        """Count what the application has heard, and parse on (ASGI)."""
        message = await super().receive()
        self._heard += message["type"] == "websocket.receive"
        self._parse()
        return message

    async def send(self, message: Any) -> None:
        """Send; a refusal completes the handshake, but uvicorn would log it as an error (ASGI)."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True
        elif message["type"] == "websocket.send":
            self._received = None  # whoever speaks through ASGI stays there

    def shutdown(self) -> None:
        """End what the drain has not: whoever has yet to say who they are, and handshakes under way (uvicorn).

        The latter the application refuses with 503: uvicorn would say 500, after which no edge asks another node.
        """
        if self.close_sent or not self.handshake_initiated:
            super().shutdown()
        elif self.handshake_complete:
            self.conn.send_text(bye(DRAIN, random.randint(0, RECONNECT_MS)).json)  # noqa: S311 (spread)
            self._fail(DRAIN.code, DRAIN.reason)

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
        received, self._received = bytes((self._received or b"") + self._unparsed), None
        del self.conn, self.scope["state"]["detach"], self.scope["state"]["abort"]  # cycles: free now, not by and by
        transport.set_protocol(stream)
        stream.connection_made(transport)
        stream.go_on(received, heard=self._heard)
        return True
