"""Being connected: the feeds of the users on this node, how one gets in, and what all nodes are told.

A connection registers with its user's feed first and reads the snapshot second: nothing can fall between the two.
What is lost between nodes, `repair` finds. Called by the hub for changes and by the transports for connections; knows
neither HTTP nor SQL.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub import protocol
from hub.config import Settings
from hub.connection import Connection
from hub.doorman import LEAVINGS, OPENINGS, Doorman
from hub.errors import DISCONNECTED, REPLACED, Unavailable
from hub.feed import Feed
from hub.identity import UserKey
from hub.metrics import Metrics
from hub.notification import new_id
from hub.propagator import Propagator
from hub.protocol import Counts, Cursor, Frame
from hub.repair import Repairs
from hub.roster import Roster
from hub.store import Inboxes
from hub.store.snapshots import Snapshot, Snapshots

TEND_SECONDS = 1.0
TEND_PARTS = 20
LAG_SECONDS = 0.05

log = logging.getLogger("hub.live")


class Live:
    """The connections of one node. `open` it, `drain` it, `close` it."""

    def __init__(
        self, settings: Settings, inboxes: Inboxes, snapshots: Snapshots, redis: Redis, metrics: Metrics
    ) -> None:
        self.node_id = new_id().hex[-12:]
        self._numbers = itertools.count(1)
        self.entrance, self.exit = Doorman(OPENINGS), Doorman(LEAVINGS)
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
        self._redis = redis
        self._metrics = metrics
        self._feeds: dict[UserKey, Feed] = {}
        self._repairs = Repairs(settings, inboxes, snapshots, metrics, feeds=self._feeds, spawn=self.spawn)
        self._read_changes = self._repairs.read_changes  # one for all feeds
        self._tasks: set[asyncio.Task[None]] = set()
        metrics.users.set_function(lambda: len(self._feeds))

    def open(self) -> None:
        """Start to listen to the other nodes and to tend the connections."""
        self.propagator.start()
        for duty in (self._tend, self._repairs.check_in_time, self._measure_lag):
            self.spawn(self._keep(duty))

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

    def name_connection(self) -> str:
        """Name a connection, unlike any other one of any node."""
        return f"con_{self.node_id}{next(self._numbers):x}"

    async def join(self, connection: Connection, cursor: Cursor | None, items: int | None) -> None:
        """Let a connection in and bring it from its cursor (none: from now) to live, without gap or duplicate.

        Register, then read, then replay, then what arrived meanwhile. `items` asks for the newest notifications inside
        `hello`. Raises `Unavailable` if the node is full or the database away; the caller must `leave` in any case.
        """
        if connection.closing is not None:
            return  # it was gone before it was in
        self.roster.admit(connection)
        feed = self._register(connection)
        self._metrics.connections[connection.transport] += 1
        self._metrics.connects[connection.transport] += 1
        if feed.ready is not None:
            await asyncio.shield(feed.ready)
            feed.ready = None
        snapshot = await self._repairs.read(connection.key, cursor.seq if cursor else None, items or 0)
        feed.start(snapshot.changes.counts)
        if feed.has_gap:  # what came while the snapshot was read does not follow it
            self._repairs.close_gap(feed)
        opening = self._opening(connection, snapshot, cursor, with_items=items is not None)
        connection.open(opening, snapshot.changes.counts)

    def leave(self, connection: Connection) -> None:
        """Forget a connection, and its user with the last of them."""
        feed = self._feeds.get(connection.key)
        if feed is None or connection not in feed.connections:
            return
        self.roster.leave(connection)
        self._metrics.connections[connection.transport] -= 1
        self._metrics.closes[str(connection.closing.code) if connection.closing else "client"] += 1
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

    # What other nodes say

    def _receive(self, key: UserKey, frame: Frame) -> None:
        """Take a change of a user connected here."""
        feed = self._feeds.get(key)
        if feed is None:
            return
        had_gap = feed.has_gap
        feed.receive(frame)
        if feed.has_gap and not had_gap:
            self._repairs.close_gap(feed)

    def _recovered(self) -> None:
        self._metrics.rebuilds.inc()
        self._repairs.check_soon()

    def _obey(self, message: bytes) -> None:
        """Do what all nodes are told to."""
        verb, _, argument = message.partition(b" ")
        if verb == b"check":
            self._repairs.check_soon()
        elif verb == b"disconnect":
            try:
                feed = self._feeds.get(UserKey(*orjson.loads(argument)))
            except (ValueError, TypeError):
                log.warning("an order nobody understands was ignored")
                return
            for connection in list(feed.connections) if feed else ():
                connection.close(DISCONNECTED)

    # Asked of all nodes

    async def disconnect(self, key: UserKey) -> None:
        """Close a user's connections on every node; raise `Unavailable` unless Redis confirms that it told them."""
        order = b"disconnect " + orjson.dumps([*key])
        self._obey(order)
        try:
            await self._redis.publish(self.propagator.control_channel, order)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("the other nodes cannot be reached, try again", retry_after_seconds=1) from error

    async def nodes_of(self, key: UserKey) -> int:
        """Count the nodes a user is connected to; raises what redis-py raises."""
        ((_, nodes),) = await self._redis.pubsub_numsub(self.propagator.channel(key))
        return int(nodes)

    # What runs on its own

    async def _keep(self, duty: Callable[[], Awaitable[None]]) -> None:
        """Do a duty again and again, whatever happens: without it connections would live for ever, or miss things."""
        while True:
            try:
                await duty()
            except Exception:
                log.exception("a duty failed and is taken up again in a second")
                await asyncio.sleep(1)

    async def _tend(self) -> None:
        await asyncio.sleep(TEND_SECONDS / TEND_PARTS)
        self.roster.tend(time.monotonic(), time.time(), TEND_PARTS)

    async def _measure_lag(self) -> None:
        """Measure how long what is due has to wait for the event loop."""
        loop = asyncio.get_running_loop()
        due = loop.time() + LAG_SECONDS
        await asyncio.sleep(LAG_SECONDS)
        self._metrics.lag.observe(loop.time() - due)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something run on its own; a failure is logged, `close` ends it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a background task failed", exc_info=error)
