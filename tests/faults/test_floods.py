"""Floods: of frames, of bytes, of connections. The hub says no early, spends little, and serves everybody else."""

import asyncio
import contextlib
import json
import time

import pytest

from tests.faults import vitals
from tests.faults.invariants import Crowd
from tests.faults.raw import CONTINUATION, PING, PONG, Raw, frame
from tests.hub_nodes import new_user

MEGABYTE = 1024 * 1024
TRICKLES = 100
LARGEST = 64 * 1024  # HUB_MAX_FRAME_BYTES, as it is by default
FLOODS = {
    "tiny messages": frame(b""),
    "tiny commands": frame(b'{"t":"pong"}'),
    "pings": frame(b"x" * 125, PING),
    "pongs": frame(b"", PONG),
    "empty parts of a message": frame(b"", CONTINUATION, fin=False),
    "tiny parts of a message": frame(b"1", CONTINUATION, fin=False),
}


@pytest.fixture(scope="module")
async def node(start):
    async with start() as cluster:
        yield cluster


async def pour(raw, data, seconds):
    """Send the same bytes over and over until the other side has had enough; return how many it took."""
    chunk, poured, until = data * (65536 // len(data)), 0, time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            raw.say(chunk)
            poured += len(chunk)
            await asyncio.wait_for(raw.writer.drain(), max(0.1, until - time.monotonic()))
    except (TimeoutError, ConnectionError):
        pass
    return poured


@pytest.mark.parametrize("live", [True, False], ids=["live", "unknown"])
@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_of_frames_ends_soon_and_costs_little(node, flood, live):
    """Tiny frames of any kind, as many as fit, are refused before they fill memory or hold up the event loop."""
    async with Crowd(node) as crowd:
        (user,) = await crowd.everywhere()
        for reads in (True, False):
            await endure(node, flood, live=live, reads=reads)
        async with node.service() as service:
            await crowd.publish(service, user)
        await crowd.settle(1)
        await crowd.check()


async def endure(node, flood, *, live, reads):
    """Flood the node from one connection."""
    (one,) = node.nodes
    async with await Raw.websocket(node, new_user() if live else None) as raw:
        memory = vitals.rss_bytes(one)
        if live:
            await raw.until_heard("hello")
        if flood.endswith("parts of a message"):
            raw.say(frame(b"{", fin=False))
        if not reads:
            raw.refuse_to_read()
        poured = await pour(raw, FLOODS[flood], 1)
        grown = vitals.rss_bytes(one) - memory
        print(f"{flood}: {poured / MEGABYTE:.1f} MB sent, {grown / MEGABYTE:.1f} MB grown")
        assert grown < 10 * MEGABYTE
        if reads:
            assert await raw.until_closed() in (4000, 4040, 4113, 1006, 1009)


async def test_a_slow_trickle_costs_no_more_than_it_brings(node):
    """The largest message there may be, byte by byte from many clients: kept once, understood when it is whole."""
    (one,) = node.nodes
    said = json.dumps({"t": "nothing", "filler": "x" * LARGEST})[: LARGEST - 2].encode() + b'"}'
    async with contextlib.AsyncExitStack() as stack, node.client() as client:
        trickles = [await stack.enter_async_context(await Raw.websocket(node, new_user())) for _ in range(TRICKLES)]
        for raw in trickles:
            await raw.until_heard("hello")
        memory, (*slow, last) = vitals.rss_bytes(one), frame(said)
        pieces = [bytes([byte]) for byte in slow[:200]]
        pieces += [bytes(slow[at : at + 1000]) for at in range(200, len(slow), 1000)]
        for piece in pieces:
            for raw in trickles:
                raw.say(piece)
            begun = time.monotonic()
            assert (await client.get("/livez")).status_code == 204
            assert time.monotonic() - begun < 1
        grown = vitals.rss_bytes(one) - memory
        print(f"{TRICKLES} trickles: {grown / MEGABYTE:.1f} MB grown")
        assert grown < 2 * TRICKLES * LARGEST
        for raw in trickles:
            assert [heard["t"] for heard in raw.heard] == ["hello"]
            raw.say(bytes([last]))
        for raw in trickles:
            assert (await raw.until_heard("error"))["code"] == "validation"


@pytest.mark.parametrize("start_of_it", [b"", b"GET / HTTP/1.1\r\nX: ", b"GET /"], ids=["nothing", "header", "path"])
async def test_a_head_without_end_is_refused(node, start_of_it):
    """A request whose head goes on and on is answered with an error, long before it fills memory."""
    (one,) = node.nodes
    memory = vitals.rss_bytes(one)
    async with await Raw.connect(one) as raw:
        raw.say(start_of_it + b"x" * 70_000)
        assert await asyncio.wait_for(raw.reader.read(12), 5) in (b"HTTP/1.1 431", b"HTTP/1.1 400")
    async with await Raw.connect(one) as raw:
        raw.say(start_of_it)
        assert await pour(raw, b"x" * 1000, 2) < 10 * MEGABYTE
    assert vitals.rss_bytes(one) - memory < 10 * MEGABYTE


async def test_requests_without_end_on_one_connection_hold_up_nobody(node):
    """Thousands of pipelined requests are answered in turn; others are served meanwhile."""
    (one,) = node.nodes
    memory = vitals.rss_bytes(one)
    async with await Raw.connect(one) as raw, node.client() as client:
        poured = asyncio.create_task(pour(raw, b"GET /livez HTTP/1.1\r\nHost: hub\r\n\r\n", 2))
        while not poured.done():
            begun = time.monotonic()
            assert (await client.get("/livez")).status_code == 204
            assert time.monotonic() - begun < 1
    assert vitals.rss_bytes(one) - memory < 20 * MEGABYTE
