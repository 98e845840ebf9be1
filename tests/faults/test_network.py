"""Cables are pulled: between nodes and Redis, and between a node and its clients. Nobody is told; all must notice."""

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.faults import vitals
from tests.faults.invariants import Crowd
from tests.faults.island import Island
from tests.faults.raw import HANDSHAKE, REQUEST, Raw
from tests.hub_nodes import new_user


@pytest.fixture
def island():
    with Island() as made:
        yield made


async def test_redis_behind_a_pulled_cable_is_noticed_and_loses_nothing(start, breakable, island):
    """While no packet reaches Redis publishes do not hang; two seconds after the cable is back nothing is missing."""
    async with island.relay(urlsplit(breakable.redis_url).path) as port:
        there = f"redis://{island.there}:{port}"
        async with start(2, redis_url=there) as cluster, Crowd(cluster) as crowd:
            users = await crowd.everywhere(3)
            async with crowd.chattering(users):
                island.pull()
                await asyncio.sleep(6)
                mute = []
                for number in range(2):
                    async with cluster.client(number) as client:
                        mute.append((await client.get("/readyz")).json()["redis"])
                assert mute == [False, False], "nodes have not noticed after 6 s"
            island.mend()
            took = await crowd.settle(2)
            assert not crowd.refused
            assert max(crowd.seconds) < 1
            assert all(listener.closed is None for listener in crowd.listeners)
            await crowd.check()
            print(f"cable back: {took:.2f} s")


@pytest.mark.parametrize("transport", ["websocket", "sse"])
async def test_a_client_behind_a_pulled_cable_is_let_go(start, island, transport):
    """A connection that is half open is closed within a ping, ten seconds, and nothing of it remains."""
    async with start(ping_seconds="1", host="0.0.0.0") as cluster:
        (node,) = cluster.nodes
        user, sock = new_user(), island.socket()
        await asyncio.get_running_loop().sock_connect(sock, (island.here, node.port))
        raw = Raw(*await asyncio.open_connection(sock=sock), None)
        async with raw:
            token = cluster.token(user)
            if transport == "websocket":
                await raw.request(HANDSHAKE, "/v1/ws", f"Sec-WebSocket-Protocol: hub.v1, bearer.{token}\r\n")
            else:
                await raw.request(REQUEST, "/v1/stream", f"Authorization: Bearer {token}\r\n")
            assert raw.status in (101, 200)
            assert (await vitals.take(node)).connections == 1
            island.pull()

            async def gone():
                return (await vitals.take(node)).connections == 0 and vitals.client_sockets(node) == 0

            took = await vitals.until(gone, 15)
            print(f"{transport}: let go after {took:.1f} s")
