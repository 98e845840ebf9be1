"""Servers and nodes that may be broken: shared by the tests of this package, mended and examined after each."""

import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from tests.conftest import start_services
from tests.faults.invariants import unharmed
from tests.hub_nodes import Cluster


@pytest.fixture(scope="package")
def breakable():
    """A Postgres and a Redis that may be killed, frozen and emptied."""
    directory = Path(tempfile.mkdtemp(prefix="hub-faults-", dir="/tmp"))
    try:
        yield from start_services(directory, durable=True)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(autouse=True)
def mended(breakable):
    """Leave the servers running for the next test."""
    yield
    for server in (breakable.postgres, breakable.redis):
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGCONT)
    if not is_alive(breakable.redis.pid):
        breakable.redis.start()
    if not is_alive(breakable.postgres.pid):
        breakable.postgres.start()


def is_alive(pid) -> bool:
    """Say whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="package")
def log():
    """What the nodes log, in a file that can be read while they run."""
    with tempfile.NamedTemporaryFile("ab", prefix="hub-faults-", suffix=".log") as file:
        yield file


@pytest.fixture(scope="package")
def nodes(breakable, log):
    """Two nodes with the settings of a deployment."""
    with Cluster(breakable.database_url, breakable.redis_url, nodes=2, log=log) as running:
        yield running


@pytest.fixture
async def pair(nodes, log, mended):
    """Two nodes that must come out of the test unharmed."""
    async with unharmed(nodes, log):
        yield nodes


@pytest.fixture(scope="package")
def start(breakable, nodes, log):
    """Start a cluster of nodes with settings of its own, which must come out unharmed.

    `prepare` may change the nodes before they start.
    """

    @contextlib.asynccontextmanager
    async def started(count=1, redis_url=breakable.redis_url, prepare=lambda cluster: None, **settings):
        options = {"nodes": count, "api_key": nodes.api_key, "log": log}
        cluster = Cluster(breakable.database_url, redis_url, **options, **settings)
        prepare(cluster)
        with cluster:
            async with unharmed(cluster, log):
                yield cluster

    return started
