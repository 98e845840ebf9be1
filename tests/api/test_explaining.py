"""Why and when: a dry run that stores nothing, the rules behind each decision, and the order of events."""

import orjson
import pytest

from hub.store import Database
from tests.api.calls import publication
from tests.hub_nodes import new_user

CHANNELS = ["in_app", "email", "sms"]


@pytest.fixture
async def database(api):
    """The nodes' database, for what workers do."""
    opened = await Database(api.settings).open()
    yield opened
    await opened.close()


async def reachable(service):
    """Make a user with an e-mail address, who wants no e-mail of `news`."""
    user = new_user()
    await service.put(f"/v1/users/{user}", json={"email": "ada@example.com"})
    await service.patch(f"/v1/users/{user}/preferences", json={"categories": {"news": {"email": False}}})
    return user


async def test_a_dry_run_decides_and_stores_nothing(api):
    """Per user and channel it says what would happen and which rule decides; no inbox and no seq is touched."""
    async with api.service() as service:
        user = await reachable(service)
        answers = [
            await service.post(
                "/v1/notifications?dry_run=true", json=publication(to=user, category=category, channels=CHANNELS)
            )
            for category in ("news", "test")
        ]
    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [(200, "dry_run")] * 2
    decided = [
        [(one["user_id"], one["channel"], one["action"], one["reason"]) for one in answer.json()["decisions"]]
        for answer in answers
    ]
    inbox, sms = (user, "in_app", "send", ""), (user, "sms", "suppress", "no_address")
    assert decided[0] == [inbox, (user, "email", "suppress", "preference"), sms]
    assert decided[1] == [inbox, (user, "email", "send", ""), sms]
    rules = answers[0].json()["decisions"][1]["rules"]
    assert (rules[-1]["rule"], rules[-1]["action"], rules[-1]["value"]) == ("preference", "suppress", "off (user)")
    assert (await api.inbox(user))["seq"] == 0


async def test_a_dry_run_of_what_is_scheduled_looks_at_its_time(api):
    """A publish that expires before it escalates would be dropped, and a dry run says so; its key stays free."""
    said = publication(escalate={"email": {"after": "2d"}}, expires_at="2999-01-01T00:00:30Z")
    key = {"Idempotency-Key": new_user("key")}
    async with api.service() as service:
        said["to"] = await reachable(service)
        said["send_at"] = "2999-01-01T00:00:00Z"
        rehearsed = await service.post("/v1/notifications?dry_run=true", json=said, headers=key)
        published = await service.post("/v1/notifications", json=said, headers=key)
    email = rehearsed.json()["decisions"][1]
    assert (email["channel"], email["action"], email["run_at"]) == ("email", "expire", "2999-01-03T00:00:00Z")
    assert published.status_code == 201
    assert "idempotent-replayed" not in published.headers


async def test_explain_says_what_would_be_and_then_what_was(api, database):
    """Before a delivery is decided its rules are asked; afterwards what was recorded is shown."""
    async with api.service() as service:
        user = await reachable(service)
        said = publication(to=user, category="news", channels=["email"])
        published = (await service.post("/v1/notifications", json=said)).json()
        path = f"/v1/notifications/{published['id']}/explain"
        (before,) = (await service.get(path)).json()["items"]
        assert (before["decided"], before["action"], before["reason"]) == (False, "suppress", "preference")
        recorded = {"action": "suppress", "reason": "bounce", "until": None, "rules": []}
        await database.fetch(
            "update deliveries set state = 'suppressed', reason = 'bounce', decision = $2 where id = $1::text::uuid",
            before["delivery_id"].removeprefix("dlv_"),
            orjson.dumps(recorded),
        )
        (after,) = (await service.get(path)).json()["items"]
        assert (after["decided"], after["state"], after["reason"]) == (True, "suppressed", "bounce")
        by_recipient = await service.get(f"/v1/notifications/{published['notifications'][0]['id']}/explain")
        assert by_recipient.json()["items"] == [after]


async def test_the_timeline_is_everything_that_happened_in_order(api, database):
    """Accepted, published, each attempt with the provider's answer, and the receipt."""
    async with api.service() as service:
        user = await reachable(service)
        published = (await service.post("/v1/notifications", json=publication(to=user, channels=["email"]))).json()
        (item,) = (await service.get(f"/v1/notifications/{published['id']}/deliveries")).json()["items"]
        id = item["id"].removeprefix("dlv_")
        await database.fetch(
            "insert into attempts (delivery_id, n, provider, started_at, finished_at, outcome, error, provider_status)"
            " select $1::text::uuid, n, 'resend', now() + n * interval '1 s', now() + (n + 0.5) * interval '1 s',"
            " outcome, error, status from (values (1, 'transient', 'busy', 503), (2, 'sent', null, 200))"
            " as a (n, outcome, error, status)",
            id,
        )
        await database.fetch(
            "insert into provider_events (provider, event_id, delivery_id, kind, happened_at)"
            " values ('resend', $1::text, $1::text::uuid, 'delivered', now() + interval '9 s')",
            id,
        )
        await database.fetch(
            "update deliveries set state = 'delivered', updated_at = now() + interval '10 s' where id = $1::text::uuid",
            id,
        )
        items = (await service.get(f"/v1/notifications/{published['id']}/timeline")).json()["items"]
    assert [one["event"] for one in items[:2]] == ["accepted", "published"]
    assert [(one["event"], one["detail"], one["provider_status"]) for one in items[2:]] == [
        ("attempt", "resend", None),
        ("transient", "busy", 503),
        ("attempt", "resend", None),
        ("sent", None, 200),
        ("delivered", None, None),
        ("delivered", None, None),
    ]
    assert {one["delivery_id"] for one in items[2:]} == {item["id"]}
    assert items == sorted(items, key=lambda one: one["at"])
