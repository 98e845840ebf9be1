"""Postgres is the truth: while it is away nothing is accepted, and when it is back nothing accepted is missing."""

import asyncio
import contextlib
import os
import signal
import statistics

import asyncpg

from tests.faults import vitals
from tests.faults.conftest import is_alive
from tests.faults.invariants import Crowd
from tests.hub_nodes import new_user

ROUNDS = 3  # a machine that is busy with something else may spoil one


async def stop_at_once(postgres):
    """Stop Postgres as `pg_ctl -m immediate` does: no checkpoint, connections cut in the middle of anything."""
    os.kill(postgres.pid, signal.SIGQUIT)

    async def gone():
        return not is_alive(postgres.pid)

    await vitals.until(gone, 10)
    postgres.kill()  # it is dead; this collects it


async def test_postgres_stopped_hard_and_started_again(pair, breakable):
    """Without Postgres publishes answer 503 with Retry-After; every 2xx before and after is stored; streams stay."""
    async with Crowd(pair) as crowd:
        users = await crowd.everywhere(3)

        async def refusals():
            return len(crowd.refused) > 20

        async with crowd.chattering(users, per_second=60):
            await asyncio.sleep(0.5)
            await stop_at_once(breakable.postgres)
            async with pair.service() as service:
                refused = await crowd.publish(service, users[0])
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
                assert (await service.get("/readyz")).status_code == 503
                assert (await service.get("/livez")).status_code == 204
            await vitals.until(refusals, 5)
            await asyncio.to_thread(breakable.postgres.start)
            refused_at_start = len(crowd.refused)
            await asyncio.sleep(1)
            late = len(crowd.refused)
            await asyncio.sleep(0.5)
        assert len(crowd.refused) == late, "errors a second after Postgres was back"
        assert late - refused_at_start < 60
        assert {answer.status_code for answer in crowd.refused} == {503}
        assert {answer.headers["retry-after"] for answer in crowd.refused} == {"1"}
        assert max(crowd.seconds) < 5
        assert all(listener.closed is None for listener in crowd.listeners)
        async with pair.service() as service:
            for user in users:
                await crowd.publish(service, user)
        await crowd.settle(2)
        await crowd.check()


async def test_a_client_that_comes_while_postgres_is_away_is_told_to_come_back(pair, breakable):
    """Without Postgres a client cannot be brought up to date: it is told so, and gets in when Postgres is back."""
    async with Crowd(pair) as crowd:
        (user,) = await crowd.everywhere()
        await stop_at_once(breakable.postgres)
        (refused,) = await crowd.join([user])
        assert await refused.until_closed(10) == 4100
        assert refused.frames[-1] == {**refused.frames[-1], "t": "bye", "reconnect": True}
        async with pair.user(user) as client:
            assert (await client.get("/v1/stream")).status_code == 503
        await asyncio.to_thread(breakable.postgres.start)
        async with pair.service() as service:
            await crowd.publish(service, user)
        await crowd.join([user])
        await crowd.settle(2)
        await crowd.check()


@contextlib.asynccontextmanager
async def locked(breakable, user):
    """Hold the lock of a user's inbox row in an open transaction."""
    connection = await asyncpg.connect(breakable.database_url)
    try:
        async with connection.transaction():
            await connection.execute("select from inboxes where user_id = $1 for update", user)
            yield
    finally:
        await connection.close()


async def publish_steadily(crowd, users, seconds, per_second):
    """Publish to users in turn at a fixed rate, without waiting for the answers; return how long each took."""
    crowd.seconds = []
    loop = asyncio.get_running_loop()
    begun, tasks = loop.time(), []
    async with crowd.cluster.service() as service:
        for number in range(round(seconds * per_second)):
            await asyncio.sleep(max(0, begun + number / per_second - loop.time()))
            tasks.append(asyncio.create_task(crowd.publish(service, users[number % len(users)])))
        await asyncio.gather(*tasks)
    return crowd.seconds


def p99(seconds):
    return statistics.quantiles(seconds, n=100)[98]


async def test_one_user_whose_row_is_locked_slows_down_nobody_else(pair, breakable):
    """While somebody else holds a hot user's row, others' publishes take as long as before; the hot ones are 503."""
    async with Crowd(pair) as crowd, Crowd(pair) as hot:
        users = [*await crowd.everywhere(2), *(new_user() for _ in range(100))]
        hot_user = new_user("hot")
        await hot.join([hot_user])
        calm = p99(await publish_steadily(crowd, users, 3, 100))
        for _ in range(ROUNDS):
            async with locked(breakable, hot_user), hot.chattering([hot_user], per_second=20, nodes=[0]):
                busy = p99(await publish_steadily(crowd, users, 3, 100))
            async with pair.service() as service:
                assert (await hot.publish(service, hot_user)).status_code == 201
            calm = max(calm, p99(await publish_steadily(crowd, users, 3, 100)))
            print(f"p99 {calm * 1000:.0f} ms, with a locked user {busy * 1000:.0f} ms")
            if busy < max(2 * calm, 0.1):
                break
        assert not crowd.refused
        assert busy < max(2 * calm, 0.1), "what all wait for would be seen in each round"
        assert hot.refused
        assert {answer.status_code for answer in hot.refused} == {503}
        assert max(hot.seconds) < 3
        for one in (crowd, hot):
            await one.settle(2)
            await one.check()
