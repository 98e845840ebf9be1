"""Streams outside ASGI: one small protocol object per connection, writing shared, pre-encoded bytes.

After the handshake, which websocket.py and sse.py do as always, the server hands the socket over (`detach`). What is
left per client is one of these and its Connection: no task, no queue, no parser while it says nothing. That is a
fraction of the memory and work of the ASGI path, which stays for other servers. Writing is bounded by the transport:
while it is full the Connection keeps a bounded backlog, and a client that takes nothing for a while is dropped.
"""

from __future__ import annotations

import asyncio
from typing import cast

from hub import wire
from hub.api.operation import State
from hub.connection import Connection
from hub.errors import CLIENT_GONE, NO_PONG, Close
from hub.protocol import AnyCommand
from hub.session import Session

HIGH_WATER_BYTES = 64 * 1024
CLOSE_SECONDS = 5.0
SILENT_SECONDS = 1.0  # for a client that is probably not there any more
MAX_WAITING_COMMANDS = 16


class LeanStream(asyncio.Protocol):
    """A client that is only written to: server-sent events. Also the writing half of `LeanWebSocket`."""

    __slots__ = ("_answer", "_ending", "_state", "_timer", "_transport", "_unsent_bytes", "connection")

    def __init__(self, state: State, connection: Connection, answer: bytes = b"") -> None:
        """`answer`: to the request, if it was not sent yet; it leaves together with the first frame."""
        self.connection = connection
        self._answer = answer
        self._state = state
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unsent_bytes = 0
        self._ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the transport and write what is waiting (asyncio; called by the server when it hands over)."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self._transport.resume_reading()
        self.connection.attach(self)

    def write(self, data: bytes) -> None:
        """Write bytes, after the answer (Sink)."""
        if self._transport is not None:
            if self._answer:
                data, self._answer = self._answer + data, b""
            self._transport.write(data)
            self._state.metrics.written[self.connection.transport] += 1

    def end(self, close: Close) -> None:
        """End the response and close (Sink)."""
        self._finish(b"0\r\n\r\n", CLOSE_SECONDS)
        if self._transport is not None:
            self._transport.close()

    def _finish(self, last: bytes, seconds: float) -> None:
        """Write the last bytes; whoever is not gone in time, with or without them, is dropped."""
        if self._transport is not None and not self._ending:
            self._ending = True
            self._transport.write(last)
            self._arm(seconds, self._transport.abort)

    def pause_writing(self) -> None:
        """Hold frames back, and begin to doubt the client (asyncio)."""
        self.connection.pause()
        if not self._ending:
            self._watch()

    def resume_writing(self) -> None:
        """Go on (asyncio)."""
        if not self._ending:
            self._disarm()
        self.connection.resume()

    def _watch(self) -> None:
        assert self._transport is not None
        self._unsent_bytes = self._transport.get_write_buffer_size()
        self._arm(self._state.settings.stall_seconds, self._judge)

    def _judge(self) -> None:
        """Drop a client that took nothing since the last look."""
        assert self._transport is not None
        if self._transport.get_write_buffer_size() < self._unsent_bytes:
            self._watch()
        else:
            self.connection.abandon()
            self._transport.abort()

    def _arm(self, seconds: float, act: object) -> None:
        self._disarm()
        self._timer = asyncio.get_running_loop().call_later(seconds, act)  # type: ignore[arg-type]

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def data_received(self, data: bytes) -> None:
        """Ignore what a listener sends (asyncio)."""

    def eof_received(self) -> bool:
        """Close in its turn: a client that went away may have been one of thousands (asyncio)."""
        if self._transport is not None:
            self._state.hub.live.exit.call(self._transport.close)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection (asyncio)."""
        self._disarm()
        self._transport = None
        self.connection.abandon(CLIENT_GONE)
        self._state.hub.live.leave(self.connection)


class LeanWebSocket(LeanStream):
    """A client that also speaks."""

    __slots__ = ("_commands", "_deaf", "_early", "_obeying", "_parser", "_pong", "_session")

    def __init__(self, state: State, connection: Connection, answer: bytes = b"") -> None:
        super().__init__(state, connection, answer)
        self._parser: wire.Parser | None = None
        self._early = (b"", 0)
        self._session: Session | None = None
        self._commands: list[AnyCommand] | None = None
        self._obeying: asyncio.Task[None] | None = None
        self._deaf = False
        self._pong: bytes | None = None  # owed, but the transport is full

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the transport, and hear nothing before `hello` is said (asyncio)."""
        super().connection_made(transport)
        cast("asyncio.Transport", transport).pause_reading()

    def go_on(self, received: bytes, *, heard: int) -> None:
        """Keep what came since the handshake, and how many messages of it were heard before the handing over."""
        self._early = received, heard

    def listen(self) -> None:
        """Hear what came so far, and what comes from now on: the client was greeted."""
        received, heard = self._early
        self._early = (b"", 0)
        if received:
            self._hear_out(received, heard=heard)
        self._read_on()

    def _read_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing() and not self._deaf:
            self._transport.resume_reading()

    def resume_writing(self) -> None:
        """Go on, and answer the last ping (asyncio)."""
        super().resume_writing()
        if self._pong is not None and self._transport is not None and not self._ending:
            self._transport.write(self._pong)
        self._pong = None

    def end(self, close: Close) -> None:
        """Send a close frame and wait for the client's (Sink)."""
        self._say_close(close.code, close.reason, SILENT_SECONDS if close is NO_PONG else CLOSE_SECONDS)

    def _say_close(self, code: int, reason: str, seconds: float = CLOSE_SECONDS) -> None:
        self._finish(wire.close_frame(code, reason), seconds)

    def data_received(self, data: bytes) -> None:
        """Take what the client says (asyncio)."""
        self._hear_out(data)

    def _hear_out(self, data: bytes, *, heard: int = 0) -> None:
        """Take what bytes say, until the client talks too much: then nothing more is listened to."""
        if self._deaf:
            return
        if self._session is None:
            self._session = Session(self._state, self.connection)
        parser = self._parser or wire.Parser(self._state.settings.max_frame_bytes)
        for event in parser.feed(data):
            if isinstance(event, wire.Text) and heard:
                heard -= 1
            elif self._session.allows():
                self._take(event, self._session)
            else:
                self._turn_deaf()
                break
        self._parser = None if parser.is_idle or self._deaf else parser

    def _turn_deaf(self) -> None:
        self._deaf = True
        if self._transport is not None:
            self._transport.pause_reading()

    def _take(self, event: wire.Event, session: Session) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        match event:
            case wire.Text(text) if self.connection.closing is None:
                self._hear(text, session)
            case wire.Ping(data) if self.connection.paused:
                self._pong = wire.pong_frame(data)  # the last one will do (RFC 6455, 5.5.3)
            case wire.Ping(data) if not self._ending:
                self._transport.write(wire.pong_frame(data))
            case wire.Closed(code, reason):
                self.connection.abandon(CLIENT_GONE)
                self._say_close(code, reason)
                self._transport.close()

    def _hear(self, text: str | None, session: Session) -> None:
        command = session.read(text)
        if command is None:
            return
        self._commands = [*(self._commands or ()), command]
        if self._obeying is None:
            self._obeying = asyncio.create_task(self._obey(session))
        elif len(self._commands) >= MAX_WAITING_COMMANDS and self._transport is not None:
            self._transport.pause_reading()

    async def _obey(self, session: Session) -> None:
        """Obey commands one after the other; while too many wait, the socket is not read."""
        try:
            while self._commands and self.connection.closing is None:
                await session.obey(self._commands.pop(0))
        finally:
            self._obeying = self._commands = None
            self._read_on()
