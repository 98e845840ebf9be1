"""Webhooks to producers: told once per event, signed, retried like a channel, and never about themselves."""

import asyncio
import json
import time
from datetime import UTC, datetime

import pytest

from delivery.outbox import Step
from delivery.store.retention import Retention, Terms
from hub.api.told import EventTold
from hub.identity import UserKey
from hub.store.deliveries import Deliveries
from hub.store.endpoints import Endpoints
from hub.store.retractions import Retractions
from tests.delivery.producer import Producer, listen, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVERY = ("delivered", "failed", "read")


@pytest.fixture
async def producer():
    """A producer that listens and takes whatever it is told."""
    made = Producer()
    async with listen(made):
        yield made


async def endpoint(office, producer, *, events=EVERY, tenant="default", path="/hub"):
    return await Endpoints(office.database).create(tenant, url=producer.url + path, secret=SECRET, events=events)


async def fail(office, providers, user=None):
    """Publish an e-mail that is refused for good."""
    providers.script.add(Step(status=422, body={"statusCode": 422, "name": "validation_error", "message": "no such"}))
    outcome = await office.publish(user or await office.user())
    await office.turn()
    return outcome


async def told(office):
    return await office.deliveries(channel="webhook")


async def test_a_failure_is_told_signed_and_whole(office, providers, producer):
    """One POST in the form of Standard Webhooks, which somebody else's verifier accepts; recorded as sent."""
    await endpoint(office, producer)
    outcome = await fail(office, providers)
    await office.turn()
    (heard,) = producer.heard
    verify(heard, SECRET)
    about = await office.delivery(channel="email")
    event = await office.delivery(channel="webhook")
    assert heard.headers["webhook-id"] == f"dlv_{event['id'].hex}"
    assert abs(int(heard.headers["webhook-timestamp"]) - time.time()) < 60
    assert heard.headers["content-type"] == "application/json"
    assert (event["state"], event["attempts"], event["event"]) == ("sent", 1, "failed")
    said = heard.event
    EventTold.model_validate_json(heard.body, extra="forbid")
    assert datetime.fromisoformat(said.pop("timestamp")) == event["created_at"].astimezone(UTC)
    assert said == {
        "type": "notification.failed",
        "data": {
            "notification_id": f"ntf_{outcome.receipts[0].id.hex}",
            "publication_id": f"pub_{outcome.id.hex}",
            "user_id": about["user_id"],
            "category": "order.shipped",
            "delivery": {
                "id": f"dlv_{about['id'].hex}",
                "channel": "email",
                "state": "failed",
                "reason": "permanent:validation_error",
                "provider": "resend",
                "provider_id": None,
            },
        },
    }


@pytest.mark.parametrize("tampered", ["body", "webhook-id", "webhook-timestamp"])
async def test_a_signature_holds_for_exactly_what_was_said(office, providers, producer, tampered):
    """Another body, id or time does not verify, and neither does another secret."""
    await endpoint(office, producer)
    await fail(office, providers)
    await office.turn()
    (heard,) = producer.heard
    with pytest.raises(ValueError, match="no matching signature"):
        verify(heard, "whsec_" + "A" * 32)
    if tampered == "body":
        heard.body = heard.body.replace(b"failed", b"faiied")
    else:
        heard.headers[tampered] = str(int(time.time()) - 1) if "time" in tampered else "dlv_other"
    with pytest.raises(ValueError, match="no matching signature"):
        verify(heard, SECRET)


async def test_a_receipt_is_told_as_delivered_and_a_late_bounce_as_failed(office, providers, producer):
    """Each step forward is one event, with the delivery as it was then."""
    await endpoint(office, producer)
    await office.publish(await office.user())
    await office.turn()
    assert await told(office) == [], "accepted by the provider is not delivered"
    for state, reason in (("delivered", ""), ("failed", "bounce:General")):
        await office.fetch("update deliveries set state = $1, reason = $2 where channel = 'email'", state, reason)
    await office.turn()
    told_of = [(heard.event["type"], heard.event["data"]["delivery"]["state"]) for heard in producer.heard]
    assert sorted(told_of) == [("notification.delivered", "delivered"), ("notification.failed", "failed")]


async def test_a_dead_letter_is_told_as_failed(office, providers, producer):
    """Attempts used up are a failure; what is tried again is none yet."""
    await endpoint(office, producer)
    providers.script.add(Step(provider="resend", times=0, status=500, body={}))
    await office.publish(await office.user())
    for attempt in range(4):
        assert await told(office) == [], attempt
        await office.turn()
        await office.hurry()
    await office.turn()
    assert [heard.event["data"]["delivery"]["reason"] for heard in producer.heard] == ["attempts_exhausted"]


async def test_reading_is_told_once(office, producer):
    """Read, unread and read again is one event of this notification."""
    await endpoint(office, producer)
    user = await office.user()
    outcome = await office.publish(user, channels=[])
    for change in ("read", "unread", "read", "read"):
        await office.inboxes.change(UserKey("default", user), [outcome.receipts[0].id], change)
    await office.turn()
    (heard,) = producer.heard
    assert heard.event["type"] == "notification.read"
    assert heard.event["data"]["notification_id"] == f"ntf_{outcome.receipts[0].id.hex}"
    assert heard.event["data"]["delivery"] is None
    EventTold.model_validate_json(heard.body, extra="forbid")


async def test_reading_all_at_once_is_told_of_each_afterwards(office, producer):
    """The watermark moves in one step; the relay finds out which ones that were, in steps of its own, each once."""
    await endpoint(office, producer)
    user, key = await office.user(), UserKey("default", await office.user("reader"))
    ids = [(await office.publish("reader", channels=[])).receipts[0].id for _ in range(7)]
    await office.publish(user, channels=[])
    await office.inboxes.change(key, [ids[0]], "read")
    await office.inboxes.change(key, [ids[1]], "deleted")
    await office.inboxes.change_all(key, "read_all", 6)
    assert len(await told(office)) == 1, "the step itself tells nothing"
    await office.inboxes.change(key, [ids[2]], "archived")
    await office.inboxes.change(key, [ids[3]], "unread")
    while await office.fetch("select from read_marks"):
        await office.fetch("select tell_of_mark(2)")
    await office.turn()
    named = sorted(heard.event["data"]["notification_id"] for heard in producer.heard)
    assert named == sorted(f"ntf_{id.hex}" for id in (ids[0], ids[2], ids[4], ids[5]))


async def test_two_relays_share_the_marks(office, producer):
    """Whoever is late finds the mark taken; nothing is told twice."""
    await endpoint(office, producer)
    for number in range(10):
        await office.publish(f"reader-{number}", channels=[])
        await office.inboxes.change_all(UserKey("default", f"reader-{number}"), "read_all", None)
    while await office.fetch("select from read_marks"):
        await asyncio.gather(*(office.timers.tell_of_reading() for _ in range(4)))
    assert len(await told(office)) == 10


async def test_a_tenant_without_an_endpoint_is_told_nothing(office, providers, producer):
    """No row, no mark: neither for those who never asked, nor for events nobody asked for."""
    await endpoint(office, producer, tenant="acme")
    await endpoint(office, producer, events=["delivered"])
    user = await office.user()
    await fail(office, providers, user)
    outcome = await office.publish(user, channels=[])
    await office.inboxes.change(UserKey("default", user), [outcome.receipts[0].id], "read")
    await office.publish(user, channels=[])
    await office.inboxes.change_all(UserKey("default", user), "read_all", None)
    assert await office.fetch("select from read_marks") == []
    assert await told(office) == []


async def test_every_endpoint_is_told_under_an_id_of_its_own(office, providers, producer):
    """Two endpoints, two deliveries; one of them being down is no concern of the other."""
    await endpoint(office, producer, path="/one")
    await endpoint(office, producer, path="/two")
    await fail(office, providers)
    await office.turn()
    assert sorted(heard.path for heard in producer.heard) == ["/one", "/two"]
    assert len({heard.headers["webhook-id"] for heard in producer.heard}) == 2


@pytest.mark.parametrize("trouble", [500, 503, 429, 404, 302, "drop", "hang", "flood 500"])
async def test_what_is_not_taken_is_told_again_under_the_same_id(office, providers, producer, trouble):
    """Any answer but a 2xx, or none, is retried: same id, same body, a signature of its own time."""
    await endpoint(office, producer)
    producer.answers, producer.headers = [trouble], {"Location": producer.url + "/elsewhere"}
    await fail(office, providers)
    await office.turn()
    event = await office.delivery(channel="webhook")
    assert event["state"] == ("unknown" if trouble in ("drop", "hang") else "pending")
    assert event["attempts"] == 1
    await office.hurry()
    await office.turn()
    assert (await office.delivery(channel="webhook"))["state"] == "sent"
    first, second = producer.heard
    assert [heard.path for heard in producer.heard] == ["/hub", "/hub"], "redirects are not followed"
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    verify(second, SECRET)


async def test_a_body_without_end_is_not_read(office, providers, producer):
    """A 2xx is taken by its status; what follows it cannot hold the worker up."""
    await endpoint(office, producer)
    producer.answers = ["flood"]
    await fail(office, providers)
    await office.turn()
    assert (await office.delivery(channel="webhook"))["state"] == "sent"
    (attempt,) = [one for one in await office.attempts() if one["provider"].startswith("webhook:")]
    assert (attempt["outcome"], attempt["provider_status"]) == ("sent", 200)


async def test_an_endpoint_that_never_takes_it_ends_among_the_dead_letters(office, providers, producer):
    """After its attempts the event is dead, shown to the operator, told to nobody, and can be replayed or discarded."""
    await endpoint(office, producer)
    producer.always = 500
    await fail(office, providers)
    for _ in range(6):
        await office.turn()
        await office.hurry()
    event = await office.delivery(channel="webhook")
    assert (event["state"], event["reason"], len(producer.heard)) == ("dead", "attempts_exhausted", 4)
    store = Deliveries(office.database)
    assert [row["id"] for row in await store.dead("default", "dead", before=None, limit=9)] == [event["id"]]
    producer.always = 204
    assert await store.replay("default", event["id"])
    await office.turn()
    assert (await office.delivery(channel="webhook"))["state"] == "sent"
    assert len({heard.headers["webhook-id"] for heard in producer.heard}) == 1, "receivers know it by its id"
    assert len({heard.body for heard in producer.heard}) == 1


async def test_a_webhook_tells_nothing_of_itself(office, providers, producer):
    """A dead event makes no event, however many endpoints listen for failures."""
    await endpoint(office, producer)
    await endpoint(office, producer, path="/two")
    producer.always = 404
    await fail(office, providers)
    for _ in range(8):
        await office.turn()
        await office.hurry()
    assert [event["state"] for event in await told(office)] == ["dead", "dead"]


async def test_gone_ends_the_endpoint(office, providers, producer):
    """410 disables it: what waits is suppressed and says why, later events are not even stored."""
    await endpoint(office, producer)
    producer.answers = [410]
    await fail(office, providers)
    await office.turn()
    await spare(office)
    assert (await office.fetch("select state from webhooks"))[0][0] == "disabled"
    await office.turn()
    await fail(office, providers)
    events = {(event["state"], event["reason"]) for event in await told(office)}
    assert events == {("failed", "permanent:gone"), ("suppressed", "no_endpoint")}
    assert len(producer.heard) == 1


async def spare(office):
    """Make one more event that waits for the same endpoint."""
    await office.fetch(
        "insert into deliveries (tenant, user_id, notification_id, publication_id, category, channel, priority, event,"
        " webhook_id, news) select tenant, user_id, notification_id, publication_id, category, channel, priority,"
        " event, webhook_id, news from deliveries where channel = 'webhook'"
    )


async def test_a_deleted_endpoint_is_told_nothing_more(office, providers, producer):
    """What waits for it is canceled with a reason, what is claimed just then is suppressed; its secret is forgotten."""
    made = await endpoint(office, producer)
    await fail(office, providers)
    assert await Endpoints(office.database).delete("default", made.id)
    await fail(office, providers)
    await office.turn()
    (event,) = await told(office)
    assert (event["state"], event["reason"]) == ("canceled", "endpoint_deleted")
    assert producer.heard == []
    assert (await office.fetch("select secret from webhooks"))[0][0] == ""


async def test_nothing_waits_for_ever_for_a_deleted_endpoint(office, providers, producer):
    """What comes back from a worker, or is replayed, after its endpoint was deleted is canceled; then that is gone."""
    made = await endpoint(office, producer)
    await fail(office, providers)
    await Endpoints(office.database).delete("default", made.id)
    await office.fetch("update deliveries set state = 'pending', reason = '', run_at = now() where channel = 'webhook'")
    assert await office.turn() == 0
    keeping = Retention(office.database, Terms())
    assert [await keeping.forget_endpoints() for _ in range(2)] == [1, 0]
    event = await office.delivery(channel="webhook")
    assert (event["state"], event["reason"]) == ("canceled", "endpoint_deleted")
    assert await office.fetch("select from webhooks") == []
    await office.fetch("update deliveries set state = 'pending' where channel = 'webhook'")
    assert await keeping.forget_endpoints() == 1, "the endpoint is not even there any more"


async def test_a_worker_that_dies_while_telling_leaves_it_to_the_next(office, providers, producer):
    """Between any two steps: the event is there with its fact, it is told again under its id, and recorded once."""
    await endpoint(office, producer)
    await fail(office, providers)
    ids = await office.ring()
    closed = await office.jobs._health.closed()
    judge = office.jobs._judge.judge
    (claimed,) = await office.claims.claim(ids, lambda cases, joining: judge(cases, joining, closed))
    await claimed.verdict.edge.send(claimed.verdict.message)
    for _ in range(3):
        await office.hurry()
        await office.turn()
    event = await office.delivery(channel="webhook")
    assert (event["state"], event["requests"]) == ("sent", 2)
    assert len({heard.headers["webhook-id"] for heard in producer.heard}) == 1


async def test_no_event_without_its_fact(office, providers, producer):
    """What is rolled back was never told; what is committed cannot lose its event."""
    await endpoint(office, producer)
    await office.publish(await office.user())
    async with office.database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("update deliveries set state = 'failed', reason = 'x'")
        assert await connection.fetchval("select count(*) from deliveries where channel = 'webhook'") == 1
        await transaction.rollback()
    assert await told(office) == []


async def test_a_failing_endpoint_is_left_alone_and_holds_up_nobody(office, producer):
    """After its failures one endpoint is closed for a while; another goes on being told, as does every channel."""
    office.jobs._health._settings = office.settings.model_copy(update={"breaker_failures": 3})
    bad = await endpoint(office, producer, path="/bad")
    good = Producer()
    async with listen(good):
        await endpoint(office, good, path="/good")
        producer.always = 500
        for number in range(5):
            await office.publish(f"reader-{number}", channels=[])
            await office.inboxes.change_all(UserKey("default", f"reader-{number}"), "read_all", None)
            await office.timers.tell_of_reading()
            await office.turn()
        assert len(producer.heard) == 3
        assert len(good.heard) == 5
    health = await office.fetch("select name from providers where closed_until > now()")
    assert [row[0] for row in health] == [f"webhook:{bad.id.hex}"]


async def test_what_was_read_is_told_although_it_is_recalled(office, producer):
    """A recall ends what was to reach the user, not what the producer is to hear."""
    await endpoint(office, producer)
    outcome = await office.publish("reader", channels=[])
    id = outcome.receipts[0].id
    await office.inboxes.change(UserKey("default", "reader"), [id], "read")
    await office.inboxes.recall("default", outcome.id, [id])
    await Retractions(office.database).end_deliveries("default", outcome.id, [id])
    await office.turn()
    assert [heard.event["type"] for heard in producer.heard] == ["notification.read"]


async def test_an_event_of_an_erased_user_is_not_told(office, producer):
    """When the notification is gone, so is what there was to say."""
    await endpoint(office, producer)
    await office.publish("reader", channels=[])
    await office.inboxes.change_all(UserKey("default", "reader"), "read_all", None)
    await office.timers.tell_of_reading()
    await office.fetch("delete from notifications")
    await office.turn()
    assert json.dumps([(event["state"], event["reason"]) for event in await told(office)]) == (
        '[["suppressed", "no_notification"]]'
    )
