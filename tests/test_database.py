"""Lending connections: one at hand is lent again, one that failed or was lost never is."""

import asyncio

import asyncpg
import pytest

from delivery.config import DeliverySettings
from hub.errors import Unavailable
from hub.store import Database
from hub.store.database import Refused

SIZE = 3
PID = "select pg_backend_pid() as pid"


@pytest.fixture
async def database(services):
    settings = DeliverySettings(database_url=services.database_url, redis_url="redis://-", database_pool=SIZE)
    opened = await Database(settings).open()
    yield opened
    await opened.close()


async def pid(database):
    return (await database.fetch(PID))[0]["pid"]


async def test_one_at_hand_is_lent_again(database):
    """One after the other they need one connection; side by side each has its own, up to the size of the pool."""
    first = await pid(database)
    assert {await pid(database) for _ in range(5)} == {first}
    together = "select pg_backend_pid() as pid, pg_sleep(0.05)"
    rows = await asyncio.gather(*(database.fetch(together) for _ in range(3 * SIZE)))
    assert len({row[0]["pid"] for row in rows}) == SIZE


async def test_whoever_waits_too_long_for_one_is_told(database, monkeypatch):
    """All are lent, and stay so."""
    monkeypatch.setattr("hub.store.database.ACQUIRE_SECONDS", 0.05)
    sleeping = [asyncio.create_task(database.fetch("select pg_sleep(0.5)")) for _ in range(SIZE)]
    await asyncio.sleep(0.05)
    with pytest.raises(Unavailable):
        await database.fetch("select 1")
    await asyncio.gather(*sleeping)
    assert await pid(database)


async def test_a_connection_that_failed_goes_back_to_the_driver(database):
    """A statement that fails or is given up leaves nothing behind that the next one would meet."""
    for _ in range(2 * SIZE):
        with pytest.raises(Refused):
            await database.fetch("select 1 / 0")
        given_up = asyncio.create_task(database.fetch("select pg_sleep(5)"))
        await asyncio.sleep(0.01)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert await pid(database)
    await asyncio.gather(*(database.fetch("select 1") for _ in range(3 * SIZE)))


async def test_a_connection_that_was_lost_is_replaced(database, services):
    """Postgres may have ended it while nobody used it: nobody notices."""
    rows = await asyncio.gather(
        *(database.fetch("select pg_backend_pid() as pid, pg_sleep(0.05)") for _ in range(SIZE))
    )
    lost = [row[0]["pid"] for row in rows]
    connection = await asyncpg.connect(services.database_url)
    await connection.execute("select pg_terminate_backend(pid) from unnest($1::int[]) as p (pid)", lost)
    await connection.close()
    async with asyncio.timeout(5):
        while any(await asyncio.gather(*(still(services, one) for one in lost))):
            await asyncio.sleep(0.02)
    rows = await asyncio.gather(*(database.fetch(PID) for _ in range(3 * SIZE)))
    assert not {row[0]["pid"] for row in rows} & set(lost)


async def still(services, pid):
    """Tell whether a backend is there, without the database under test."""
    connection = await asyncpg.connect(services.database_url)
    try:
        return await connection.fetchval("select exists (select from pg_stat_activity where pid = $1)", pid)
    finally:
        await connection.close()


async def test_closing_waits_for_what_is_lent(database):
    """A statement under way is finished."""
    running = asyncio.create_task(database.fetch("select pg_sleep(0.2), 1 as one"))
    await asyncio.sleep(0.05)
    await database.close()
    assert (await running)[0]["one"] == 1
