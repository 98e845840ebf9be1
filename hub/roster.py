"""The connections of this node: who may come in, who is due something, who has to go.

Called by the hub: `admit` and `leave` around a connection's life, `tend` every second, `farewell` when the node drains.
Everything that depends on time is decided in one sweep over the connections instead of by timers of their own: a sweep
over 20,000 takes a few milliseconds, two timers for each of them would take memory for ever.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager

from hub import protocol
from hub.connection import Connection
from hub.errors import DRAIN, LIFETIME, NO_PONG, TOKEN_EXPIRED, Draining, NodeFull

PONG_SECONDS = 7.0  # a dead peer is noticed within ping + pong, 35 s in all
WARN_SECONDS = 60.0
GRACE_SECONDS = 25.0
RECONNECT_MS = 1000


class Roster:
    """Every open connection of the node. `now` is the event loop's time, `clock` unix time; both in seconds."""

    def __init__(self, *, max_connections: int, ping_seconds: float, lifetime_seconds: float) -> None:
        self._max_connections = max_connections
        self._ping_seconds = ping_seconds
        self._pong_seconds = min(PONG_SECONDS, 2 * ping_seconds)
        self._lifetime_seconds = lifetime_seconds
        self._connections: set[Connection] = set()
        self._round: list[Connection] = []  # whom this round of tending has not come to yet
        self._part = 0
        self._waiting = 0  # handshakes that have not said who they are; they take up room too
        self.draining = False

    def __len__(self) -> int:
        return len(self._connections)

    def check_room(self) -> None:
        """Raise `Unavailable` if nobody else can come in now."""
        if self.draining:
            raise Draining("this node is draining", retry_after_seconds=0)
        if len(self._connections) + self._waiting >= self._max_connections:
            raise NodeFull("this node is full", retry_after_seconds=1)

    def check_waiting_room(self) -> None:
        """Raise `NodeFull` if half of the room is taken by clients who have not said who they are."""
        if 2 * self._waiting >= self._max_connections:
            raise NodeFull("too many clients have yet to say who they are", retry_after_seconds=1)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Hold a place for a handshake that has yet to authenticate."""
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def admit(self, connection: Connection) -> None:
        """Let a connection in; pings are spread over the period, so that no second has more of them than another."""
        self.check_room()
        connection.ping_at += random.uniform(0.5, 1) * self._ping_seconds  # noqa: S311 (spread)
        self._connections.add(connection)

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)

    def tend(self, now: float, clock: float, parts: int = 1) -> None:
        """Ping who is due; warn whose token ends; close who does not answer, has no valid token or stayed too long.

        One call goes through one of so many parts of the connections: very many at once would hold up what is live.
        """
        if not self._round:
            self._round = list(self._connections)
            self._part = -(-len(self._round) // parts)
        for _ in range(min(self._part, len(self._round))):
            connection = self._round.pop()
            if connection.closing is None and connection.cursor is not None:
                self._tend_token(connection, clock)
                self._tend_pulse(connection, now)

    def _tend_token(self, connection: Connection, clock: float) -> None:
        expires_at = connection.principal.expires_at
        if expires_at is None:
            return
        left = expires_at - clock
        if connection.transport == "sse":
            if left <= 0:
                connection.close(TOKEN_EXPIRED)
        elif left <= -GRACE_SECONDS:
            connection.close(TOKEN_EXPIRED)
        elif left <= WARN_SECONDS and not connection.warned:
            connection.warned = True
            connection.send(protocol.token("expiring", max(0, round(left))))

    def _tend_pulse(self, connection: Connection, now: float) -> None:
        if connection.pong_by is not None and now >= connection.pong_by:
            connection.close(NO_PONG)
        elif now - connection.opened_at >= self._lifetime_seconds:
            connection.close(LIFETIME, random.randint(0, RECONNECT_MS))  # noqa: S311 (spread)
        elif now >= connection.ping_at:
            assert connection.cursor is not None
            connection.ping_at = now + self._ping_seconds
            connection.send(protocol.ping(connection.cursor))
            if connection.transport == "websocket" and connection.pong_by is None:
                connection.pong_by = now + self._pong_seconds

    async def farewell(self, seconds: float) -> None:
        """Say `bye` to everybody, evenly over `seconds` of wall-clock time, so that the others are not stormed."""
        self.draining = True
        loop = asyncio.get_running_loop()
        begun, leaving = loop.time(), list(self._connections)
        for number, connection in enumerate(leaving):
            await asyncio.sleep(max(0.0, begun + seconds * number / len(leaving) - loop.time()))
            connection.close(DRAIN, random.randint(0, RECONNECT_MS))  # noqa: S311 (spread)
