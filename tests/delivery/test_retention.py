"""What is not kept for ever: purged in bounded steps, once whoever does it, without a count or a resume going wrong."""

import asyncio

import pytest

from delivery.housekeeping import Chore
from delivery.store import retention
from delivery.store.retention import Retention, Terms
from delivery.store.ringing import Ringing
from hub.identity import UserKey
from hub.store.audit import Audit
from hub.store.snapshots import Snapshots, Wanted

TERMS = Terms(idempotency_hours=24, tombstone_days=30, delivery_days=90)


@pytest.fixture
def kept(office):
    """What keeps house in this office."""
    return Retention(office.database, TERMS)


async def count(office, table, where="true"):
    return (await office.fetch(f"select count(*) from {table} where {where}"))[0][0]


async def until_done(step):
    """Repeat a step until it finds nothing more to do."""
    while await step():
        pass


async def test_keys_are_remembered_for_their_hours_and_then_dropped_in_chunks(office, kept, monkeypatch):
    """What is younger stays; what is older goes, so many at a time."""
    monkeypatch.setattr(retention, "CHUNK", 3)
    for number in range(8):
        await office.publish(await office.user(), channels=[], key=str(number), body_hash=b"x")
    await office.fetch("update idempotency_keys set created_at = now() - interval '25 hours' where key::int >= 1")
    assert [await kept.forget_keys() for _ in range(4)] == [3, 3, 1, 0]
    assert [row[0] for row in await office.fetch("select key from idempotency_keys")] == ["0"]


async def test_finished_deliveries_go_with_all_that_belongs_to_them(office, kept, providers):
    """Attempts and providers' events go too; what is young, or not over, stays however old."""
    for _ in range(3):
        await office.publish(await office.user())
    await office.turn()
    old, young, waiting = [delivery["id"] for delivery in await office.deliveries()]
    await office.fetch(
        "insert into provider_events (provider, event_id, delivery_id, kind, happened_at)"
        " select 'resend', id::text, id, 'delivered', now() from deliveries"
    )
    aged = "update deliveries set created_at = now() - interval '100 days', updated_at = now() - interval '91 days'"
    await office.fetch(f"{aged} where id = any($1)", [old, waiting])
    await office.fetch(
        "update deliveries set state = 'pending', run_at = now() + interval '1 day' where id = $1", waiting
    )
    assert [await kept.forget_deliveries() for _ in range(2)] == [1, 0]
    assert {delivery["id"] for delivery in await office.deliveries()} == {young, waiting}
    assert await count(office, "attempts") == await count(office, "provider_events") == 2


async def test_a_heartbeat_is_forgotten_after_a_day(office):
    """Who is alive says so; who has not been heard for a day is taken off the list."""
    ringing = Ringing(office.database)
    await ringing.beat("gone", "worker", "low")
    await office.fetch("update heartbeats set seen_at = now() - interval '25 hours'")
    await ringing.beat("here", "worker", "low")
    assert [row[0] for row in await office.fetch("select id from heartbeats")] == ["here"]


async def test_tombstones_are_purged_and_counts_stay_exact(office, kept):
    """Only what was removed long ago goes; the counts of every inbox agree with what is left."""
    user = await office.user()
    key = UserKey("default", user)
    ids = [(await office.publish(user, channels=[])).receipts[0].id for _ in range(6)]
    for id, change in zip(ids, ("deleted", "recalled", "expired", "deleted", "read", "archived"), strict=True):
        await office.inboxes.change(key, [id], change)
    before = await office.inboxes.counts(key)
    await office.fetch("update notifications set removed_at = now() - interval '31 days' where id = any($1)", ids[:3])
    await until_done(kept.sweep_notifications)
    assert {row[0] for row in await office.fetch("select id from notifications")} == set(ids[3:])
    assert await office.inboxes.counts(key) == before
    audit = Audit(office.database)
    assert [mismatch async for mismatch in audit.mismatches()] == []
    assert audit.inboxes == 1


async def opened(office, key, *wanted):
    """Read an inbox as a client that comes in does: since a seq, with so many items."""
    (snapshot,) = await Snapshots(office.database).read([Wanted(key, *wanted)], limit=100)
    return snapshot


async def test_who_was_away_since_before_a_purge_reloads(office, kept):
    """A cursor that could have missed a purged removal gets no changes, hence a resync; a later one resumes as ever."""
    user = await office.user()
    key = UserKey("default", user)
    ids = [(await office.publish(user, channels=[])).receipts[0].id for _ in range(3)]
    await office.inboxes.change(key, [ids[1]], "deleted")
    await office.publish(user, channels=[])
    assert (await opened(office, key, 3)).changes.items is not None
    await office.fetch("update notifications set removed_at = now() - interval '31 days' where removed")
    await until_done(kept.sweep_notifications)
    assert (await opened(office, key, 3)).changes.items is None
    resumed = (await opened(office, key, 4)).changes
    assert [item.seq for item in resumed.items] == [5]
    assert [item.seq for item in (await opened(office, key, None, 9)).items] == [5, 3, 1]


async def test_a_sweep_walks_in_steps_and_relays_share_it(office, kept, monkeypatch):
    """Whoever is late finds the step taken; at the end it rests, and begins anew another time."""
    monkeypatch.setattr(retention, "CHUNK", 4)
    users = [await office.user() for _ in range(10)]
    await office.publish(*users, channels=[])
    for user in users:
        id = (await office.fetch("select id from notifications where user_id = $1", user))[0][0]
        await office.inboxes.change(UserKey("default", user), [id], "deleted")
    await office.fetch("update notifications set removed_at = now() - interval '31 days'")
    steps = []
    while sum(steps) < 10:
        steps += await asyncio.gather(*(kept.sweep_notifications() for _ in range(4)))
    assert sum(steps) == 10
    assert max(steps) == 4
    assert await count(office, "notifications") == 0
    assert await kept.sweep_notifications() == 0, "it rests"
    assert await count(office, "sweeps", "name = 'notifications' and rests_until > now()") == 1


async def test_an_inbox_in_use_is_swept_another_time(office, kept):
    """Nobody is waited for while locks are held."""
    users = [await office.user() for _ in range(2)]
    for user in users:
        outcome = await office.publish(user, channels=[])
        await office.inboxes.change(UserKey("default", user), [outcome.receipts[0].id], "deleted")
    await office.fetch("update notifications set removed_at = now() - interval '31 days'")
    async with office.database.connection() as connection, connection.transaction():
        await connection.execute("select from inboxes where user_id = $1 for update", users[0])
        await kept.sweep_notifications()
    assert [row[0] for row in await office.fetch("select user_id from notifications")] == [users[0]]


async def test_what_a_category_keeps_no_longer_becomes_due_to_expire(office, kept):
    """Retention bounds what a publish allowed itself; what expires sooner, and other categories, are left alone."""
    user = await office.user()
    await office.fetch(
        "insert into categories (tenant, name, title, retention_days) values ('default', 'order.shipped', 'Orders', 30)"
    )
    for category in ("order.shipped", "other", "order.shipped", "order.shipped"):
        await office.publish(user, channels=[], category=category)
    await office.fetch("update notifications set created_at = now() - interval '31 days' where created_seq <> 3")
    await office.fetch("update notifications set expires_at = now() + interval '1 year' where created_seq = 4")
    await until_done(kept.sweep_notifications)
    await office.timers.change_due("expired")
    left = await office.fetch("select created_seq from notifications where active order by 1")
    assert [row[0] for row in left] == [2, 3]


async def test_a_publication_goes_when_nothing_is_left_of_it(office, kept, providers):
    """Not while a notification or a delivery of it is there, nor while it is scheduled, however old."""
    outcomes = [await office.publish(await office.user(), channels=channels) for channels in ([], ["email"], [])]
    await office.fetch("delete from notifications where publication_id <> $1", outcomes[2].id)
    await office.fetch("update publications set created_at = now() - interval '91 days'")
    await until_done(kept.sweep_publications)
    assert {row[0] for row in await office.fetch("select id from publications")} == {outcomes[1].id, outcomes[2].id}


@pytest.mark.parametrize(("looked", "due"), [(retention.CHUNK, True), (5, False)])
async def test_a_full_step_is_followed_by_the_next(monkeypatch, looked, due):
    """Work that piled up is done at a pace; without any, a look a minute is enough."""
    monkeypatch.setattr("delivery.housekeeping.STEP_SECONDS", 0.0)
    taken = []

    async def step():
        taken.append(1)
        return looked

    chore = Chore(step)
    await chore.turn()
    await chore.turn()
    assert len(taken) == (2 if due else 1)
