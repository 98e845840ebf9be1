"""Frames ↔ WebSocket, on any ASGI server: one task reads the client's commands, one writes the backlog.

The reader must run all the time: the server stops reading the socket until it is asked for the next message, pings and
close frames included. A writer that makes no progress for a while gives up on the client and drops the transport, which
ASGI cannot: a client that reads nothing would otherwise block its own close for ever.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from hub import handshake, protocol
from hub.api import problem
from hub.api.operation import State
from hub.auth import Principal
from hub.connection import Connection
from hub.encoding import as_json, as_message
from hub.errors import CLIENT_GONE, NO_AUTH, Close, HubError, Malformed
from hub.handshake import Start
from hub.lean import LeanWebSocket
from hub.opening import greet
from hub.protocol import SUBPROTOCOL, Auth, Cursor, Frame
from hub.session import Session


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
    except HubError as error:
        await _turn_away(websocket, error)
        return
    try:
        principal = await handshake.identify(websocket, state)
        if principal is None:
            state.hub.live.roster.check_waiting_room()
    except HubError as error:
        await _refuse(websocket, error)
        return
    offered = websocket.scope.get("subprotocols", [])
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    with suppress(WebSocketDisconnect):
        if principal is None:
            with state.hub.live.roster.waiting():
                principal, start = await _authenticate(websocket, state, start)
        await _serve(websocket, state, principal, start)


async def _refuse(websocket: WebSocket, error: HubError) -> None:
    """Refuse a client. A browser's script cannot see an HTTP status, so it is told in a frame."""
    if "origin" in websocket.headers:
        await _turn_away(websocket, error)
    else:
        await websocket.send_denial_response(problem.response(error))


async def _turn_away(websocket: WebSocket, error: HubError) -> None:
    """Let a client in to tell it that it cannot stay, and why."""
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in websocket.scope.get("subprotocols", []) else None)
    with suppress(WebSocketDisconnect):
        await _dismiss(websocket, error.close, error)


async def _dismiss(websocket: WebSocket, close: Close, error: HubError | None = None, ref: int | None = None) -> None:
    if error is not None:
        await _send(websocket, protocol.error(error, ref))
    await _send(websocket, protocol.bye(close))
    await websocket.close(close.code, close.reason)


async def _authenticate(websocket: WebSocket, state: State, start: Start) -> tuple[Principal, Start]:
    """Wait for the first frame, which must be `auth`; raise `WebSocketDisconnect` once the client is turned away."""
    ref = None
    try:
        async with asyncio.timeout(state.settings.auth_seconds):
            message = await _receive(websocket)
        ref = protocol.ref_of(message)
        command = protocol.parse(message)
        if not isinstance(command, Auth):
            raise Malformed("the first frame must be `auth`")
        principal = await state.gate.verify_token(command.token)
    except TimeoutError:
        await _dismiss(websocket, NO_AUTH)
    except HubError as error:
        await _dismiss(websocket, error.close, error, ref)
    else:
        cursor = Cursor(command.resume.epoch, command.resume.seq) if command.resume else start.cursor
        return principal, Start(cursor, start.items if command.snapshot is None else command.snapshot, ref)
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


async def _serve(websocket: WebSocket, state: State, principal: Principal, start: Start) -> None:
    """Take the stream out of ASGI where the server lets us, else serve it through ASGI."""
    detach = websocket.scope["state"].get("detach")
    if detach is None or not state.settings.lean:
        await _serve_asgi(websocket, state, principal, start)
        return
    connection = handshake.connect(principal, state, "websocket", as_message)
    stream = LeanWebSocket(state, connection)
    if detach(stream):
        # Not awaited: in a storm thousands wait for their snapshot, and what this request holds is many times a stream.
        state.hub.live.spawn(greet(stream, state, start))


async def _serve_asgi(websocket: WebSocket, state: State, principal: Principal, start: Start) -> None:
    """Read and write through ASGI until either side ends it."""
    connection = handshake.connect(principal, state, "websocket", as_json)
    writer = asyncio.create_task(_write(websocket, state, connection))
    try:
        await handshake.join(state, connection, start)
        session = Session(state, connection)
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                connection.abandon(CLIENT_GONE)
                break
            await session.hear(message.get("text"))
    finally:
        state.hub.live.leave(connection)
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)


async def _write(websocket: WebSocket, state: State, connection: Connection) -> None:
    try:
        while batch := await connection.drain():
            for data in batch:
                async with asyncio.timeout(state.settings.stall_seconds):
                    await websocket.send({"type": "websocket.send", "text": data.decode()})
            state.metrics.written["websocket"] += len(batch)
        close = connection.closing
        assert close is not None
        async with asyncio.timeout(state.settings.stall_seconds):
            await websocket.close(close.code, close.reason)
    except TimeoutError:
        connection.abandon()
        if (abort := websocket.scope["state"].get("abort")) is not None:
            abort()
    except (WebSocketDisconnect, OSError, RuntimeError):
        pass  # the client went first; the reader hears of it too
