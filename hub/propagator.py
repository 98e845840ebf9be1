"""Carrying changes to the other nodes over Redis pub/sub: fast, lossy, and honest about when it was not listening.

The node subscribes to a user's channel only while that user is connected here, so `PUBSUB NUMSUB` is presence. A
heartbeat that this node publishes to itself every second proves the whole way out and back; without it for four seconds
both connections are dropped and opened anew, every channel is subscribed again in batches, and after the last
acknowledgement `recovered` is called so that every position is checked. Nothing here is retried or stored: Postgres is
the truth, a lost message is a gap that the feeds repair. Rejected: LISTEN/NOTIFY (a global lock at commit), Redis
streams (a second history to trim), one shared channel (every node would read every message).
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import hiredis

from hub.identity import UserKey
from hub.protocol import Frame
from hub.resp import RedisFailed, Reply, RespConnection

HEARTBEAT_SECONDS = 1.0
SILENCE_SECONDS = 4.0
BATCH = 1000

log = logging.getLogger("hub.propagator")


class Propagator:
    """Publishes frames and receives those of the users connected here.

    `receive(key, frame)` is called for every frame, `control(message)` for what nodes tell all nodes, `recovered()`
    after every gap in listening. All three are synchronous and must be quick: Redis cuts off a slow subscriber.
    """

    def __init__(
        self,
        url: str,
        prefix: str,
        *,
        node_id: str,
        receive: Callable[[UserKey, Frame], None],
        control: Callable[[bytes], None],
        recovered: Callable[[], None],
    ) -> None:
        self._url = url
        self._prefix = prefix
        self.control_channel = f"{prefix}:control".encode()
        self._heartbeat_channel = f"{prefix}:heartbeat:{node_id}".encode()
        self._receive = receive
        self._control = control
        self._recovered = recovered
        self._channels: dict[bytes, UserKey] = {}
        self._acknowledged: dict[bytes, asyncio.Future[None]] = {}
        self._overdue: set[bytes] = set()  # not acknowledged at the last heartbeat
        self._publisher: RespConnection | None = None
        self._subscriber: RespConnection | None = None
        self._heard_at = 0.0
        self._trouble: asyncio.Future[None] | None = None  # fails when a connection is lost
        self._runner: asyncio.Task[None] | None = None
        self.rebuilds = 0
        self.online = False

    def channel(self, key: UserKey) -> bytes:
        """Name a user's channel."""
        return channel_name(self._prefix, key)

    def start(self) -> None:
        """Begin to connect; never waits, the hub works without Redis."""
        self._runner = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop listening and drop both connections."""
        if self._runner is not None:
            self._runner.cancel()
            with suppress(asyncio.CancelledError):
                await self._runner

    def publish(self, key: UserKey, frame: Frame) -> None:
        """Send a frame to every node that holds the user's connections; a failure is repaired later, never raised."""
        self._publish(self.channel(key), frame.pack())

    def _publish(self, channel: bytes, payload: bytes) -> None:
        if not self.online or self._publisher is None:
            return  # every node is told to check once this one is back
        if not self._publisher.send(b"PUBLISH", channel, payload):
            self._fail("Redis takes nothing more")

    def subscribe(self, key: UserKey) -> asyncio.Future[None]:
        """Listen to a user's channel; the future is done once Redis confirmed, or at once while it is away.

        Where Redis is slow it is done after a second or two; what is missed until then, `recovered` is called for.
        """
        channel = self.channel(key)
        self._channels[channel] = key
        acknowledged = asyncio.get_running_loop().create_future()
        if self.online and self._subscriber is not None and self._subscriber.send(b"SUBSCRIBE", channel):
            self._acknowledged[channel] = acknowledged
        else:
            acknowledged.set_result(None)
        return acknowledged

    def unsubscribe(self, key: UserKey) -> None:
        """Stop listening to a user's channel."""
        channel = self.channel(key)
        self._channels.pop(channel, None)
        if self.online and self._subscriber is not None:
            self._subscriber.send(b"UNSUBSCRIBE", channel)

    async def _run(self) -> None:
        while True:
            try:
                await self._session()
            except (OSError, TimeoutError) as error:
                log.warning("propagation is interrupted, trying again: %s", error or type(error).__name__)
            finally:
                self._drop()
            self.rebuilds += 1
            await asyncio.sleep(random.uniform(0.1, 0.5))  # noqa: S311 (jitter)

    async def _session(self) -> None:
        """Connect, subscribe to everything, then watch over it; raises when it is no longer trusted."""
        loop = asyncio.get_running_loop()
        self._trouble = loop.create_future()
        self._publisher = await RespConnection.open(self._url, self._on_published, self._on_lost)
        self._subscriber = await RespConnection.open(self._url, self._on_message, self._on_lost)
        self._heard_at = time.monotonic()
        last = loop.create_future()
        self._acknowledged[self._heartbeat_channel] = last
        for channels in _batches([*self._channels, self.control_channel, self._heartbeat_channel]):
            self._subscriber.send(b"SUBSCRIBE", *channels)
        self.online = True
        await self._watch_until(last)
        log.info("propagating", extra={"channels": len(self._channels)})
        self._recovered()
        if self.rebuilds:  # what was on its way to the other nodes may never have arrived
            self._publish(self.control_channel, b"check")
        await self._watch_until(loop.create_future())

    async def _watch_until(self, done: asyncio.Future[None]) -> None:
        """Send heartbeats until `done`; raise if none comes back in time or a connection is lost."""
        assert self._publisher is not None
        assert self._trouble is not None
        while not done.done():
            self._publisher.send(b"PUBLISH", self._heartbeat_channel, b"")
            await asyncio.wait({done, self._trouble}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if self._trouble.done():
                self._trouble.result()
            self._lose_patience()
            if time.monotonic() - self._heard_at > SILENCE_SECONDS:
                raise RedisFailed(f"nothing was heard for {SILENCE_SECONDS:g} s")

    def _lose_patience(self) -> None:
        """Let those go on who have waited for Redis since the last heartbeat."""
        for channel in self._overdue & self._acknowledged.keys():
            if not self._acknowledged[channel].done():
                self._acknowledged[channel].set_result(None)
        self._overdue = self._acknowledged.keys() - {self._heartbeat_channel}

    def _drop(self) -> None:
        self.online = False
        self._fail("dropped")
        if self._trouble is not None:
            self._trouble.exception()
        for connection in (self._publisher, self._subscriber):
            if connection is not None:
                connection.abort()
        self._publisher = self._subscriber = None
        waiting, self._acknowledged = self._acknowledged, {}
        for future in waiting.values():
            if not future.done():
                future.set_result(None)

    def _fail(self, reason: str) -> None:
        if self._trouble is not None and not self._trouble.done():
            self._trouble.set_exception(RedisFailed(reason))

    def _on_lost(self, error: Exception | None) -> None:
        self._fail(f"the connection was lost: {error or 'closed by Redis'}")

    def _on_published(self, reply: Reply) -> None:
        if isinstance(reply, hiredis.ReplyError):
            self._fail(f"Redis refused to publish: {reply}")

    def _on_message(self, reply: Reply) -> None:
        if isinstance(reply, hiredis.ReplyError):
            self._fail(f"Redis refused to subscribe: {reply}")
            return
        kind, channel, payload = reply
        if kind == b"message":
            self._heard_at = time.monotonic()
            self._on_payload(channel, payload)
        elif kind == b"subscribe" and (future := self._acknowledged.pop(channel, None)):
            if future.done():
                self._recovered()  # nobody waited for it any more
            else:
                future.set_result(None)

    def _on_payload(self, channel: bytes, payload: bytes) -> None:
        if channel == self._heartbeat_channel:
            return
        if channel == self.control_channel:
            self._control(payload)
            return
        key = self._channels.get(channel)
        if key is None:
            return  # left a moment ago
        try:
            frame = Frame.unpack(payload)
        except ValueError:
            log.warning("a malformed frame was dropped", extra={"bytes": len(payload)})
            return
        self._receive(key, frame)


def channel_name(prefix: str, key: UserKey) -> bytes:
    """Name a user's channel, for whoever has a change of theirs to tell."""
    return f"{prefix}:user:{key.tenant}:{key.user}".encode()


def _batches(channels: list[bytes]) -> Iterable[list[bytes]]:
    for start in range(0, len(channels), BATCH):
        yield channels[start : start + BATCH]
