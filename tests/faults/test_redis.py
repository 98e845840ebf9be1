"""Redis is a hint: killed, emptied, frozen or rude, it makes changes late for a moment and loses none."""

import asyncio
import os
import random
import signal
import time

import redis.asyncio

from tests.faults import vitals
from tests.faults.commits import commit_silently
from tests.faults.invariants import Crowd
from tests.hub_nodes import new_user
from tests.listener import Listener


def connect(breakable):
    return redis.asyncio.Redis.from_url(breakable.redis_url)


async def propagating(pair):
    """Say whether all nodes listen to Redis."""
    ready = []
    for number in range(len(pair.nodes)):
        async with pair.client(number) as client:
            ready.append((await client.get("/readyz")).json().get("redis"))
    return all(ready)


async def test_redis_killed_and_back_after_five_seconds_loses_nothing(pair, breakable):
    """While Redis is dead connections stay and publishes succeed; two seconds after its return nothing is missing."""
    async with Crowd(pair) as crowd:
        users = await crowd.everywhere(4)
        async with crowd.chattering(users):
            breakable.redis.kill()
            await asyncio.sleep(5)
        breakable.redis.start()
        took = await crowd.settle(2)
        assert not crowd.refused
        assert max(crowd.seconds) < 1
        assert all(listener.closed is None for listener in crowd.listeners)
        assert len(crowd.seconds) > 40
        await crowd.check()
    print(f"Redis back: {took:.2f} s")


async def test_redis_emptied_loses_nothing(pair, breakable):
    """FLUSHALL and SCRIPT FLUSH in the middle of it all go unnoticed: nothing durable lives in Redis."""
    async with Crowd(pair) as crowd, connect(breakable) as client:
        users = await crowd.everywhere(3)
        async with crowd.chattering(users, per_second=100):
            for _ in range(5):
                await client.flushall()
                await client.script_flush()
                await asyncio.sleep(0.1)
        await crowd.settle(2)
        assert not crowd.refused
        await crowd.check()


async def test_a_frozen_redis_is_noticed_and_nobody_waits_for_it(pair, breakable):
    """Redis stops answering: within 5 s the nodes say so, publishes and joins do not hang, what needs Redis is 503."""
    async with Crowd(pair) as crowd, pair.service() as service:
        users = await crowd.everywhere(3)
        late = new_user()
        async with crowd.chattering(users):
            os.kill(breakable.redis.pid, signal.SIGSTOP)
            try:
                begun = time.monotonic()
                presence = await service.get(f"/v1/users/{users[0]}/presence")
                assert (presence.status_code, presence.headers["retry-after"]) == (503, "1")
                assert time.monotonic() - begun < 3
                async with pair.user(users[0]) as user:
                    assert (await user.post("/v1/tickets")).status_code == 503
                await crowd.join([late])
                assert time.monotonic() - begun < 8
                await vitals.until(lambda: _offline(pair), 5)
            finally:
                os.kill(breakable.redis.pid, signal.SIGCONT)
        await crowd.settle(2)
        assert not crowd.refused
        assert max(crowd.seconds) < 1
        await crowd.check()


async def _offline(pair):
    return not await propagating(pair)


async def test_a_short_freeze_while_a_client_joins_leaves_no_hole(pair, breakable):
    """A join gives up on the subscription after a second; what was published before Redis caught up still arrives."""
    async with Crowd(pair) as crowd:
        user = new_user()
        os.kill(breakable.redis.pid, signal.SIGSTOP)
        try:
            joining = asyncio.create_task(crowd.join([user], node=0))
            await joining
            async with pair.service(1) as service:
                await crowd.publish(service, user)
        finally:
            os.kill(breakable.redis.pid, signal.SIGCONT)
        await crowd.settle(2)
        await crowd.check()


async def test_a_disconnect_is_either_refused_or_done_on_every_node(pair, breakable):
    """While Redis is frozen `disconnect` says that it could not be done; it never claims what did not happen."""
    user = new_user()
    async with Listener(pair, user, "websocket", 1) as elsewhere, pair.service(0) as service:
        os.kill(breakable.redis.pid, signal.SIGSTOP)
        try:
            refused = await service.post(f"/v1/users/{user}/disconnect")
        finally:
            os.kill(breakable.redis.pid, signal.SIGCONT)
        assert refused.status_code == 503
        await vitals.until(lambda: propagating(pair), 10)
        done = await service.post(f"/v1/users/{user}/disconnect")
        assert done.status_code == 204
        assert await elsewhere.until_closed(1) == 4009


async def test_subscribers_that_redis_kills_catch_up(pair, breakable):
    """CLIENT KILL TYPE pubsub, again and again under load: within two seconds of the last nothing is missing."""
    async with Crowd(pair) as crowd, connect(breakable) as client:
        users = await crowd.everywhere(3)
        async with crowd.chattering(users, per_second=100):
            for _ in range(5):
                await client.client_kill_filter(_type="pubsub")
                await asyncio.sleep(0.3)
        await crowd.settle(2)
        assert not crowd.refused
        await crowd.check()


async def test_subscribers_cut_off_for_reading_too_slowly_catch_up(pair, breakable):
    """With a tiny output buffer limit Redis drops the nodes during a flood; they come back and nothing is missing."""
    async with Crowd(pair) as crowd, connect(breakable) as client:
        users = await crowd.everywhere(2)
        limits = "client-output-buffer-limit"
        before = (await client.config_get(limits))[limits]
        rebuilds = sum([(await vitals.metrics(node))["hub_propagator_rebuilds_total"] for node in pair.nodes])
        try:
            await client.config_set(limits, "pubsub 1kb 1kb 1")
            with vitals.stopped(pair.nodes[1]):
                async with pair.service() as service:
                    for _ in range(60):
                        await crowd.publish(service, users[0], body="x" * 4000)
        finally:
            await client.config_set(limits, before)
        await crowd.settle(3)
        await crowd.check()
        assert sum([(await vitals.metrics(node))["hub_propagator_rebuilds_total"] for node in pair.nodes]) > rebuilds


async def test_propagation_lost_repeated_and_reordered_is_put_right(pair, breakable):
    """Whatever comes over Redis, in whatever order, however often: each client is told everything once, in order."""
    async with Crowd(pair) as crowd, connect(breakable) as client:
        (user,) = await crowd.everywhere()
        channel = f"{pair.redis_prefix}:user:default:{user}"
        for _ in range(10):
            frames = [frame.pack() for frame in await commit_silently(pair, user, 6)]
            kept = [*random.sample(frames, random.randint(0, 5)), frames[-1]]  # without the last: the position check
            for data in random.choices(kept, k=12) + kept:
                await client.publish(channel, data)
            await crowd.settle(2)
        await crowd.check()


async def test_rubbish_on_the_channels_harms_nobody(pair, breakable):
    """Frames and orders that make no sense are dropped; connections and propagation go on."""
    async with Crowd(pair) as crowd, connect(breakable) as client:
        (user,) = await crowd.everywhere()
        rebuilds = [(await vitals.metrics(node))["hub_propagator_rebuilds_total"] for node in pair.nodes]
        epoch = crowd.listeners[0].inbox.epoch.encode()
        no_utf8 = b"notification %b 1 1 1\n\xff" % epoch
        for rubbish in (b"", b"\xff\xfe\n\xff", b"a b c d e\n{}", b"a x 1 1\n{}", b"\n" * 1000, no_utf8):
            await client.publish(f"{pair.redis_prefix}:user:default:{user}", rubbish)
            await client.publish(f"{pair.redis_prefix}:control", rubbish)
        for order in (b"disconnect", b"disconnect [", b"disconnect 1", b'disconnect ["a","b","c"]', b"stop 1"):
            await client.publish(f"{pair.redis_prefix}:control", order)
        async with pair.service() as service:
            await crowd.publish(service, user)
        await crowd.settle(2)
        assert [(await vitals.metrics(node))["hub_propagator_rebuilds_total"] for node in pair.nodes] == rebuilds
        await crowd.check()


async def test_a_redis_that_turns_a_node_away_costs_it_no_sockets(start, breakable):
    """A node with a wrong password tries again and again, and closes what it opened each time."""
    async with start(redis_url=f"{breakable.redis_url}?password=wrong") as cluster, connect(breakable) as client:
        (node,) = cluster.nodes
        before = vitals.fds(node)
        knocks = (await client.info("stats"))["total_connections_received"]

        async def knocked():
            return (await client.info("stats"))["total_connections_received"] > knocks + 8

        await vitals.until(knocked, 15)
        assert vitals.fds(node) <= before + 2
