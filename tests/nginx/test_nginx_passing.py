"""What passes the edge: headers, streams, failover, TLS and what is logged of it."""

import asyncio
import contextlib
import json
import ssl
import subprocess

import httpx2
import pytest
from websockets.asyncio.client import connect

from tests import compose, edge
from tests.hub_nodes import free_port
from tests.nginx.recorder import Recorder, assert_problem, header

FORGED = {"X-Forwarded-For": "203.0.113.9, 10.0.0.1", "Forwarded": "for=203.0.113.9", "X-Real-IP": "203.0.113.9"}


def test_the_file_is_accepted_without_a_warning(binary):
    """Nginx accepts the configuration, and has nothing to remark when it starts on it."""
    with edge.Edge(binary, ["127.0.0.1:9"]) as nginx:
        subprocess.run([*nginx.command, "-t"], check=True, capture_output=True, timeout=10)
        # A machine may allow fewer open files than the configuration asks for; that is the machine's remark.
        assert [line for line in nginx.errors().splitlines() if "RLIMIT_NOFILE" not in line] == []


@pytest.mark.parametrize("forged", [{}, FORGED])
async def test_a_node_is_told_exactly_the_clients_address(nginx, client, forged):
    """X-Forwarded-For is the client's address alone, whatever the client claims, on all three ways in."""
    sent = [(await client.get(f"{nginx.url}/v1/inbox", headers=forged)).json()]
    async with connect(f"ws://127.0.0.1:{nginx.port}/v1/ws", additional_headers=forged) as websocket:
        sent.append(json.loads(await websocket.recv()))
    async with client.stream("GET", f"{nginx.url}/v1/stream", headers=forged) as answer:
        sent.append(json.loads((await anext(answer.aiter_lines())).removeprefix("data: ")))
    for request in sent:
        assert header(request, "x-forwarded-for") == ["127.0.0.1"]
        assert header(request, "x-forwarded-proto") == ["http"]
        assert header(request, "forwarded") == header(request, "x-real-ip") == header(request, "x-forwarded-host") == []


@pytest.mark.parametrize(
    ("given", "kept"), [("order:42-a_b.c", True), ("a b", False), ("x" * 129, False), ('"}', False)]
)
async def test_a_harmless_request_id_is_kept(nginx, client, given, kept):
    """A caller's request id reaches the node and comes back if it is harmless, else Nginx makes one."""
    answer = await client.get(f"{nginx.url}/v1/inbox", headers={"X-Request-ID": given})
    [passed] = header(answer.json(), "x-request-id")
    assert answer.headers.get_list("x-request-id") == [passed]
    assert (passed == given) is kept
    assert nginx.wait_for_log("/v1/inbox")[0]["request_id"] == passed


async def test_an_event_arrives_when_it_is_sent(nginx, node, client):
    """Nginx holds no event back until the next."""
    async with client.stream("GET", f"{nginx.url}/v1/stream", headers={"Accept-Encoding": "gzip"}) as answer:
        lines = answer.aiter_lines()
        first = await asyncio.wait_for(anext(lines), 5)
        node.next_event.set()
        assert [line async for line in lines] == ["", "data: second", ""]
    assert "/v1/stream" in first


async def test_a_client_that_does_not_read_is_felt_by_the_node(nginx, node):
    """Nginx does not take a stream off the node's hands: its backlog and its patience must see the slow client."""
    reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port, limit=1024)
    try:
        writer.write(b"GET /v1/stream?flood=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(node.flooded.wait(), 1)
    finally:
        writer.transport.abort()


async def test_websocket_frames_pass_both_ways(nginx):
    """The upgrade is passed on, and frames after it."""
    async with connect(f"ws://127.0.0.1:{nginx.port}/v1/ws?resume=1:2") as websocket:
        await websocket.recv()
        await websocket.send("ping?")
        assert await websocket.recv() == "ping?"


async def test_only_websocket_may_change_the_protocol(nginx, client):
    """An upgrade to h2c does not reach a node: it would tunnel past the edge's rules."""
    headers = {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABk"}
    sent = (await client.get(f"{nginx.url}/v1/inbox", headers=headers)).json()
    assert header(sent, "upgrade") == header(sent, "connection") == []


async def test_security_headers_stand_once(nginx, client):
    """The edge says its security headers once, also where the node said them too."""
    headers = (await client.get(f"{nginx.url}/docs")).headers
    assert headers.get_list("x-content-type-options") == ["nosniff"]
    assert headers.get_list("x-frame-options") == ["SAMEORIGIN"]
    assert headers.get_list("referrer-policy") == ["no-referrer"]
    assert headers["server"] == "nginx"  # and no version


async def test_the_access_log_keeps_secrets_out(nginx, client):
    """A line of the access log is JSON with the path, never with a query or a token that stands in the path."""
    await client.get(f"{nginx.url}/v1/inbox?cursor=SECRET", headers={"Referer": "http://x/?t=SECRET"})
    await client.put(f"{nginx.url}/v1/devices/SECRET", json={})
    await client.post(f"{nginx.url}/v1/unsubscribe/SECRET")
    await client.put(f"{nginx.url}/v1/users/u1/devices/SECRET", json={})
    [entry] = nginx.wait_for_log("/v1/inbox")
    assert entry["status"] == 200
    assert entry["method"] == "GET"
    assert entry["address"] == "127.0.0.1"
    for path in ("/v1/devices/-", "/v1/unsubscribe/-", "/v1/users/u1/devices/-"):
        nginx.wait_for_log(path)
    assert "SECRET" not in (nginx.directory / "access.log").read_text()


async def test_no_node_at_all_is_a_502_to_come_back_from(binary, client):
    """With every node gone, the answer is a problem document with Retry-After."""
    with edge.Edge(binary, [f"127.0.0.1:{free_port()}"]) as nginx:
        answer = await client.get(f"{nginx.url}/v1/inbox")
    assert_problem(answer, 502)
    assert answer.headers["retry-after"] == "1"


async def test_the_edge_is_healthy_without_nodes(binary, client):
    """The container's health check asks for Nginx itself: restarting it would not bring nodes back."""
    *_, url = compose.load(compose.example())["services"]["nginx"]["healthcheck"]["test"]
    with edge.Edge(binary, ["127.0.0.1:9"]) as nginx:
        assert (await client.get(url.replace("http://127.0.0.1:8080", nginx.url))).status_code == 204


async def test_a_draining_node_is_passed_over(binary, node, client):
    """A handshake that a draining node refuses goes to another one; the client sees no 5xx."""
    async with Recorder() as other:
        with edge.Edge(binary, [node.address, other.address]) as nginx:
            for leaving in (node, other, node):  # the next before the last mark has faded: never "no live upstreams"
                leaving.draining = True
                for _ in range(4):
                    async with client.stream("GET", f"{nginx.url}/v1/stream") as answer:
                        assert answer.status_code == 200
                    async with connect(f"ws://127.0.0.1:{nginx.port}/v1/ws"):
                        pass
                leaving.draining = False


async def test_a_vanished_node_is_passed_over(binary, node, client):
    """Requests of every method go on while one of two nodes refuses connections."""
    with edge.Edge(binary, [node.address, f"127.0.0.1:{free_port()}"]) as nginx:
        for _ in range(10):
            assert (await client.post(f"{nginx.url}/v1/notifications", json={})).status_code == 200
            assert (await client.get(f"{nginx.url}/v1/inbox")).status_code == 200


async def test_a_post_that_was_sent_is_not_sent_again(binary, node, client):
    """A node that takes a POST and dies leaves the producer with a 502, not with two publishes."""
    taken = []

    async def take_and_die(reader, writer):
        taken.append(await reader.readline())
        writer.close()

    dying = await asyncio.start_server(take_and_die, "127.0.0.1", 0)
    address = f"127.0.0.1:{dying.sockets[0].getsockname()[1]}"
    changes = [(f"server {node.address} max_fails=1 fail_timeout=10s;", f"server {node.address} backup;"),
               (f"server {node.address} max_fails=0 backup;", "")]  # fmt: skip
    async with dying:
        with edge.Edge(binary, [address, node.address], changes=changes) as nginx:
            assert_problem(await client.post(f"{nginx.url}/v1/notifications", json={}), 502)
            assert node.seen == []
            assert (await client.get(f"{nginx.url}/v1/inbox")).status_code == 200
    assert taken[0].startswith(b"POST ")


async def test_tls_brings_http2_and_secure_websockets(binary, node, certificate):
    """With tls.conf.example, streams share one HTTP/2 connection and WebSockets are encrypted."""

    def trusting():
        # One for each client: httpx2 writes its protocols into the context it is given.
        return ssl.create_default_context(cafile=certificate.chain)

    with edge.Edge(binary, [node.address], tls=(certificate.chain, certificate.key)) as nginx:
        async with (
            httpx2.AsyncClient(http2=True, verify=trusting(), timeout=10) as client,
            contextlib.AsyncExitStack() as streams,
        ):
            for _ in range(8):  # more than a browser opens over HTTP/1.1
                stream = await streams.enter_async_context(client.stream("GET", f"{nginx.tls_url}/v1/stream"))
                assert stream.http_version == "HTTP/2"
            answer = await client.get(f"{nginx.tls_url}/v1/inbox")
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert header(answer.json(), "x-forwarded-proto") == ["https"]
        async with connect(f"wss://127.0.0.1:{nginx.tls_port}/v1/ws", ssl=trusting()) as websocket:
            assert header(json.loads(await websocket.recv()), "x-forwarded-proto") == ["https"]
