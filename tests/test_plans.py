"""What a large inbox costs: every statement a user waits for looks at a bounded number of rows, whatever is stored.

Three inboxes with 140,000 rows between them: of somebody who reads nothing, of somebody who reads everything one by
one, and of somebody who marks all as read. Postgres itself counts the rows it looked at, in a transaction that is
undone.
"""

from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest

from hub.identity import UserKey
from hub.store import Inboxes, Publications
from hub.store.database import _prepare
from hub.store.listing import MAX_LOOKED_AT
from hub.store.migration import migrate
from hub.store.publications import Publication
from hub.store.snapshots import Snapshots, Wanted
from tests.conftest import new_database

MANY = {"hoarder": 100_000, "tidy": 20_000, "sweeper": 20_000}
FEW = 150  # rows: a page of 21, an inbox, and the ends of a few indexes
FILL = """
insert into notifications
    (id, publication_id, tenant, user_id, created_seq, seq, read_seq, category, tags, content, read_at)
select gen_random_uuid(), gen_random_uuid(), 'default', $1::text, n, n, n,
    case when n % 1000 = 0 then 'rare' else 'common' end, case when n <= 5 then array['oldest'] else '{}' end,
    '{"title":"filled"}', case when $1 = 'tidy' and n > 30 then now() end
from generate_series(1, $2::bigint) n
"""
SWEPT = """
update inboxes set read_seq = 19_990, seen_seq = 19_990, unread = 10, unseen = 10 where user_id = 'sweeper'
"""


@pytest.fixture(scope="module")
async def filled(services):
    """The address of a database with the three inboxes."""
    async with new_database(services.database_url) as url:
        await migrate(url)
        connection = await asyncpg.connect(url)
        await connection.execute("set synchronous_commit = on")  # vacuum believes only in commits that are on disk
        for user, count in MANY.items():
            unread = 30 if user == "tidy" else count
            await connection.execute(
                "insert into inboxes (tenant, user_id, last_seq, unread, unseen) values ('default', $1, $2, $3, $2)",
                user,
                count,
                unread,
            )
            await connection.execute(FILL, user, count)
        await connection.execute(SWEPT)
        await connection.execute("vacuum analyze notifications, inboxes")
        yield url
        await connection.close()


class Measured:
    """A database in the eyes of the store: one connection in a transaction that is undone, and what it cost."""

    def __init__(self, connection):
        self._connection = connection

    async def fetch(self, sql, *arguments):
        """Run one statement."""
        return await self._connection.fetch(sql, *arguments)

    async def cost(self):
        """Tell how often all notifications were read through, and how many were looked at by an index."""
        row = await self._connection.fetchrow(
            "select seq_scan, idx_tup_fetch from pg_stat_xact_user_tables where relname = 'notifications'"
        )
        return tuple(row)


@asynccontextmanager
async def measured(url, mode="auto"):
    """Open a Measured."""
    connection = await asyncpg.connect(url)
    await _prepare(connection)
    await connection.execute(f"set plan_cache_mode = {mode}")
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield Measured(connection)
    finally:
        await transaction.rollback()
        await connection.close()


def of(user):
    """Name a user."""
    return UserKey("default", user)


modes = pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
users = pytest.mark.parametrize("user", MANY)


@modes
@users
@pytest.mark.parametrize("filter", ["all", "unread", "archived", "snoozed"])
@pytest.mark.parametrize("depth", [None, 0.5, 0.002])
async def test_a_page_costs_the_same_at_every_depth(filled, mode, user, filter, depth):
    """The first page, one in the middle and one near the end of any list look at little more than they show."""
    async with measured(filled, mode) as database:
        before = depth and int(MANY[user] * depth)
        page = await Inboxes(database).page(of(user), filter=filter, limit=21, before=before)
        scans, rows = await database.cost()
    assert (scans, rows <= FEW) == (0, True), rows
    assert page.below is None
    if filter == "all" or (filter, user) == ("unread", "hoarder"):
        assert len(page.items) == 21


@modes
async def test_unread_is_found_among_what_was_read(filled, mode):
    """30 unread below 20,000 read ones, and ten above a watermark, are listed without reading the others."""
    async with measured(filled, mode) as database:
        inboxes = Inboxes(database)
        tidy = await inboxes.page(of("tidy"), filter="unread", limit=100)
        swept = await inboxes.page(of("sweeper"), filter="unread", limit=100)
        ids = [item.id for item in (await inboxes.page(of("sweeper"), filter="all", limit=3, before=500)).items]
        await inboxes.change(of("sweeper"), ids, "unread")
        again = await inboxes.page(of("sweeper"), filter="unread", limit=100)
        assert (await database.cost())[0] == 0
        assert (await database.cost())[1] <= 2 * FEW
    assert [item.created_seq for item in tidy.items] == list(range(30, 0, -1))
    assert [item.created_seq for item in swept.items] == list(range(20_000, 19_990, -1))
    assert [item.created_seq for item in again.items] == [*range(20_000, 19_990, -1), 499, 498, 497]


@modes
@pytest.mark.parametrize(
    ("narrow", "rows", "listed"),
    [
        ({"category": "common"}, FEW, 21),
        ({"category": "rare"}, MAX_LOOKED_AT, 10),
        ({"tag": "oldest"}, MAX_LOOKED_AT, 0),
    ],
)
async def test_a_rare_category_or_tag_has_a_bounded_price(filled, mode, narrow, rows, listed):
    """What is common is found at once; for what is rare a page looks at a bounded number of rows, and goes on."""
    async with measured(filled, mode) as database:
        page = await Inboxes(database).page(of("hoarder"), filter="unread", limit=21, **narrow)
        scans, looked_at = await database.cost()
    assert scans == 0
    assert looked_at <= 2 * rows + FEW  # once to find, once to tell where to go on
    assert len(page.items) == listed
    assert page.below == (None if listed == 21 else 100_000 - MAX_LOOKED_AT + 1)


async def test_what_is_rare_is_found_whole_by_going_on(filled):
    """Following `below` to the end finds every row of a rare tag, once."""
    found, below, pages = [], None, 0
    async with measured(filled) as database:
        while pages == 0 or below is not None:
            page = await Inboxes(database).page(of("hoarder"), filter="all", limit=21, before=below, tag="oldest")
            found += [item.created_seq for item in page.items]
            below, pages = page.below, pages + 1
    assert found == [5, 4, 3, 2, 1]
    assert pages <= MANY["hoarder"] / MAX_LOOKED_AT + 1


@modes
@users
async def test_counting_does_not_count(filled, mode, user):
    """The counts are read off the inbox; by category, only what is unread is looked at."""
    async with measured(filled, mode) as database:
        counts = await Inboxes(database).counts(of(user))
        assert await database.cost() == (0, 0)
        same, by_category = await Inboxes(database).unread_by_category(of(user))
        scans, rows = await database.cost()
    assert (same, sum(by_category.values())) == (counts, counts.unread)
    assert (scans, rows <= counts.unread + FEW) == (0, True)


@modes
@users
async def test_resuming_costs_what_was_missed(filled, mode, user):
    """A snapshot of 20 and a replay of 300 changes look at 320 rows; a replay beyond the limit at one more than it."""
    async with measured(filled, mode) as database:
        snapshots = Snapshots(database)
        (snapshot,) = await snapshots.read([Wanted(of(user), MANY[user] - 300, 20)], limit=500)
        assert (len(snapshot.changes.items), len(snapshot.items)) == (300, 20)
        assert (await database.cost())[1] <= 320 + FEW
        (too_far,) = await snapshots.read([Wanted(of(user), 0)], limit=500)
        scans, rows = await database.cost()
    assert too_far.changes.items is None
    assert (scans, rows <= 320 + 501 + FEW) == (0, True)


WEBHOOK = "insert into webhooks (tenant, url, secret, events) values ('default', 'https://x.example', 'x', '{read}')"


@users
@pytest.mark.parametrize("told", [False, True], ids=["nobody is told", "a producer is told"])
async def test_a_change_costs_the_same_in_every_inbox(filled, user, told):
    """Reading one, opening the bell, reading all and publishing touch a handful of rows each."""
    async with measured(filled) as database:
        if told:
            await database.fetch(WEBHOOK)
        inboxes = Inboxes(database)
        item = (await inboxes.page(of(user), filter="all", limit=1)).items[0]
        await inboxes.change(of(user), [item.id], "read")
        await inboxes.change(of(user), [UUID(int=0)], "read")
        await inboxes.change_all(of(user), "seen", None)
        _, counts = await inboxes.change_all(of(user), "read_all", None)
        for _ in range(2):
            said = Publication("default", "tests", "test", b'{"title":"t","priority":"low"}', [user], collapse_key="k")
            await Publications(database).publish([said])
        scans, rows = await database.cost()
    assert counts.unread == 0
    assert (scans, rows <= FEW) == (0, True), rows


async def test_telling_and_sweeping_go_in_bounded_steps(filled):
    """Of 100,000 that were read at once, or of all that are swept, the relay looks at so many a step."""
    async with measured(filled) as database:
        await database.fetch(WEBHOOK)
        await Inboxes(database).change_all(of("hoarder"), "read_all", None)
        assert (await database.fetch("select tell_of_mark(1000)"))[0][0] == 1000
        assert (await database.fetch("select count(*) from deliveries"))[0][0] == 1000
        assert (await database.fetch("select sweep_notifications(1000, 30)"))[0][0] == 1000
        scans, rows = await database.cost()
    assert (scans, rows <= 5000) == (0, True), rows
