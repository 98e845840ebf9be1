"""Being connected: the feeds of the users on this node, and the promise that nothing is missing from them.

A connection registers with its user's feed first and reads the snapshot second: nothing can fall between the two.
What is lost between nodes is found by `check_positions`, one statement for thousands of users, every half minute and at
once after every interruption: it turns a lossy propagation into at-least-once, and the feeds turn that into exactly
once. Called by the hub for changes and by the transports for connections; knows neither HTTP nor SQL.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from itertools import islice
from typing import Any

import orjson
from redis.asyncio import Redis

from hub import protocol
from hub.config import Settings
from hub.connection import Connection
from hub.errors import DISCONNECTED, REPLACED, HubError, Unavailable
from hub.feed import Changes, Feed
from hub.identity import UserKey
from hub.metrics import Metrics
from hub.notification import new_id
from hub.propagator import Propagator
from hub.protocol import Counts, Cursor, Frame
from hub.roster import Roster
from hub.store import Inboxes
from hub.store.inboxes import Snapshot

SUBSCRIBE_SECONDS = 1.0
OVERTAKEN_SECONDS = 0.02  # frames of two nodes may overtake each other; longer than that they are lost
POSITIONS = 2000

log = logging.getLogger("hub.live")


class Live:
    """The connections of one node. `open` it, `drain` it, `close` it."""

    def __init__(self, settings: Settings, inboxes: Inboxes, redis: Redis, metrics: Metrics) -> None:
        self.node_id = new_id().hex[-12:]
        self.roster = Roster(
            max_connections=settings.max_connections,
            ping_seconds=settings.ping_seconds,
            lifetime_seconds=settings.lifetime_seconds,
        )
        self.propagator = Propagator(
            settings.redis_url,
            settings.redis_prefix,
            node_id=self.node_id,
            receive=self._receive,
            control=self._obey,
            recovered=self._recovered,
        )
        self._settings = settings
        self._inboxes = inboxes
        self._redis = redis
        self._metrics = metrics
        self._feeds: dict[UserKey, Feed] = {}
        # Snapshots and repairs leave publishes a share of the pool, however many clients come back at once.
        self._reading = asyncio.Semaphore(max(1, settings.database_pool - 4))
        self._tasks: set[asyncio.Task[None]] = set()
        self._check_now = asyncio.Event()
        metrics.users.set_function(lambda: len(self._feeds))

    def open(self) -> None:
        """Start to listen to the other nodes and to tend the connections."""
        self.propagator.start()
        self._spawn(self._every(1.0, self._tend))
        self._spawn(self._keep_checking())

    async def close(self) -> None:
        """Stop everything that runs on its own."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.propagator.close()

    async def drain(self) -> None:
        """Hand every connection over, paced; from now on nobody comes in."""
        await self.roster.farewell(self._settings.drain_seconds)

    def tell(self, key: UserKey, frame: Frame) -> None:
        """Pass a committed change on: directly to this node's connections, by Redis to the others'."""
        self._receive(key, frame)
        self.propagator.publish(key, frame)

    # Connections

    async def join(self, connection: Connection, cursor: Cursor | None, items: int | None) -> None:
        """Let a connection in and bring it from its cursor (none: from now) to live, without gap or duplicate.

        Register, then read, then replay, then what arrived meanwhile. `items` asks for the newest notifications inside
        `hello`. Raises `Unavailable` if the node is full or the database away; the caller must `leave` in any case.
        """
        self.roster.admit(connection)
        feed = self._register(connection)
        self._metrics.connections.labels(connection.transport).inc()
        self._metrics.connects.labels(connection.transport).inc()
        with suppress(TimeoutError):  # Redis is slow: the position check after its acknowledgement covers for it
            await asyncio.wait_for(asyncio.shield(feed.ready), SUBSCRIBE_SECONDS)
        snapshot = await self._read(connection.key, cursor.seq if cursor else None, items or 0)
        feed.start(snapshot.changes.counts)
        opening = self._opening(connection, snapshot, cursor, with_items=items is not None)
        connection.open(opening, snapshot.changes.counts)

    def leave(self, connection: Connection) -> None:
        """Forget a connection, and its user with the last of them."""
        feed = self._feeds.get(connection.key)
        if feed is None or connection not in feed.connections:
            return
        self.roster.leave(connection)
        self._metrics.connections.labels(connection.transport).dec()
        self._metrics.closes.labels(connection.closing.code if connection.closing else "client").inc()
        feed.connections.remove(connection)
        if not feed.connections:
            del self._feeds[connection.key]
            self.propagator.unsubscribe(connection.key)

    def _register(self, connection: Connection) -> Feed:
        key = connection.key
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = Feed(key, self._read_changes, self.propagator.subscribe(key))
        open_ones = [other for other in feed.connections if other.closing is None]
        for oldest in open_ones[: max(0, len(open_ones) + 1 - self._settings.max_connections_per_user)]:
            oldest.close(REPLACED)
        feed.connections.append(connection)
        return feed

    def _opening(
        self, connection: Connection, snapshot: Snapshot, cursor: Cursor | None, *, with_items: bool
    ) -> Iterable[Frame]:
        changes, counts = snapshot.changes, snapshot.changes.counts
        expires_at = connection.principal.expires_at
        yield protocol.hello(
            counts,
            connection_id=connection.id,
            user=connection.key.user,
            ping_seconds=self._settings.ping_seconds,
            expires_in=None if expires_at is None else max(0, round(expires_at - time.time())),
            cursor=cursor,
            items=snapshot.items if with_items else None,
        )
        if cursor is None:
            return
        if cursor.epoch != counts.epoch or cursor.seq > counts.seq:
            yield self._resync("epoch", counts)
        elif changes.items is None:
            yield self._resync("too_far", counts)
        else:
            yield from changes.frames()
            yield protocol.resumed(counts, since=cursor.seq, count=len(changes.items))

    def _resync(self, reason: protocol.ResyncReason, counts: Counts) -> Frame:
        self._metrics.resyncs.labels(reason).inc()
        cursor = Cursor(counts.epoch, counts.seq)
        return protocol.resync(reason, cursor, unread=counts.unread, unseen=counts.unseen)

    # What keeps the promise

    def _receive(self, key: UserKey, frame: Frame) -> None:
        """Take a change of a user connected here; if one before it is missing, wait a moment and then read it."""
        feed = self._feeds.get(key)
        if feed is None:
            return
        had_gap = feed.has_gap
        feed.receive(frame)
        if feed.has_gap and not had_gap:
            self._spawn(self._close_gap(feed))

    async def _close_gap(self, feed: Feed) -> None:
        await asyncio.sleep(OVERTAKEN_SECONDS)
        while feed.has_gap and feed.connections:
            await self._repair(feed)

    async def _repair(self, feed: Feed) -> None:
        """Repair a feed, however long the database takes to come back."""
        while feed.connections:
            try:
                self._metrics.repairs.inc()
                await feed.repair()
                break
            except HubError as error:
                log.warning("a feed waits for its repair: %s", error)
                await asyncio.sleep(random.uniform(0.5, 1.5))  # noqa: S311 (jitter)

    async def check_positions(self) -> None:
        """Compare every feed with the database, in few statements; repair those that are behind."""
        keys = iter([key for key, feed in self._feeds.items() if feed.cursor is not None])
        while chunk := list(islice(keys, POSITIONS)):
            async with self._reading:
                positions = await self._inboxes.positions(chunk)
            for key, cursor in positions.items():
                feed = self._feeds.get(key)
                if feed is not None and feed.is_behind(cursor):
                    self._spawn(self._repair(feed))

    def _recovered(self) -> None:
        self._metrics.rebuilds.inc()
        self._check_now.set()

    async def _keep_checking(self) -> None:
        """Check positions every so often, and at once when propagation was interrupted."""
        while True:
            seconds = self._settings.position_check_seconds * random.uniform(0.8, 1.2)  # noqa: S311 (jitter)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._check_now.wait(), seconds)
            self._check_now.clear()
            try:
                await self.check_positions()
            except HubError as error:
                log.warning("positions could not be checked: %s", error)
                await asyncio.sleep(1)
                self._check_now.set()

    async def _read(self, key: UserKey, since: int | None, items: int = 0) -> Snapshot:
        async with self._reading:
            return await self._inboxes.open(key, since=since, limit=self._settings.replay_limit, items=items)

    async def _read_changes(self, key: UserKey, since: int) -> Changes:
        return (await self._read(key, since)).changes

    # Told to all nodes

    def disconnect(self, key: UserKey) -> None:
        """Close a user's connections on every node; raise `Unavailable` if the others cannot be told now."""
        message = b"disconnect " + orjson.dumps(key)
        self._obey(message)
        if not self.propagator.announce(message):
            raise Unavailable("the other nodes cannot be reached, try again", retry_after_seconds=1)

    async def nodes_of(self, key: UserKey) -> int:
        """Count the nodes a user is connected to; raises what redis-py raises."""
        ((_, nodes),) = await self._redis.pubsub_numsub(self.propagator.channel(key))
        return int(nodes)

    def _obey(self, message: bytes) -> None:
        verb, _, argument = message.partition(b" ")
        if verb == b"check":
            self._check_now.set()
        elif verb == b"disconnect":
            feed = self._feeds.get(UserKey(*orjson.loads(argument)))
            for connection in list(feed.connections) if feed else ():
                connection.close(DISCONNECTED)

    def _tend(self) -> None:
        self.roster.tend(asyncio.get_running_loop().time(), time.time())

    async def _every(self, seconds: float, act: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(seconds)
            act()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a background task failed", exc_info=error)
