"""One client of the hub, whatever its transport: how far it has come, and its bounded backlog.

The feed hands frames in with `deliver`, synchronously: fan-out never awaits a socket. They leave as encoded bytes,
either straight into a `Sink` that is attached (through the backlog only while that is full), or, where there is none,
through the backlog to a writer that calls `drain`. A client that reads too slowly loses its backlog and is told so
(`resync`), because a partial stream would be a lie; one that reads nothing is cut off. Rejected: waiting for slow
clients (they would slow their neighbours) and unbounded queues (they would take the node down).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Literal, Protocol

from hub import protocol
from hub.auth import Principal
from hub.errors import TOO_SLOW, Close
from hub.identity import UserKey
from hub.protocol import Counts, Cursor, Frame

Transport = Literal["websocket", "sse"]


class Sink(Protocol):
    """Where bytes go at once: a transport that says itself when it is full."""

    def write(self, data: bytes) -> None:
        """Take bytes, without waiting."""

    def end(self, close: Close) -> None:
        """Close, once what was written is out."""


class Connection:
    """A client's place in its stream.

    It is *joining* until its opening is written: live frames are held back meanwhile, because they follow a snapshot
    that is still being read or replayed. Afterwards `deliver` passes a frame on iff it is above `cursor`, whoever sends
    it and how often.
    """

    __slots__ = (
        "_backlog",
        "_backlog_bytes",
        "_encode",
        "_held",
        "_max_bytes",
        "_max_frames",
        "_on_slow",
        "_sink",
        "_wake",
        "closing",
        "cursor",
        "id",
        "key",
        "opened_at",
        "paused",
        "ping_at",
        "pong_by",
        "principal",
        "transport",
        "unread",
        "unseen",
        "warned",
    )

    def __init__(
        self,
        id: str,
        principal: Principal,
        transport: Transport,
        encode: Callable[[Frame], bytes],
        *,
        max_frames: int,
        max_bytes: int,
        now: float,
        on_slow: Callable[[], object] = lambda: None,
    ) -> None:
        assert principal.user is not None, "only users have a stream"
        self.id: Final = id
        self.key: Final = UserKey(principal.tenant, principal.user)
        self.principal = principal
        self.transport: Final = transport
        self.cursor: Cursor | None = None
        self.unread = self.unseen = 0  # as of `cursor`
        self.closing: Close | None = None
        self.opened_at: Final = now
        self.ping_at = now
        self.pong_by: float | None = None
        self.warned = False
        self._encode = encode
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._held: list[Frame] | None = []
        self._backlog: list[bytes] | None = None  # made when there is something to wait
        self._backlog_bytes = 0
        self._wake: asyncio.Future[None] | None = None
        self._on_slow = on_slow
        self._sink: Sink | None = None
        self.paused = False

    def attach(self, sink: Sink) -> None:
        """Write straight into a sink from now on, beginning with what is waiting; it calls `pause` and `resume`."""
        self._sink = sink
        if self._backlog:
            sink.write(b"".join(self._take()))
        if self._held is not None and self.cursor is not None:
            self._go_live()
        if self.closing is not None:
            sink.end(self.closing)

    def pause(self) -> None:
        """Keep frames in the backlog: the sink is full."""
        self.paused = True

    def resume(self) -> None:
        """Write what was kept, and close if that was asked for meanwhile."""
        assert self._sink is not None, "only a sink can be full"
        self.paused = False
        if self._backlog:
            self._sink.write(b"".join(self._take()))
        if self.closing is not None:
            self._sink.end(self.closing)

    def open(self, frames: Iterable[Frame], counts: Counts) -> None:
        """Say what leads up to the snapshot `counts`; once that is written the connection goes live above it.

        The opening is bounded by the replay limit, not by the backlog's bounds, which are for live frames.
        """
        assert self.cursor is None, "expected a joining connection, got an open one"
        if self.closing is not None:
            return  # sent away while it joined: `bye` is the last word
        self.cursor = Cursor(counts.epoch, counts.seq)
        self.unread, self.unseen = counts.unread, counts.unseen
        opening = [self._encode(frame) for frame in frames]
        if self._sink is None:
            for data in opening:
                self._append(data)
        else:
            self._append(b"".join(opening))
            self._go_live()

    def _go_live(self) -> None:
        held, self._held = self._held or [], None
        for frame in held:
            self.deliver(frame)

    def deliver(self, frame: Frame) -> None:
        """Take a live frame of this connection's user; frames at or below the cursor are dropped as duplicates."""
        if self._held is not None:
            self._hold(frame)
            return
        assert frame.cursor is not None
        assert self.cursor is not None
        if frame.cursor.epoch == self.cursor.epoch and frame.cursor.seq <= self.cursor.seq:
            return
        self.cursor, self.unread, self.unseen = frame.cursor, frame.unread, frame.unseen
        self.send(frame)

    def _hold(self, frame: Frame) -> None:
        """Keep a frame until live. Beyond the bound only the newest is kept, as a resync: the rest is in the snapshot
        or can be reloaded."""
        assert self._held is not None
        assert frame.cursor is not None
        if len(self._held) >= self._max_frames:
            self._held = []
            frame = protocol.resync("slow", frame.cursor, unread=frame.unread, unseen=frame.unseen)
        self._held.append(frame)

    def send(self, frame: Frame) -> None:
        """Append a frame to the backlog; if it does not fit, everything waiting gives way to one `resync`."""
        if self.closing is not None:
            return
        data = self._encode(frame)
        if self._sink is not None and not self.paused:
            self._sink.write(data)  # nothing waits while the sink takes
            return
        if self._held is None and self._is_full(len(data)):
            self._take()
            self._on_slow()
            assert self.cursor is not None
            data = self._encode(protocol.resync("slow", self.cursor, unread=self.unread, unseen=self.unseen))
        self._append(data)

    def close(self, close: Close, after_ms: int = 0) -> None:
        """Say `bye` after what is waiting, then end. The first reason given stays."""
        if self.closing is None:
            self.closing = close
            self._append(self._encode(protocol.bye(close, after_ms)))
            if self._sink is not None and not self.paused:
                self._sink.end(close)

    def _is_full(self, more_bytes: int) -> bool:
        """Tell whether this much does not fit; a backlog that holds nothing takes anything."""
        waiting = len(self._backlog or ())
        return waiting >= self._max_frames or (waiting > 0 and self._backlog_bytes + more_bytes > self._max_bytes)

    def _take(self) -> list[bytes]:
        taken, self._backlog, self._backlog_bytes = self._backlog, None, 0
        return taken or []

    def _append(self, data: bytes) -> None:
        if self._sink is not None and not self.paused:
            self._sink.write(data)
            return
        if self._backlog is None:
            self._backlog = []
        self._backlog.append(data)
        self._backlog_bytes += len(data)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def drain(self) -> list[bytes]:
        """Wait for something to write and take all of it; an empty list means that the connection is to be closed.

        Calling it says that what was taken before is written.
        """
        if self._held is not None and self.cursor is not None and not self._backlog:
            self._go_live()
        while not self._backlog and self.closing is None:
            self._wake = asyncio.get_running_loop().create_future()
            try:
                await self._wake
            finally:
                self._wake = None
        return self._take()

    def abandon(self, close: Close = TOO_SLOW) -> None:
        """Give up on a client that takes nothing any more, or has gone: nothing can be said to it."""
        self._take()
        self._sink = None
        if self.closing is None:
            self.closing = close
