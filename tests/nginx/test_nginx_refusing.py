"""What the edge refuses, and how it says so."""

import asyncio
import contextlib
import json

import pytest

from tests import edge
from tests.nginx.recorder import OUTSIDE, assert_problem, header


async def raw(port, text):
    """Send bytes as they are and return the whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text.encode())
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/metrics?x=1", "/./metrics", "//metrics", "/%6detrics", "/v1/../metrics",
     "/readyz", "/v1/%2e%2e/readyz", "/admin", "/admin/users"],
)  # fmt: skip
async def test_operations_are_not_reachable_from_outside(nginx, node, path):
    """The nodes' own endpoints are 404 at the edge, in every spelling, and the node is not asked."""
    answer = await raw(nginx.port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"application/problem+json" in answer
    assert node.seen == []


async def test_administration_is_for_the_inside(binary, node, client):
    """The API's administration passes from private addresses and is 404 from public ones."""
    paths = [
        "/v1/categories/order.shipped",
        "/v1/templates/a/email/en",
        "/v1/deliveries?state=dead",
        "/v1/deliveries/1/replay",
        "/v1/webhook-endpoints",
    ]
    with edge.Edge(binary, [node.address]) as inside, edge.Edge(binary, [node.address], changes=OUTSIDE) as outside:
        for path in paths:
            assert (await client.get(inside.url + path)).status_code == 200
            assert_problem(await client.get(outside.url + path), 404)
        passing = await client.get(f"{outside.url}/v1/notifications/pub_1/deliveries")
    assert passing.status_code == 200


async def test_too_many_handshakes_of_one_address_are_429(limiting, client):
    """A public address that opens streams too fast is answered 429 with Retry-After; its other requests pass."""
    for _ in range(5):
        async with client.stream("GET", f"{limiting.url}/v1/stream"):
            pass
    answer = await client.get(f"{limiting.url}/v1/stream")
    assert_problem(answer, 429)
    assert answer.headers["retry-after"] == "1"
    assert (await client.get(f"{limiting.url}/v1/inbox")).status_code == 200


async def test_too_many_streams_of_one_address_are_429(limiting, client):
    """A public address holds a bounded number of streams, and may open one when another has closed."""
    url = f"{limiting.url}/v1/stream"
    async with client.stream("GET", url) as first:
        async with client.stream("GET", url) as second:
            assert [first.status_code, second.status_code] == [200, 200]
            assert_problem(await client.get(url), 429)
        limiting.wait_for_log("/v1/stream", count=2)  # the refused one and the one that left
        async with client.stream("GET", url) as third:
            assert third.status_code == 200


async def test_private_addresses_are_not_limited(nginx, client):
    """What comes from loopback, as from a proxy in front, is not limited per address."""
    answers = await asyncio.gather(*(client.get(f"{nginx.url}/v1/ws") for _ in range(300)))
    assert {answer.status_code for answer in answers} == {200}


async def test_a_body_is_as_large_as_the_hub_allows(nginx, client):
    """256 KiB pass, one byte more is 413 before any node sees it."""
    url = f"{nginx.url}/v1/notifications"
    whole = await client.post(url, content=b"x" * 262_144)
    assert whole.json()["bytes"] == 262_144
    assert_problem(await client.post(url, content=b"x" * 262_145), 413)


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("GARBAGE\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        (f"GET /{'x' * 20_000} HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (f"GET /v1/inbox HTTP/1.1\r\nHost: x\r\nCookie: {'x' * 20_000}\r\n\r\n", 431),
        ("TRACE /v1/inbox HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
    ],
)
async def test_what_nginx_refuses_is_a_problem_document(nginx, request_text, status):
    """A request Nginx cannot pass on is answered in the hub's own form."""
    head, _, body = (await raw(nginx.port, request_text)).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == status


class TestDashboard:
    """The RQ dashboard is to be looked at, from inside, with a password."""

    @pytest.fixture
    def open(self, binary, node):
        """Start an Nginx whose dashboard is the recorder."""

        @contextlib.contextmanager
        def start(changes=(), password="rq:{PLAIN}pass\n"):
            changes = [("http://rq-dashboard:9181", f"http://{node.address}"), *changes]
            with edge.Edge(binary, [node.address], changes=changes) as nginx:
                if password:
                    (nginx.directory / "rq.htpasswd").write_text(password)
                yield nginx

        return start

    async def test_it_can_be_read(self, open, client):
        """GET and HEAD with the password pass, with the prefix and the credentials the dashboard wants."""
        with open() as nginx:
            answer = await client.get(f"{nginx.url}/rq/0/view/queues", auth=("rq", "pass"))
            assert answer.json()["path"] == "/rq/0/view/queues"
            assert header(answer.json(), "authorization")
            assert (await client.head(f"{nginx.url}/rq/", auth=("rq", "pass"))).status_code == 200

    async def test_it_needs_the_password(self, open, client, node):
        """Without the password, with a wrong one, or with none configured, nobody gets in."""
        with open() as nginx:
            challenge = await client.get(f"{nginx.url}/rq/")
            assert_problem(challenge, 401)
            assert challenge.headers["www-authenticate"].startswith("Basic ")
            assert (await client.get(f"{nginx.url}/rq/", auth=("rq", "wrong"))).status_code == 401
        with open(password=None) as nginx:
            assert_problem(await client.get(f"{nginx.url}/rq/", auth=("rq", "pass")), 403)
        assert node.seen == []

    async def test_it_cannot_be_changed(self, open, client, node):
        """Nothing that changes a queue reaches it, not even the GET that requeues."""
        with open() as nginx:
            for path in ("requeue/default", "%72equeue/default", "job/1/delete", "job/1/requeue", "queue/low/empty"):
                for method in ("GET", "POST"):
                    answer = await client.request(method, f"{nginx.url}/rq/{path}", auth=("rq", "pass"))
                    assert_problem(answer, 404)
            assert_problem(await client.post(f"{nginx.url}/rq/0/view/queues", auth=("rq", "pass")), 403)
        assert node.seen == []

    async def test_it_is_not_there_from_outside(self, open, client, node):
        """From a public address the dashboard does not exist, password or not."""
        with open(changes=OUTSIDE) as nginx:
            assert_problem(await client.get(f"{nginx.url}/rq/", auth=("rq", "pass")), 404)
        assert node.seen == []
