"""The ground every test stands on: one embedded Postgres and Redis per session, and nodes as they run in production.

`HUB_DATABASE_URL` and `HUB_REDIS_URL` are honoured, so the suite also runs against given servers. Every node is a
process of its own, started by the command a deployment uses; tests that look inside build an application in this one.

Where several run at a time, tests that share nodes stay together: each of those packages starts its nodes once.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from xdist.scheduler import LoadScopeScheduling

from hub.config import Settings
from hub.dev.postgres import Postgres
from hub.dev.redis import Redis
from tests.hub_nodes import Cluster, new_user

TOGETHER = ("faults", "contract", "api")  # these first: they take longest


def ground(nodeid):
    """Name what a test stays together with: its package, if its tests share nodes, or else its module."""
    module = nodeid.partition("::")[0]
    return next((name for name in TOGETHER if module.startswith(f"tests/{name}/")), module)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each worker a ground at a time; xdist's own groups are lost on this pytest."""

    class ByGround(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return ground(nodeid)

    return ByGround(config, log)


@pytest.hookimpl(trylast=True)  # after pytest has sorted by fixtures: within a ground that order stays
def pytest_collection_modifyitems(items):
    """Begin with what takes longest."""
    ranks = {name: rank for rank, name in enumerate(TOGETHER)}
    items.sort(key=lambda item: ranks.get(ground(item.nodeid), len(ranks)))


class Services:
    """Where the servers are; `postgres` and `redis` are None where they were given and cannot be stopped."""

    def __init__(self, database_url: str, redis_url: str, postgres: Postgres | None, redis: Redis | None) -> None:
        self.database_url = database_url
        self.redis_url = redis_url
        self.postgres = postgres
        self.redis = redis


def start_services(directory: Path, *, durable: bool = False):
    """Yield Services on servers of their own, and take them down again; only a durable Postgres survives a crash."""
    with Postgres(directory, durable=durable) as postgres, Redis(directory, durable=False) as redis:
        yield Services(postgres.url, redis.url, postgres, redis)
        postgres.stop()
        postgres.erase()


@pytest.fixture(scope="session")
def services():
    """Servers shared by the whole session; not to be stopped."""
    given = os.environ.get("HUB_DATABASE_URL"), os.environ.get("HUB_REDIS_URL")
    if all(given):
        yield Services(str(given[0]), str(given[1]), None, None)
        return
    directory = Path(tempfile.mkdtemp(prefix="hub-tests-", dir="/tmp"))
    try:
        yield from start_services(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def own_services():
    """Servers of this test alone: to be killed, frozen and emptied."""
    directory = Path(tempfile.mkdtemp(prefix="hub-faults-", dir="/tmp"))
    try:
        yield from start_services(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(services):
    """Two nodes, shared by the whole session. Tests keep apart by using users of their own."""
    with Cluster(services.database_url, services.redis_url, nodes=2) as running:
        yield running


@pytest.fixture
def settings(services) -> Settings:
    """Settings of a node inside this process."""
    return Settings(
        database_url=services.database_url,
        redis_url=services.redis_url,
        redis_prefix="inner",
        jwt_secret="test-secret-" * 4,
    )


@pytest.fixture
async def empty_database(services):
    """The address of a database with nothing in it."""
    async with new_database(services.database_url) as url:
        yield url


@asynccontextmanager
async def new_database(server: str):
    """Make a database beside the one at an address, and drop it again; a context manager of its address."""
    name = f"scratch_{os.getpid()}_{new_user().rpartition('-')[2]}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"create database {name}")
    parts = urlsplit(server)
    try:
        yield f"{parts.scheme}://{parts.netloc}/{name}?{parts.query}"
    finally:
        await connection.execute(f"drop database {name} with (force)")
        await connection.close()
