"""Events of other systems, taken as notifications: the plain shape, and CloudEvents 1.0 structured and binary."""

import pytest

from tests.api.calls import pointers
from tests.hub_nodes import new_user

CLOUD = "application/cloudevents+json; charset=utf-8"


def plain(**fields):
    """Say a plain event."""
    said = {"eventId": new_user("event"), "eventType": "order.shipped", "userId": new_user(), **fields}
    return {name: value for name, value in said.items() if value is not ...}


def cloud(**fields):
    """Say a CloudEvent, structured."""
    said = {
        "specversion": "1.0",
        "id": new_user("event"),
        "source": "/orders",
        "type": "com.example.order_shipped",
        "subject": new_user(),
        **fields,
    }
    return {name: value for name, value in said.items() if value is not ...}


async def test_a_plain_event_becomes_a_notification(api):
    """Its type is the category, its payload the data, with title and text from the payload where it has them."""
    payload = {"title": "Shipped!", "message": "On its way", "order": 7}
    event = plain(payload=payload, timestamp="2026-01-01T00:00:00Z")
    async with api.service() as service:
        answer = await service.post("/v1/events", json=event)
        assert answer.status_code == 202
        assert (await service.get(f"/v1/notifications/{answer.json()['id']}")).status_code == 200
    (item,) = (await api.inbox(event["userId"]))["items"]
    assert (item["category"], item["title"], item["body"]) == ("order.shipped", "Shipped!", "On its way")
    assert item["data"] == payload


@pytest.mark.parametrize("payload", [{}, ..., {"title": 5, "body": []}, {"title": "x" * 501}, {"title": ""}])
async def test_an_event_without_a_title_is_named_by_its_type(api, payload):
    """`order.shipped` says “Order shipped” for itself when the payload brings no title that fits."""
    event = plain(payload=payload)
    async with api.service() as service:
        assert (await service.post("/v1/events", json=event)).status_code == 202
    (item,) = (await api.inbox(event["userId"]))["items"]
    assert (item["title"], item["body"]) == ("Order shipped", None)


@pytest.mark.parametrize("timestamp", ["2026-01-01T00:00:00+02:00", 1767225600, 1767225600123, 1767225600.5, None])
async def test_a_timestamp_is_a_date_or_a_unix_time(api, timestamp):
    """Both ways of saying when are taken."""
    async with api.service() as service:
        assert (await service.post("/v1/events", json=plain(timestamp=timestamp))).status_code == 202


@pytest.mark.parametrize("content_type", [CLOUD, "application/json"])
async def test_a_structured_cloudevent_becomes_a_notification(api, content_type):
    """The envelope is the body; extension attributes are allowed and ignored."""
    event = cloud(
        data={"title": "Hi"}, time="2026-01-01T00:00:00Z", datacontenttype="application/json", traceparent="x"
    )
    async with api.service() as service:
        answer = await service.post("/v1/events", json=event, headers={"Content-Type": content_type})
    assert answer.status_code == 202
    (item,) = (await api.inbox(event["subject"]))["items"]
    assert (item["category"], item["title"], item["data"]) == ("com.example.order_shipped", "Hi", {"title": "Hi"})


async def test_a_binary_cloudevent_becomes_a_notification(api):
    """The attributes are headers, percent-encoded where they need it; the body is the data."""
    user = new_user("ü")
    headers = {
        "ce-specversion": "1.0",
        "ce-id": new_user("event"),
        "ce-source": "/orders",
        "ce-type": "order.shipped",
        "ce-subject": user.replace("ü", "%C3%BC"),
        "ce-extension": "ignored",
    }
    async with api.service() as service:
        answer = await service.post("/v1/events", json={"order": 7}, headers=headers)
    assert answer.status_code == 202
    (item,) = (await api.inbox(user))["items"]
    assert (item["title"], item["data"]) == ("Order shipped", {"order": 7})


async def test_an_event_that_is_delivered_again_is_not_told_again(api):
    """A bus may repeat an event as often as it likes: the answer is the first one's, the user is told once."""
    for event, user in ((plain(), "userId"), (cloud(), "subject")):
        async with api.service() as service:
            answers = [await service.post("/v1/events", json=event) for _ in range(3)]
        assert len({answer.text for answer in answers}) == 1
        assert ["idempotent-replayed" in answer.headers for answer in answers] == [False, True, True]
        assert (await api.inbox(event[user]))["seq"] == 1


async def test_an_event_id_used_for_another_event_is_refused(api):
    """The same id with another content is 422."""
    event = plain()
    async with api.service() as service:
        await service.post("/v1/events", json=event)
        answer = await service.post("/v1/events", json=event | {"payload": {"x": 1}})
    assert answer.status_code == 422
    assert answer.json()["type"].endswith("/idempotency_mismatch")


async def test_ids_of_different_sources_are_different_events(api):
    """CloudEvents are the same only if source and id are; a source may be long, and in any script."""
    user, id = new_user(), "\U0001f4e6" * 200 + new_user()
    sources = ["/a", "/b", "\U0001f69a" * 500, "\U0001f69a" * 499]
    async with api.service() as service:
        for source in sources:
            answer = await service.post("/v1/events", json=cloud(id=id, source=source, subject=user))
            assert answer.status_code == 202, answer.text
    assert (await api.inbox(user))["seq"] == len(sources)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"eventId": ...}, "#/eventId"),
        ({"eventId": ""}, "#/eventId"),
        ({"eventId": "x" * 256}, "#/eventId"),
        ({"eventId": "a\0"}, "#/eventId"),
        ({"eventId": 7}, "#/eventId"),
        ({"eventType": "a b"}, "#/eventType"),
        ({"eventType": ...}, "#/eventType"),
        ({"userId": "a\n"}, "#/userId"),
        ({"userId": ["a"]}, "#/userId"),
        ({"payload": []}, "#/payload"),
        ({"payload": {"a": "\0"}}, "#/payload/a"),
        ({"payload": {"a": 2**64}}, "#/payload/a"),
        ({"extra": 1}, "#/extra"),
    ],
)
async def test_a_bad_plain_event_is_refused_by_its_field(api, fields, pointer):
    """What does not fit is named."""
    async with api.service() as service:
        answer = await service.post("/v1/events", json=plain(**fields))
    assert (answer.status_code, pointers(answer)) == (422, [pointer])


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"specversion": "0.3"}, "#/specversion"),
        ({"specversion": ...}, "#/specversion"),
        ({"id": ...}, "#/id"),
        ({"source": ""}, "#/source"),
        ({"subject": ...}, "#/subject"),
        ({"type": 1}, "#/type"),
        ({"time": "yesterday"}, "#/time"),
        ({"time": 0}, "#/time"),
        ({"data": "text"}, "#/data"),
        ({"data": {"a": {"b": 2**64}}}, "#/data/a/b"),
    ],
)
async def test_a_bad_cloudevent_is_refused_by_its_attribute(api, fields, pointer):
    """What does not fit is named."""
    async with api.service() as service:
        answer = await service.post("/v1/events", json=cloud(**fields), headers={"Content-Type": CLOUD})
    assert (answer.status_code, pointers(answer)) == (422, [pointer])


@pytest.mark.parametrize(
    ("headers", "data", "pointer"),
    [
        ({"ce-specversion": "2"}, {}, "#/header/ce-specversion"),
        ({"ce-subject": "a%00b"}, {}, "#/header/ce-subject"),
        ({"ce-type": "a b"}, {}, "#/header/ce-type"),
        ({}, {"a": 2**64}, "#/a"),
        ({}, {"a": "\0"}, "#/a"),
    ],
)
async def test_a_bad_binary_cloudevent_is_refused_where_it_stands(api, headers, data, pointer):
    """An attribute is pointed at as the header it came in, the data as the body."""
    good = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-subject": "u"}
    async with api.service() as service:
        answer = await service.post("/v1/events", json=data, headers=good | headers)
    assert (answer.status_code, pointers(answer)) == (422, [pointer])


@pytest.mark.parametrize(
    ("event", "pointer"),
    [(plain(payload={"x": "y" * 17_000}), "#/payload"), (cloud(data={"x": "y" * 17_000}), "#/data")],
)
async def test_an_event_that_is_too_large_names_its_content(api, event, pointer):
    """Content above 16 KiB is 413, at the field it was said in."""
    async with api.service() as service:
        answer = await service.post("/v1/events", json=event)
    assert (answer.status_code, pointers(answer)) == (413, [pointer])
