"""Finding what the feeds of this node missed, and reading it from Postgres.

A frame that does not follow shows a gap at once; silence shows nothing, so every half minute, and whenever propagation
was interrupted, one statement for thousands of users compares their positions with the database. This turns a lossy
propagation into at-least-once, and the feeds turn that into exactly once. Called by `live`, which owns the feeds. All
reading takes turns, so that publishes keep a share of the pool however many clients come back at once.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from hub.config import Settings
from hub.errors import HubError
from hub.feed import Changes, Feed
from hub.identity import UserKey
from hub.metrics import Metrics
from hub.reading import GroupRead
from hub.store import Inboxes
from hub.store.snapshots import Snapshot, Snapshots, Wanted

OVERTAKEN_SECONDS = 0.02  # frames of two nodes may overtake each other; longer than that they are lost
POSITIONS = 2000
PUBLISHES_SHARE = 4  # connections of the pool that reading leaves to publishes

log = logging.getLogger("hub.repair")


class Repairs:
    """Keeps `feeds` complete; `spawn` runs a coroutine in the background."""

    def __init__(
        self,
        settings: Settings,
        inboxes: Inboxes,
        snapshots: Snapshots,
        metrics: Metrics,
        *,
        feeds: Mapping[UserKey, Feed],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._settings = settings
        self._inboxes = inboxes
        self._metrics = metrics
        self._feeds = feeds
        self._spawn = spawn
        self._reading = asyncio.Semaphore(max(1, settings.database_pool - PUBLISHES_SHARE))
        self._group = GroupRead(snapshots, limit=settings.replay_limit, turns=self._reading, spawn=spawn)
        self._check_now = asyncio.Event()

    async def read(self, key: UserKey, since: int | None, items: int = 0) -> Snapshot:
        """Read an inbox: what changed since a seq (none: nothing), and its newest items."""
        return await self._group.read(Wanted(key, since, items))

    async def read_changes(self, key: UserKey, since: int) -> Changes:
        """Read what changed since a seq."""
        return (await self.read(key, since)).changes

    def close_gap(self, feed: Feed) -> None:
        """Repair a feed that has a gap, unless what is missing turns up in a moment."""
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

    def check_soon(self) -> None:
        """Have every position checked, because something may have been missed."""
        self._check_now.set()

    async def check_in_time(self) -> None:
        """Wait until a check is due or wanted, then check; to be called again and again."""
        seconds = self._settings.position_check_seconds * random.uniform(0.8, 1.1)  # noqa: S311 (jitter)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # Python 3.11's `wait_for` may swallow the cancellation of a stop
                await self._check_now.wait()
        self._check_now.clear()
        try:
            await self.check_positions()
        except HubError as error:
            log.warning("positions could not be checked: %s", error)
            await asyncio.sleep(1)
            self._check_now.set()

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
