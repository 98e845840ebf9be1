"""A node's vital signs, as an operator would read them: its metrics, what /proc says, what Redis and its log show.

Used by the invariants: whatever was done to a node, these return to where they were.
"""

import asyncio
import contextlib
import os
import re
import signal
import time
from pathlib import Path
from typing import NamedTuple

import httpx2
import redis.asyncio

from tests.listener import NO_TLS

LONG_STALL_SECONDS = 0.25
POOL = 10  # a node's connections to Postgres (the default of HUB_DATABASE_POOL)
_stopped_seconds: dict[int, float] = {}  # by process id: how long tests kept a node from running


class Vitals(NamedTuple):
    """What must not grow. `fds` without the pool's connections to Postgres and Redis, which come and go."""

    connections: int
    users: int
    tasks: int
    fds: int


async def metrics(node) -> dict[str, float]:
    """Read a node's metrics: each sample by its name and labels."""
    async with httpx2.AsyncClient(timeout=10, verify=NO_TLS) as client:
        text = (await client.get(node.url + "/metrics")).text
    samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in samples}


def total(samples: dict[str, float], name: str) -> float:
    """Add a metric's samples up over its labels."""
    return sum(value for sample, value in samples.items() if re.fullmatch(rf"{name}(\{{.*\}})?", sample))


async def take(node) -> Vitals:
    """Take a node's vital signs."""
    samples = await metrics(node)
    counted = [int(total(samples, name)) for name in ("hub_connections", "hub_users", "hub_tasks")]
    return Vitals(*counted, client_sockets(node))


def client_sockets(node) -> int:
    """Count the TCP sockets a node has open on its port, whoever is at the other end; the listening one is left out."""
    inodes = set()
    for fd in Path(f"/proc/{node.pid}/fd").iterdir():
        try:
            inodes.add(fd.readlink().name)
        except FileNotFoundError:
            continue
    rows = [line.split() for line in Path(f"/proc/{node.pid}/net/tcp").read_text().splitlines()[1:]]
    port = f":{node.port:04X}"
    # A row may come twice, if others come and go while the table is read.
    return len({row[9] for row in rows if row[1].endswith(port) and row[3] != "0A" and f"socket:[{row[9]}]" in inodes})


def fds(node) -> int:
    """Count a node's file descriptors."""
    return sum(1 for _ in Path(f"/proc/{node.pid}/fd").iterdir())


def rss_bytes(node) -> int:
    """Read how much memory a node has."""
    status = Path(f"/proc/{node.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


@contextlib.contextmanager
def stopped(node):
    """Stop a node's process for a while; its event loop is excused for as long."""
    os.kill(node.pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        yield
    finally:
        os.kill(node.pid, signal.SIGCONT)
        seconds = time.monotonic() - began + LONG_STALL_SECONDS
        _stopped_seconds[node.pid] = _stopped_seconds.get(node.pid, 0) + seconds


def waited_seconds(node) -> float:
    """Read how long the node was ready to run but was not let: a stall that is the machine's fault, or the test's."""
    waiting = int(Path(f"/proc/{node.pid}/schedstat").read_text().split()[1]) / 1e9
    return waiting + _stopped_seconds.get(node.pid, 0)


async def stalls(node) -> float:
    """Count how often a node's event loop stood still for long."""
    samples = await metrics(node)
    count = samples["hub_event_loop_lag_seconds_count"]
    return count - samples[f'hub_event_loop_lag_seconds_bucket{{le="{LONG_STALL_SECONDS}"}}']


async def subscriptions(cluster) -> int:
    """Count the users' channels somebody listens to, by Redis."""
    client = redis.asyncio.Redis.from_url(cluster.settings.redis_url)
    async with client:
        return len(await client.pubsub_channels(f"{cluster.redis_prefix}:user:*"))


async def until(holds, seconds: float, saying=lambda: "") -> float:
    """Wait until an awaitable condition holds and return how long that took; fail after `seconds`."""
    begun = time.monotonic()
    while True:
        if await holds():
            return time.monotonic() - begun
        assert time.monotonic() - begun < seconds, f"not within {seconds} s {saying()}"
        await asyncio.sleep(0.02)
