"""The rules that live in the database: numbers, counts, collapsing, idempotence, lock order; through the real store."""

import asyncio
import hashlib
import random
from uuid import UUID

import asyncpg
import pytest

from hub.config import Settings
from hub.identity import UserKey
from hub.notification import new_id
from hub.store import Database, Inboxes, Publications
from hub.store.migration import migrate
from hub.store.publications import Publication
from hub.store.snapshots import Snapshots, Wanted
from tests.hub_nodes import new_user

CONTENT = b'{"category":"test","title":"hello","priority":"normal"}'


@pytest.fixture(scope="module")
async def database(services):
    """A pool on the session's database."""
    await migrate(services.database_url)
    given = {"database_url": services.database_url, "redis_url": services.redis_url, "jwt_secret": "x" * 32}
    opened = await Database(Settings(**given, database_pool=20)).open()
    yield opened
    await opened.close()


@pytest.fixture
def publish(database):
    """Publish in one statement: a list of (users, more fields) or a single one; return the outcomes."""

    async def store(*said):
        return await Publications(database).publish([publication(users, **fields) for users, fields in said])

    return store


@pytest.fixture
def inboxes(database):
    """The inboxes."""
    return Inboxes(database)


@pytest.fixture
def changes_since(inboxes):
    """Read what changed in an inbox since a seq, as a client that comes back does."""

    async def read(user, since, limit):
        (snapshot,) = await Snapshots(inboxes._database).read([Wanted(of(user), since)], limit=limit)
        return snapshot.changes

    return read


def publication(users, **fields):
    """Make a publication to one user or several."""
    users = [users] if isinstance(users, str) else users
    return Publication(
        **{"tenant": "default", "producer": "tests", "category": "test", "content": CONTENT, "users": users, **fields}
    )


def keyed(key, body=b"body"):
    """Make the fields of an idempotent publish."""
    return {"key": key, "body_hash": hashlib.sha256(body).digest()}


def of(user):
    """Name a user of the default tenant."""
    return UserKey("default", user)


# Constraints

BROKEN = {
    "inboxes_counts_hold": "update inboxes set unread = -1 where user_id = $1",
    "inboxes_watermarks_hold": "update inboxes set read_seq = last_seq + 1 where user_id = $1",
    "inboxes_change_known": "update inboxes set change = 'eaten' where user_id = $1",
    "inboxes_pkey": "insert into inboxes (tenant, user_id) values ('default', $1)",
    "notifications_change_known": "update notifications set change = 'eaten' where user_id = $1",
    "notifications_by_change": "update notifications set seq = 1 where user_id = $1",
    "notifications_active": "update notifications set created_seq = 1 where user_id = $1",
    "notifications_collapsed": "update notifications set collapse_key = 'same' where user_id = $1",
}


@pytest.mark.parametrize(("constraint", "statement"), BROKEN.items(), ids=BROKEN.keys())
async def test_the_database_refuses_what_would_break_a_rule(services, publish, constraint, statement):
    """Whoever writes past the functions meets a named constraint."""
    user = new_user()
    await publish((user, {}), (user, {}))
    connection = await asyncpg.connect(services.database_url)
    try:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
            await connection.execute(statement, user)
    finally:
        await connection.close()
    assert refused.value.constraint_name == constraint


# Publishing


async def test_one_statement_numbers_every_inbox_without_gaps(publish, inboxes):
    """Publications to overlapping users take contiguous numbers in their order, with the counts right after each."""
    one, two = new_user(), new_user()
    outcomes = await publish(([one, two], {}), (one, {}), ([two, one], {}))
    told = [
        (stored.key.user, stored.notification.seq, stored.unread, stored.unseen)
        for outcome in outcomes
        for stored in outcome.stored
    ]
    assert told == [(one, 1, 1, 1), (two, 1, 1, 1), (one, 2, 2, 2), (two, 2, 2, 2), (one, 3, 3, 3)]
    for user, last in ((one, 3), (two, 2)):
        counts = await inboxes.counts(of(user))
        assert (counts.seq, counts.unread, counts.unseen) == (last, last, last)


async def test_a_thousand_recipients_are_one_publication(publish, database):
    """1,000 users in one statement: one row that remembers them all, in order."""
    users = [new_user() for _ in range(1000)]
    (outcome,) = await publish((users, {}))
    assert [receipt.user for receipt in outcome.receipts] == users
    found = await Publications(database).find("default", "pub", outcome.id)
    assert found.receipts == outcome.receipts


async def test_the_same_key_in_one_statement_counts_once(publish, inboxes):
    """Of publications that share a statement and a key, the first is stored; the rest are its replay, or refused."""
    user, key = new_user(), new_user("key")
    first, replay, mismatch, other = await publish(
        (user, keyed(key)), (user, keyed(key)), (user, keyed(key, b"another")), (user, keyed(key) | {"producer": "x"})
    )
    assert (first.replayed, replay.replayed, mismatch.mismatch, other.replayed) == (False, True, True, False)
    assert (replay.id, replay.receipts) == (first.id, first.receipts)
    assert (await inboxes.counts(of(user))).seq == 2


@pytest.mark.parametrize("seed", range(3))
async def test_publishes_to_many_users_never_deadlock(publish, inboxes, seed):
    """Twenty writers publish to random users in random order, collapsing, repeating keys, reading: all get through."""
    users = [new_user() for _ in range(8)]
    keys = [new_user("key") for _ in range(5)]

    async def write(number):
        own = random.Random(f"{seed} {number}")
        for _ in range(15):
            said = []
            for _ in range(own.randint(1, 4)):
                fields = own.choice([{}, {"collapse_key": "same"}, keyed(own.choice(keys))])
                said.append((own.sample(users, own.randint(1, len(users))), fields))
            await publish(*said)
            await inboxes.change_all(of(own.choice(users)), own.choice(["read_all", "seen"]), None)

    await asyncio.gather(*[write(number) for number in range(20)])
    for user in users:
        await assert_counts_are_rows(inboxes, user)


async def assert_counts_are_rows(inboxes, user):
    """Compare an inbox's counts and numbers with its rows."""
    page = await inboxes.page(of(user), filter="all", limit=10_000)
    assert page.counts.unread == sum(not item.read for item in page.items)
    assert page.counts.unseen == sum(not item.seen for item in page.items)
    (snapshot,) = await Snapshots(inboxes._database).read([Wanted(of(user), 0)], limit=10_000)
    numbers = [item.seq for item in snapshot.changes.items]
    assert numbers == sorted(set(numbers))
    assert max([*numbers, snapshot.changes.whole[0] if snapshot.changes.whole else 0]) == page.counts.seq


# Collapsing


async def collapsed(publish, user, content=CONTENT):
    """Publish with a collapse key; return what was stored."""
    (outcome,) = await publish((user, {"collapse_key": "build", "content": content}))
    return outcome.stored[0]


async def test_a_newer_one_takes_the_place_of_the_one_with_its_key(publish, inboxes):
    """Same row, new number and content, counted once; the order is that of the news."""
    user = new_user()
    first = await collapsed(publish, user)
    await publish((user, {}))
    second = await collapsed(publish, user, b'{"category":"test","title":"newer"}')
    assert second.notification.id == first.notification.id
    assert (second.notification.change, second.notification.repeat_count) == ("updated", 2)
    assert (second.notification.seq, second.unread, second.unseen) == (3, 2, 2)
    page = await inboxes.page(of(user), filter="all", limit=10)
    assert [item.content for item in page.items] == [b'{"category":"test","title":"newer"}', CONTENT]


@pytest.mark.parametrize("change", ["read", "read_all"])
async def test_news_make_a_read_one_unread_again(publish, inboxes, change):
    """What was read, by itself or by the watermark, and is said again, counts as unread and unseen."""
    user = new_user()
    first = await collapsed(publish, user)
    if change == "read":
        await inboxes.change(of(user), [first.notification.id], "read")
    else:
        await inboxes.change_all(of(user), "read_all", None)
    again = await collapsed(publish, user)
    assert (again.notification.seq, again.unread, again.unseen) == (3, 1, 1)
    await assert_counts_are_rows(inboxes, user)


@pytest.mark.parametrize("change", ["archived", "deleted"])
async def test_what_was_put_away_is_not_brought_back(publish, inboxes, change):
    """An archived or deleted one keeps its place; the next one with its key is new."""
    user = new_user()
    first = await collapsed(publish, user)
    await inboxes.change(of(user), [first.notification.id], change)
    second = await collapsed(publish, user)
    assert second.notification.id != first.notification.id
    assert (second.notification.change, second.unread) == ("created", 1)


async def test_two_with_one_key_never_share_a_list(publish, inboxes):
    """An archived one that comes back beside its successor has lost the key: the next update is the successor's."""
    user = new_user()
    first = await collapsed(publish, user)
    await inboxes.change(of(user), [first.notification.id], "archived")
    second = await collapsed(publish, user)
    await inboxes.change(of(user), [first.notification.id], "unarchived")
    third = await collapsed(publish, user)
    assert third.notification.id == second.notification.id
    assert len((await inboxes.page(of(user), filter="all", limit=10)).items) == 2
    await assert_counts_are_rows(inboxes, user)


async def test_one_statement_may_say_a_key_twice(publish, inboxes):
    """Two publications with one key in one commit are one notification, said twice, to each of their users."""
    one, two = new_user(), new_user()
    said = {"collapse_key": "build"}
    outcomes = await publish(([one, two], said), (two, said))
    assert len({stored.notification.id for outcome in outcomes for stored in outcome.stored}) == 2
    assert [stored.notification.repeat_count for outcome in outcomes for stored in outcome.stored] == [1, 1, 2]
    assert ((await inboxes.counts(of(two))).seq, (await inboxes.counts(of(two))).unread) == (2, 1)


# Changing


async def test_every_change_takes_the_next_number(publish, inboxes):
    """Each effective change of one of several takes one number; what is already so takes none."""
    user = new_user()
    outcomes = await publish(*[(user, {})] * 3)
    ids = [outcome.receipts[0].id for outcome in outcomes]
    first = await inboxes.change(of(user), ids[:2], "read")
    assert [(item.seq, unread, unseen) for item, unread, unseen in first.changed] == [(4, 2, 2), (5, 1, 1)]
    again = await inboxes.change(of(user), ids, "read")
    assert [(item.seq, unread) for item, unread, _ in again.changed] == [(6, 0)]
    assert again.found == set(ids)
    assert (await inboxes.change(of(user), ids, "read")).changed == []


async def test_nobody_changes_what_is_not_theirs(publish, inboxes):
    """Ids of another user, another tenant or nobody are not found, also among one's own."""
    user, other = new_user(), new_user()
    mine, theirs = [outcome.receipts[0].id for outcome in await publish((user, {}), (other, {}))]
    assert await inboxes.change(of(user), [theirs, UUID(int=0)], "read") is None
    assert await inboxes.change(UserKey("acme", user), [mine], "read") is None
    assert (await inboxes.change(of(user), [theirs, mine], "deleted")).found == {mine}
    assert (await inboxes.counts(of(other))).seq == 1


async def test_changes_since_a_number_are_each_row_once_in_its_latest_state(publish, inboxes, changes_since):
    """The change feed is compacted: ten changes of one notification are one row, a deleted one is a tombstone."""
    user = new_user()
    ids = [outcome.receipts[0].id for outcome in await publish(*[(user, {})] * 3)]
    for _ in range(5):
        await inboxes.change(of(user), ids[:1], "read")
        await inboxes.change(of(user), ids[:1], "unread")
    await inboxes.change(of(user), ids[1:2], "deleted")
    changes = await changes_since(user, 3, limit=10)
    assert [(item.id, item.change, item.seq) for item in changes.items] == [
        (ids[0], "unread", 13),
        (ids[1], "deleted", 14),
    ]
    assert changes.counts.seq == 14


@pytest.mark.parametrize(("limit", "complete"), [(5, True), (4, False)])
async def test_a_replay_is_whole_or_not_at_all(publish, changes_since, limit, complete):
    """Exactly as many changes as the limit are read; one more is none."""
    user = new_user()
    await publish(*[(user, {})] * 7)
    changes = await changes_since(user, 2, limit=limit)
    assert (changes.items is not None) == complete


async def test_a_watermark_never_goes_back(publish, inboxes):
    """An older `up_to` than one said before changes nothing."""
    user = new_user()
    await publish(*[(user, {})] * 5)
    assert (await inboxes.change_all(of(user), "read_all", 3))[0]
    changed, counts = await inboxes.change_all(of(user), "read_all", 2)
    assert (changed, counts.unread, counts.read_seq, counts.seq) == (False, 2, 3, 6)


async def test_a_new_inbox_begins_at_zero_with_an_epoch_of_its_own(inboxes):
    """Two inboxes made at once by many readers exist once each, and differ."""
    users = [new_user(), new_user()]
    snapshots = Snapshots(inboxes._database)
    heads = [snapshots.heads([of(user)]) for user in users * 10]
    whole = [snapshots.read([Wanted(of(user)) for user in users], limit=1) for _ in range(5)]
    counts = [seen for found in await asyncio.gather(*heads) for seen in found.values()]
    counts += [snapshot.changes.counts for read in await asyncio.gather(*whole) for snapshot in read]
    assert len(counts) == 30
    assert len({seen.epoch for seen in counts}) == 2
    assert {seen.seq for seen in counts} == {0}


async def test_many_inboxes_are_read_in_one_statement_as_each_would_be_alone(publish, inboxes):
    """Whoever is read together, known or new, is told what would have been told alone, in the order asked."""
    users = [new_user() for _ in range(4)]
    await publish(*[(users[0], {})] * 3, *[(users[1], {})] * 6)
    await inboxes.change_all(of(users[1]), "read_all", 4)
    wanted = [
        Wanted(of(users[1]), 2, 3),
        Wanted(of(users[3]), 5, 5),  # new
        Wanted(of(users[0]), None, 2),
        Wanted(of(users[1]), 0),
        Wanted(of(users[2]), None),  # new
        Wanted(of(users[0]), 3, 0),
    ]
    snapshots = Snapshots(inboxes._database)
    together = await snapshots.read(wanted, limit=5)
    assert together == [(await snapshots.read([one], limit=5))[0] for one in wanted]
    seqs = [[item.seq for item in snapshot.changes.items or ()] for snapshot in together]
    assert seqs == [[3, 4, 5, 6], [], [], [], [], []]
    assert [[item.seq for item in snapshot.items] for snapshot in together] == [[6, 5, 4], [], [3, 2], [], [], []]
    assert [snapshot.changes.items is None for snapshot in together] == [False, False, False, True, False, False]
    assert [snapshot.changes.whole for snapshot in together[:1]] == [(7, "read_all")]


def test_ids_are_new():
    """The ids that rows are stored under never repeat."""
    assert len({new_id() for _ in range(10_000)}) == 10_000
