"""The Python client: publishing until it happened, once, and following a stream over every interruption."""

import asyncio
import contextlib
import http.server
import json
import subprocess
import sys
import threading
from typing import ClassVar

import httpx2
import pytest

from hub.client import AsyncClient, Client, HubProblem, StreamEnded, follow
from hub.client.exchange import ATTEMPTS, pause_before
from tests.hub_nodes import Cluster, new_user


class Scripted(http.server.BaseHTTPRequestHandler):
    """Answers with the next (status, headers) of its script, and remembers what it was sent."""

    script: ClassVar[list] = []
    seen: ClassVar[list] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.headers["Idempotency-Key"], body))
        status, headers = self.script.pop(0)
        answer = {"id": "pub_1", "status": "accepted", "notifications": []} if status == 201 else {"title": "no"}
        content = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def scripted(*script):
    """Run a server that plays a script; yields its address and the list of what it saw."""
    handler = type("Played", (Scripted,), {"script": list(script), "seen": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", handler.seen
        finally:
            server.shutdown()
            thread.join()


def test_a_publish_is_repeated_under_one_key_until_it_is_accepted():
    """What may be asked again is, with the same key and the same bytes."""
    with scripted((503, {}), (502, {}), (201, {})) as (url, seen), Client(url, api_key="k") as hub:
        published = hub.publish(to="alice", category="x", title="t")
    assert published.id == "pub_1"
    assert len(seen) == 3
    assert len(set(seen)) == 1


def test_a_refusal_is_not_repeated():
    """What would be refused again is raised at once, with what was wrong."""
    with (
        scripted((422, {})) as (url, seen),
        Client(url, api_key="k") as hub,
        pytest.raises(HubProblem) as raised,
    ):
        hub.publish(to="alice", category="x", title="t")
    assert (raised.value.status, len(seen)) == (422, 1)


def test_retry_after_is_waited_for_and_attempts_are_bounded():
    """The hub's own wish is the least that is waited; the last attempt is the last."""
    busy = httpx2.Response(503, headers={"Retry-After": "7"})
    assert pause_before(1, busy) >= 7
    assert pause_before(ATTEMPTS, busy) is None
    assert pause_before(1, httpx2.Response(400)) is None
    assert pause_before(1, None) is not None


def test_the_synchronous_client_speaks_to_a_real_hub(cluster):
    """Publishing, batches, presence and problems, against a node."""
    user = new_user("client/with slash")
    with Client(cluster.url(), api_key=cluster.api_key) as hub:
        first = hub.publish(to=user, category="x", title="one", idempotency_key=f"k-{user}")
        again = hub.publish(to=user, category="x", title="one", idempotency_key=f"k-{user}")
        assert (first.replayed, again.replayed) == (False, True)
        assert first.notifications == again.notifications
        good, bad = hub.publish_batch([{"to": user, "category": "x", "title": "two"}, {"to": user}])
        assert good.id is not None
        assert bad.problem is not None
        assert {pointer for pointer, _ in bad.problem.errors} == {"#/category", "#/title"}
        assert hub.is_online(user) is False
        with pytest.raises(HubProblem) as raised:
            hub.publish(to=[], category="x", title="t")
        assert raised.value.errors[0][0] == "#/to"


async def test_a_stream_is_followed_over_the_death_of_its_node(services):
    """Frames go on after the node was killed and came back: none is missing, none comes twice."""
    with Cluster(services.database_url, services.redis_url, nodes=1) as cluster:
        user, seqs, greeted = new_user(), [], asyncio.Event()

        async def listen():
            async for frame in follow(cluster.url(), token=lambda: cluster.token(user)):
                greeted.set()  # until then it has no cursor, and would begin anew
                if frame["t"] == "notification":
                    seqs.append(frame["seq"])
                if len(seqs) == 4:
                    return

        async with AsyncClient(cluster.url(), api_key=cluster.api_key) as hub:
            listening = asyncio.create_task(listen())
            await asyncio.wait_for(greeted.wait(), 10)
            assert await hub.is_online(user)
            for number in range(2):
                await hub.publish(to=user, category="x", title=f"{number}")
            await asyncio.to_thread(cluster.nodes[0].kill)
            cluster.nodes[0].start()
            await asyncio.to_thread(cluster.nodes[0].wait_until_ready)
            for number in range(2):
                await hub.publish(to=user, category="x", title=f"again {number}")
            await asyncio.wait_for(listening, 20)
    assert seqs == [1, 2, 3, 4]


async def test_a_stream_ends_where_the_hub_says_so(cluster):
    """A user who is disconnected by the application is not reconnected."""
    user = new_user()

    async def listen():
        async with AsyncClient(cluster.url(), api_key=cluster.api_key) as hub:
            async for frame in follow(cluster.url(), token=cluster.token(user)):
                if frame["t"] == "hello":
                    await hub.disconnect(user)

    with pytest.raises(StreamEnded) as ended:
        await asyncio.wait_for(listen(), 20)
    assert ended.value.code == 4009


def test_the_client_needs_nothing_of_the_server():
    """Importing it loads no database driver, server or queue."""
    program = (
        "import sys, hub.client; print([m for m in ('asyncpg', 'starlette', 'uvicorn', 'rq') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"
