"""Group read: inboxes that are asked for while others are being read share the next statement.

Clients come in crowds: after a deployment, a network's return, a node's death. One statement then reads the counts of
hundreds of inboxes, which is all that most of them need: whoever missed something is read in a second one, so many at
a time that decoding the rows holds the event loop up for a few milliseconds at the most. Alone, everything is read at
once. As in `commit` there is no timer. Rejected: a statement per client, which made a crowd wait for itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from hub.feed import Changes
from hub.protocol import Counts
from hub.store.snapshots import Snapshot, Snapshots, Wanted

MAX_IN_FLIGHT = 2
MAX_HEADS = 100
MAX_ROWS = 1000


class _Asked(NamedTuple):
    """What is wanted, and who waits for it; `rows` bounds what it may take, once that is known."""

    wanted: Wanted
    answer: asyncio.Future[Snapshot]
    rows: int = 0


class GroupRead:
    """Reads inboxes, many at a time, in turns that `turns` hands out; `spawn` runs a coroutine in the background."""

    def __init__(
        self,
        snapshots: Snapshots,
        *,
        limit: int,
        turns: asyncio.Semaphore,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._snapshots = snapshots
        self._limit = limit
        self._turns = turns
        self._spawn = spawn
        self._asked: deque[_Asked] = deque()
        self._behind: deque[_Asked] = deque()  # whose counts say that there is more to read
        self._in_flight = 0

    async def read(self, wanted: Wanted) -> Snapshot:
        """Read an inbox; raise what the store raises."""
        asked = _Asked(wanted, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        if self._in_flight < MAX_IN_FLIGHT:
            self._in_flight += 1
            self._spawn(self._fly())
        return await asked.answer

    async def _fly(self) -> None:
        """Read what is asked for, one shared statement after the other; what was asked first is not left behind."""
        try:
            while self._asked or self._behind:
                async with self._turns:
                    if self._behind:
                        await self._read(_take(self._behind))
                    elif len(self._asked) == 1:
                        await self._read([self._asked.popleft()])
                    elif self._asked:
                        await self._look(_pop(self._asked, MAX_HEADS))
        finally:
            self._in_flight -= 1

    async def _look(self, asked: list[_Asked]) -> None:
        """Answer those who missed nothing with the counts."""
        try:
            heads = await self._snapshots.heads(one.wanted.key for one in asked)
        except Exception as error:  # noqa: BLE001 - whatever it is, everybody who waits must hear of it
            _fail(asked, error)
            return
        for one in asked:
            counts = heads[one.wanted.key]
            rows = one.wanted.rows(counts.seq, self._limit)
            if rows:
                self._behind.append(one._replace(rows=rows))
            else:
                _answer(one, _unchanged(counts))

    async def _read(self, asked: list[_Asked]) -> None:
        try:
            snapshots = await self._snapshots.read([one.wanted for one in asked], limit=self._limit)
        except Exception as error:  # noqa: BLE001 - as above
            _fail(asked, error)
            return
        for one, snapshot in zip(asked, snapshots, strict=True):
            _answer(one, snapshot)


def _unchanged(counts: Counts) -> Snapshot:
    return Snapshot(Changes(counts, [], None), [])


def _pop(queue: deque[_Asked], most: int) -> list[_Asked]:
    return [queue.popleft() for _ in range(min(most, len(queue)))]


def _take(queue: deque[_Asked]) -> list[_Asked]:
    """Take as many as their rows allow, but one at least."""
    taken, rows = [queue.popleft()], 0
    rows += taken[0].rows
    while queue and rows + queue[0].rows <= MAX_ROWS:
        rows += queue[0].rows
        taken.append(queue.popleft())
    return taken


def _answer(asked: _Asked, snapshot: Snapshot) -> None:
    if not asked.answer.done():  # who asked may have gone
        asked.answer.set_result(snapshot)


def _fail(asked: list[_Asked], error: Exception) -> None:
    for one in asked:
        if not one.answer.done():
            one.answer.set_exception(error)
