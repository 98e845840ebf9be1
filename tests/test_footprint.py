"""What a connection is made of: counted, so that no task, timer, queue or closure creeps in for each client."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections import Counter

import pytest

from tests.hub_nodes import ROOT, TRANSPORTS, Cluster, Node, free_port, new_user

CLIENTS = 100
STREAM = {"websocket": "LeanWebSocket", "sse": "LeanStream"}
OURS = {"Connection": 1, "Feed": 1, "Principal": 1, "UserKey": 1}
NOTHING = ["Task", "Future", "TimerHandle", "UVTimer", "Event", "Queue", "coroutine", "function", "dict", "Session"]
MOST_OBJECTS = 13
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Counted(Node):
    """A node that can be asked what it is made of."""

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.counting_node"],
            env=self._environment,
            cwd=ROOT,
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def count(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return Counter(json.loads(self.process.stdout.readline()))


@pytest.fixture(scope="module")
def counted(services, cluster):
    with Cluster(services.database_url, services.redis_url, nodes=0, api_key=cluster.api_key) as settings:
        node = Counted(settings._environment, free_port())
        node.start()
        try:
            node.wait_until_ready()
            yield node
        finally:
            node.kill()
            node.process.stdin.close()
            node.process.stdout.close()


@contextlib.asynccontextmanager
async def clients(cluster, port, transport):
    """Connect clients of a user each, and wait until each was greeted."""
    path, headers = ("/v1/ws", UPGRADE) if transport == "websocket" else ("/v1/stream", "")
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(CLIENTS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            token = cluster.token(new_user())
            writer.write(f"GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n{headers}\r\n".encode())
            await asyncio.wait_for(reader.readuntil(b'"expires_in":'), 10)
        yield


async def settled(node, wanted):
    """Count until nothing is on its way any more, or what is wanted holds."""
    for _ in range(50):
        seen = await asyncio.to_thread(node.count)
        if wanted(seen):
            break
        await asyncio.sleep(0.2)
    return seen


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_connection_is_one_of_each_and_nothing_else(counted, cluster, transport):
    """One stream, one connection, one feed, one principal: no task, no timer, no parser; and all of it goes again."""
    async with clients(cluster, counted.port, transport):
        pass  # what the first ones make for all is made now
    before = await settled(counted, lambda seen: seen["Connection"] == 0)
    async with clients(cluster, counted.port, transport):
        during = await settled(counted, lambda seen: seen["Task"] <= before["Task"] + 2)
    after = await settled(counted, lambda seen: seen["Connection"] == 0)

    each = {name: (during[name] - before[name]) / CLIENTS for name in during}
    assert {name: each[name] for name in [*OURS, STREAM[transport]]} == OURS | {STREAM[transport]: 1}
    assert {name: each[name] for name in NOTHING if each.get(name, 0) >= 0.5} == {}
    assert round((during.total() - before.total()) / CLIENTS) <= MOST_OBJECTS
    assert {name: after[name] - before[name] for name in [*OURS, STREAM[transport]]} == dict.fromkeys(
        [*OURS, STREAM[transport]], 0
    )
