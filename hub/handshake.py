"""What both transports do before a stream begins: check who asks and where they left off.

Shared by websocket.py and sse.py, so that a cursor, a ticket or a foreign origin means the same on both.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from hub import protocol
from hub.api.operation import State
from hub.auth import Principal
from hub.connection import Connection, Transport
from hub.errors import INTERNAL, FieldError, HubError, Invalid
from hub.gate import refuse_tokens_in_url, require_user
from hub.protocol import Cursor, Frame

MAX_ITEMS = 100

log = logging.getLogger("hub.handshake")


class Start(NamedTuple):
    """Where a client wants to begin: after a cursor, with how many items in `hello` (none: without them).

    `ref` is that of the `auth` that said so, to be answered once the client was greeted.
    """

    cursor: Cursor | None
    items: int | None
    ref: int | None = None


class Request(Protocol):
    """A handshake, whatever it came in with."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers, by lower-case name."""

    @property
    def query_params(self) -> Mapping[str, str]:
        """Its query."""


def read_start(request: Request, cursor: str | None) -> Start:
    """Read `?snapshot=` and a cursor's text; raise `Malformed` or `Invalid`."""
    snapshot = request.query_params.get("snapshot")
    if snapshot is not None and not (snapshot.isascii() and snapshot.isdigit() and int(snapshot[:9]) <= MAX_ITEMS):
        detail = f"must be a number from 0 to {MAX_ITEMS}"
        raise Invalid(f"snapshot {detail}", errors=[FieldError("#/query/snapshot", detail)])
    return Start(Cursor.parse(cursor) if cursor else None, None if snapshot is None else int(snapshot))


async def identify(request: Request, state: State) -> Principal | None:
    """Let a user in by whatever the handshake carries; None if it carries nothing. Services have no stream."""
    refuse_tokens_in_url(request.query_params)
    principal = await state.gate.identify_stream(request.headers, request.query_params.get("ticket"))
    return None if principal is None else require_user(principal)


def connect(principal: Principal, state: State, transport: Transport, encode: Callable[[Frame], bytes]) -> Connection:
    """Make the connection of a user who was let in."""
    return Connection(
        state.hub.live.name_connection(),
        principal,
        transport,
        encode,
        max_frames=state.settings.backlog_frames,
        max_bytes=state.settings.backlog_bytes,
        now=time.monotonic(),
        on_slow=state.metrics.too_slow,
    )


async def join(state: State, connection: Connection, start: Start) -> None:
    """Bring a connection live; whatever keeps it from that is said to the client in `bye`."""
    try:
        await state.hub.live.join(connection, start.cursor, start.items)
    except HubError as error:
        connection.close(error.close)
    except Exception:
        log.exception("a connection failed to join and is closed")
        connection.close(INTERNAL)
    if start.ref is not None and connection.cursor is not None:
        connection.send(protocol.ok(start.ref, connection.cursor.seq))
