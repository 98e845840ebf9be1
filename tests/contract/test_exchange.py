"""A request answered outside ASGI is answered as in it, byte for byte but for what is new every time."""

import asyncio
import json
import re

import httpx2
import pytest

from hub.exchange import MAX_BODY_BYTES, Exchange
from tests.hub_nodes import new_user

NEW = re.compile(rb"(pub|ntf|req)_[0-9a-f]{32}")
ITS_OWN = {"date", "ratelimit"}  # the server's clock, and what the request before left of the limit
TWICE = [("X-Twice", "1"), ("X-Twice", "2")]  # two parsers may differ on it: for ASGI
TO = {"to": "somebody", "category": "test", "title": "t"}


def asked(method, path, body=None, headers=(), version="1.1"):
    """Put a request into bytes; one with a body has its length, and is JSON unless it says something else."""
    lines = [f"{method} {path} HTTP/{version}", "Host: hub.test", *(f"{name}: {value}" for name, value in headers)]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
        lines += [] if any(name == "Content-Type" for name, _ in headers) else ["Content-Type: application/json"]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode() + (body or b"")


class Wire:
    """A bare connection to a node."""

    def __init__(self, cluster):
        self._port = cluster.nodes[0].port

    async def __aenter__(self):
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_):
        self._writer.close()

    def say(self, data):
        self._writer.write(data)

    async def hear(self):
        """Read one answer: status, headers by lower-case name, body."""
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 5)
        status, *lines = head.decode().strip().split("\r\n")
        pairs = [line.split(": ", 1) for line in lines]
        headers = {name.lower(): value for name, value in pairs}
        assert len(headers) == len(pairs), "a header was said twice"
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return int(status.split()[1]), headers, body

    async def ended(self):
        """Tell that the node has closed, saying nothing more."""
        return await asyncio.wait_for(self._reader.read(), 5) == b""


async def answer(cluster, request):
    async with Wire(cluster) as wire:
        wire.say(request)
        return await wire.hear()


@pytest.fixture
def service(cluster):
    return ("Authorization", f"Bearer {cluster.api_key}")


BAD = json.dumps(TO | {"titel": "t"}).encode()
GOOD = json.dumps(TO).encode()
REQUESTS = {
    "a publish": ("POST", "/v1/notifications", GOOD, [], 201),
    "a dry run": ("POST", "/v1/notifications?dry_run=true", GOOD, [], 200),
    "a batch": ("POST", "/v1/notifications/batch", json.dumps({"items": [TO, {"to": "x"}]}).encode(), [], 207),
    "an id of its own": ("POST", "/v1/notifications", GOOD, [("X-Request-ID", "mine-1")], 201),
    "an id that is none": ("POST", "/v1/notifications", GOOD, [("X-Request-ID", "<script>")], 201),
    "no JSON": ("POST", "/v1/notifications", b"{", [], 400),
    "no body": ("POST", "/v1/notifications", None, [], 415),
    "a bad key": ("POST", "/v1/notifications", GOOD, [("Idempotency-Key", "x" * 256)], 422),
    "a bad field": ("POST", "/v1/notifications", BAD, [], 422),
    "a bad query": ("POST", "/v1/notifications?dryrun=true", GOOD, [], 422),
    "another media type": ("POST", "/v1/notifications", GOOD, [("Content-Type", "text/plain")], 415),
    "another method": ("PUT", "/v1/notifications", GOOD, [], 405),
    "no such path": ("POST", "/v1/nothing", GOOD, [], 404),
    "no such thing": ("DELETE", "/v1/notifications/pub_" + "0" * 32, None, [], 404),
    "a user in the path": ("PUT", "/v1/users/a%2Fb", b'{"locale":"de"}', [], 200),
    "an empty answer": ("POST", "/v1/users/a%2Fb/disconnect", None, [], 204),
}


@pytest.mark.parametrize("way", REQUESTS)
async def test_both_ways_answer_alike(cluster, service, way):
    """The same headers and the same body; ids are new each time."""
    method, path, body, headers, status = REQUESTS[way]
    short = await answer(cluster, asked(method, path, body, [service, *headers]))
    long = await answer(cluster, asked(method, path, body, [service, *headers, *TWICE]))
    assert short[0] == long[0] == status, short
    assert NEW.sub(rb"\1", without_seqs(short[2])) == NEW.sub(rb"\1", without_seqs(long[2]))
    for name in (short[1].keys() | long[1].keys()) - ITS_OWN:
        one, other = (NEW.sub(rb"\1", seen[1].get(name, "missing").encode()) for seen in (short, long))
        assert one == other or name == "content-length", name
    assert short[1].keys() == long[1].keys()


def without_seqs(body):
    return re.sub(rb'"seq":\d+', b'"seq":0', body)


async def test_the_refusals_of_the_gate_are_the_same(cluster):
    """Nobody, a stranger's key, and a user, who may not publish."""
    for who in ([], [("Authorization", "Bearer hub_x")], [("Authorization", f"Bearer {cluster.token(new_user())}")]):
        short, long = [
            await answer(cluster, asked("POST", "/v1/notifications", GOOD, [*who, *more])) for more in ([], TWICE)
        ]
        assert short[0] == long[0]
        assert short[0] in (401, 403)
        assert NEW.sub(b"", short[2]) == NEW.sub(b"", long[2])
        assert short[1].keys() - ITS_OWN == long[1].keys() - ITS_OWN


async def test_an_answer_is_repeated_either_way(cluster, service):
    """What was said one way is remembered the other."""
    key = [service, ("Idempotency-Key", new_user())]
    first = await answer(cluster, asked("POST", "/v1/notifications", GOOD, key))
    for more in (TWICE, []):
        status, headers, body = await answer(cluster, asked("POST", "/v1/notifications", GOOD, [*key, *more]))
        assert (status, headers["idempotent-replayed"], body) == (201, "true", first[2])


async def test_requests_that_come_at_once_are_answered_in_order(cluster, service):
    """Pipelined ones wait for their turn, whichever way each goes (RFC 9112, section 9.3.2)."""
    to = [json.dumps(TO | {"to": f"{new_user()}-{number}"}).encode() for number in range(4)]
    say = [asked("POST", "/v1/notifications", body, [service]) for body in to]
    say[2:2] = [asked("GET", "/livez"), asked("POST", "/v1/notifications", GOOD, [service, *TWICE])]
    async with Wire(cluster) as wire:
        wire.say(b"".join(say))
        heard = [await wire.hear() for _ in say]
    assert [status for status, _, _ in heard] == [201, 201, 204, 201, 201, 201]
    ours = [json.loads(heard[number][2])["notifications"][0]["user_id"] for number in (0, 1, 4, 5)]
    assert ours == [json.loads(body)["to"] for body in to]


async def test_a_request_may_come_in_parts(cluster, service):
    """Bytes are taken as they come; the connection serves the next request too."""
    request = asked("POST", "/v1/notifications", GOOD, [service])
    async with Wire(cluster) as wire:
        for size in (1, 30, len(request) - len(GOOD) - 5, len(request) - 7):
            for start in range(0, len(request), size):
                wire.say(request[start : start + size])
                await asyncio.sleep(0)
            assert (await wire.hear())[0] == 201


@pytest.mark.parametrize("size", [MAX_BODY_BYTES - 200, MAX_BODY_BYTES + 200])
async def test_a_large_body_is_read_to_its_end(cluster, service, size):
    """Its size decides which way it goes, not what is said to it."""
    body = json.dumps(TO | {"body": "x" * size}).encode()
    status, _, said = await answer(cluster, asked("POST", "/v1/notifications", body, [service]))
    assert (status, json.loads(said)["errors"][0]["pointer"]) == (413, "#/body")


async def test_whoever_wants_to_be_asked_for_the_body_is(cluster, service):
    """`Expect: 100-continue` (RFC 9110, section 10.1.1)."""
    head, _, body = asked("POST", "/v1/notifications", GOOD, [service, ("Expect", "100-continue")]).partition(
        b"\r\n\r\n"
    )
    async with Wire(cluster) as wire:
        wire.say(head + b"\r\n\r\n")
        assert (await wire.hear())[0] == 100
        wire.say(body)
        assert (await wire.hear())[0] == 201


async def test_a_chunked_body_is_read_too(cluster, service):
    """Nobody need know the length beforehand."""

    async def parts():
        yield GOOD[:10]
        yield GOOD[10:]

    async with httpx2.AsyncClient(trust_env=False) as client:
        headers = dict([service, ("Content-Type", "application/json")])
        done = await client.post(cluster.url() + "/v1/notifications", content=parts(), headers=headers)
    assert done.status_code == 201


@pytest.mark.parametrize(("version", "more"), [("1.1", [("Connection", "close")]), ("1.0", [])])
async def test_whoever_wants_to_close_is_let_go(cluster, service, version, more):
    """The answer says so, and is the last thing said."""
    async with Wire(cluster) as wire:
        wire.say(asked("POST", "/v1/notifications", GOOD, [service, *more], version))
        status, headers, _ = await wire.hear()
        assert (status, headers["connection"]) == (201, "close")
        assert await wire.ended()


async def test_whoever_leaves_in_the_middle_is_forgotten(cluster, service):
    """Half a request is none; a whole one is carried out, heard or not."""
    user = new_user()
    request = asked("POST", "/v1/notifications", json.dumps(TO | {"to": user}).encode(), [service])
    for said in (request[:-3], request):
        async with Wire(cluster) as wire:
            wire.say(said)
    async with cluster.user(user) as client:
        async with asyncio.timeout(5):
            while not (items := (await client.get("/v1/inbox")).json()["items"]):
                await asyncio.sleep(0.05)
    assert len(items) == 1


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"a"), (b"host", b"b")],
        [(b"origin", b"https://app.example.com")],
        [(b"transfer-encoding", b"chunked")],
        [(b"expect", b"100-continue")],
        [(b"content-length", str(MAX_BODY_BYTES + 1).encode())],
    ],
    ids=["twice", "a page", "chunked", "expecting", "large"],
)
def test_what_is_for_asgi_is_left_to_it(headers):
    """Decided by the head alone, before anything is looked up."""
    assert Exchange.read(b"POST", b"/v1/notifications", headers, {}, lambda _: None) is None
