"""How a stream ends: always with `bye` first, with a code whose range says what the client should do next."""

import asyncio
import json
import signal
import time
from contextlib import AsyncExitStack, suppress

import pytest

from tests.hub_nodes import TRANSPORTS, Listener, Refused, new_user


def check_bye(listener, code, *, reconnect):
    """Check that the last word was `bye` with this code, and that the socket was closed with the same."""
    bye = listener.frames[-1]
    assert set(bye) == {"t", "code", "reason", "reconnect", "after_ms"}
    assert (bye["t"], bye["code"], bye["reconnect"], listener.closed) == ("bye", code, reconnect, code)
    assert bye["reason"]
    return bye


@pytest.mark.parametrize("node", [0, 1], ids=["same node", "other node"])
async def test_a_user_is_sent_away_from_every_node_within_a_second(cluster, listen, node):
    """The disconnect API closes all connections of a user with 4009, and of nobody else."""
    user = new_user()
    async with (
        listen(user, 0) as one,
        listen(user, 1) as two,
        listen(new_user(), 0) as bystander,
        cluster.service(node) as service,
    ):
        begun = time.monotonic()
        assert (await service.post(f"/v1/users/{user}/disconnect")).status_code == 204
        for listener in (one, two):
            assert await listener.until_closed() == 4009
            check_bye(listener, 4009, reconnect=False)
        assert time.monotonic() - begun < 1
        await cluster.publish(bystander.user)
        await bystander.until_seq(1)
    async with listen(user) as again:
        assert again.frames[0]["t"] == "hello"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_one_connection_too_many_replaces_the_oldest(brisk, transport):
    """A user's fourth connection where three are allowed is let in, and the oldest goes with 4010, not to return."""
    user = new_user()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        listeners = [await enter(Listener(brisk, user, transport)) for _ in range(3)]
        listeners.append(await enter(Listener(brisk, user, transport)))
        assert await listeners[0].until_closed() == 4010
        check_bye(listeners[0], 4010, reconnect=False)
        await brisk.publish(user)
        for listener in listeners[1:]:
            await listener.until_seq(1)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_full_node_refuses_before_the_upgrade(narrow, transport):
    """Without room the answer is 503 with Retry-After, which an edge can take to another node; then there is room."""
    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(Listener(narrow, new_user(), transport))
        with pytest.raises(Refused) as refusal:
            await stack.enter_async_context(Listener(narrow, new_user(), transport))
    assert refusal.value.status == 503
    assert int(refusal.value.headers["retry-after"]) >= 1
    assert json.loads(refusal.value.body)["type"].endswith("/unavailable")
    for _ in range(100):  # the node hears of those who left in its own time
        try:
            async with Listener(narrow, new_user(), transport):
                break
        except Refused:
            await asyncio.sleep(0.01)
    else:
        pytest.fail("there is no room again")


async def test_nobody_stays_for_ever(narrow):
    """At the end of its lifetime a connection is sent away with 4202 and a spread time to come back, on both."""
    async with AsyncExitStack() as stack:
        listeners = [
            await stack.enter_async_context(Listener(narrow, new_user(), transport)) for transport in TRANSPORTS
        ]
        for listener in listeners:
            assert await listener.until_closed() == 4202
            assert 0 <= check_bye(listener, 4202, reconnect=True)["after_ms"] <= 1000


async def test_a_node_that_stops_hands_its_clients_over(narrow):
    """On SIGTERM every client is told `bye` 4200 with a time to come back, the node says it is not ready, and ends
    without an error; nothing was lost."""
    (node,) = narrow.nodes
    user = new_user()
    async with AsyncExitStack() as stack:
        listeners = [await stack.enter_async_context(Listener(narrow, user, transport)) for transport in TRANSPORTS]
        await narrow.publish(user)
        node.signal(signal.SIGTERM)
        for listener in listeners:
            assert await listener.until_closed() == 4200
            assert 0 <= check_bye(listener, 4200, reconnect=True)["after_ms"] <= 1000
            assert listener.inbox.seq == 1
    assert await asyncio.to_thread(node.wait) == 0
    node.start()
    await asyncio.to_thread(node.wait_until_ready)
    for listener in listeners:
        async with Listener(narrow, user, listener.transport, inbox=listener.inbox) as again:
            assert (await again.until_frame("resumed"))["count"] == 0


async def test_an_idle_client_is_pinged_with_the_seq_it_should_be_at(brisk):
    """Pings come every `ping_seconds` with the current seq; who answers stays, and who only listens too."""
    user = new_user()
    async with Listener(brisk, user, "websocket") as speaks, Listener(brisk, user, "sse") as listens:
        await brisk.publish(user)
        for listener in (speaks, listens):
            await listener.until(lambda listener=listener: len(listener.of("ping")) >= 3)
            assert listener.of("ping")[-1] == {"t": "ping", "seq": 1}
            assert listener.frames[0]["ping_seconds"] == 1
        epoch = listens.frames[0]["epoch"]
        assert listens.ids[listens.frames.index(listens.of("ping")[-1])] == f"{epoch}:1"


async def test_a_websocket_that_never_answers_is_taken_for_dead(brisk):
    """Without any sign of life for a while after a ping the connection is closed with 4201; any frame is one."""
    user = new_user()
    begun = time.monotonic()
    async with (
        Listener(brisk, user, "websocket", answers=False) as silent,
        Listener(brisk, user, "websocket", answers=False) as talkative,
    ):
        while silent.closed is None:
            assert time.monotonic() - begun < 8
            await talkative.ask(t="read_all")
            with suppress(TimeoutError):
                await silent.until_closed(timeout=0.5)
        assert time.monotonic() - begun > 2
        check_bye(silent, 4201, reconnect=True)
        assert (await talkative.ask(t="read_all"))["t"] == "ok"


async def test_an_event_stream_ends_with_its_token(brisk):
    """At `exp` the stream is closed with 4301, and what comes after it is not told; a WebSocket has a grace."""
    user = new_user()
    token = brisk.token(user, 1.5)
    async with Listener(brisk, user, "sse", token=token) as stream, Listener(brisk, user, "websocket") as other:
        assert stream.frames[0]["expires_in"] in (1, 2)
        assert await stream.until_closed() == 4301
        check_bye(stream, 4301, reconnect=True)
        await brisk.publish(user)
        await other.until_seq(1)
    assert not stream.of("notification")


async def test_a_websocket_outlives_its_token_by_a_grace_and_no_longer(brisk):
    """It is warned, keeps working for 25 seconds beyond `exp`, and is then closed with 4301, unless it refreshed."""
    user = new_user()
    token = brisk.token(user, -23.0)  # this node tolerates clocks that are half a minute apart
    async with (
        Listener(brisk, user, "websocket", token=token) as late,
        Listener(brisk, user, "websocket", token=token) as careful,
    ):
        for listener in (late, careful):
            warning = await listener.until_frame("token")
            assert warning == {"t": "token", "state": "expiring", "expires_in": 0}
            assert listener.frames[0]["expires_in"] == 0
        assert (await careful.ask(t="refresh", token=brisk.token(user)))["t"] == "ok"
        await brisk.publish(user)
        await late.until_seq(1)
        assert await late.until_closed() == 4301
        check_bye(late, 4301, reconnect=True)
        await brisk.publish(user)
        await careful.until_seq(2)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_client_that_reads_too_slowly_is_told_to_reload(cluster, transport):
    """What does not fit its backlog gives way to `resync` with reason slow; after a reload it has everything."""
    user = new_user()
    items = [{"to": user, "category": "test", "title": "t", "body": "x" * 10_000} for _ in range(20)]
    async with Listener(cluster, user, transport) as listener, cluster.service() as service:
        listener.reading.clear()
        for _ in range(25):
            await service.post("/v1/notifications/batch", json={"items": items})
        listener.reading.set()
        resync = await listener.until_frame("resync")
        assert (resync["reason"], resync["epoch"]) == ("slow", listener.frames[0]["epoch"])
        await listener.until_seq(500)
        seqs = [frame["seq"] for frame in listener.frames if frame["t"] in ("notification", "resync")]
        assert seqs == sorted(set(seqs))
        assert listener.inbox.unread == 500
