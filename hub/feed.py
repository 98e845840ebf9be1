"""One user's feed on this node: what is known to have happened, in order, for all of the user's connections here.

Live frames come in over a lossy channel that may reorder and repeat them; they go out contiguous or not at all. A frame
that does not follow the last one waits, and if the missing ones do not turn up a single read of the database fills the
gap. What makes this work is the inbox row: its numbers are contiguous and in commit order, so `last + 1` proves that
nothing is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from hub import protocol
from hub.connection import Connection
from hub.identity import UserKey
from hub.notification import Notification
from hub.protocol import Counts, Cursor, Frame

MAX_HELD = 1024  # beyond it a frame is forgotten: the repair reads it anyway


class Changes(NamedTuple):
    """What happened to an inbox above a seq, compacted: each changed notification once, in its latest state.

    `items` is None where there were more than the limit, or some were purged. `whole` is the last change of the inbox
    as a whole (seq and kind), if it lies above the seq asked for.
    """

    counts: Counts
    items: Sequence[Notification] | None
    whole: tuple[int, str] | None

    def frames(self) -> list[Frame]:
        """Render them as frames in seq order; the last one always reaches `counts.seq`, so that nobody stays behind."""
        counts = self.counts
        assert self.items is not None, "expected changes within the limit"
        frames = [
            protocol.notification(item, epoch=counts.epoch, unread=counts.unread, unseen=counts.unseen)
            for item in self.items
        ]
        if self.whole is not None:
            seq, change = self.whole
            place = sum(item.seq < seq for item in self.items)
            frames.insert(place, protocol.inbox(counts._replace(seq=seq), change))
        return frames


Read = Callable[[UserKey, int], Awaitable[Changes]]


class Feed:
    """A user's connections on this node and the last change they were all told of.

    `cursor` is None until the first snapshot of the user was read here. Frames that do not follow it wait in `_held`:
    for that snapshot, for a frame that was overtaken on its way, or for a repair.
    """

    __slots__ = ("_held", "_read", "_repairing", "connections", "cursor", "key", "ready")

    def __init__(self, key: UserKey, read: Read, ready: asyncio.Future[None] | None) -> None:
        self.key = key
        self.cursor: Cursor | None = None
        self.connections: list[Connection] = []
        self.ready = ready  # done once this node hears of the user's changes, and then dropped
        self._read = read
        self._held: dict[int, Frame] | None = None  # made when something has to wait
        self._repairing: asyncio.Task[None] | None = None

    @property
    def has_gap(self) -> bool:
        """Tell whether something newer is known than what was delivered."""
        return self.cursor is not None and bool(self._held)

    def start(self, counts: Counts) -> None:
        """Begin at a snapshot, if this is the first one read here."""
        if self.cursor is None:
            self.cursor = Cursor(counts.epoch, counts.seq)
            self._release()

    def receive(self, frame: Frame) -> None:
        """Take a frame from the propagator, in any order and any number of times; deliver what follows."""
        assert frame.cursor is not None
        epoch, seq = frame.cursor
        if self.cursor is not None and epoch == self.cursor.epoch:
            if seq <= self.cursor.seq:
                return
            if seq == self.cursor.seq + 1 and self._held is None:
                self._deliver(frame)
                return
        if self._held is None:
            self._held = {}
        if len(self._held) < MAX_HELD:
            self._held[seq] = frame
        if self.cursor is not None:
            self._release()

    def is_behind(self, cursor: Cursor) -> bool:
        """Tell whether the database is ahead of what was delivered here."""
        return self.cursor is not None and (cursor.epoch != self.cursor.epoch or cursor.seq > self.cursor.seq)

    async def repair(self) -> None:
        """Read what is missing and deliver it; concurrent calls share one read. Raises what the read raises."""
        if self.cursor is None:
            return
        if self._repairing is None:
            self._repairing = asyncio.create_task(self._repair(self.cursor))
        await asyncio.shield(self._repairing)

    async def _repair(self, since: Cursor) -> None:
        waiting = list(self._held or ())
        try:
            changes = await self._read(self.key, since.seq)
        finally:
            self._repairing = None
        if self._held is not None:
            for seq in waiting:  # what was propagated before the read is part of it
                self._held.pop(seq, None)
        if changes.counts.epoch != since.epoch:
            self._restart(changes.counts, "epoch")
        elif changes.items is None:
            self._restart(changes.counts, "too_far")
        else:
            self._catch_up(changes)
        self._release()

    def _catch_up(self, changes: Changes) -> None:
        assert self.cursor is not None
        for frame in changes.frames():
            assert frame.cursor is not None
            if frame.cursor.seq > self.cursor.seq:
                self._deliver(frame)
        if changes.counts.seq > self.cursor.seq:  # the last change left no row: it was purged
            self._deliver(protocol.inbox(changes.counts, "seen"))

    def _restart(self, counts: Counts, reason: protocol.ResyncReason) -> None:
        cursor = Cursor(counts.epoch, counts.seq)
        self._deliver(protocol.resync(reason, cursor, unread=counts.unread, unseen=counts.unseen))

    def _release(self) -> None:
        """Deliver what was held and follows now, forget what is old."""
        assert self.cursor is not None
        if self._held is None:
            return
        while (frame := self._held.pop(self.cursor.seq + 1, None)) is not None:
            assert frame.cursor is not None
            if frame.cursor.epoch != self.cursor.epoch:
                self._held[frame.cursor.seq] = frame
                return
            self._deliver(frame)
        epoch, last = self.cursor
        left = {
            seq: frame
            for seq, frame in self._held.items()
            if frame.cursor is not None and (frame.cursor.epoch != epoch or seq > last)
        }
        self._held = left or None

    def _deliver(self, frame: Frame) -> None:
        self.cursor = frame.cursor
        for connection in self.connections:
            connection.deliver(frame)
