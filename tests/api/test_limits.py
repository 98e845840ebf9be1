"""How often somebody may ask, and what a node remembers when it is started again; on a node of its own."""

import pytest

from tests.api.calls import pointers, publication
from tests.api.conftest import Api
from tests.hub_nodes import new_user

QUOTA = 5


@pytest.fixture(scope="module")
def strict(services):
    """One node that lets everybody ask five times an hour."""
    rate = f"{QUOTA}/hour"  # so that none comes back during a test
    with Api(services.database_url, services.redis_url, nodes=1, rate_limit_publish=rate, rate_limit_user=rate) as node:
        yield node


async def test_more_than_the_quota_is_429_and_says_when_to_come_back(strict):
    """Each answer says what is left; the one too many has Retry-After, is a problem, and does nothing."""
    user = new_user()
    async with strict.user(user) as client:
        answers = [await client.get("/v1/inbox/counts") for _ in range(QUOTA + 1)]
        refused = await client.post("/v1/inbox/read-all")
    assert [answer.status_code for answer in answers] == [200] * QUOTA + [429]
    left = [answer.headers["ratelimit"].split(";")[1] for answer in answers]
    assert left == [f"r={number}" for number in (4, 3, 2, 1, 0, 0)]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {f'"user";q={QUOTA};w=3600'}
    assert 1 <= int(refused.headers["retry-after"]) <= 3600 / QUOTA
    assert refused.json()["type"].endswith("/rate_limited")


async def test_everybody_has_a_quota_of_their_own(strict):
    """One user, tenant or key that asks too often takes nothing from another."""
    user = new_user()
    async with strict.user(user) as greedy, strict.user(new_user()) as other, strict.user(user, tenant="acme") as same:
        for _ in range(QUOTA + 1):
            answer = await greedy.get("/v1/inbox")
        assert answer.status_code == 429
        assert [(await client.get("/v1/inbox")).status_code for client in (other, same)] == [200, 200]


async def test_services_are_limited_by_their_key(strict):
    """A key that publishes too fast is refused before its body is read; the service's other key is not."""
    keys = [await strict.key(), await strict.key()]
    said = publication()
    async with strict.service(key=keys[0]) as one, strict.service(key=keys[1]) as two:
        statuses = [(await one.post("/v1/notifications", json=said)).status_code for _ in range(QUOTA + 1)]
        assert statuses == [201] * QUOTA + [429]
        assert (await one.post("/v1/notifications", content=b"{{{")).status_code == 429
        assert (await two.post("/v1/notifications", json=said)).status_code == 201
    assert (await strict.inbox(said["to"]))["seq"] == QUOTA + 1


@pytest.mark.parametrize("size", [QUOTA, QUOTA + 1, QUOTA * 10])
async def test_a_batch_counts_by_its_items(strict, size):
    """Each item is taken from the same quota; a batch as large as it, or larger, passes a rested key once."""
    async with strict.service(key=await strict.key()) as service:
        batch = {"items": [publication() for _ in range(size)]}
        first = await service.post("/v1/notifications/batch", json=batch)
        again = await service.post("/v1/notifications/batch", json=batch)
    assert (first.status_code, again.status_code) == (207, 429)
    assert first.headers["ratelimit"].startswith('"publish";r=0')


async def test_what_was_answered_is_remembered_across_restarts(strict):
    """A key that was used before the node was killed is still used after it: same answer, nothing stored again."""
    said, key = publication(), {"Idempotency-Key": new_user("key")}
    async with strict.service(key=await strict.key()) as service:
        before = await service.post("/v1/notifications", json=said, headers=key)
    strict.nodes[0].kill()
    strict.nodes[0].start()
    strict.nodes[0].wait_until_ready()
    async with strict.service(key=await strict.key()) as service:
        after = await service.post("/v1/notifications", json=said, headers=key)
        other = await service.post("/v1/notifications", json=said | {"title": "other"}, headers=key)
    assert (after.status_code, after.content) == (201, before.content)
    assert after.headers["idempotent-replayed"] == "true"
    assert (other.status_code, pointers(other)) == (422, [])
    assert (await strict.inbox(said["to"]))["seq"] == 1
