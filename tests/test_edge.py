"""The hub behind its edge: real Nginx, three real nodes, and all of them restarted while everybody is at work."""

import asyncio
import contextlib
import itertools
import signal
import time

import httpx2
import pytest

from hub.server import GRACE_SECONDS
from tests import edge
from tests.follower import Follower
from tests.hub_nodes import ORIGIN, TRANSPORTS, Cluster, new_user

DRAIN_SECONDS = 2


@pytest.fixture(scope="module", params=edge.BINARIES)
def binary(request):
    return edge.binary(request.param)


@pytest.fixture(scope="module")
def nodes(services):
    """Three nodes of this module alone, because it stops them."""
    with Cluster(services.database_url, services.redis_url, nodes=3, drain_seconds=f"{DRAIN_SECONDS}") as running:
        yield running


@pytest.fixture
def nginx(binary, nodes):
    with edge.Edge(binary, [node.url.removeprefix("http://") for node in nodes.nodes]) as running:
        yield running


@pytest.fixture
async def service(nginx, nodes):
    """A service that reaches the hub through the edge."""
    headers = {"Authorization": f"Bearer {nodes.api_key}"}
    async with httpx2.AsyncClient(base_url=nginx.url, headers=headers, timeout=20) as client:
        yield client


async def publish(service, user, title):
    """Publish one notification, again under the same key while the hub cannot; return the failures on the way."""
    failures = []
    content = {"to": user, "category": "test", "title": title}
    while True:
        answer = await service.post("/v1/notifications", json=content, headers={"Idempotency-Key": f"{user}-{title}"})
        if answer.status_code == 201:
            return failures
        failures.append(f"{answer.status_code} {answer.text}")
        assert answer.status_code == 502, answer.text


class Publisher:
    """Publishes to users in turn until it is left; `published` holds the titles of each."""

    def __init__(self, service, users):
        self.failures = []
        self.published = {user: [] for user in users}
        self._service = service
        self._left = asyncio.Event()

    async def __aenter__(self):
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_):
        self._left.set()
        await self._task

    async def _run(self):
        for number, user in enumerate(itertools.cycle(self.published)):
            self.failures += await publish(self._service, user, f"{number}")
            self.published[user].append(f"{number}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), 0.005)
                return


@contextlib.asynccontextmanager
async def following(nodes, nginx, users):
    """Listen to each user twice on each transport; yields (user, follower) pairs."""
    async with contextlib.AsyncExitStack() as stack:
        yield [
            (user, await stack.enter_async_context(Follower(nodes, user, transport, nginx.url)))
            for user in users
            for transport in TRANSPORTS * 2
        ]


async def assert_nothing_is_missing(followers, published):
    """Wait until every follower has seen the last title; then it believes in exactly what was published."""
    for user, follower in followers:
        await follower.until(lambda: follower.titles[-1:] == published[user][-1:])  # noqa: B023 (awaited at once)
        assert follower.titles == published[user]
        assert follower.inbox.unread == len(published[user])
        assert [frame for frame in follower.frames if frame["t"] == "resync"] == []


async def test_all_nodes_serve_and_both_transports_hear(nodes, nginx, service):
    """What is published through Nginx reaches a user's streams on every node, whichever way they listen."""
    user = new_user()
    titles = [f"{number}" for number in range(10)]
    async with following(nodes, nginx, [user]) as followers:
        for title in titles:
            assert await publish(service, user, title) == []
        await assert_nothing_is_missing(followers, {user: titles})
    entries = nginx.wait_for_log("/v1/stream", count=2) + nginx.wait_for_log("/v1/ws", count=2)
    assert {f"http://{entry['node']}" for entry in entries} == {node.url for node in nodes.nodes}
    assert {entry["status"] for entry in entries} == {101, 200}


@pytest.mark.parametrize(("origin", "status"), [(ORIGIN, 200), ("https://evil.example.com", 403), ("null", 403)])
async def test_an_origin_is_judged_behind_the_edge_too(nodes, nginx, service, origin, status):
    """The handshake's Origin reaches the node, which lets an allowed one in and refuses a foreign one."""
    headers = {"Authorization": f"Bearer {nodes.token(new_user())}", "Origin": origin}
    async with service.stream("GET", "/v1/stream", headers=headers) as answer:
        assert answer.status_code == status


async def test_a_request_can_be_followed_through_the_edge(nginx):
    """A caller's request id stands in Nginx's log, in the answer's header and in the node's problem document."""
    async with httpx2.AsyncClient(timeout=10) as nobody:
        answer = await nobody.get(f"{nginx.url}/v1/inbox", headers={"X-Request-ID": "follow-me"})
    assert answer.status_code == 401
    assert answer.headers.get_list("x-request-id") == ["follow-me"]
    assert answer.json()["instance"] == "urn:request:follow-me"
    assert [entry["request_id"] for entry in nginx.wait_for_log("/v1/inbox")] == ["follow-me"]


async def test_a_ticket_opens_a_stream_and_leaves_no_trace(nodes, nginx, service):
    """A ticket opens a stream through the edge, and Nginx does not write it down."""
    user = {"Authorization": f"Bearer {nodes.token(new_user())}"}
    ticket = (await service.post("/v1/tickets", headers=user)).json()["ticket"]
    async with service.stream("GET", f"/v1/stream?ticket={ticket}", headers={"Authorization": ""}) as answer:
        assert answer.status_code == 200
    nginx.wait_for_log("/v1/stream")
    assert ticket not in (nginx.directory / "access.log").read_text() + nginx.errors()


async def restart(node):
    """Stop a node as an orchestrator does, start it again, and go on as soon as it is ready."""
    node.signal(signal.SIGTERM)
    assert await asyncio.to_thread(node.wait, DRAIN_SECONDS + GRACE_SECONDS + 1) == 0
    node.start()
    await asyncio.to_thread(node.wait_until_ready)


async def test_a_rolling_restart_loses_nothing(nodes, nginx, service):
    """Three nodes are restarted, one right after the other, while clients listen and a service publishes.

    Nothing is lost, doubled or out of order; every connection is closed with 4200 after a `bye`, never with 1006; no
    handshake is answered with a 5xx. A publish may be, rarely: one that is on its way when its node stops to listen is
    not sent again by Nginx, but by the service, under its key.
    """
    users = [new_user() for _ in range(5)]
    async with following(nodes, nginx, users) as followers:
        async with Publisher(service, users) as publisher:
            for node in nodes.nodes:
                await restart(node)
        await assert_nothing_is_missing(followers, publisher.published)
    assert min(len(titles) for titles in publisher.published.values()) > 20
    assert len(publisher.failures) <= len(nodes.nodes), publisher.failures
    assert [refusal for _, follower in followers for refusal in follower.refusals] == []
    assert {code for _, follower in followers for code in follower.closes} == {4200}
    assert sum(follower.connects for _, follower in followers) > len(followers)


async def test_a_killed_node_takes_nothing_with_it(nodes, nginx, service):
    """A node dies without a word: its clients go on at the other one, and miss nothing."""
    user = new_user()
    async with following(nodes, nginx, [user]) as followers:
        async with Publisher(service, [user]) as publisher:
            for titles in (10, 100):
                for _, follower in followers:
                    await follower.until(lambda: len(follower.titles) > titles)  # noqa: B023 (awaited at once)
                if titles == 10:
                    await asyncio.to_thread(nodes.nodes[0].kill)
        await assert_nothing_is_missing(followers, publisher.published)
    assert [refusal for _, follower in followers for refusal in follower.refusals] == []
    nodes.nodes[0].start()
    await asyncio.to_thread(nodes.nodes[0].wait_until_ready)


async def test_everybody_comes_back_when_the_edge_does(nodes, nginx):
    """Nginx dies with everybody on it and is started again: all are back within 30 s and have what they missed."""
    users = [new_user() for _ in range(30)]
    async with following(nodes, nginx, users) as followers:
        before = [await nodes.publish(users, f"before {number}") for number in range(3)]
        nginx.kill()
        meanwhile = [await nodes.publish(users, f"meanwhile {number}") for number in range(3)]
        begun = time.monotonic()
        nginx.__enter__()
        titles = [f"{when} {number}" for when in ("before", "meanwhile") for number in range(3)]
        for _, follower in followers:
            await follower.until(lambda: len(follower.titles) == 6, seconds=30)  # noqa: B023 (awaited at once)
        assert time.monotonic() - begun < 30
        assert len(before) == len(meanwhile) == 3
        for _, follower in followers:
            assert follower.titles == titles
            seqs = [frame["seq"] for frame in follower.frames if frame["t"] == "notification"]
            assert seqs == sorted(set(seqs)), "something came twice, or out of order"
