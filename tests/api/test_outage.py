"""What still works without Redis, what is answered without Postgres, and that both are noticed and over at once."""

import asyncio

import pytest

from tests.api.calls import publication
from tests.api.conftest import NO_LIMIT, Api
from tests.hub_nodes import new_user


@pytest.fixture
def lonely(own_services):
    """One node on servers of its own."""
    if own_services.postgres is None:
        pytest.skip("the servers were given and cannot be stopped")
    rates = {"rate_limit_publish": NO_LIMIT, "rate_limit_user": NO_LIMIT}
    with Api(own_services.database_url, own_services.redis_url, nodes=1, log_level="ERROR", **rates) as node:
        yield node, own_services


async def until(happened, seconds=10):
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not await happened():
            await asyncio.sleep(0.02)


async def test_outages_are_told_from_answers(lonely):
    """Without Redis publishing and reading go on, hints are 503; without Postgres all is 503 but being alive."""
    api, servers = lonely
    said = publication()
    async with api.service() as service, api.user(said["to"]) as user:
        assert (await service.post("/v1/notifications", json=said)).status_code == 201
        await without_redis(servers.redis, service, user)
        await without_postgres(servers.postgres, service, user)
        page = await user.get("/v1/inbox")
    assert (page.status_code, page.json()["unread"]) == (200, 1)


async def without_redis(redis, service, user):
    """Stop Redis, look, and start it again."""
    redis.kill()

    async def alone():
        return (await service.get("/readyz")).json() == {"status": "ready", "redis": False}

    await until(alone)
    assert (await service.post("/v1/notifications", json=publication())).status_code == 201
    assert (await user.post("/v1/inbox/seen")).status_code == 200
    presence = f"/v1/users/{new_user()}/presence"
    for answer in (
        await user.post("/v1/tickets"),
        await service.get(presence),
        await service.post(presence.replace("presence", "disconnect")),
    ):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    redis.start()

    async def known():
        return (await service.get(presence)).status_code == 200

    await until(known)


async def without_postgres(postgres, service, user):
    """Stop Postgres, look, and start it again."""
    postgres.stop()
    assert (await service.get("/livez")).status_code == 204
    for answer in (
        await service.get("/readyz"),
        await service.post("/v1/notifications", json=publication()),
        await service.post("/v1/notifications/batch", json={"items": [publication()]}),
        await user.get("/v1/inbox"),
        await user.get("/v1/inbox/counts"),
        await user.post("/v1/inbox/read-all"),
    ):
        assert answer.status_code == 503
        assert answer.json()["type"].endswith("/unavailable")
    assert answer.headers["retry-after"] == "1"
    postgres.start()

    async def ready():
        return (await service.get("/readyz")).status_code == 200

    await until(ready)
