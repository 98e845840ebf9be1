"""Frames ↔ WebSocket, on any ASGI server: one task reads the client's commands, one writes the backlog.

The reader must run all the time: the server stops reading the socket until it is asked for the next message, pings and
close frames included. A writer that makes no progress for a while gives up on the client and drops the transport, which
ASGI cannot: a client that reads nothing would otherwise block its own close for ever.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from hub import handshake, protocol
from hub.api import problem
from hub.api.operation import State
from hub.auth import Principal
from hub.connection import Connection
from hub.errors import (
    INTERNAL,
    NO_AUTH,
    RATE_LIMITED,
    TOKEN_EXPIRED,
    TOKEN_INVALID,
    TOO_MANY_ERRORS,
    AlreadyAuthenticated,
    Close,
    HubError,
    Malformed,
    TokenExpired,
)
from hub.handshake import Start
from hub.notification import parse_name
from hub.protocol import SUBPROTOCOL, Auth, ChangeInbox, ChangeItems, Cursor, Frame, Pong, Refresh

MAX_ERRORS = 10
BURST_SECONDS = 5
CHANGES = {"read": "read", "unread": "unread", "archive": "archived"}

log = logging.getLogger("hub.websocket")


async def endpoint(websocket: WebSocket) -> None:
    """Serve `GET /v1/ws`."""
    state: State = websocket.scope["state"]["state"]
    try:
        state.gate.check_origin(websocket.headers)
        state.hub.live.roster.check_room()
    except HubError as error:
        await websocket.send_denial_response(problem.response(error))
        return
    try:
        start = handshake.read_start(websocket, websocket.query_params.get("resume"))
        principal = await handshake.identify(websocket, state)
    except HubError as error:
        await _refuse(websocket, error)
        return
    offered = websocket.scope.get("subprotocols", [])
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    with suppress(WebSocketDisconnect):
        if principal is None:
            with state.hub.live.roster.waiting():
                principal, start = await _authenticate(websocket, state, start)
        await Session(websocket, state, principal).run(start)


async def _refuse(websocket: WebSocket, error: HubError) -> None:
    """Turn a client away. A browser's script cannot see an HTTP status, so it is told in a frame."""
    if "origin" not in websocket.headers:
        await websocket.send_denial_response(problem.response(error))
        return
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in websocket.scope.get("subprotocols", []) else None)
    with suppress(WebSocketDisconnect):
        await _dismiss(websocket, error.close, error)


async def _dismiss(websocket: WebSocket, close: Close, error: HubError | None = None) -> None:
    if error is not None:
        await _send(websocket, protocol.error(error))
    await _send(websocket, protocol.bye(close))
    await websocket.close(close.code, close.reason)


async def _authenticate(websocket: WebSocket, state: State, start: Start) -> tuple[Principal, Start]:
    """Wait for the first frame, which must be `auth`; raise `WebSocketDisconnect` once the client is turned away."""
    try:
        async with asyncio.timeout(state.settings.auth_seconds):
            message = await _receive(websocket)
        command = protocol.parse(message)
        if not isinstance(command, Auth):
            raise Malformed("the first frame must be `auth`")
        principal = await state.gate.verify_token(command.token)
    except TimeoutError:
        await _dismiss(websocket, NO_AUTH)
    except HubError as error:
        await _dismiss(websocket, error.close, error)
    else:
        cursor = Cursor(command.resume.epoch, command.resume.seq) if command.resume else start.cursor
        return principal, Start(cursor, start.items if command.snapshot is None else command.snapshot)
    raise WebSocketDisconnect


async def _receive(websocket: WebSocket) -> str:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    text = message.get("text")
    if text is None:
        raise Malformed("frames are JSON text")
    return str(text)


async def _send(websocket: WebSocket, frame: Frame) -> None:
    await websocket.send({"type": "websocket.send", "text": frame.json.decode()})


class Session:
    """One authenticated client from `hello` to `bye`."""

    def __init__(self, websocket: WebSocket, state: State, principal: Principal) -> None:
        self._websocket = websocket
        self._state = state
        self._hub = state.hub
        self._connection: Connection = handshake.connect(principal, state, "websocket", lambda frame: frame.json)
        self._errors = 0
        self._allowance = float(state.settings.rate_limit_frames * BURST_SECONDS)
        self._allowance_at = time.monotonic()

    async def run(self, start: Start) -> None:
        """Join, then read and write until either side ends it."""
        writer = asyncio.create_task(self._write())
        try:
            try:
                await self._hub.live.join(self._connection, start.cursor, start.items)
            except HubError as error:
                self._connection.close(error.close)
            await self._read()
        except Exception:
            log.exception("a connection failed and is closed")
            self._connection.close(INTERNAL)
            await writer
        finally:
            self._hub.live.leave(self._connection)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _write(self) -> None:
        written = self._state.metrics.frames.labels("websocket")
        try:
            while batch := await self._connection.drain():
                for data in batch:
                    async with asyncio.timeout(self._state.settings.stall_seconds):
                        await self._websocket.send({"type": "websocket.send", "text": data.decode()})
                written.inc(len(batch))
            close = self._connection.closing
            assert close is not None
            async with asyncio.timeout(self._state.settings.stall_seconds):
                await self._websocket.close(close.code, close.reason)
        except TimeoutError:
            self._connection.abandon()
            if (abort := self._websocket.scope["state"].get("abort")) is not None:
                abort()
        except (WebSocketDisconnect, OSError, RuntimeError):
            pass  # the client went first; the reader hears of it too

    async def _read(self) -> None:
        while True:
            ref = None
            try:
                text = await _receive(self._websocket)
                self._connection.pong_by = None
                if not self._within_rate():
                    self._connection.close(RATE_LIMITED)
                    continue
                ref = protocol.ref_of(text)
                await self._obey(protocol.parse(text))
                self._errors = 0
            except WebSocketDisconnect:
                return
            except HubError as error:
                self._complain(error, ref)

    def _complain(self, error: HubError, ref: int | None) -> None:
        self._errors += 1
        self._connection.send(protocol.error(error, ref))
        if self._errors >= MAX_ERRORS:
            self._connection.close(TOO_MANY_ERRORS)

    def _within_rate(self) -> bool:
        rate, now = self._state.settings.rate_limit_frames, time.monotonic()
        self._allowance = min(rate * BURST_SECONDS, self._allowance + (now - self._allowance_at) * rate) - 1
        self._allowance_at = now
        return self._allowance >= 0

    async def _obey(self, command: protocol.AnyCommand) -> None:
        key = self._connection.key
        match command:
            case Pong():
                return
            case Auth():
                raise AlreadyAuthenticated
            case Refresh():
                await self._refresh(command)
                seq = self._connection.cursor.seq if self._connection.cursor else 0
            case ChangeItems():
                ids = [parse_name(name, "ntf")[1] for name in command.ids]
                seq = (await self._hub.change(key, ids, CHANGES[command.t])).seq  # type: ignore[arg-type]
            case ChangeInbox():
                seq = (await self._hub.change_all(key, command.t, command.up_to)).seq
        if command.ref is not None:
            self._connection.send(protocol.ok(command.ref, seq))

    async def _refresh(self, command: Refresh) -> None:
        """Take a fresh token for the same user; any other ends the connection."""
        try:
            principal = await self._state.gate.verify_token(command.token)
        except TokenExpired:
            self._connection.close(TOKEN_EXPIRED)
            return
        except HubError as error:
            self._connection.close(TOKEN_INVALID if not error.temporary else error.close)
            return
        if (principal.tenant, principal.user) != self._connection.key:
            self._connection.close(TOKEN_INVALID)
            return
        self._connection.principal = principal
        self._connection.warned = False
        assert principal.expires_at is not None
        self._connection.send(protocol.token("ok", max(0, round(principal.expires_at - time.time()))))
