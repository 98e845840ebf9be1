"""From a publish to a provider's answer and back: each state of a delivery, and how it gets there."""

import asyncio

import pytest

from delivery.edges import Edges
from delivery.outbox import Step
from delivery.smtp import Smtp
from tests.delivery.mail_server import MailServer

LOST = {"accept": True, "drop": True}


async def test_a_publish_goes_out_over_every_channel_asked_for(office, providers):
    """One e-mail, one SMS and one push per device, each recorded as sent with the provider's id."""
    user = await office.user(devices=2)
    await office.publish(user, channels=["in_app", "email", "sms", "push"])
    await office.turn()
    await office.turn()  # the second device's push comes up after the first one's claim
    deliveries = await office.deliveries()
    assert sorted((d["channel"], d["state"]) for d in deliveries) == [
        ("email", "sent"),
        ("push", "sent"),
        ("push", "sent"),
        ("sms", "sent"),
    ]
    assert {d["provider_id"].rpartition("/")[2] for d in deliveries} == {
        entry.id.rpartition("-")[2] if entry.channel == "push" else entry.id for entry in providers.outbox.entries
    }
    assert {entry.to for entry in providers.outbox.entries if entry.channel == "push"} == {
        f"{user}-device-0",
        f"{user}-device-1",
    }


async def test_readers_of_the_same_words_each_get_their_own_link_to_leave(office, providers):
    """The page is laid out once for both; a category nobody may leave has no link, whatever was laid out before."""
    await office.fetch("insert into categories (tenant, name, title, mandatory) values ('default', 'must', 'M', true)")
    users = [await office.user(), await office.user()]
    await office.publish(*users, body="Nothing special")
    await office.publish(*users, body="Nothing special", category="must")
    await office.turn()
    told = [(entry.html, entry.request.get("headers")) for entry in providers.outbox.entries]
    links = {headers["List-Unsubscribe"].strip("<>") for _, headers in told if headers}
    assert len(links) == 2
    assert sorted(sum(html.count(link) for link in links) for html, _ in told) == [0, 0, 1, 1]
    assert all((headers["List-Unsubscribe"].strip("<>") in html) for html, headers in told if headers)
    assert all("Nothing special" in html for html, _ in told)


async def test_in_app_is_not_a_delivery(office):
    """A notification that only goes to the inbox leaves nothing to deliver."""
    await office.publish(await office.user(), channels=["in_app"])
    assert await office.deliveries() == []


async def test_a_category_says_which_channels_are_meant_by_default(office):
    """Without channels of its own a publish takes its category's; an unknown category means the inbox alone."""
    user = await office.user()
    await office.fetch(
        "insert into categories (tenant, name, title, channels) values ('default', 'order.shipped', 'Orders',"
        " '{in_app,email,sms}')"
    )
    await office.publish(user, channels=None)
    await office.publish(user, channels=None, category="unheard.of")
    assert sorted(d["channel"] for d in await office.deliveries()) == ["email", "sms"]


async def test_a_doorbell_that_rings_twice_sends_once(office, providers):
    """Rings are free: only a queued row can be claimed, by one worker."""
    await office.publish(await office.user())
    ids = await office.ring()
    await asyncio.gather(*(office.jobs.deliver(ids) for _ in range(4)))
    await office.jobs.deliver(ids)
    assert len(providers.requests()) == 1
    assert (await office.delivery())["requests"] == 1


async def test_a_transient_failure_is_tried_again_with_the_same_key(office, providers):
    """After a 503 the delivery waits and goes out with the same key and body."""
    providers.script.add(Step(status=503, body={}))
    await office.publish(await office.user())
    await office.turn()
    delivery = await office.delivery()
    assert (delivery["state"], delivery["reason"], delivery["attempts"]) == ("pending", "transient:503", 1)
    await office.hurry()
    await office.turn()
    assert (await office.delivery())["state"] == "sent"
    first, second = providers.requests()
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body
    assert [(a["n"], a["outcome"], a["provider_status"]) for a in await office.attempts()] == [
        (1, "transient", 503),
        (2, "sent", 200),
    ]


async def test_a_delivery_is_dead_after_exactly_its_attempts(office, providers):
    """Four attempts mean four requests, then the dead letters."""
    providers.script.add(Step(times=0, status=500, body={}))
    await office.publish(await office.user())
    for _ in range(6):
        await office.turn()
        await office.hurry()
    delivery = await office.delivery()
    assert (delivery["state"], delivery["reason"]) == ("dead", "attempts_exhausted")
    assert len(providers.requests()) == 4


async def test_a_permanent_failure_is_not_tried_again(office, providers):
    """What the provider will never take is failed, with its answer."""
    providers.script.add(Step(status=422, body={"statusCode": 422, "name": "validation_error", "message": "no such"}))
    await office.publish(await office.user())
    await office.turn()
    await office.hurry()
    await office.turn()
    assert (await office.delivery())["state"] == "failed"
    assert len(providers.requests()) == 1
    assert "no such" in (await office.attempts())[0]["error"]


async def test_being_throttled_is_no_attempt(office, providers):
    """However often a provider says 429, the delivery keeps its attempts, and the provider its pause."""
    body = {"statusCode": 429, "name": "rate_limit_exceeded", "message": "slow down"}
    providers.script.add(Step(times=9, status=429, headers={"Retry-After": "30"}, body=body))
    await office.publish(await office.user())
    for _ in range(9):
        await office.turn()
        paused = await office.fetch("select closed_until > now() + interval '20 s' from providers")
        assert paused[0][0]
        await office.hurry()
    delivery = await office.delivery()
    assert (delivery["state"], delivery["attempts"], delivery["requests"]) == ("pending", 0, 9)
    await office.turn()
    assert (await office.delivery())["state"] == "sent"


async def test_refused_credentials_close_the_provider_and_leave_deliveries_pending(office, providers):
    """A bad key is nobody's delivery's fault: nothing more is asked of the provider, nothing is lost."""
    providers.script.add(Step(status=401, body={"statusCode": 401, "name": "missing_api_key", "message": "who?"}))
    first, second = await office.user(), await office.user()
    await office.publish(first)
    await office.turn()
    await office.publish(second)
    await office.turn()
    assert len(providers.requests()) == 1
    assert {(d["state"], d["attempts"]) for d in await office.deliveries()} == {("pending", 0)}
    await office.hurry()
    await office.turn()
    assert {d["state"] for d in await office.deliveries()} == {"sent"}


@pytest.mark.parametrize(("channel", "times"), [("email", 1), ("push", 2)])
async def test_a_lost_answer_is_repeated_by_key(office, providers, channel, times):
    """E-mail is accepted once by its key; a push comes twice under one collapse id."""
    providers.script.add(Step(**LOST))
    await office.publish(await office.user(devices=1), channels=[channel])
    await office.turn()
    delivery = await office.delivery()
    assert (delivery["state"], delivery["pinned"]) == ("unknown", True)
    await office.hurry()
    await office.turn()
    assert (await office.delivery())["state"] == "sent"
    assert len(providers.outbox.entries) == times
    assert len({entry.key for entry in providers.outbox.entries}) == 1


async def test_an_sms_whose_answer_was_lost_is_looked_up_and_not_repeated(office, providers):
    """Twilio has no key: the message is found by look-up, and only one was sent."""
    providers.script.add(Step(**LOST))
    await office.publish(await office.user(), channels=["sms"])
    await office.turn()
    assert (await office.delivery())["state"] == "unknown"
    await office.turn()
    assert (await office.delivery())["state"] == "unknown", "it is not looked up before its time"
    await office.hurry()
    await office.turn()
    delivery = await office.delivery()
    assert (delivery["state"], delivery["provider_id"]) == ("sent", providers.outbox.entries[0].id)
    assert len(providers.outbox.entries) == 1


async def test_an_sms_that_was_not_accepted_is_sent_after_the_look_up(office, providers):
    """When the provider does not have it, it goes out again."""
    providers.script.add(Step(drop=True))
    await office.publish(await office.user(), channels=["sms"])
    await office.turn()
    for _ in range(2):
        await office.hurry()
        await office.turn()
    assert (await office.delivery())["state"] == "sent"
    assert len(providers.outbox.entries) == 1


async def test_two_equal_messages_to_one_number_are_told_apart_by_look_up(office, providers):
    """Of two unknown twins with one accepted message, one is found and the other is sent."""
    user = await office.user()
    await office.publish(user, channels=["sms"])
    await office.publish(user, channels=["sms"])
    providers.script.add(Step(**LOST), Step(drop=True))
    await office.turn()
    assert {d["state"] for d in await office.deliveries()} == {"unknown"}
    for _ in range(3):
        await office.hurry()
        await office.turn()
    deliveries = await office.deliveries()
    assert {d["state"] for d in deliveries} == {"sent"}
    assert {d["provider_id"] for d in deliveries} == {entry.id for entry in providers.outbox.entries}
    assert len(providers.outbox.entries) == 2


async def test_a_look_up_that_fails_is_asked_again(office, providers):
    """Trouble while looking up leaves the outcome unknown."""
    providers.script.add(Step(**LOST), Step(method="GET", status=503, body={}))
    await office.publish(await office.user(), channels=["sms"])
    await office.turn()
    await office.hurry()
    await office.turn()
    assert (await office.delivery())["state"] == "unknown"
    await office.hurry()
    await office.turn()
    assert (await office.delivery())["state"] == "sent"


async def test_a_key_that_was_used_for_another_body_is_left_to_a_person(office, providers):
    """A conflict that repeating cannot solve ends failed, with the outcome said to be unknown."""
    body = {"statusCode": 409, "name": "invalid_idempotent_request", "message": "other body"}
    providers.script.add(Step(status=409, body=body))
    await office.publish(await office.user())
    await office.turn()
    assert (await office.delivery())["state"] == "unknown"
    await office.hurry()
    await office.turn()
    delivery = await office.delivery()
    assert (delivery["state"], delivery["reason"]) == ("failed", "outcome_unknown")
    assert len(providers.requests()) == 1


async def test_a_ring_that_is_lost_is_repeated_when_its_lease_ends(office, providers):
    """Redis may forget everything: what was queued is queued again."""
    await office.publish(await office.user())
    await office.ring()
    assert await office.turn() == 0
    await office.hurry()
    assert await office.turn() == 1
    delivery = await office.delivery()
    assert (delivery["state"], delivery["generation"], delivery["requests"]) == ("sent", 2, 1)


@pytest.mark.parametrize(("channel", "accepted"), [("email", 1), ("push", 2), ("sms", 1)])
async def test_a_worker_that_dies_after_sending_causes_no_second_message(office, providers, channel, accepted):
    """The lease ends, the outcome is unknown, and is reconciled as the provider allows."""
    await office.publish(await office.user(devices=1), channels=[channel])
    closed = await office.jobs._health.closed()
    judge = office.jobs._judge.judge
    (claimed,) = await office.claims.claim(await office.ring(), lambda cases, joining: judge(cases, joining, closed))
    await claimed.verdict.edge.send(claimed.verdict.message)
    for _ in range(3):
        await office.hurry()
        await office.turn()
    delivery = await office.delivery()
    assert (delivery["state"], delivery["attempts"]) == ("sent", 2 if channel != "sms" else 1)
    assert len(providers.outbox.entries) == accepted
    assert (await office.attempts())[0]["outcome"] == "lost"


async def test_a_worker_that_lost_its_lease_changes_nothing_but_an_acceptance(office, providers):
    """A late failure is not recorded over what happened since; a late acceptance is, before it is repeated."""
    await office.publish(await office.user())
    judge = office.jobs._judge.judge
    (claimed,) = await office.claims.claim(await office.ring(), lambda cases, joining: judge(cases, joining, {}))
    await office.hurry()
    await office.ringing.lapse(most_claims=5, probe_after_seconds=60)
    providers.script.add(Step(status=422, body={}))
    await office.jobs._attempt(claimed, asyncio.get_running_loop().time() + 1e6)
    assert (await office.delivery())["state"] == "unknown"
    await office.ringing.reconcile(most_attempts=4)
    await office.jobs._attempt(claimed, asyncio.get_running_loop().time() + 1e6)
    assert (await office.delivery())["state"] == "sent"


async def test_what_is_claimed_too_late_is_given_back_unsent(office, providers):
    """Right before the request the lease is looked at: a request that could outlive it is not made."""
    await office.publish(await office.user())
    judge = office.jobs._judge.judge
    (claimed,) = await office.claims.claim(await office.ring(), lambda cases, joining: judge(cases, joining, {}))
    await office.jobs._attempt(claimed, claimed_at=-1e6)
    assert providers.requests() == []
    assert (await office.delivery())["state"] == "pending"
    await office.turn()
    assert (await office.delivery())["state"] == "sent"


async def test_a_delivery_that_kills_workers_ends_dead(office):
    """After five claims without any outcome a row is not touched again."""
    await office.publish(await office.user())
    judge = office.jobs._judge.judge
    for _ in range(5):
        ids = await office.ring()
        assert len(await office.claims.claim(ids, lambda cases, joining: judge(cases, joining, {}))) == 1
        await office.hurry()
        await office.ringing.lapse(most_claims=5, probe_after_seconds=0)
        await office.ringing.reconcile(most_attempts=100)
    delivery = await office.delivery()
    assert (delivery["state"], delivery["reason"]) == ("dead", "kills_workers")


async def test_an_unregistered_device_is_forgotten(office, providers):
    """A token that no longer exists fails its delivery and is removed; the other device gets its push."""
    details = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "UNREGISTERED"}]
    user = await office.user(devices=2)
    body = {"error": {"status": "NOT_FOUND", "details": details}}
    providers.script.add(Step(address=f"{user}-device-0", status=404, body=body))
    await office.publish(user, channels=["push"])
    await office.turn()
    await office.turn()
    states = {d["address"]: d["state"] for d in await office.deliveries()}
    assert states == {f"{user}-device-0": "failed", f"{user}-device-1": "sent"}
    assert [row[0] for row in await office.fetch("select token from devices")] == [f"{user}-device-1"]


async def test_a_push_never_goes_to_a_device_that_changed_hands(office, providers):
    """A token that moved to another user while the push waited is not sent to."""
    user, other = await office.user(devices=2), await office.user()
    providers.script.add(Step(provider="fcm", address=f"{user}-device-0", status=503, body={}))
    await office.publish(user, channels=["push"])
    await office.turn()
    await office.fetch("update devices set user_id = $1", other)
    await office.hurry()
    await office.turn()
    assert {(d["state"], d["reason"]) for d in await office.deliveries()} == {("suppressed", "no_address")}
    assert list(providers.outbox.entries) == []


async def test_an_opt_out_that_the_provider_reports_is_remembered(office, providers):
    """After Twilio's 21610 nothing is sent to that number any more, over SMS."""
    providers.script.add(Step(provider="twilio", status=400, body={"code": 21610, "message": "stop", "status": 400}))
    user = await office.user()
    await office.publish(user, channels=["sms"])
    await office.turn()
    await office.publish(user, channels=["sms", "email"])
    await office.turn()
    states = {(d["channel"], d["state"], d["reason"]) for d in await office.deliveries()}
    assert states == {
        ("sms", "failed", "permanent:21610"),
        ("sms", "suppressed", "stop"),
        ("email", "sent", ""),
    }


async def test_a_channel_without_a_provider_says_so(office, providers):
    """Nothing waits for a provider that nobody configured."""
    office.use(Edges({"email": []}))
    await office.publish(await office.user())
    await office.turn()
    delivery = await office.delivery()
    assert (delivery["state"], delivery["reason"]) == ("suppressed", "not_configured")


@pytest.fixture
async def mail_server():
    async with MailServer() as server:
        yield server


@pytest.fixture
def two_providers(office, providers, mail_server):
    smtp = Smtp(f"smtp://127.0.0.1:{mail_server.port}", timeout_seconds=1)
    office.use(Edges({"email": [providers.resend, smtp]}))
    return mail_server


@pytest.mark.parametrize(
    "refusal",
    [
        Step(status=503, body={}),
        Step(status=401, body={"statusCode": 401, "name": "missing_api_key", "message": "who?"}),
        Step(status=429, body={"statusCode": 429, "name": "daily_quota_exceeded", "message": "enough"}),
    ],
)
async def test_a_definite_refusal_goes_to_the_second_provider_at_once(office, providers, two_providers, refusal):
    """When Resend certainly did not take it, SMTP sends it, without waiting."""
    providers.script.add(refusal)
    await office.publish(await office.user())
    await office.turn()
    await office.turn()
    delivery = await office.delivery()
    assert (delivery["state"], delivery["provider"]) == ("sent", "smtp")
    assert len(two_providers.accepted) == 1
    assert [a["provider"] for a in await office.attempts()] == ["resend", "smtp"]


async def test_an_ambiguous_result_never_goes_to_the_second_provider(office, providers, two_providers):
    """Once Resend may have it, only Resend is asked, even if it refuses the next time."""
    providers.script.add(Step(**LOST), Step(status=503, body={}))
    await office.publish(await office.user())
    for _ in range(4):
        await office.turn()
        await office.hurry()
    delivery = await office.delivery()
    assert (delivery["state"], delivery["provider"]) == ("sent", "resend")
    assert two_providers.accepted == []
    assert len(providers.outbox.entries) == 1
