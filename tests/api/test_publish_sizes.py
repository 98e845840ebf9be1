"""How much a publish may say, and to how many."""

import json

import orjson
import pytest

from tests.api.calls import pointers, publication
from tests.hub_nodes import new_user

CONTENT_LIMIT = 16 * 1024
BODY_LIMIT = 256 * 1024


def content_bytes(item):
    """Count the bytes of the part of a notification that is limited: all that a producer says, as JSON."""
    names = ["category", "title", "body", "data", "action_url", "icon", "actions", "priority", "collapse_key", "tags"]
    return len(orjson.dumps({name: item[name] for name in names}))


async def test_content_up_to_the_limit_is_kept(api):
    """A notification whose content is exactly 16 KiB as JSON is stored whole; one byte more is refused by name."""
    said = publication(body="")
    async with api.service() as service:
        await service.post("/v1/notifications", json=said)
        (empty,) = (await api.inbox(said["to"]))["items"]
        said["body"] = "x" * (CONTENT_LIMIT - content_bytes(empty))
        assert (await service.post("/v1/notifications", json=said)).status_code == 201
        item = (await api.inbox(said["to"]))["items"][0]
        assert (content_bytes(item), item["body"]) == (CONTENT_LIMIT, said["body"])
        answer = await service.post("/v1/notifications", json=said | {"body": said["body"] + "x"})
    assert (answer.status_code, pointers(answer)) == (413, ["#/body"])
    assert str(CONTENT_LIMIT) in answer.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"data": {"x": "y" * CONTENT_LIMIT}}, "#/data"),
        ({"body": "ä" * 9000}, "#/body"),
        ({"body": "x" * 9000, "data": {"x": "y" * 9001}}, "#/data"),
    ],
)
async def test_too_much_content_names_the_largest_field(api, fields, pointer):
    """413 points at the field that is largest in bytes."""
    async with api.service() as service:
        answer = await service.post("/v1/notifications", json=publication(**fields))
    assert (answer.status_code, pointers(answer)) == (413, [pointer])


def padded(said, size):
    """Write JSON and pad it with spaces to a size."""
    return json.dumps(said).encode().ljust(size)


async def chunks(body):
    """Send a body without saying how long it is."""
    for start in range(0, len(body), 10_000):
        yield body[start : start + 10_000]


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
async def test_a_body_above_the_limit_is_refused_however_it_is_sent(api, chunked):
    """A body of 256 KiB is read, one byte more is 413, with a length announced or without; the connection lives on."""
    async with api.service() as service:
        for size, status in ((BODY_LIMIT, 201), (BODY_LIMIT + 1, 413), (BODY_LIMIT * 8, 413), (BODY_LIMIT, 201)):
            body = padded(publication(), size)
            headers = {"Content-Type": "application/json"}
            answer = await service.post("/v1/notifications", content=chunks(body) if chunked else body, headers=headers)
            assert answer.status_code == status
            if status == 413:
                assert pointers(answer) == ["#"]


async def test_one_recipient_may_be_said_without_a_list(api):
    """A user id alone and a list of one mean the same."""
    user = new_user()
    async with api.service() as service:
        for number, to in enumerate((user, [user]), 1):
            published = (await service.post("/v1/notifications", json=publication(to=to))).json()
            (recipient,) = published["notifications"]
            assert (recipient["user_id"], recipient["seq"]) == (user, number)


async def test_a_recipient_named_twice_gets_one_notification(api):
    """Duplicates are removed; the answer keeps the order of the first mentions."""
    one, two = new_user(), new_user()
    async with api.service() as service:
        answer = await service.post("/v1/notifications", json=publication(to=[two, one, two, one, two]))
    assert [recipient["user_id"] for recipient in answer.json()["notifications"]] == [two, one]
    assert (await api.inbox(two))["seq"] == 1


async def test_a_thousand_recipients_are_one_publish(api):
    """1,000 users get their notification in one answer; 1,001 are refused, and nobody gets anything."""
    users = [new_user() for _ in range(1001)]
    async with api.service() as service:
        answer = await service.post("/v1/notifications", json=publication(to=users[:1000]))
        assert answer.status_code == 201
        recipients = answer.json()["notifications"]
        assert [recipient["user_id"] for recipient in recipients] == users[:1000]
        assert len({recipient["id"] for recipient in recipients}) == 1000
        refused = await service.post("/v1/notifications", json=publication(to=users))
        assert (refused.status_code, pointers(refused)) == (422, ["#/to"])
    assert [(await api.inbox(user))["seq"] for user in (users[0], users[999], users[1000])] == [1, 1, 0]


@pytest.mark.parametrize("user", ["x" * 255, "ü" * 255, "a/b", "..", "%2F", "ünï\u200dcode", " ", "'; drop--"])
async def test_any_text_without_control_characters_is_a_user(api, user):
    """A user id is opaque: what the application calls its users is what they are called here."""
    async with api.service() as service:
        answer = await service.post("/v1/notifications", json=publication(to=user, title=new_user()))
    assert answer.json()["notifications"][0]["user_id"] == user
    assert (await api.inbox(user))["items"][0]["id"] == answer.json()["notifications"][0]["id"]
