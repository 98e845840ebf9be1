"""The short way into a stream, without ASGI, answers as the long way does; who is not for it is not kept waiting."""

import asyncio
import re

import pytest

from hub.opening import Opening
from tests.hub_nodes import ORIGIN, new_user

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", KEY.decode()),
    ("Sec-WebSocket-Protocol", "hub.v1"),
]
OWN = {"date", "x-request-id"}  # different every time
SERVER = "server"  # what answers a handshake in ASGI names itself; we do not


async def head_of(cluster, path, headers, *, version="1.1"):
    """Ask for a stream over a bare socket; return the status line and the headers of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.nodes[0].port)
    lines = [f"GET {path} HTTP/{version}", "Host: hub.test", *(f"{name}: {value}" for name, value in headers)]
    writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        if head.startswith(b"HTTP/1.1 200"):
            await asyncio.wait_for(reader.readuntil(b"\n"), 5)
    finally:
        writer.close()
    status, *named = head.decode().strip().split("\r\n")
    pairs = [tuple(line.lower().split(": ", 1)) for line in named]
    assert len(dict(pairs)) == len(pairs), "a header was said twice"
    return status, dict(pairs)


@pytest.fixture
def bearer(cluster):
    return ("Authorization", f"Bearer {cluster.token(new_user())}")


WAYS = {
    "events": ("/v1/stream?snapshot=3", []),
    "events for a page": ("/v1/stream", [("Origin", ORIGIN)]),
    "events with a request id": ("/v1/stream", [("X-Request-ID", "mine-1")]),
    "WebSocket": ("/v1/ws?snapshot=3", UPGRADE),
    "WebSocket for a page": ("/v1/ws", [*UPGRADE, ("Origin", ORIGIN)]),
    "WebSocket without a subprotocol": ("/v1/ws", UPGRADE[:-1]),
}


@pytest.mark.parametrize("way", WAYS)
async def test_the_short_way_answers_like_the_long_one(cluster, bearer, way):
    """A doubled header, which only the long way reads, changes nothing in what is answered."""
    path, headers = WAYS[way]
    short = await head_of(cluster, path, [bearer, *headers])
    long = await head_of(cluster, path, [bearer, *headers, ("X-Twice", "1"), ("X-Twice", "2")])
    assert short[0] == long[0]
    assert {name for name in short[1] if name != "date"} == {n for n in long[1] if n not in ("date", SERVER)}
    for name in short[1].keys() - OWN:
        assert short[1][name] == long[1][name], name
    if "x-request-id" in long[1]:
        given = dict(headers).get("X-Request-ID")
        assert (short[1]["x-request-id"] == given) == (given is not None)


LONG = {
    "HTTP/1.0": ("/v1/stream", [], "1.0", "200"),
    "a ticket that is none": ("/v1/stream?ticket=abcdefghijklmnopqrst", [], "1.1", "401"),
    "a bad cursor": ("/v1/stream?last_event_id=x", [], "1.1", "400"),
    "a bad snapshot": ("/v1/stream?snapshot=x", [], "1.1", "422"),
    "another version of WebSocket": (
        "/v1/ws",
        [*UPGRADE[:2], ("Sec-WebSocket-Version", "12"), UPGRADE[3]],
        "1.1",
        "426",
    ),
    "no version of WebSocket": ("/v1/ws", [*UPGRADE[:2], UPGRADE[3]], "1.1", "426"),
    "a key that is none": ("/v1/ws", [*UPGRADE[:3], ("Sec-WebSocket-Key", "c2hvcnQ=")], "1.1", "400"),
    "a foreign page": ("/v1/ws", [*UPGRADE, ("Origin", "https://evil.example")], "1.1", "403"),
    "a body": ("/v1/stream", [("Content-Length", "0")], "1.1", "200"),
}


@pytest.mark.parametrize("way", LONG)
async def test_whoever_is_not_for_the_short_way_goes_the_long_one(cluster, bearer, way):
    """What has to be refused is refused as ever, with its reason; what is only unusual is served."""
    path, headers, version, status = LONG[way]
    if "ticket" in path:
        bearer = ("X-Nothing", "1")
    line, answered = await head_of(cluster, path, [bearer, *headers], version=version)
    assert line.split()[1] == status
    if status == "426":
        assert (answered["upgrade"], answered["sec-websocket-version"]) == ("websocket", "13")


def test_what_is_said_twice_is_for_the_long_way():
    """Two parsers may disagree on which of two headers counts, so the short way reads neither."""
    assert Opening.read(b"", [(b"host", b"a"), (b"host", b"b")]) is None
    assert Opening.read(b"", [(b"host", b"a")]) is not None


@pytest.mark.parametrize("way", ["events", "WebSocket"])
async def test_a_kept_connection_may_become_a_stream(cluster, bearer, way):
    """What was asked before on the same connection changes nothing: so it is behind an edge that keeps connections."""
    path, headers = WAYS[way]
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.nodes[0].port)
    lines = [f"GET {path} HTTP/1.1", "Host: hub.test", *(f"{name}: {value}" for name, value in [bearer, *headers])]
    try:
        for _ in range(2):
            writer.write(b"GET /livez HTTP/1.1\r\nHost: hub.test\r\n\r\n")
            assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).startswith(b"HTTP/1.1 204 ")
        writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 101 " if way == "WebSocket" else b"HTTP/1.1 200 ")
        assert b'"hello"' in await asyncio.wait_for(reader.readuntil(b'"hello"'), 5)
    finally:
        writer.close()


async def test_who_was_refused_a_stream_may_ask_again(cluster, bearer):
    """The connection goes on after a refusal, and what follows a request at once waits for its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.nodes[0].port)
    nobody, alive = b"GET /v1/stream HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"
    stream = f"GET /v1/stream HTTP/1.1\r\nHost: a\r\n{': '.join(bearer)}\r\n\r\n".encode()
    try:
        for asked, wanted in (
            (nobody, [401]),
            (nobody + alive, [401, 204]),
            (alive + nobody, [204, 401]),
            (stream, [200]),
        ):
            writer.write(asked)
            for status in wanted:
                head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode().lower()
                assert head.startswith(f"http/1.1 {status} ")
                length = re.search(r"content-length: (\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
    finally:
        writer.close()
