"""Saying it once: the Idempotency-Key of a publish."""

import asyncio
import socket

import asyncpg
import pytest

from tests.api.calls import pointers, publication
from tests.hub_nodes import new_user


def keyed(key):
    """Make the header."""
    return {"Idempotency-Key": key}


async def test_the_same_key_and_body_get_the_stored_answer_on_every_node(api):
    """A repeated publish is answered as the first one was, on either node, and stores nothing."""
    said, key = publication(), new_user("key")
    async with api.service(0) as one, api.service(1) as two:
        first = await one.post("/v1/notifications", json=said, headers=keyed(key))
        for node in (one, two):
            again = await node.post("/v1/notifications", json=said, headers=keyed(key))
            assert (again.status_code, again.content) == (201, first.content)
            assert again.headers["location"] == first.headers["location"]
            assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert (await api.inbox(said["to"]))["seq"] == 1


@pytest.mark.parametrize(("one", "other"), [("{}", '"{}"'), ('"{}\\"x\\\\"', '{}"x\\'), ("é {}", '"é {}"')])
async def test_a_key_means_the_same_quoted_and_bare(api, one, other):
    """The header is a structured field's string, or the same text without quotes."""
    said, key = publication(), new_user("key")
    async with api.service() as service:
        for header in (one, other):
            headers = {b"Idempotency-Key": header.format(key).encode("latin-1")}
            answer = await service.post("/v1/notifications", json=said, headers=headers)
            assert answer.status_code == 201
    assert answer.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("key", ["k" * 255, '"' + "k" * 255 + '"', "a b", "é", '"'])
async def test_a_key_has_up_to_255_printable_characters(api, key):
    """Anything printable is a key."""
    async with api.service() as service:
        headers = {b"Idempotency-Key": key.encode("latin-1")}
        answer = await service.post("/v1/notifications", json=publication(), headers=headers)
    assert answer.status_code in (201, 422)
    if answer.status_code == 422:  # another run of this test, with another user, was first
        assert answer.json()["title"] == "Idempotency key reused"


@pytest.mark.parametrize("key", ["", '""', "k" * 256, "a\tb", "a\xa0b"])
async def test_a_key_that_is_none_is_refused_by_name(api, key):
    """An empty, an overlong and an unprintable key are refused before anything is stored."""
    said = publication()
    async with api.service() as service:
        headers = {b"Idempotency-Key": key.encode("latin-1")}
        answer = await service.post("/v1/notifications", json=said, headers=headers)
    assert (answer.status_code, pointers(answer)) == (422, ["#/header/Idempotency-Key"])
    assert (await api.inbox(said["to"]))["seq"] == 0


async def test_a_key_with_control_characters_never_gets_in(api):
    """What HTTP does not allow in a header is refused with 400 before the hub sees it."""
    request = f"POST /v1/notifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.api_key}\r\n"
    request += "Idempotency-Key: a\x01b\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    with socket.create_connection(("127.0.0.1", api.nodes[0].port), timeout=5) as raw:
        raw.sendall(request.encode())
        assert raw.recv(64).startswith(b"HTTP/1.1 4")


async def test_a_key_used_for_another_body_is_refused(api):
    """The same key with another body is 422, a problem of its own type, and stores nothing."""
    said, key = publication(), new_user("key")
    async with api.service() as service:
        await service.post("/v1/notifications", json=said, headers=keyed(key))
        answer = await service.post("/v1/notifications", json=said | {"title": "other"}, headers=keyed(key))
    assert answer.status_code == 422
    assert answer.json()["type"].endswith("/problems/idempotency_mismatch")
    assert (await api.inbox(said["to"]))["seq"] == 1


async def test_of_two_bodies_at_once_exactly_one_wins(api):
    """Of fifty posts with one key and two bodies over two nodes, those of one body are accepted, all others refused."""
    key, said = new_user("key"), [publication(), publication()]
    async with api.service(0) as one, api.service(1) as two:
        posts = [
            (one, two)[number % 2].post("/v1/notifications", json=said[number // 2 % 2], headers=keyed(key))
            for number in range(50)
        ]
        answers = await asyncio.gather(*posts)
    by_body = [{answer.status_code for answer in answers[first::4] + answers[first + 1 :: 4]} for first in (0, 2)]
    assert sorted(by_body, key=str) == [{201}, {422}]
    assert sorted([(await api.inbox(body["to"]))["seq"] for body in said]) == [0, 1]


async def test_a_refused_publish_does_not_use_its_key_up(api):
    """A body that was refused may be corrected and sent with the same key."""
    said, key = publication(), new_user("key")
    async with api.service() as service:
        refused = await service.post("/v1/notifications", json=said | {"title": ""}, headers=keyed(key))
        accepted = await service.post("/v1/notifications", json=said, headers=keyed(key))
    assert (refused.status_code, accepted.status_code) == (422, 201)


async def test_keys_belong_to_the_service_not_to_its_credential(api):
    """Two API keys of one service share their idempotency keys; another service or tenant has its own."""
    said, key = publication(), new_user("key")
    callers = {
        "the service": api.api_key,
        "its other key": await api.key(name="tests"),
        "another service": await api.key(name="billing"),
        "another tenant": await api.key(name="tests", tenant="acme"),
    }
    replayed = {}
    for caller, api_key in callers.items():
        async with api.service(key=api_key) as service:
            answer = await service.post("/v1/notifications", json=said, headers=keyed(key))
        assert answer.status_code == 201
        replayed[caller] = "idempotent-replayed" in answer.headers
    assert replayed == {"the service": False, "its other key": True, "another service": False, "another tenant": False}
    assert (await api.inbox(said["to"]))["seq"] == 2


async def test_a_batch_has_keys_of_its_own(api):
    """The key that a batch makes for an item cannot be met by a publish."""
    said, key = publication(), new_user("key")
    async with api.service() as service:
        await service.post("/v1/notifications/batch", json={"items": [said]}, headers=keyed(key))
        answer = await service.post("/v1/notifications", json=said | {"title": "x"}, headers=keyed(f"{key}#0"))
    assert answer.status_code == 201


async def test_a_key_that_is_in_flight_for_long_is_a_conflict(api):
    """Who repeats a request before its answer waits for that, a second at most: then 409 with Retry-After."""
    said, key = publication(), new_user("key")
    connection = await asyncpg.connect(api.settings.database_url)
    holding = connection.transaction()
    await holding.start()
    await connection.execute(
        "insert into idempotency_keys (tenant, producer, key, body_hash, publication_id)"
        " values ('default', 'service:tests', $1, '', gen_random_uuid())",
        key,
    )
    try:
        async with api.service() as service:
            answer, other = await asyncio.gather(
                service.post("/v1/notifications", json=said, headers=keyed(key)),
                service.post("/v1/notifications", json=said),
            )
            assert (answer.status_code, answer.headers["retry-after"], other.status_code) == (409, "1", 201)
            assert answer.json()["type"].endswith("/in_flight")
            await holding.rollback()
            assert (await service.post("/v1/notifications", json=said, headers=keyed(key))).status_code == 201
    finally:
        await connection.close()


async def test_the_answer_outlives_the_notification(api):
    """A replay gives the old answer also after the user has deleted what it was about."""
    said, key = publication(), new_user("key")
    async with api.service() as service, api.user(said["to"]) as user:
        first = await service.post("/v1/notifications", json=said, headers=keyed(key))
        await user.delete(f"/v1/inbox/{first.json()['notifications'][0]['id']}")
        again = await service.post("/v1/notifications", json=said, headers=keyed(key))
    assert again.content == first.content
    assert (await api.inbox(said["to"]))["items"] == []
