"""Decided at claim time, under the inbox's lock: escalations, preferences, quiet hours, throttles, digests, expiry."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from delivery.outbox import Step
from hub.identity import UserKey

ESCALATION = {"email": {"after": 0, "unless": "read"}}


async def category(office, name="order.shipped", **columns):
    names = ", ".join(columns)
    marks = ", ".join(f"${number}" for number in range(2, len(columns) + 2))
    await office.fetch(
        f"insert into categories (tenant, name, title, {names}) values ('default', $1, 'Orders', {marks})",
        name,
        *columns.values(),
    )


async def quiet(office, user):
    """Put a user's quiet hours around this very moment."""
    now = datetime.now(UTC)
    await office.fetch(
        "update contacts set quiet_start = $2, quiet_end = $3, timezone = 'UTC' where user_id = $1",
        user,
        (now - timedelta(hours=1)).strftime("%H:%M"),
        (now + timedelta(hours=1)).strftime("%H:%M"),
    )


async def read(office, user, outcome):
    await office.inboxes.change(UserKey("default", user), [outcome.receipts[0].id], "read")


async def after(seconds, work):
    """Do something a little later, so that over many races each side is the earlier one."""
    await asyncio.sleep(seconds)
    await work


async def test_an_escalation_goes_out_when_nobody_has_read_it(office, providers):
    """Unread after its time: the e-mail is sent, once it is due and not before."""
    await office.publish(await office.user(), channels=[], escalate={"email": {"after": 300, "unless": "read"}})
    assert await office.turn() == 0
    await office.hurry()
    await office.turn()
    assert (await office.delivery())["state"] == "sent"
    assert len(providers.outbox.entries) == 1


@pytest.mark.parametrize("how", ["read", "read_all"])
async def test_reading_ends_an_escalation(office, providers, how):
    """Read in time, one by one or all at once: nothing is sent, and the delivery says why."""
    user = await office.user()
    outcome = await office.publish(user, channels=[], escalate=ESCALATION)
    if how == "read":
        await read(office, user, outcome)
    else:
        await office.inboxes.change_all(UserKey("default", user), "read_all", None)
    await office.turn()
    delivery = await office.delivery()
    assert (delivery["state"], delivery["reason"]) == ("suppressed", "read")
    assert list(providers.outbox.entries) == []


async def test_seeing_ends_only_an_escalation_that_says_so(office):
    """Having opened the bell counts for `unless: seen`, not for `unless: read`."""
    user = await office.user()
    await office.publish(user, channels=[], escalate=ESCALATION)
    await office.publish(user, channels=[], escalate={"sms": {"after": 0, "unless": "seen"}})
    await office.inboxes.change_all(UserKey("default", user), "seen", None)
    await office.turn()
    assert {(d["channel"], d["state"]) for d in await office.deliveries()} == {("email", "sent"), ("sms", "suppressed")}


async def test_every_race_of_reading_and_escalating_has_one_winner(office, providers):
    """200 reads against as many escalations due at the same moment: sent or read first, and the record says which."""
    users = [await office.user() for _ in range(200)]
    outcomes = [await office.publish(user, channels=[], escalate=ESCALATION) for user in users]
    assert len(await office.ring()) == 200
    rung = {d["user_id"]: d["id"] for d in await office.deliveries()}
    by_user = [rung[user] for user in users]
    for start in range(0, 200, 10):
        late = (start - 100) / 10_000  # seconds the readers are behind the worker, first less than none
        reads = [after(max(0, late), read(office, users[n], outcomes[n])) for n in range(start, start + 10)]
        await asyncio.gather(after(max(0, -late), office.jobs.deliver(by_user[start : start + 10])), *reads)
    rows = await office.fetch(
        "select d.user_id, d.state, d.reason, a.started_at, n.read_at, d.updated_at from deliveries d"
        " join notifications n on n.id = d.notification_id left join attempts a on a.delivery_id = d.id"
    )
    sent_to = {entry.to for entry in providers.outbox.entries}
    for row in rows:
        assert (row["state"], row["reason"]) in {("sent", ""), ("suppressed", "read")}
        assert (f"{row['user_id']}@example.com" in sent_to) == (row["state"] == "sent")
        assert row["read_at"] is not None
    assert len(providers.outbox.entries) == sum(row["state"] == "sent" for row in rows)
    assert 0 < len(sent_to) < 200, "both sides should win some"


async def test_a_read_that_is_committed_before_the_claim_always_wins(office, providers):
    """While the reader holds the inbox, the claim waits, and then sees the read."""
    user = await office.user()
    outcome = await office.publish(user, channels=[], escalate=ESCALATION)
    ids = await office.ring()
    async with office.database.connection() as connection, connection.transaction():
        await connection.fetch(
            "select changed from change_notifications('default', $1, $2, 'read', null)", user, [outcome.receipts[0].id]
        )
        claiming = asyncio.create_task(office.jobs.deliver(ids))
        await waits_for_a_lock(office)
    await claiming
    assert (await office.delivery())["reason"] == "read"
    assert list(providers.outbox.entries) == []


async def waits_for_a_lock(office):
    async with asyncio.timeout(5):
        while not await office.fetch("select from pg_locks where not granted"):
            await asyncio.sleep(0.005)


async def test_a_busy_inbox_holds_up_only_its_own_deliveries(office, providers):
    """A job that meets a locked inbox sends the others now and that one later."""
    busy, free = await office.user(), await office.user()
    await office.publish(busy)
    await office.publish(free)
    async with office.database.connection() as connection, connection.transaction():
        await connection.fetch("select from inboxes where user_id = $1 for update", busy)
        await office.turn()
    assert [entry.to for entry in providers.outbox.entries] == [f"{free}@example.com"]
    await office.hurry()
    await office.turn()
    assert {d["state"] for d in await office.deliveries()} == {"sent"}


async def test_quiet_hours_wait_and_critical_passes(office, providers):
    """At night a delivery waits for the morning, unless it is critical."""
    user = await office.user()
    await quiet(office, user)
    await office.publish(user)
    await office.publish(user, priority="critical", title="Fire")
    await office.turn()
    assert [entry.title for entry in providers.outbox.entries] == ["Fire"]
    waiting = await office.delivery(state="pending")
    assert waiting["reason"] == "quiet_hours"
    assert timedelta(minutes=58) < waiting["run_at"] - datetime.now(UTC) < timedelta(minutes=61)
    await office.fetch("update contacts set quiet_start = null")
    await office.hurry()
    await office.turn()
    assert len(providers.outbox.entries) == 2


async def test_the_decision_is_on_record_with_the_values_it_saw(office):
    """A suppressed delivery carries every rule that was asked."""
    user = await office.user()
    await office.fetch(
        "insert into preferences (tenant, user_id, category, channel, enabled)"
        " values ('default', $1, '*', 'email', false)",
        user,
    )
    await office.publish(user)
    await office.turn()
    delivery = await office.delivery()
    assert (delivery["state"], delivery["reason"]) == ("suppressed", "preference")
    rules = json.loads(delivery["decision"])["rules"]
    assert rules[-1]["rule"] == "preference"
    assert rules[-1]["value"] == "off (user:*)"


async def test_a_mandatory_category_is_sent_whatever_the_user_chose(office):
    """Locks beat choices."""
    user = await office.user()
    await category(office, mandatory=True)
    await office.fetch(
        "insert into preferences (tenant, user_id, category, channel, enabled)"
        " values ('default', $1, 'order.shipped', 'email', false)",
        user,
    )
    await office.publish(user)
    await office.turn()
    assert (await office.delivery())["state"] == "sent"


@pytest.mark.parametrize(
    ("channel", "address", "contact"),
    [("email", "ada@example.com", {"email": "Ada@Example.com"}), ("sms", "+15005550009", {"phone": "+15005550009"})],
)
async def test_a_suppressed_address_is_never_written_to(office, providers, channel, address, contact):
    """A bounce of an address, however it is spelt, keeps everybody from writing to it."""
    await office.outcomes.suppress("default", channel, address, "bounce")
    await office.publish(await office.user(**contact), channels=[channel])
    await office.turn()
    delivery = await office.delivery()
    assert (delivery["state"], delivery["reason"]) == ("suppressed", "bounce")
    assert list(providers.outbox.entries) == []


async def test_a_user_without_an_address_is_told_in_the_app_only(office):
    """No contact, no device: suppressed, with the reason."""
    await office.publish("nobody", channels=["email", "sms", "push"])
    await office.turn()
    assert {(d["state"], d["reason"]) for d in await office.deliveries()} == {("suppressed", "no_address")}


async def test_what_goes_beyond_the_throttle_is_suppressed_not_failed(office, providers):
    """Two an hour mean two, in one job or many; the rest says why; critical passes; others are not concerned."""
    await category(office, throttle='{"email": {"limit": 2, "window_seconds": 3600}}')
    user, other = await office.user(), await office.user()
    for _ in range(4):
        await office.publish(user)
        await office.turn()
    await office.publish(user, priority="critical")
    await office.publish(other)
    await office.publish(user, category="other")
    await office.turn()
    states = [(d["user_id"] == user, d["category"], d["state"], d["reason"]) for d in await office.deliveries()]
    assert states.count((True, "order.shipped", "suppressed", "throttled")) == 2
    assert states.count((True, "order.shipped", "sent", "")) == 3
    assert (False, "order.shipped", "sent", "") in states
    assert (True, "other", "sent", "") in states


async def test_the_throttle_holds_within_one_job(office, providers):
    """Five due at once are still two."""
    await category(office, throttle='{"email": {"limit": 2, "window_seconds": 3600}}')
    user = await office.user()
    for _ in range(5):
        await office.publish(user)
    await office.turn()
    assert len(providers.outbox.entries) == 2


async def test_what_expires_before_it_is_sent_is_not_sent(office, providers):
    """An expired delivery ends so, by the relay's clock or at claim time."""
    soon = datetime.now(UTC) + timedelta(seconds=1)
    await office.publish(await office.user(), expires_at=soon, escalate={"sms": {"after": 3600, "unless": "read"}})
    await office.fetch("update deliveries set expires_at = now() - interval '1 second'")
    await office.fetch("update deliveries set state = 'queued', lease_until = now() where channel = 'email'")
    await office.jobs.deliver([d["id"] for d in await office.deliveries(channel="email")])
    await office.timers.expire_deliveries()
    assert {(d["channel"], d["state"], d["reason"]) for d in await office.deliveries()} == {
        ("email", "expired", "expired"),
        ("sms", "expired", "expired"),
    }
    assert list(providers.outbox.entries) == []


async def test_what_was_deleted_or_recalled_meanwhile_is_not_sent(office, providers):
    """Nobody gets mail about a notification that is gone."""
    user = await office.user()
    outcome = await office.publish(user)
    await office.inboxes.change(UserKey("default", user), [outcome.receipts[0].id], "recalled")
    await office.turn()
    assert (await office.delivery())["reason"] == "recalled"


async def test_a_digest_carries_everything_once(office, providers):
    """What comes within the window goes out together, when the first one's window ends."""
    await category(office, digest='{"email": {"window_seconds": 3600}}')
    user = await office.user()
    for number in range(3):
        await office.publish(user, title=f"News {number}")
        await office.turn()
    assert list(providers.outbox.entries) == []
    assert {d["reason"] for d in await office.deliveries()} == {"digest"}
    await office.fetch("update notifications set created_at = created_at - interval '1 hour'")
    await office.hurry()
    await office.turn()
    (entry,) = providers.outbox.entries
    assert entry.title == "3 new: Orders"
    assert all(entry.text.count(f"News {number}") == 1 for number in range(3))
    carrier = await office.delivery(state="sent")
    assert {d["digest_id"] for d in await office.deliveries(state="suppressed")} == {carrier["id"]}
    await office.publish(user, title="News 3")
    await office.turn()
    assert len(providers.outbox.entries) == 1


async def test_a_digest_leaves_out_what_its_own_rules_forbid(office, providers):
    """Something recalled while it waited is not in the digest, and says so."""
    await category(office, digest='{"email": {"window_seconds": 3600}}')
    user = await office.user()
    await office.publish(user, title="Kept")
    gone = await office.publish(user, title="Taken back")
    await office.inboxes.change(UserKey("default", user), [gone.receipts[0].id], "recalled")
    await office.fetch("update notifications set created_at = created_at - interval '1 hour'")
    await office.turn()
    (entry,) = providers.outbox.entries
    assert "Taken back" not in entry.text
    assert {(d["state"], d["reason"]) for d in await office.deliveries()} == {("sent", ""), ("suppressed", "recalled")}


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(st.sampled_from(["publish", "publish", "turn", "close", "fail"]), min_size=3, max_size=14))
async def test_every_notification_is_in_exactly_one_digest(office, providers, steps):
    """Conservation: however publishes, closing windows and failing providers interleave, none is lost or doubled."""
    providers.outbox.clear()
    providers.script.reset()
    await office.fetch("truncate deliveries, attempts, notifications, publications, inboxes, categories, contacts")
    await category(office, digest='{"email": {"window_seconds": 3600}}')
    user = await office.user()
    published = 0
    for step in [*steps, *["close"] * 16]:
        if step == "publish":
            await office.publish(user, title=f"<{published}>")
            published += 1
        elif step == "close":
            await office.fetch("update notifications set created_at = created_at - interval '1 hour'")
            await office.hurry()
        elif step == "fail":
            providers.script.add(Step(status=429, headers={"Retry-After": "1"}, body={}))
        await office.turn()
    texts = "\n".join(f"{entry.title}\n{entry.text}" for entry in providers.outbox.entries)
    for number in range(published):
        alone = [entry for entry in providers.outbox.entries if entry.title == f"<{number}>"]
        within = sum(entry.text.count(f"<{number}>") for entry in providers.outbox.entries if "new" in entry.title)
        assert len(alone) + within == 1, (number, texts)
