"""Group commit: publishes that arrive while others are being committed share the next statement.

One round trip and one commit of Postgres serve up to 256 notifications; an idle hub sends a publish at once, only a
statement in flight makes others wait. A second one goes beside it once enough have gathered for it to be worth its
cost, or when the first takes long. What belongs together (a batch) stays together. When a shared statement fails for a
reason that may lie in one of them, each is tried alone, so that a bad one never fails its neighbours. A user is in one
statement at a time: the row lock would make the second wait anyway, and with it all that share it. A shared statement
has little patience with locks, one alone has more; whose row somebody else keeps locked is tried alone until that ends,
so that the others wait for it once and briefly.
Rejected: a timer before the first statement (latency for nothing), a second one as soon as anything waits (it takes the
little that has come: a tenth fewer publishes), one only (nothing is done meanwhile), a queue per user (no sharing where
it matters).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from hub.errors import Invalid
from hub.identity import UserKey
from hub.store.database import KeyLocked, Locked, Refused
from hub.store.publications import Outcome, Publication

MAX_IN_FLIGHT = 2
ENOUGH = 16  # so many who wait are worth a statement beside the one in flight
LATE_SECONDS = 0.005  # and so is who has waited this long
MAX_ALONE = 4
MAX_ROWS = 256
PATIENCE_MS = 100


class Store(Protocol):
    """What stores: `Publications.publish`."""

    async def __call__(
        self, publications: Sequence[Publication], /, *, patience_ms: int | None = None
    ) -> list[Outcome]:
        """Store them all or none, in order; wait for locks as long as the patience lasts (none: the usual time)."""


class _Group:
    """Publications that belong together, and who waits for them."""

    __slots__ = ("alone", "future", "publications", "rows", "users")

    def __init__(self, publications: Sequence[Publication]) -> None:
        self.publications = publications
        self.users = {UserKey(p.tenant, user) for p in publications for user in p.users}
        self.rows = sum(len(p.users) for p in publications)
        self.alone = False
        self.future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()

    def settle(self, result: list[Outcome] | Exception) -> None:
        """Answer; a caller who went away is not there to hear it, but what was stored stays stored."""
        if self.future.done():
            return
        if isinstance(result, Refused):
            self.future.set_exception(Invalid("the database cannot store this"))
        elif isinstance(result, Exception):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class GroupCommit:
    """Stores publications, many at a time. `observe(rows)` is called with the size of each shared statement."""

    def __init__(self, store: Store, observe: Callable[[int], None]) -> None:
        self._store = store
        self._observe = observe
        self._waiting: deque[_Group] = deque()
        self._busy: set[UserKey] = set()  # whose publications are under way
        self._stuck: set[UserKey] = set()  # whose row was locked by somebody else when last tried
        self._shared = 0
        self._late: asyncio.TimerHandle | None = None
        self._alone = asyncio.Semaphore(MAX_ALONE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def store(self, publications: Sequence[Publication]) -> list[Outcome]:
        """Store publications that belong together, in one statement; raise what the store raises for them."""
        group = _Group(publications)
        self._waiting.append(group)
        self._go_on()
        return await group.future

    async def close(self) -> None:
        """Wait for what is in flight."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _go_on(self) -> None:
        """Have what waits stored, now or soon."""
        if not self._waiting or self._shared >= MAX_IN_FLIGHT:
            return
        if not self._shared or len(self._waiting) >= ENOUGH:
            self._begin()
        elif self._late is None:
            self._late = asyncio.get_running_loop().call_later(LATE_SECONDS, self._begin)

    def _begin(self) -> None:
        self._be_patient()
        self._shared += 1
        self._spawn(self._fly())

    def _be_patient(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fly(self) -> None:
        """Commit what waits, one shared statement after the other."""
        try:
            while groups := self._take():
                self._go_on()  # more than fit into one may be waiting
                self._observe(sum(group.rows for group in groups))
                await self._commit(groups, patience_ms=PATIENCE_MS)
        finally:
            self._shared -= 1

    def _take(self) -> list[_Group]:
        """Take what shares the next statement, in order; what has to go alone is sent on its way."""
        self._be_patient()
        taken: list[_Group] = []
        put_off: list[_Group] = []
        held, rows = set(self._busy), 0
        while self._waiting:
            group = self._waiting.popleft()
            if not held.isdisjoint(group.users):
                put_off.append(group)
                held |= group.users  # so that nothing of its users overtakes it
            elif group.alone or not self._stuck.isdisjoint(group.users):
                group.alone = True
                held |= group.users
                self._busy |= group.users
                self._spawn(self._go_alone(group))
            elif taken and rows + group.rows > MAX_ROWS:
                self._waiting.appendleft(group)
                break
            else:
                taken.append(group)
                rows += group.rows
        self._waiting.extendleft(reversed(put_off))
        self._busy.update(*(group.users for group in taken))
        return taken

    async def _go_alone(self, group: _Group) -> None:
        async with self._alone:
            await self._commit([group])
        self._go_on()

    async def _commit(self, groups: Sequence[_Group], patience_ms: int | None = None) -> None:
        users = {user for group in groups for user in group.users}
        publications = [publication for group in groups for publication in group.publications]
        try:
            outcomes = iter(await self._store(publications, patience_ms=patience_ms))
        except (Refused, Locked) as error:
            if groups[0].alone or (len(groups) == 1 and isinstance(error, Refused)):
                self._fail(groups[0], error)
            else:
                self._part(groups)
        except Exception as error:  # noqa: BLE001 - whatever it is, every caller must hear of it
            for group in groups:
                group.settle(error)
        else:
            self._stuck -= users
            for group in groups:
                group.settle([next(outcomes) for _ in group.publications])
        finally:
            self._busy -= users

    def _part(self, groups: Sequence[_Group]) -> None:
        """Have each tried alone, before what came later."""
        for group in reversed(groups):
            group.alone = True
            self._waiting.appendleft(group)

    def _fail(self, group: _Group, error: Refused | Locked) -> None:
        """Refuse a group. If it was locked out, so is what waits for the same user: nobody waits for a lock in line."""
        group.settle(error)
        if isinstance(error, Locked) and not isinstance(error, KeyLocked) and len(group.users) == 1:
            self._stuck |= group.users
            for other in [other for other in self._waiting if not group.users.isdisjoint(other.users)]:
                other.settle(error)
                self._waiting.remove(other)
