"""Nodes die and are replaced: killed between two steps, killed with everybody on them, asked to leave."""

import asyncio
import contextlib
import itertools
import signal
import sys
import time

import httpx2

from tests.faults import vitals
from tests.faults.commits import commit_silently
from tests.faults.invariants import Crowd
from tests.faults.raw import Raw, frame
from tests.hub_nodes import new_user

DIES_BEFORE_TELLING = """
import os, signal
from hub.__main__ import main
from hub.live import Live

Live.tell = lambda self, key, frame: os.kill(os.getpid(), signal.SIGKILL)
main()
"""


async def test_a_node_that_dies_between_commit_and_propagation_loses_nothing(start):
    """What was committed by a node that then died is found by the position check of the others."""

    def doom(cluster):
        cluster.nodes[0].command = [sys.executable, "-c", DIES_BEFORE_TELLING, "serve"]

    async with start(count=2, prepare=doom, position_check_seconds="1") as cluster, Crowd(cluster) as crowd:
        user = new_user()
        for transport in ("websocket", "sse"):
            await crowd.join([user], node=1, transport=transport)
        async with cluster.service(0) as service:
            await crowd.publish(service, user)
        assert [type(error) for error in crowd.refused] == [httpx2.RemoteProtocolError]
        assert cluster.nodes[0].wait() == -signal.SIGKILL
        await crowd.settle(2)
        assert [listener.inbox.seq for listener in crowd.listeners] == [1, 1]
        await crowd.check()
        cluster.nodes[0].command = cluster.nodes[1].command
        cluster.nodes[0].start()
        cluster.nodes[0].wait_until_ready()


async def test_silence_is_not_taken_for_peace(start):
    """Changes that nobody was told of, the newest ones too, are found for every connected user."""
    async with start(position_check_seconds="1") as cluster, Crowd(cluster) as crowd:
        users = await crowd.everywhere(20)
        await asyncio.gather(*(commit_silently(cluster, user, 3) for user in users[::4]))
        await crowd.settle(2)
        await crowd.check()
        repairs = (await vitals.metrics(cluster.nodes[0]))["hub_gap_repairs_total"]
        assert repairs == len(users[::4])


async def test_everybody_on_a_killed_node_comes_back_on_the_other(start):
    """A node with 1,000 clients is killed; all resume at once on the other, with nothing missing and nothing twice."""
    async with start(count=2) as cluster, Crowd(cluster) as crowd:
        users = [new_user() for _ in range(250)]
        lost = [*await crowd.join(users * 2), *await crowd.join(users * 2, transport="sse")]
        async with crowd.chattering(users, per_second=60, nodes=[1]):
            await asyncio.sleep(0.5)
            cluster.nodes[0].kill()
            assert set(await asyncio.gather(*(listener.until_closed(5) for listener in lost))) == {1006}
            await asyncio.sleep(0.5)
            begun = time.monotonic()
            for transport in ("websocket", "sse"):
                gone = [listener for listener in lost if listener.transport == transport]
                await crowd.join([one.user for one in gone], node=1, transport=transport, resuming=gone)
            took = time.monotonic() - begun
        print(f"{len(lost)} clients resumed in {took:.1f} s")
        assert took < 20
        await crowd.settle(3)
        assert not crowd.refused
        assert all(listener.of("resumed") for listener in crowd.listeners[len(lost) :])
        await crowd.check()
        cluster.nodes[0].start()
        cluster.nodes[0].wait_until_ready()


async def test_an_idempotency_key_outlives_the_node_that_took_it(start):
    """After its node was killed a publish repeated with the same key, on any node, gets the same answer."""
    async with start(count=2) as cluster:
        body = {"to": new_user(), "category": "test", "title": "t"}
        headers = {"Idempotency-Key": new_user("key")}
        async with cluster.service(0) as service:
            first = await service.post("/v1/notifications", json=body, headers=headers)
        cluster.nodes[0].kill()
        cluster.nodes[0].start()
        cluster.nodes[0].wait_until_ready()
        for node in (0, 1):
            async with cluster.service(node) as service:
                again = await service.post("/v1/notifications", json=body, headers=headers)
                assert (again.status_code, again.text) == (201, first.text)
                assert again.headers["idempotent-replayed"] == "true"
                other = await service.post("/v1/notifications", json=body | {"title": "u"}, headers=headers)
                assert other.status_code == 422


async def closed_at(listener):
    """Wait for the end of a connection and return when it came."""
    await listener.until_closed(15)
    return time.monotonic()


async def test_a_node_that_is_asked_to_leave_hands_everybody_over(start):
    """On SIGTERM readiness goes first, then each client is told when to come back, spread over the drain."""
    async with start(count=2, drain_seconds="2") as cluster, Crowd(cluster) as crowd, cluster.client(0) as client:
        users = [new_user() for _ in range(60)]
        leaving = [*await crowd.join(users), *await crowd.join(users, transport="sse")]
        async with crowd.chattering(users, per_second=60):
            begun = time.monotonic()
            cluster.nodes[0].signal(signal.SIGTERM)
            closing = [asyncio.create_task(closed_at(listener)) for listener in leaving]
            await vitals.until(lambda: _is_unready(client), 1)
            assert (await cluster_stream(cluster, client, users[0])).status_code == 503
            ends = sorted(end - begun for end in await asyncio.gather(*closing))
            assert await asyncio.to_thread(cluster.nodes[0].wait, 10) == 0
            took = time.monotonic() - begun
            for transport in ("websocket", "sse"):
                gone = [listener for listener in leaving if listener.transport == transport]
                await crowd.join([one.user for one in gone], node=1, transport=transport, resuming=gone)
        byes = [listener.of("bye")[0] for listener in leaving]
        assert {(bye["code"], bye["reconnect"]) for bye in byes} == {(4200, True)}
        assert {listener.closed for listener in leaving} == {4200}
        assert len({bye["after_ms"] for bye in byes}) > 50
        assert all(0 <= bye["after_ms"] <= 1000 for bye in byes)
        assert ends[0] < 0.8
        assert 1.5 < ends[-1] < 4
        assert max(later - sooner for sooner, later in itertools.pairwise(ends)) < 0.7
        assert took < 2 + 5 + 1
        assert all(isinstance(error, httpx2.TransportError) for error in crowd.refused), crowd.refused
        await crowd.settle(2)
        await crowd.check()
        cluster.nodes[0].start()
        cluster.nodes[0].wait_until_ready()


async def test_who_has_yet_to_say_who_they_are_is_handed_over_too(start):
    """On SIGTERM those without `auth` are told 4200 like all, and so is who says it while the others are leaving."""
    async with start(drain_seconds="2", auth_seconds="30") as cluster, Crowd(cluster) as crowd:
        await crowd.everywhere(5)
        async with await Raw.websocket(cluster) as silent, await Raw.websocket(cluster) as late:
            cluster.nodes[0].signal(signal.SIGTERM)
            async with cluster.client() as client:
                await vitals.until(lambda: _is_unready(client), 1)
            late.say(frame(b'{"t":"auth","token":"%b"}' % cluster.token(new_user()).encode()))
            for raw in (late, silent):
                assert await raw.until_closed() == 4200
                assert [(heard["t"], heard["code"]) for heard in raw.heard] == [("bye", 4200)]
        assert await asyncio.to_thread(cluster.nodes[0].wait, 2 + 5 + 1) == 0
        cluster.nodes[0].start()
        cluster.nodes[0].wait_until_ready()


async def _is_unready(client):
    return (await client.get("/readyz")).status_code == 503


async def cluster_stream(cluster, client, user):
    """Ask a node for a stream without reading it."""
    return await client.get("/v1/stream", headers={"Authorization": f"Bearer {cluster.token(user)}"})


async def test_a_second_signal_ends_the_drain(start):
    """Who asks twice does not want to wait: the node ends at once, with its clients cut off."""
    async with start(drain_seconds="60") as cluster, contextlib.AsyncExitStack() as stack:
        crowd = await stack.enter_async_context(Crowd(cluster))
        await crowd.everywhere(3)
        (node,) = cluster.nodes
        node.signal(signal.SIGTERM)
        async with cluster.client() as client:
            await vitals.until(lambda: _is_unready(client), 2)
        node.signal(signal.SIGTERM)
        await asyncio.to_thread(node.wait, 5)
        for listener in crowd.listeners:
            assert await listener.until_closed(5) in (1006, 1012, 4200)
        node.start()
        node.wait_until_ready()
