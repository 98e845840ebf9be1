"""Publishing over HTTP: what is accepted, what is answered, and how often it happens."""

import asyncio

import pytest

from tests.hub_nodes import new_user


async def test_a_publish_is_answered_with_its_ids_once_stored(cluster):
    """A publish answers 201 with one notification per recipient and where to find the publication."""
    users = [new_user(), new_user()]
    async with cluster.service() as service:
        answer = await service.post("/v1/notifications", json={"to": users, "category": "a.b", "title": "t"})
        assert answer.status_code == 201
        published = answer.json()
        assert published["id"].startswith("pub_")
        assert [n["user_id"] for n in published["notifications"]] == users
        assert all(n["id"].startswith("ntf_") and n["seq"] == 1 for n in published["notifications"])
        assert (await service.get(answer.headers["location"])).json() == published


@pytest.mark.parametrize("parallel", [100])
async def test_one_idempotency_key_makes_one_notification_however_often_it_is_sent(cluster, parallel):
    """100 parallel posts with one key over two nodes store one notification and all get the same answer."""
    user = new_user()
    body = {"to": user, "category": "x", "title": "once"}
    async with cluster.service(0) as one, cluster.service(1) as two:
        posts = [
            (one, two)[number % 2].post("/v1/notifications", json=body, headers={"Idempotency-Key": f"key-{user}"})
            for number in range(parallel)
        ]
        answers = await asyncio.gather(*posts)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    async with cluster.user(user) as client:
        inbox = (await client.get("/v1/inbox")).json()
    assert (len(inbox["items"]), inbox["unread"], inbox["seq"]) == (1, 1, 1)
