"""A client that reads slowly is told to reload; one that reads nothing is cut off; its neighbours notice neither."""

import asyncio

import pytest

from tests.faults import vitals
from tests.faults.invariants import Crowd
from tests.faults.raw import TEXT, Raw
from tests.hub_nodes import new_user

BODY = "x" * 4000
OPEN = {"websocket": Raw.websocket, "sse": Raw.stream}


@pytest.fixture(scope="module")
async def node(start):
    async with start(stall_seconds="3") as cluster:
        yield cluster


async def flood(crowd, user, count):
    """Publish large notifications to a user."""
    async with crowd.cluster.service() as service:
        for _ in range(0, count, 10):
            await asyncio.gather(*(crowd.publish(service, user, body=BODY) for _ in range(10)))


def closed(samples):
    return samples.get('hub_closes_total{code="4108"}', 0)


async def test_clients_that_read_nothing_are_cut_off(node):
    """Twenty sockets that nobody reads, over both transports, are gone within 20 s and cost little until then."""
    (one,) = node.nodes
    async with Crowd(node) as crowd:
        (user,) = await crowd.everywhere()
        sockets = vitals.client_sockets(one)
        before = closed(await vitals.metrics(one))
        stalled = [await OPEN[transport](node, user, receive_bytes=4096) for transport in OPEN for _ in range(9)]
        memory = vitals.rss_bytes(one)
        for raw in stalled:
            assert raw.status in (101, 200)
            raw.refuse_to_read()
        await flood(crowd, user, 400)
        assert vitals.rss_bytes(one) - memory < 20 * 1024 * 1024

        async def gone():
            return vitals.client_sockets(one) == sockets

        took = await vitals.until(gone, 20)
        assert closed(await vitals.metrics(one)) - before == len(stalled)
        await crowd.settle(2)
        assert not crowd.refused
        assert all(listener.closed is None for listener in crowd.listeners)
        await crowd.check()
        for raw in stalled:
            await raw.__aexit__()
    print(f"cut off after {took:.1f} s")


@pytest.mark.parametrize("transport", OPEN)
async def test_a_client_that_pauses_is_told_to_reload_and_goes_on(node, transport):
    """After more than its backlog holds, a client gets one `resync`, then what follows it."""
    user = new_user()
    async with Crowd(node) as crowd, await OPEN[transport](node, user, receive_bytes=4096) as raw:
        await asyncio.wait_for(raw.reader.readuntil(b'"hello"'), 5)
        raw.refuse_to_read()
        await flood(crowd, user, 300)
        raw.writer.transport.resume_reading()
        await asyncio.wait_for(raw.reader.readuntil(b'"reason":"slow"'), 10)
        rest = await asyncio.wait_for(raw.reader.readuntil(b"}"), 5)
        seq = int(rest.partition(b'"seq":')[2].partition(b",")[0])
        assert 0 < seq <= 300
        await flood(crowd, user, 10)
        await asyncio.wait_for(raw.reader.readuntil(b'"seq":310,'), 5)


@pytest.mark.parametrize("transport", OPEN)
async def test_a_client_that_does_not_go_is_dropped(node, transport):
    """Told to go while its buffers were full, a client that then reads on but keeps its socket loses it."""
    user, (one,) = new_user(), node.nodes
    sockets = vitals.client_sockets(one)
    async with Crowd(node) as crowd, await OPEN[transport](node, user, receive_bytes=4096) as raw:
        await asyncio.wait_for(raw.reader.readuntil(b'"hello"'), 5)
        raw.refuse_to_read()
        await flood(crowd, user, 150)
        async with node.service() as service:
            assert (await service.post(f"/v1/users/{user}/disconnect")).status_code == 204
        raw.writer.transport.resume_reading()
        await asyncio.wait_for(raw.reader.readuntil(b'"bye"'), 5)

        async def gone():
            return vitals.client_sockets(one) == sockets

        await vitals.until(gone, 8)


async def test_a_slow_client_that_makes_progress_is_kept(node):
    """Reading slowly but steadily is no reason to be cut off."""
    user = new_user()
    async with Crowd(node) as crowd, await Raw.websocket(node, user, receive_bytes=4096) as raw:
        await raw.until_heard("hello")
        raw.refuse_to_read()
        await flood(crowd, user, 100)
        for _ in range(10):
            raw.writer.transport.resume_reading()
            for _ in range(4):
                assert (await raw.until(TEXT))[0] == TEXT
            raw.refuse_to_read()
            await asyncio.sleep(0.5)
        raw.writer.transport.resume_reading()
        assert await raw.is_alive()
