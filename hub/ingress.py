"""uvicorn's two protocols, taught to let streams go, and to be short with clients that would wear the node out.

ASGI has no way to drop a connection whose peer does not read, nor to go on without a task per connection, so `abort`
and `detach` are put into the scope's state. And uvicorn trusts its clients: it waits for a request for ever, keeps
headers without end, answers pings nobody reads the answers to, and parses whatever came in one turn of the event loop.
Here all of that is bounded. tests/test_server.py fails when a new uvicorn changes what is used here.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Response as HandshakeResponse
from websockets.server import ServerProtocol
from websockets.typing import StatusLike

from hub.api import problem
from hub.errors import RATE_LIMITED
from hub.lean import LeanWebSocket
from hub.pace import Pace

HEAD_SECONDS = 10.0
MAX_HEAD_BYTES = 64 * 1024
MAX_LAST_BYTES = 64 * 1024  # what a client may still be saying when it is closed
PIECE_BYTES = 1024  # so many tiny frames that parsing them takes no time worth mentioning
TOO_LONG = 431, f"the head of a request has at most {MAX_HEAD_BYTES} bytes, that of a WebSocket 128 fields"


def answer(status: int, detail: str) -> bytes:
    """Write the answer to what is no request that an application could answer."""
    response = problem.unread(status, detail)
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
    lines += [name + b": " + value for name, value in response.raw_headers]
    return b"\r\n".join([*lines, b"", bytes(response.body)])


class Conversation(ServerProtocol):
    """What websockets knows of a connection, with refusals as problems; a message need not be whole before a close."""

    def reject(self, status: StatusLike, text: str) -> HandshakeResponse:
        """Refuse a handshake (websockets, uvicorn)."""
        response = problem.unread(int(status), text.strip())
        headers = Headers((name.decode(), value.decode()) for name, value in response.raw_headers)
        return HandshakeResponse(int(status), HTTPStatus(status).phrase, headers, bytes(response.body))

    def recv_frame(self, frame: Frame) -> None:
        """Take a frame; a close may come between the parts of a message (RFC 6455, 5.4)."""
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)


class Gone:
    """What a protocol has for a transport once it was taken over."""

    def close(self) -> None:
        """Do nothing."""

    def is_closing(self) -> bool:
        """It is."""
        return True


class HttpProtocol(HttpToolsProtocol):
    """HTTP whose requests can drop their connection, or hand it over after the response began."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Expect a request (asyncio)."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._patience: asyncio.TimerHandle | None = None
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more (asyncio)."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Refuse a head without end (asyncio)."""
        super().data_received(data)
        if self._patience is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.write(answer(*TOO_LONG))
                self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP with a problem, like everything (uvicorn)."""
        self.transport.write(answer(400, msg))
        self.transport.close()

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._patience = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _head_is_there(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def on_message_begin(self) -> None:
        """Put `abort` and `detach` into the request's scope (httptools)."""
        if self._patience is None:
            self._expect_head()
        super().on_message_begin()
        self.scope["state"] |= {"abort": self.transport.abort, "detach": self._detach}

    def on_headers_complete(self) -> None:
        """Offer `detach` to HTTP/1.1 only: the stream goes on in chunks (httptools)."""
        self._head_is_there()
        super().on_headers_complete()
        if self.parser.get_http_version() != "1.1":
            self.scope["state"].pop("detach")

    def _detach(self, stream: asyncio.Protocol) -> bool:
        """Hand the socket to `stream`; False if it is gone."""
        transport, cycle = self.transport, self.cycle
        if transport.is_closing():
            cycle.disconnected = True  # it will be told in a moment: nobody is to miss the end of the response
        if cycle.disconnected:
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
    the application has not heard yet belong to whoever takes over. While messages wait to be heard nothing more is
    parsed; what is no message is counted, because nobody else does.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conn.__class__ = Conversation
        self._unparsed = bytearray()
        self._received: bytearray | None = bytearray()
        self._heard = 0
        self._pong = b""
        self._last_bytes = 0
        self._pace = Pace(self.app_state["state"].settings.rate_limit_frames)

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
