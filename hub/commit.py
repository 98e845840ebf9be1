"""Group commit: publishes that arrive while others are being committed share the next statement.

One round trip and one commit of Postgres serve up to 256 notifications; an idle hub sends a publish at once, because
there is no timer: only statements in flight make others wait. What belongs together (a batch) stays together. When a
shared statement fails for a reason that may lie in one of them, each is tried alone, so that a bad one never fails its
neighbours. Rejected: a timer (latency for nothing), a queue per user (no sharing where it matters).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from hub.errors import Invalid
from hub.store.database import Locked, Refused
from hub.store.publications import Outcome, Publication

MAX_IN_FLIGHT = 2
MAX_ROWS = 256

Store = Callable[[Sequence[Publication]], Awaitable[list[Outcome]]]


class GroupCommit:
    """Stores publications, many at a time. `observe(rows)` is called with the size of each statement."""

    def __init__(self, store: Store, observe: Callable[[int], None]) -> None:
        self._store = store
        self._observe = observe
        self._waiting: deque[tuple[Sequence[Publication], asyncio.Future[list[Outcome]]]] = deque()
        self._flying: set[asyncio.Task[None]] = set()

    async def store(self, publications: Sequence[Publication]) -> list[Outcome]:
        """Store publications that belong together, in one statement; raise what the store raises for them."""
        future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        self._waiting.append((publications, future))
        if len(self._flying) < MAX_IN_FLIGHT:
            task = asyncio.create_task(self._fly())
            self._flying.add(task)
            task.add_done_callback(self._flying.discard)
        return await future

    async def close(self) -> None:
        """Wait for what is in flight."""
        while self._flying:
            await asyncio.wait(self._flying)

    async def _fly(self) -> None:
        while self._waiting:
            groups: list[tuple[Sequence[Publication], asyncio.Future[list[Outcome]]]] = []
            rows = 0
            while self._waiting and (not groups or rows + _rows(self._waiting[0][0]) <= MAX_ROWS):
                group = self._waiting.popleft()
                groups.append(group)
                rows += _rows(group[0])
            self._observe(rows)
            await self._commit(groups)

    async def _commit(self, groups: Sequence[tuple[Sequence[Publication], asyncio.Future[list[Outcome]]]]) -> None:
        try:
            outcomes = iter(
                await self._store([publication for publications, _ in groups for publication in publications])
            )
        except (Refused, Locked) as error:
            if len(groups) == 1:
                _settle(groups[0][1], error)
            else:  # alone, and out of the way of what comes next
                await asyncio.gather(*(self._commit([group]) for group in groups))
        except Exception as error:  # noqa: BLE001 - whatever it is, every caller must hear of it
            for _, future in groups:
                _settle(future, error)
        else:
            for publications, future in groups:
                _settle(future, [next(outcomes) for _ in publications])


def _rows(publications: Sequence[Publication]) -> int:
    return sum(len(publication.users) for publication in publications)


def _settle(future: asyncio.Future[list[Outcome]], result: list[Outcome] | Exception) -> None:
    if future.done():
        return  # the caller went away; what was stored stays stored
    if isinstance(result, Refused):
        future.set_exception(Invalid("the database cannot store this"))
    elif isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
