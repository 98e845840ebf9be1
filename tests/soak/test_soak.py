"""What grows so slowly that no other test sees it: `make soak SOAK_MINUTES=30`."""

import asyncio
import os
import tempfile
import time
from statistics import linear_regression, mean
from typing import NamedTuple

import pytest

from tests.faults import vitals
from tests.faults.invariants import unharmed
from tests.hub_nodes import Cluster
from tests.soak.population import CHURN, Population

MINUTES = float(os.environ.get("SOAK_MINUTES") or 30)  # at least 5
WARM_UP_SECONDS = max(150, MINUTES * 60 / 4)  # caches, pools and free lists fill up
CLIENTS = 1000
PER_SECOND = 20
EVERY_SECONDS = 5
MEGABYTE = 1024 * 1024
MOST_MEGABYTES_AN_HOUR = 6  # 350 bytes a reconnect, or 90 a publish
MOST_MEGABYTES = 1  # what a short run cannot tell from chance


class Sample(NamedTuple):
    """A node at a moment; `others` are the file descriptors that are no connection of a client."""

    at: float
    rss: float  # megabytes
    others: int
    tasks: int
    connections: int


async def sample(node) -> Sample:
    """Look at a node."""
    taken = await vitals.take(node)
    return Sample(
        time.monotonic(),
        vitals.rss_bytes(node) / MEGABYTE,
        vitals.fds(node) - taken.fds,
        taken.tasks,
        taken.connections,
    )


async def watch(nodes, seconds) -> list[list[Sample]]:
    """Look at every node now and then, for so long."""
    seen, until = [[] for _ in nodes], time.monotonic() + seconds
    while time.monotonic() < until:
        for samples, node in zip(seen, nodes, strict=True):
            samples.append(await sample(node))
        await asyncio.sleep(EVERY_SECONDS)
    return seen


def span(samples: list[Sample], name: str) -> str:
    """Say between which numbers something of a node was."""
    numbers = [getattr(one, name) for one in samples]
    return f"{min(numbers)} to {max(numbers)}"


def check(samples: list[Sample]) -> None:
    """Fail if anything of a node grows."""
    slope = linear_regression([one.at for one in samples], [one.rss for one in samples]).slope
    took = samples[-1].at - samples[0].at
    half = len(samples) // 2
    before, after = samples[:half], samples[half:]
    each_minute = samples[:: int(60 / EVERY_SECONDS)]
    print(
        f"RSS in MB, by the minute: {' '.join(f'{one.rss:.1f}' for one in each_minute)}; {slope * 3600:+.2f} an hour\n"
        f"beside clients {span(samples, 'others')} file descriptors, {span(samples, 'tasks')} tasks;"
        f" {span(samples, 'connections')} connections"
    )
    assert slope * took <= max(MOST_MEGABYTES, MOST_MEGABYTES_AN_HOUR * took / 3600), "RSS grows"
    assert max(s.others for s in after) <= max(s.others for s in before) + 2, "file descriptors grow"
    assert mean(s.tasks for s in after) <= mean(s.tasks for s in before) + 2, "tasks grow"


@pytest.mark.timeout(MINUTES * 60 + 300)
async def test_nothing_grows_and_nothing_is_lost(services):
    """With a thousand clients, one in a hundred reconnecting each second, memory, sockets and tasks stay as they are.

    At the end every client has heard everything, once and in order, and believes what Postgres says.
    """
    with (
        tempfile.NamedTemporaryFile("ab", prefix="hub-soak-", suffix=".log") as log,
        Cluster(services.database_url, services.redis_url, log=log) as cluster,
    ):
        population = Population(cluster, CLIENTS)
        async with unharmed(cluster, log), population.living(per_second=PER_SECOND):
            await asyncio.sleep(WARM_UP_SECONDS)
            seen = await watch(cluster.nodes, MINUTES * 60 - WARM_UP_SECONDS)
        reconnects = sum(regular.reconnects for regular in population.regulars)
        print(f"\n{population.published} published, {population.read} read, {reconnects} reconnects")
        assert reconnects > CLIENTS * CHURN * MINUTES * 60 * 0.8
        assert not [code for regular in population.regulars for code in regular.dismissed]
        for samples in seen:
            check(samples)
