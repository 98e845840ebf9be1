"""Group commit: what shares a statement, what never does, and who hears of a failure."""

import asyncio

import pytest

from hub.commit import ENOUGH, LATE_SECONDS, MAX_IN_FLIGHT, MAX_ROWS, PATIENCE_MS, GroupCommit
from hub.errors import Invalid, Unavailable
from hub.store.database import Locked, Refused
from hub.store.publications import Outcome, Publication


def publication(name, users=1):
    return Publication("default", "tests", name, b"{}", [f"{name}-{number}" for number in range(users)])


class Store:
    """Stores in memory, one statement at a time let go by the test; fails for the names it was told."""

    def __init__(self, **failures):
        self.statements = []
        self.patience = []
        self.begun = asyncio.Condition()
        self.gate = asyncio.Semaphore(0)
        self._failures = failures

    async def __call__(self, publications, *, patience_ms=None):
        names = [publication.category for publication in publications]
        self.statements.append(names)
        self.patience.append(patience_ms)
        async with self.begun:
            self.begun.notify_all()
        await self.gate.acquire()
        for name in names:
            if name in self._failures:
                raise self._failures[name]
        return [Outcome(publication.id, []) for publication in publications]

    def forgive(self, name):
        del self._failures[name]

    async def until(self, statements):
        async with self.begun:
            await asyncio.wait_for(self.begun.wait_for(lambda: len(self.statements) >= statements), 5)

    def let_go(self, statements=100):
        for _ in range(statements):
            self.gate.release()


class Publishing:
    """A group commit with some publishes of one publication each under way."""

    def __init__(self, store):
        self.store = store
        self.rows = []
        self.commit = GroupCommit(store, self.rows.append)
        self.tasks = {}

    async def begin(self, *names, users=1):
        for name in names:
            self.tasks[name] = asyncio.create_task(self.commit.store([publication(name, users)]))
        await asyncio.sleep(0)  # each has put itself in line

    async def fill(self):
        """Have every statement that is allowed in flight."""
        for number in range(MAX_IN_FLIGHT):
            await self.begin(f"first{number}")
            await self.store.until(number + 1)

    async def results(self):
        done = await asyncio.wait_for(asyncio.gather(*self.tasks.values(), return_exceptions=True), 5)
        return dict(zip(self.tasks, done, strict=True))


async def test_an_idle_hub_stores_a_publish_at_once():
    """A publish that finds nothing in flight is its own statement, without waiting for company."""
    store = Store()
    publishing = Publishing(store)
    store.let_go()
    await publishing.begin("a")
    assert len((await publishing.results())["a"]) == 1
    assert store.statements == [["a"]]


async def test_what_arrives_during_a_commit_shares_the_next_one():
    """While every statement allowed is in flight, publishes gather and leave in one statement, in their order."""
    store = Store()
    publishing = Publishing(store)
    await publishing.fill()
    await publishing.begin("a", "b", "c")
    store.let_go()
    await publishing.results()
    assert store.statements[MAX_IN_FLIGHT:] == [["a", "b", "c"]]
    assert publishing.rows == [1] * MAX_IN_FLIGHT + [3]


async def test_a_second_statement_goes_once_it_is_worth_it():
    """While one is in flight a few gather; enough of them do not wait for it."""
    store = Store()
    publishing = Publishing(store)
    await publishing.begin("first")
    await store.until(1)
    few, last = [str(number) for number in range(ENOUGH - 1)], "last"
    await publishing.begin(*few)
    await asyncio.sleep(0)
    assert store.statements == [["first"]]
    await publishing.begin(last)
    await asyncio.sleep(0)
    assert store.statements == [["first"], [*few, last]]
    store.let_go()
    await publishing.results()
    assert len(store.statements) == 2


async def test_nobody_waits_long_for_a_statement_in_flight():
    """One that takes its time, for a locked row perhaps, holds up others for some milliseconds only."""
    store = Store()
    publishing = Publishing(store)
    await publishing.begin("slow")
    await store.until(1)
    begun = asyncio.get_running_loop().time()
    await publishing.begin("a")
    await store.until(2)
    assert asyncio.get_running_loop().time() - begun >= 0.9 * LATE_SECONDS
    assert store.statements == [["slow"], ["a"]]
    store.let_go()
    await publishing.results()


async def test_every_caller_gets_the_outcomes_of_its_own_publications():
    """The outcomes of a shared statement are handed out in the order in which the publications went in."""
    store = Store()
    commit = GroupCommit(store, lambda rows: None)
    groups = [[publication(f"{group}{number}") for number in range(group)] for group in (1, 3, 2)]
    tasks = [asyncio.create_task(commit.store(group)) for group in groups]
    store.let_go()
    for group, outcomes in zip(groups, await asyncio.gather(*tasks), strict=True):
        assert [outcome.id for outcome in outcomes] == [publication.id for publication in group]


async def test_a_statement_has_a_bounded_number_of_rows():
    """Publishes to many users share a statement only up to the bound; one that is above it goes alone, whole."""
    store = Store()
    publishing = Publishing(store)
    await publishing.fill()
    half = MAX_ROWS // 2
    await publishing.begin("a", "b", users=half)
    await publishing.begin("c")
    await publishing.begin("huge", users=MAX_ROWS + 1)
    await publishing.begin("d")
    store.let_go()
    await publishing.results()
    assert store.statements[MAX_IN_FLIGHT:] == [["a", "b"], ["c"], ["huge"], ["d"]]


async def test_publications_that_belong_together_stay_together():
    """A batch is never split over two statements."""
    store = Store()
    commit = GroupCommit(store, lambda rows: None)
    store.let_go()
    await commit.store([publication(str(number)) for number in range(MAX_ROWS + 10)])
    assert [len(names) for names in store.statements] == [MAX_ROWS + 10]


@pytest.mark.parametrize(
    ("failure", "told"), [(Refused("bad row"), Invalid), (Locked("held"), Locked)], ids=["refused", "locked"]
)
async def test_a_bad_publish_fails_alone(failure, told):
    """When a shared statement fails for one of them, each is tried alone, and only that one's caller hears of it."""
    store = Store(bad=failure)
    publishing = Publishing(store)
    await publishing.fill()
    await publishing.begin("a", "bad", "b")
    store.let_go()
    results = await publishing.results()
    assert isinstance(results.pop("bad"), told)
    assert all(isinstance(result, list) for result in results.values())
    assert store.statements[MAX_IN_FLIGHT:] == [["a", "bad", "b"], ["a"], ["bad"], ["b"]]


async def test_a_user_is_in_one_statement_at_a_time():
    """A publish to a user whose last one is under way waits for it; what came later for others does not."""
    store = Store()
    publishing = Publishing(store)
    again = asyncio.create_task(publishing.commit.store([publication("a")]))
    await store.until(1)
    await publishing.begin("a", "b")
    await store.until(2)
    assert store.statements == [["a"], ["b"]]
    store.let_go()
    await publishing.results()
    await again
    assert store.statements[2:] == [["a"]]


async def test_a_lock_is_waited_for_alone_and_with_more_patience():
    """Who shares a statement with a locked user waits briefly; the locked one is tried again without them."""
    store = Store(hot=Locked("held"))
    publishing = Publishing(store)
    await publishing.begin("hot", "a")
    store.let_go()
    results = await publishing.results()
    assert isinstance(results["hot"], Locked)
    assert len(results["a"]) == 1
    assert list(zip(store.statements, store.patience, strict=True)) == [
        (["hot", "a"], PATIENCE_MS),
        (["hot"], None),
        (["a"], None),
    ]


async def test_a_locked_user_is_tried_alone_until_it_works():
    """Once somebody's row was found locked, their publishes hold up nobody, however many slots they could fill."""
    store = Store(hot=Locked("held"))
    publishing = Publishing(store)
    await publishing.begin("hot")
    store.let_go(2)
    assert isinstance((await publishing.results())["hot"], Locked)
    await publishing.begin("hot")
    await store.until(3)
    await publishing.begin("a", "b")
    await store.until(4)
    assert store.statements[2:] == [["hot"], ["a", "b"]]
    store.let_go()
    await publishing.results()
    store.forgive("hot")
    await publishing.commit.store([publication("hot")])
    await asyncio.gather(*(publishing.commit.store([publication(name)]) for name in ("hot", "a")))
    assert store.statements[-1] == ["hot", "a"]


async def test_nobody_waits_in_line_for_a_lock():
    """When a user's row is found locked, what waits for the same user is refused with it, and nothing else is."""
    store = Store(hot=Locked("held"))
    publishing = Publishing(store)
    first = asyncio.create_task(publishing.commit.store([publication("hot")]))
    await store.until(1)
    behind = [asyncio.create_task(publishing.commit.store([publication("hot")])) for _ in range(5)]
    await publishing.begin("a")
    store.let_go()
    refused = await asyncio.wait_for(asyncio.gather(first, *behind, return_exceptions=True), 5)
    assert all(isinstance(result, Locked) for result in refused)
    assert len((await publishing.results())["a"]) == 1
    assert sorted(store.statements) == [["a"], ["hot"], ["hot"]]


async def test_what_is_nobodys_fault_is_not_tried_again():
    """When the database is away every caller hears that, and no statement is repeated: it may have been committed."""
    store = Store(a=Unavailable("gone"))
    publishing = Publishing(store)
    await publishing.fill()
    await publishing.begin("a", "b")
    store.let_go()
    results = await publishing.results()
    assert isinstance(results["a"], Unavailable)
    assert isinstance(results["b"], Unavailable)
    assert len(store.statements) == MAX_IN_FLIGHT + 1


async def test_a_failure_does_not_stop_what_waits_behind_it():
    """After a failed statement the next one is sent as if nothing had happened."""
    store = Store(a=RuntimeError("a bug"))
    publishing = Publishing(store)
    await publishing.begin("a")
    await store.until(1)
    store.let_go()
    assert isinstance((await publishing.results())["a"], RuntimeError)
    assert len(await publishing.commit.store([publication("b")])) == 1


async def test_a_caller_who_went_away_leaves_the_others_alone():
    """A publish whose caller is gone is still stored, with its neighbours."""
    store = Store()
    publishing = Publishing(store)
    await publishing.fill()
    await publishing.begin("a", "b")
    publishing.tasks.pop("a").cancel()
    store.let_go()
    assert len((await publishing.results())["b"]) == 1
    assert store.statements[MAX_IN_FLIGHT:] == [["a", "b"]]


async def test_closing_waits_for_what_is_in_flight():
    """`close` returns only once everything that was accepted is stored."""
    store = Store()
    publishing = Publishing(store)
    await publishing.begin("a")
    await store.until(1)
    closing = asyncio.create_task(publishing.commit.close())
    await asyncio.sleep(0)
    assert not closing.done()
    store.let_go()
    await asyncio.wait_for(closing, 5)
    assert publishing.tasks["a"].done()
