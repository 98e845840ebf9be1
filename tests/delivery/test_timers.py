"""What waits for a time: scheduled publishes, snoozes, expiry, retention; once, live, with any number of relays."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import redis.asyncio

from delivery.store.timers import Timers
from delivery.timekeeper import Timekeeper
from hub.identity import UserKey
from hub.propagator import channel_name
from hub.protocol import Frame


def later(**delta):
    return datetime.now(UTC) + timedelta(**delta)


@pytest.fixture
async def live(office, services):
    """A timekeeper, and what a node subscribed to a user hears of it."""
    client = redis.asyncio.Redis.from_url(services.redis_url)
    timekeeper = Timekeeper(Timers(office.database), client, office.housekeeper(), prefix="timers")
    yield timekeeper, client
    await client.aclose()


async def frames_of(client, user, act, count):
    """Collect the frames a user's nodes hear while something is done."""
    async with client.pubsub() as pubsub:
        await pubsub.subscribe(channel_name("timers", UserKey("default", user)))
        assert (await pubsub.get_message(timeout=5))["type"] == "subscribe"
        await act()
        heard = []
        async with asyncio.timeout(5):
            while len(heard) < count:
                message = await pubsub.get_message(timeout=1)
                if message is not None:
                    heard.append(Frame.unpack(message["data"]))
    return heard


async def inbox(office, user):
    counts = await office.inboxes.counts(UserKey("default", user))
    return (counts.seq, counts.unread) if counts else None


async def test_a_scheduled_publish_has_no_notification_before_it_fires(office):
    """Until its time nothing is in the inbox and nothing is sent; its deliveries are there, waiting."""
    user = await office.user()
    outcome = await office.publish(user, send_at=later(hours=1))
    assert outcome.scheduled
    assert outcome.receipts == []
    assert await office.timers.fire_schedules() == []
    assert await office.fetch("select from notifications") == []
    assert await office.turn() == 0
    assert (await office.delivery())["run_at"] > later(minutes=59)


async def test_a_scheduled_publish_fires_once_with_many_relays(office, providers):
    """Eight relays at the same moment: every notification once, every e-mail once, numbers without a gap."""
    user = await office.user()
    for number in range(20):
        await office.publish(user, title=f"Planned {number}", send_at=later(hours=1))
    await office.fetch("update schedules set send_at = now() - interval '1 second'")
    await office.hurry()
    fired = await asyncio.gather(*(office.timers.fire_schedules() for _ in range(8)))
    stored = [one for group in fired for one in group]
    assert sorted(one.notification.seq for one in stored) == list(range(1, 21))
    assert await inbox(office, user) == (20, 20)
    await office.turn()
    assert len(providers.outbox.entries) == 20
    assert len({entry.title for entry in providers.outbox.entries}) == 20


async def test_a_delivery_waits_for_its_publish(office, providers):
    """A ring that comes before the publish has fired sends nothing yet."""
    await office.publish(await office.user(), send_at=later(hours=1))
    await office.hurry()
    await office.turn()
    delivery = await office.delivery()
    assert (delivery["state"], delivery["reason"]) == ("pending", "not_published_yet")
    await office.fetch("update schedules set send_at = now() - interval '1 second'")
    await office.timers.fire_schedules()
    await office.hurry()
    await office.turn()
    assert len(providers.outbox.entries) == 1


async def test_an_escalation_of_a_scheduled_publish_counts_from_its_time(office):
    """Five minutes after `send_at`, not after the request."""
    at = later(hours=1)
    await office.publish(
        await office.user(), channels=[], send_at=at, escalate={"email": {"after": 300, "unless": "read"}}
    )
    assert (await office.delivery())["run_at"] == at + timedelta(minutes=5)


async def test_a_scheduled_publish_collapses_like_any_other(office, providers):
    """When it fires it takes the place of the active one with its key, and its e-mail goes out."""
    user = await office.user()
    await office.publish(user, collapse_key="order-7", channels=[])
    await office.publish(user, collapse_key="order-7", title="Second", send_at=later(hours=1))
    await office.fetch("update schedules set send_at = now() - interval '1 second'")
    (stored,) = await office.timers.fire_schedules()
    assert (stored.notification.change, stored.notification.repeat_count) == ("updated", 2)
    assert await inbox(office, user) == (2, 1)
    await office.hurry()
    await office.turn()
    assert [entry.title for entry in providers.outbox.entries] == ["Second"]


async def test_an_idempotent_schedule_is_answered_as_scheduled_again(office):
    """The same key twice is one schedule."""
    user = await office.user()
    first = await office.publish(user, send_at=later(hours=1), key="k", body_hash=b"x")
    again = await office.publish(user, send_at=later(hours=1), key="k", body_hash=b"x")
    assert again.replayed
    assert again.scheduled
    assert again.id == first.id
    assert len(await office.deliveries()) == 1


async def test_a_fired_publish_is_told_live(office, live):
    """A user who is connected sees it appear, with the counts."""
    timekeeper, client = live
    user = await office.user()
    await office.publish(user, channels=[], send_at=later(hours=1))
    await office.fetch("update schedules set send_at = now() - interval '1 second'")
    (frame,) = await frames_of(client, user, timekeeper.turn, 1)
    assert (frame.name, frame.cursor.seq, frame.unread) == ("notification", 1, 1)
    assert b'"change":"created"' in frame.json


async def test_a_snooze_ends_once_as_unread_and_live(office, live):
    """What was snoozed comes back unread at its time; two relays wake it once."""
    timekeeper, _ = live
    user = await office.user()
    key = UserKey("default", user)
    outcome = await office.publish(user, channels=[])
    await office.inboxes.change(key, [outcome.receipts[0].id], "snoozed", later(hours=1))
    assert (await inbox(office, user))[1] == 0
    await timekeeper.turn()
    assert (await inbox(office, user))[0] == 2
    await office.fetch("update notifications set snoozed_until = now() - interval '1 second'")

    async def both():
        await asyncio.gather(timekeeper.turn(), office.timers.change_due("unsnoozed"))

    await asyncio.gather(both(), office.timers.change_due("unsnoozed"))
    await timekeeper.turn()
    assert await inbox(office, user) == (3, 1)


async def test_what_expires_leaves_the_inbox_live(office, live):
    """An expired notification is gone from list and counts, and the user's devices hear of it."""
    timekeeper, client = live
    user = await office.user()
    await office.publish(user, channels=[], expires_at=later(hours=1))
    await office.publish(user, channels=[])
    await office.fetch("update notifications set expires_at = now() - interval '1 second' where expires_at is not null")
    (frame,) = await frames_of(client, user, timekeeper.turn, 1)
    assert b'"change":"expired"' in frame.json
    assert await inbox(office, user) == (3, 1)


async def test_a_locked_inbox_does_not_hold_up_the_others(office):
    """Timers skip an inbox somebody is changing and come back to it."""
    busy, free = await office.user(), await office.user()
    for user in (busy, free):
        await office.publish(user, channels=[], expires_at=later(hours=1))
    await office.fetch("update notifications set expires_at = now() - interval '1 second'")
    async with office.database.connection() as connection, connection.transaction():
        await connection.fetch("select from inboxes where user_id = $1 for update", busy)
        assert [one.key.user for one in await office.timers.change_due("expired")] == [free]
    assert [one.key.user for one in await office.timers.change_due("expired")] == [busy]


async def test_retention_lets_old_notifications_expire_live(office, live):
    """What is older than its category keeps is taken away, nothing else, and those connected see it go."""
    timekeeper, client = live
    user = await office.user()
    await office.fetch(
        "insert into categories (tenant, name, title, retention_days) values ('default', 'order.shipped', 'Orders', 30)"
    )
    await office.publish(user, channels=[])
    await office.publish(user, channels=[], category="other")
    await office.publish(user, channels=[])
    await office.fetch("update notifications set created_at = now() - interval '31 days' where created_seq <= 2")

    async def turn_twice():
        await timekeeper.turn()
        await timekeeper.turn()

    (frame,) = await frames_of(client, user, turn_twice, 1)
    assert b'"change":"expired"' in frame.json
    assert await inbox(office, user) == (4, 2)
    left = await office.fetch("select created_seq from notifications where active order by 1")
    assert [row[0] for row in left] == [2, 3]


async def test_timers_go_on_without_redis(office):
    """With Redis away the change is made; only the telling is left to the nodes' position check."""
    away = redis.asyncio.Redis.from_url("redis://127.0.0.1:9")
    timekeeper = Timekeeper(Timers(office.database), away, office.housekeeper(), prefix="timers")
    user = await office.user()
    await office.publish(user, channels=[], send_at=later(hours=1))
    await office.fetch("update schedules set send_at = now() - interval '1 second'")
    await timekeeper.turn()
    assert await inbox(office, user) == (1, 1)
    await away.aclose()
