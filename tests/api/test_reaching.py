"""What a publish says about when and how to reach its users: channels, times, escalations; cancel and recall."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from delivery.store.timers import Timers
from hub.store import Database
from tests.api.calls import UNKNOWN, pointers, publication
from tests.hub_nodes import Listener, new_user


@pytest.fixture
async def database(api):
    """The nodes' database, for what relays and workers do."""
    opened = await Database(api.settings).open()
    yield opened
    await opened.close()


async def accepted(service, **fields):
    answer = await service.post("/v1/notifications", json=publication(**fields))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def deliveries(service, id):
    answer = await service.get(f"/v1/notifications/{id}/deliveries")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def states(service, id):
    return {(item["channel"], item["state"], item["reason"]) for item in await deliveries(service, id)}


async def fire(database, id):
    """Let one scheduled publication's time come."""
    await database.fetch("update schedules set send_at = now() where id = $1::text::uuid", id.removeprefix("pub_"))
    await Timers(database).fire_schedules()


async def test_every_channel_but_in_app_is_a_delivery_per_recipient(api):
    """Two users over four channels: three deliveries each, pending, due now, without an attempt yet."""
    users = [new_user(), new_user()]
    async with api.service() as service:
        published = await accepted(service, to=users, channels=["in_app", "email", "sms", "push"])
        items = await deliveries(service, published["id"])
        second = published["notifications"][1]["id"]
        narrowed = await deliveries(service, second)
    assert [(item["user_id"], item["channel"]) for item in items] == [
        (user, channel) for user in users for channel in ("email", "push", "sms")
    ]
    assert {(item["state"], item["reason"], len(item["attempts"])) for item in items} == {("pending", "", 0)}
    assert narrowed == [item for item in items if item["notification_id"] == second] != []


async def test_without_channels_only_the_inbox_is_written(api):
    """A publish that names no channel, of a category nobody registered, leaves nothing to deliver."""
    async with api.service() as service:
        assert await deliveries(service, (await accepted(service))["id"]) == []


@pytest.mark.parametrize("after", ["5m", 300, 300.0, "300s"])
async def test_an_escalation_is_a_delivery_that_is_due_later(api, after):
    """`5m` and 300 are the same wait, counted from the publish."""
    before = datetime.now(UTC)
    async with api.service() as service:
        published = await accepted(service, channels=["in_app"], escalate={"email": {"after": after, "unless": "read"}})
        (item,) = await deliveries(service, published["id"])
    due = datetime.fromisoformat(item["run_at"]) - before
    assert timedelta(seconds=299) < due < timedelta(seconds=330)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"channels": []}, "#/channels"),
        ({"channels": ["fax"]}, "#/channels/0"),
        ({"channels": "email"}, "#/channels"),
        ({"escalate": {"fax": {"after": 1}}}, "#/escalate/fax"),
        ({"escalate": {"in_app": {"after": 1}}}, "#/escalate/in_app"),
        ({"escalate": {"email": {}}}, "#/escalate/email/after"),
        ({"escalate": {"email": {"after": "soon"}}}, "#/escalate/email/after"),
        ({"escalate": {"email": {"after": -1}}}, "#/escalate/email/after"),
        ({"escalate": {"email": {"after": True}}}, "#/escalate/email/after"),
        ({"escalate": {"email": {"after": 1, "unless": "archived"}}}, "#/escalate/email/unless"),
        ({"send_at": "2020-01-01T00:00:00Z"}, "#/send_at"),
        ({"send_at": "soon"}, "#/send_at"),
        ({"delay_seconds": -1}, "#/delay_seconds"),
        ({"delay_seconds": "5m"}, "#/delay_seconds"),
        ({"delay_seconds": 5, "send_at": "2999-01-01T00:00:00Z"}, "#/delay_seconds"),
        ({"send_at": "2999-01-02T00:00:00Z", "expires_at": "2999-01-01T00:00:00Z"}, "#/expires_at"),
        ({"template": "not a name"}, "#/template"),
        ({"variables": []}, "#/variables"),
        ({"overrides": {"email": {"colour": "red"}}}, "#/overrides/email/colour"),
        ({"overrides": {"in_app": {}}}, "#/overrides/in_app"),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_its_field(api, fields, pointer):
    """Each rule of these fields is broken on its own, and the problem points at it."""
    async with api.service() as service:
        answer = await service.post("/v1/notifications", json=publication(**fields))
    assert (answer.status_code, pointers(answer)) == (422, [pointer])


@pytest.mark.parametrize("when", [{"send_at": "2999-01-01T00:00:00Z"}, {"delay_seconds": 3600}])
async def test_a_scheduled_publish_has_nothing_to_show_before_its_time(api, database, when):
    """Until it fires there is no notification and no seq; afterwards it is an accepted one under the same id."""
    user = new_user()
    async with api.service() as service:
        published = await accepted(service, to=user, channels=["email"], **when)
        assert (published["status"], published["notifications"]) == ("scheduled", [])
        assert (await service.get(f"/v1/notifications/{published['id']}")).json() == published
        assert (await api.inbox(user))["items"] == []
        assert await states(service, published["id"]) == {("email", "pending", "")}
        await fire(database, published["id"])
        fired = (await service.get(f"/v1/notifications/{published['id']}")).json()
    assert (fired["status"], len(fired["notifications"])) == ("accepted", 1)
    assert (await api.inbox(user))["items"][0]["id"] == fired["notifications"][0]["id"]


async def test_a_scheduled_publish_is_remembered_by_its_key(api):
    """The same key and body are answered as scheduled again, and there is one schedule."""
    said, key = publication(delay_seconds=3600), {"Idempotency-Key": new_user("key")}
    async with api.service() as service:
        first, again = [await service.post("/v1/notifications", json=said, headers=key) for _ in range(2)]
    assert first.json() == again.json()
    assert (again.json()["status"], again.headers["idempotent-replayed"]) == ("scheduled", "true")


async def test_a_canceled_publish_never_happens(api, database):
    """Its deliveries end canceled with a reason, its time brings nothing, and cancelling again changes nothing."""
    user = new_user()
    async with api.service() as service:
        id = (await accepted(service, to=user, channels=["email", "sms"], delay_seconds=3600))["id"]
        answers = [await service.delete(f"/v1/notifications/{id}") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [204, 204]
        await fire(database, id)
        assert (await service.get(f"/v1/notifications/{id}")).json()["status"] == "canceled"
        assert await states(service, id) == {("email", "canceled", "canceled"), ("sms", "canceled", "canceled")}
    assert (await api.inbox(user))["items"] == []


async def test_what_has_been_published_cannot_be_canceled(api, database):
    """409 for one that was never scheduled and for one that has fired, by either id; 404 for what is not there."""
    async with api.service() as service:
        at_once = await accepted(service)
        fired = (await accepted(service, delay_seconds=3600))["id"]
        await fire(database, fired)
        ids = [at_once["id"], at_once["notifications"][0]["id"], fired, "pub_" + UNKNOWN]
        answers = [await service.delete(f"/v1/notifications/{id}") for id in ids]
    assert [answer.status_code for answer in answers] == [409, 409, 409, 404]


async def test_cancelling_and_firing_have_one_winner(api, database):
    """Twenty publications are canceled while they fire: each either reached its inbox or was canceled, never both."""
    user = new_user()
    async with api.service() as service:
        ids = [(await accepted(service, to=user, delay_seconds=3600))["id"] for _ in range(20)]
        told = [id.removeprefix("pub_") for id in ids]
        await database.fetch("update schedules set send_at = now() where id = any($1::text[]::uuid[])", told)
        cancels = (service.delete(f"/v1/notifications/{id}") for id in ids)
        answers, _ = await asyncio.gather(asyncio.gather(*cancels), Timers(database).fire_schedules())
        await Timers(database).fire_schedules()
        shown = [(await service.get(f"/v1/notifications/{id}")).json()["status"] for id in ids]
    assert shown == [{204: "canceled", 409: "accepted"}[answer.status_code] for answer in answers]
    assert (await api.inbox(user))["unread"] == shown.count("accepted")


async def test_a_recalled_notification_leaves_live_and_is_accounted_for(api, database):
    """It leaves both inboxes with a frame; who had seen it and whom the e-mail had reached is told; the rest is off."""
    users = [new_user(), new_user()]
    async with api.service() as service, Listener(api, users[1], "sse") as listener:
        published = await accepted(service, to=users, channels=["email", "sms"])
        first, second = published["notifications"]
        async with api.user(users[0]) as client:
            await client.post(f"/v1/inbox/{first['id']}/read")
        await database.fetch(
            "update deliveries set state = 'sent' where channel = 'email' and notification_id = $1::text::uuid",
            first["id"].removeprefix("ntf_"),
        )
        answers = [await service.post(f"/v1/notifications/{published['id']}/recall") for _ in range(2)]
        await listener.until_seq(2)
        assert [frame["change"] for frame in listener.of("notification")] == ["created", "recalled"]
        assert await states(service, published["id"]) == {
            ("email", "sent", ""),
            ("email", "canceled", "recalled"),
            ("sms", "canceled", "recalled"),
        }
    assert [answer.status_code for answer in answers] == [200, 200]
    one, two = answers[1].json()["recipients"]
    assert one.pop("read_at") is not None
    known = {"recalled": True, "seen": True, "read": True, "sent": ["email"]}
    assert one == {"user_id": users[0], "id": first["id"], **known}
    known = {"recalled": True, "seen": False, "read": False, "read_at": None, "sent": []}
    assert two == {"user_id": users[1], "id": second["id"], **known}
    assert [(await api.inbox(user))["items"] for user in users] == [[], []]


async def test_a_recall_can_be_narrowed_to_one_recipient(api):
    """By an `ntf_…` one inbox loses it, the other keeps it and its delivery."""
    users = [new_user(), new_user()]
    async with api.service() as service:
        published = await accepted(service, to=users, channels=["email"])
        one, two = published["notifications"]
        answer = await service.post(f"/v1/notifications/{one['id']}/recall")
        assert [recipient["id"] for recipient in answer.json()["recipients"]] == [one["id"]]
        assert (await service.get(f"/v1/notifications/{published['id']}")).json()["status"] == "accepted"
        assert await states(service, one["id"]) == {("email", "canceled", "recalled")}
        assert await states(service, two["id"]) == {("email", "pending", "")}
    assert [len((await api.inbox(user))["items"]) for user in users] == [0, 1]


async def test_what_nobody_has_yet_cannot_be_recalled(api):
    """A scheduled publication is canceled, not recalled: 409 says so."""
    async with api.service() as service:
        id = (await accepted(service, delay_seconds=3600))["id"]
        assert (await service.post(f"/v1/notifications/{id}/recall")).status_code == 409
