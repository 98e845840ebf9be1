"""uvicorn's HTTP protocol, taught to let streams go, and to be short with clients that would wear the node out.

ASGI has no way to drop a connection whose peer does not read, nor to go on without a task per connection, so `abort`
and `detach` are put into the scope's state; a stream whose client brings all it needs does not even enter ASGI (see
`opening`), nor does what a service asks for (see `exchange`). And uvicorn trusts its clients: it waits for a request
for ever and keeps headers without end. Here, and in `upgrade` for what becomes a WebSocket, all of that is bounded.
tests/test_server.py fails when a new uvicorn changes what is used here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, cast

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from hub.api import problem
from hub.exchange import METHODS, Exchange, written
from hub.lean import LeanStream
from hub.opening import STREAM, WEBSOCKET, Opening

HEAD_SECONDS = 10.0
MAX_HEAD_BYTES = 64 * 1024
OPENINGS = b"GET " + WEBSOCKET, b"GET " + STREAM  # how they begin
END = b"\r\n\r\n"
TOO_LONG = 431, f"the head of a request has at most {MAX_HEAD_BYTES} bytes, that of a WebSocket 128 fields"


def answer(status: int, detail: str) -> bytes:
    """Write the answer to what is no request that an application could answer."""
    response = problem.unread(status, detail)
    return written(status, response.raw_headers, bytes(response.body))


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
        """Expect a request, as uvicorn does but for less (asyncio)."""
        self.connections.add(self)
        self.transport = cast("asyncio.Transport", transport)
        self.flow = FlowControl(self.transport)
        self.scheme = "http"
        # Where a client is nothing asks; uvicorn asks each socket: system calls, and an object while it is open.
        self._patience: asyncio.TimerHandle | None = None
        self._in_head = True
        self._head_bytes = 0
        self._is_whole = False  # what is being read is a head and nothing else
        self._opening: Opening | None = None
        self._lose_patience_in_time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more (asyncio)."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Leave whoever asks for a stream unread until their turn; read everybody else (asyncio)."""
        if data.startswith(OPENINGS) and self._is_idle:
            self.transport.pause_reading()
            self._be_patient()
            self._unset_keepalive_if_required()
            self.app_state["state"].hub.live.entrance.call(partial(self._let_in, data))
        else:
            self._read(data)

    @property
    def _is_idle(self) -> bool:
        """Tell whether what comes next begins a request that can be answered at once."""
        if self._in_head:
            return not self._head_bytes
        return self.cycle is None or self.cycle.response_complete

    def _let_in(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self._is_whole = data.find(END) == len(data) - len(END)
            self._read(data)
            self._is_whole = False

    def _read(self, data: bytes) -> None:
        """Read on; refuse a head without end."""
        super().data_received(data)
        if self._in_head:
            if self._patience is None:  # a head that comes whole needs no clock
                self._lose_patience_in_time()
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.write(answer(*TOO_LONG))
                self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP with a problem, like everything (uvicorn)."""
        self.transport.write(answer(400, msg))
        self.transport.close()

    def _lose_patience_in_time(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _head_is_there(self) -> None:
        self._in_head = False
        self._be_patient()

    def _be_patient(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def on_message_begin(self) -> None:
        """Expect a head; what ASGI needs for it is made when that is wanted (httptools)."""
        if not self._in_head:
            self._in_head = True
            self._head_bytes = 0
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._upgrades: bool | None = None
        self._opening = None

    def on_headers_complete(self) -> None:
        """Begin an exchange outside ASGI if that will do (httptools)."""
        self._head_is_there()
        if self.parser.should_upgrade() and self._should_upgrade():
            return
        self._opening = self._asks_for(STREAM) if self._is_whole else None
        if self._opening is not None:
            return
        exchange = self._exchange()
        if exchange is not None:
            self.cycle = cast("RequestResponseCycle", exchange)
            return
        self._enter_asgi()
        if self.parser.get_http_version() != "1.1":
            self.scope["state"].pop("detach")  # the stream goes on in chunks

    def on_message_complete(self) -> None:
        """Open a stream of events the short way if its client brings all it needs (httptools)."""
        if self._opening is None:
            super().on_message_complete()
            return
        self.transport.pause_reading()  # what comes next is for the stream
        defaults = self.server_state.default_headers
        self._spawn(self._open(self._opening.admit_stream, self._stream_in_asgi, defaults))

    def _stream_in_asgi(self) -> None:
        self._enter_asgi()
        super().on_message_complete()

    def _asks_for(self, path: bytes) -> Opening | None:
        """Read the head as one that asks for a stream at `path`; None if it is none for the short way."""
        asked, _, query = self.url.partition(b"?")
        if asked != path or self.parser.get_method() != b"GET" or not self._is_lean(self.parser.get_http_version()):
            return None
        return Opening.read(query, self.headers)

    def _should_upgrade(self) -> bool:
        """Look through the headers once: it is asked for each part of a request (uvicorn)."""
        if self._upgrades is None:
            self._upgrades = super()._should_upgrade()
        return self._upgrades

    def _enter_asgi(self) -> None:
        """Make what ASGI needs for the request, with `abort` and `detach` in its scope's state."""
        head = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = head
        self.scope["headers"] = self.headers
        self.scope["state"] |= {"abort": self.transport.abort, "detach": self._detach}
        super().on_headers_complete()

    def _is_lean(self, version: str) -> bool:
        """Tell whether anything goes past ASGI, for a request of this version of HTTP."""
        return bool(version == "1.1" and not self.root_path and self.app_state["state"].settings.lean)

    def _exchange(self) -> Exchange | None:
        method = self.parser.get_method()
        if method not in METHODS or self.parser.should_upgrade() or not self._is_lean(self.parser.get_http_version()):
            return None
        if self.cycle is not None and not self.cycle.response_complete:
            return None  # it has to wait for its turn
        exchange = Exchange.read(method, self.url, self.headers, self.app_state, self._begin_exchange)
        if exchange is not None:
            exchange.keep_alive = self.parser.should_keep_alive()
        return exchange

    def _begin_exchange(self, exchange: Exchange) -> None:
        self._spawn(self._finish(exchange))

    async def _finish(self, exchange: Exchange) -> None:
        """Write the answer to a request, and be ready for the next one."""
        try:
            answer = await exchange.answer(self.server_state.default_headers)
            if self.flow.write_paused and not exchange.disconnected:
                await self.flow.drain()
            if not exchange.disconnected:
                self.transport.write(answer)
                exchange.response_complete = True
        finally:  # also if that failed: nobody is left waiting
            if not exchange.response_complete or not exchange.keep_alive:
                self.transport.close()
        self.on_response_complete()

    def _detach(self, stream: LeanStream) -> bool:
        """Hand the socket to `stream`; False if it is gone."""
        cycle = self.cycle
        if self.transport.is_closing():
            cycle.disconnected = True  # it will be told in a moment: nobody is to miss the end of the response
        if cycle.disconnected:
            return False
        cycle.disconnected = True  # so that uvicorn does not miss the end of the response
        cycle.transport = cast("asyncio.Transport", Gone())
        del cycle.scope["state"]["detach"], cycle.scope["state"]["abort"]  # cycles: free now, not by and by
        self._give(stream)
        return True

    def _give(self, stream: LeanStream) -> None:
        transport, self.transport = self.transport, cast("asyncio.Transport", Gone())
        self.connections.discard(self)
        self.parser = None  # type: ignore[assignment]  # a cycle
        transport.set_protocol(stream)
        stream.connection_made(transport)

    def handle_websocket_upgrade(self) -> None:
        """Open a WebSocket the short way if its client brings all it needs (uvicorn)."""
        opening = self._asks_for(WEBSOCKET)
        if opening is None or not opening.is_websocket:
            self._upgrade_in_asgi()
            return
        self.transport.pause_reading()  # what comes next is for the stream
        self._spawn(self._open(opening.admit_websocket, self._upgrade_in_asgi))

    def _upgrade_in_asgi(self) -> None:
        self._enter_asgi()
        super().handle_websocket_upgrade()

    async def _open(self, admit: Callable[..., Awaitable[bool]], otherwise: Callable[[], None], *given: Any) -> None:
        admitted = False
        try:
            admitted = await admit(self.app_state["state"], self._switch, *given)
        finally:  # also if that failed: nobody is left with a socket that is not read
            if not admitted and not self.transport.is_closing():
                self.transport.resume_reading()
                otherwise()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _switch(self, stream: LeanStream) -> bool:
        """Hand the socket over; False if the client has gone."""
        if self.transport.is_closing():
            return False
        self._give(stream)
        return True
