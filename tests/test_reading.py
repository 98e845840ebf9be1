"""Group read: who shares a statement, who needs no second one, and who hears of a failure."""

import asyncio

import pytest

from hub.errors import Unavailable
from hub.feed import Changes
from hub.identity import UserKey
from hub.protocol import Counts
from hub.reading import MAX_HEADS, MAX_IN_FLIGHT, MAX_ROWS, GroupRead
from hub.store.snapshots import Snapshot, Wanted

LIMIT = 500


def counts(user, seq):
    return Counts(f"epoch of {user}", seq, 0, 0, 0, 0)


class Store:
    """Reads in memory, a statement at a time let go by the test: user `u7` has had seven changes."""

    def __init__(self):
        self.heads_of = []
        self.read_of = []
        self.gate = asyncio.Semaphore(0)
        self.failure = None

    async def heads(self, keys):
        users = [key.user for key in keys]
        self.heads_of.append(users)
        await self._wait()
        return {UserKey("default", user): counts(user, int(user[1:])) for user in users}

    async def read(self, wanted, *, limit):
        assert limit == LIMIT
        self.read_of.append([one.key.user for one in wanted])
        await self._wait()
        return [
            Snapshot(Changes(counts(one.key.user, int(one.key.user[1:])), [], (1, "seen")), [one]) for one in wanted
        ]

    async def _wait(self):
        await self.gate.acquire()
        if self.failure is not None:
            raise self.failure


class Clients:
    """A group read with clients that wait for it."""

    def __init__(self):
        self.store = Store()
        self.tasks = []
        self.group = GroupRead(self.store, limit=LIMIT, turns=asyncio.Semaphore(4), spawn=self.spawn)

    def spawn(self, work):
        self.tasks.append(asyncio.ensure_future(work))

    async def ask(self, *asked):
        """Ask for users, or for a user since a seq, with so many items."""
        begun = [
            asyncio.ensure_future(self.group.read(Wanted(UserKey("default", user), *more)))
            for user, *more in [one if isinstance(one, tuple) else (one,) for one in asked]
        ]
        await asyncio.sleep(0.01)
        return begun

    async def answer(self, begun):
        for _ in range(100):
            self.store.gate.release()
        return await asyncio.wait_for(asyncio.gather(*begun, return_exceptions=True), 5)


@pytest.fixture
async def clients():
    made = Clients()
    yield made
    assert all(task.done() for task in made.tasks), "a statement was left in flight"


async def test_one_who_comes_alone_is_read_at_once_and_whole(clients):
    """Nobody waits for company, and a single client costs a single statement, however much it missed."""
    begun = await clients.ask(("u300", 0, 5))
    assert (clients.store.heads_of, clients.store.read_of) == ([], [["u300"]])
    (snapshot,) = await clients.answer(begun)
    assert snapshot.items


async def test_those_who_come_meanwhile_share_the_next_statement(clients):
    """While the statements allowed are in flight others gather; those who missed nothing are answered with counts."""
    begun = [*await clients.ask("u1"), *await clients.ask("u2")]
    assert len(clients.store.read_of) == MAX_IN_FLIGHT == 2
    begun += await clients.ask("u3", ("u4", 4), ("u5", 9), "u3")
    assert clients.store.heads_of == []
    snapshots = await clients.answer(begun)
    assert [snapshot.changes.counts.seq for snapshot in snapshots] == [1, 2, 3, 4, 5, 3]
    assert clients.store.heads_of == [["u3", "u4", "u5", "u3"]]
    assert clients.store.read_of == [["u1"], ["u2"]]


async def test_those_who_missed_something_or_want_items_are_read_together(clients):
    """The counts tell who needs a second statement; they share that too, and get what they asked for."""
    begun = [*await clients.ask("u1"), *await clients.ask("u2")]
    begun += await clients.ask("u3", ("u20", 10), ("u30", None, 5))
    snapshots = await clients.answer(begun)
    assert clients.store.read_of[2:] == [["u20", "u30"]]
    assert [len(snapshot.items) for snapshot in snapshots[2:]] == [0, 1, 1]
    assert snapshots[3].items[0].since == 10
    assert snapshots[4].items[0].items == 5


async def test_a_statement_returns_no_more_rows_than_can_be_decoded_in_a_moment(clients):
    """A crowd that missed much is read in several statements; one that alone is above the bound gets its own."""
    begun = [*await clients.ask("u1"), *await clients.ask("u2")]
    each = MAX_ROWS // 4
    begun += await clients.ask(*[(f"u{each}", 0)] * 9, ("u100000", 0))
    await clients.answer(begun)
    shared = clients.store.read_of[2:]
    assert [len(users) for users in shared] == [4, 4, 2]
    assert LIMIT + 1 + each <= MAX_ROWS, "the last two fit into one only if a replay is bounded by the limit"


async def test_a_crowd_is_counted_in_statements_of_bounded_size(clients):
    """As many as come are read, so many at a time."""
    begun = [*await clients.ask("u1"), *await clients.ask("u2")]
    begun += await clients.ask(*["u7"] * (2 * MAX_HEADS + 1))
    await clients.answer(begun)
    assert [len(users) for users in clients.store.heads_of] == [MAX_HEADS, MAX_HEADS]
    assert clients.store.read_of[2:] == [["u7"]]


async def test_everybody_who_waits_hears_of_a_failure_and_the_next_ones_are_read(clients):
    """Whatever fails, fails those who shared it; nobody waits for ever, and the store is asked again."""
    begun = [*await clients.ask("u1"), *await clients.ask("u2")]
    begun += await clients.ask("u3", "u4")
    clients.store.failure = Unavailable("away")
    assert [type(seen) for seen in await clients.answer(begun)] == [Unavailable] * 4
    clients.store.failure = None
    (snapshot,) = await clients.answer(await clients.ask("u5"))
    assert snapshot.changes.counts.seq == 5


async def test_one_who_goes_while_waiting_hinders_nobody(clients):
    """A client that gave up is passed over."""
    begun = [*await clients.ask("u1"), *await clients.ask("u2")]
    begun += await clients.ask("u3", "u4")
    begun[2].cancel()
    await asyncio.sleep(0)
    snapshots = await clients.answer(begun)
    assert isinstance(snapshots[2], asyncio.CancelledError)
    assert snapshots[3].changes.counts.seq == 4
