"""Connections by the hundred: that never say who they are, that vanish, that are one user's, that use up everything."""

import asyncio
import contextlib
import json
import random
import statistics
import sys
import time

from tests.faults import vitals
from tests.faults.invariants import Crowd
from tests.faults.raw import HANDSHAKE, REQUEST, Raw, frame
from tests.hub_nodes import new_user
from tests.listener import Listener


async def open_many(stack, make, count, *, at_once=100):
    """Open connections, some at a time; keep those that succeed until the stack is left."""
    gate, opened = asyncio.Semaphore(at_once), []

    async def open_one():
        async with gate:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                opened.append(await stack.enter_async_context(await make()))

    await asyncio.gather(*(open_one() for _ in range(count)))
    return opened


async def connect_time(cluster):
    """Connect as a legitimate client and return how long that took."""
    begun = time.monotonic()
    async with Listener(cluster, new_user(), "websocket") as listener:
        assert listener.frames[0]["t"] == "hello"
        return time.monotonic() - begun


async def test_a_flood_that_never_says_who_it_is_is_turned_away(start):
    """Of 5,000 sockets without `auth` as many as fit are held for 5 s and told 4308, the others 503 at once.

    Meanwhile those who say who they are get in, 99 of 100 within a second.
    """
    async with start(max_connections="4000") as cluster:
        command = (sys.executable, "-m", "tests.faults.flood", str(cluster.nodes[0].port), "5000")
        flooding = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        told, waits = asyncio.create_task(flooding.communicate()), []
        while not told.done():
            waits.append(await connect_time(cluster))
        flood = json.loads(told.result()[0])
        print(f"{flood}; {len(waits)} connected, the slowest within {max(waits):.2f} s")
        assert flood["statuses"].keys() == {"101", "503"}
        assert flood["statuses"]["101"] >= 2000
        assert flood["codes"].keys() == {"4308"}
        assert 4.5 < flood["stayed"][0] <= flood["stayed"][1] < 8
        assert len(waits) >= 100
        assert statistics.quantiles(waits, n=100)[98] <= 1


async def test_those_who_do_not_say_who_they_are_leave_room_for_those_who_do(start):
    """At most half of a node's room is for handshakes without credentials; the rest of them are answered 503."""
    async with start(max_connections="40") as cluster, contextlib.AsyncExitStack() as stack:
        flood = await open_many(stack, lambda: Raw.websocket(cluster), 60)
        assert sorted(raw.status for raw in flood) == [101] * 20 + [503] * 40
        users = [new_user() for _ in range(25)]
        known = await open_many(stack, lambda: Raw.websocket(cluster, users.pop()), 25, at_once=1)
        assert sorted(raw.status for raw in known) == [101] * 20 + [503] * 5
        async with cluster.user(new_user()) as client:
            answer = await client.get("/v1/stream")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert (await client.get("/v1/inbox")).status_code == 200


async def test_a_tab_too_many_replaces_the_oldest(pair):
    """Of thirty tabs of one user on a node the newest twenty stay; each of the others is told 4010."""
    async with Crowd(pair) as crowd:
        user = new_user()
        tabs = []
        for number in range(30):
            tabs += await crowd.join([user], transport=("websocket", "sse")[number % 2])
        assert [await tab.until_closed(5) for tab in tabs[:10]] == [4010] * 10
        async with pair.service() as service:
            await crowd.publish(service, user)
        await crowd.settle(2)
        assert all(tab.closed is None for tab in tabs[10:])
        assert tabs[0].of("bye")[0]["reconnect"] is False
        await crowd.check()


async def test_clients_that_vanish_at_any_moment_leave_nothing_behind(pair):
    """Two hundred clients reset their connections in the middle of anything: nothing of them remains."""
    users = [new_user() for _ in range(20)]

    async def come_and_go(number):
        user, node = random.choice(users), pair.nodes[number % 2]
        way = random.choice(["websocket", "stream", "auth"])
        async with await Raw.connect(node) as raw:
            if way == "stream":
                headers = f"Authorization: Bearer {pair.token(user)}\r\n"
                raw.say(REQUEST.format(path="/v1/stream", headers=headers).encode())
            else:
                offer = "hub.v1" if way == "auth" else f"hub.v1, bearer.{pair.token(user)}"
                raw.say(HANDSHAKE.format(path="/v1/ws", headers=f"Sec-WebSocket-Protocol: {offer}\r\n").encode())
            if way == "auth":
                await raw.reader.readuntil(b"\r\n\r\n")
                raw.say(frame(b'{"t":"auth","token":"%b"}' % pair.token(user).encode()))
            await asyncio.sleep(random.choice([0, 0.001, 0.005, 0.02, 0.1]))
            raw.vanish()

    async with Crowd(pair) as crowd, crowd.chattering(users, per_second=50):
        for first in range(0, 200, 40):
            await asyncio.gather(*(come_and_go(number) for number in range(first, first + 40)))


async def test_a_node_that_runs_out_of_file_descriptors_recovers(start):
    """With every descriptor in use new connections are refused and open ones served; afterwards all is as before."""

    def limit(cluster):
        (node,) = cluster.nodes
        node.command = ["prlimit", "--nofile=256:256", *node.command]

    async with start(prepare=limit) as cluster, Crowd(cluster) as crowd:
        (node,) = cluster.nodes
        (user,) = await crowd.everywhere()
        async with contextlib.AsyncExitStack() as stack, cluster.service() as service:
            await crowd.publish(service, user)
            streams = await open_many(stack, lambda: Raw.websocket(cluster, new_user()), 300)
            assert {raw.status for raw in streams} == {101, 503}
            await open_many(stack, lambda: Raw.connect(node), 300)
            assert vitals.fds(node) > 250
            for _ in range(5):
                answer = await crowd.publish(service, user)
                assert answer.status_code == 201, answer.text
            await crowd.settle(2)
            assert all(listener.closed is None for listener in crowd.listeners)
        await crowd.everywhere(3)
        await crowd.settle(2)
        await crowd.check()
