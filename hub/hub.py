"""The heart: what it means to publish and to change an inbox. Read this first.

A change is committed to Postgres, then told to the user's connections on this node and, through Redis, on all others.
The caller gets its answer after the commit and never waits for the telling, which cannot fail: whatever is lost on the
way, `live` finds and repairs. Nothing here knows HTTP, WebSocket or SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Literal
from uuid import UUID

from redis.asyncio import Redis

from hub import protocol
from hub.commit import GroupCommit
from hub.config import Settings
from hub.errors import Conflict, NotFound
from hub.identity import UserKey
from hub.live import Live
from hub.metrics import Metrics
from hub.notification import Change
from hub.protocol import Counts
from hub.store import Database, Inboxes, Publications
from hub.store.contacts import Contacts
from hub.store.decisions import Decisions
from hub.store.deliveries import Deliveries
from hub.store.preferences import Preferences
from hub.store.publications import Outcome, Publication
from hub.store.retractions import Noticed, Retractions
from hub.store.snapshots import Snapshots

MAX_TOLD = 100
MAX_CHANGED = 500
MAX_RECALLED = 100


class Hub:
    """One node: what it stores, and whom it tells. `open` it before use, `close` it when it has drained."""

    def __init__(self, settings: Settings, database: Database, redis: Redis, metrics: Metrics) -> None:
        self.inboxes = Inboxes(database)
        self.publications = Publications(database)
        self.retractions = Retractions(database)
        self.deliveries = Deliveries(database)
        self.decisions = Decisions(database)
        self.contacts = Contacts(database)
        self.preferences = Preferences(database)
        self.live = Live(settings, self.inboxes, Snapshots(database), redis, metrics)
        self._metrics = metrics
        self._commit = GroupCommit(self.publications.publish, metrics.batches.observe)

    def open(self) -> None:
        """Start what runs on its own."""
        self.live.open()

    async def close(self) -> None:
        """Finish what is being stored, then stop."""
        await self._commit.close()
        await self.live.close()

    async def publish(self, publications: Sequence[Publication]) -> list[Outcome]:
        """Store publications that belong together, then tell their users; raise what the store raises."""
        outcomes = await self._commit.store(publications)
        for outcome in outcomes:
            self._metrics.publishes[_kind(outcome)] += 1
            self._metrics.notifications.inc(len(outcome.stored))
            for key, item, epoch, unread, unseen in outcome.stored:
                self.live.tell(key, protocol.notification(item, epoch=epoch, unread=unread, unseen=unseen))
        return outcomes

    async def recall(self, tenant: str, published: Outcome) -> list[Noticed]:
        """Take back what recipients have of a publication, and tell how far it had come with each."""
        if published.status in ("scheduled", "canceled"):
            raise Conflict(f"it is {published.status}: nobody has it yet")
        ids = [receipt.id for receipt in published.receipts]
        for start in range(0, len(ids), MAX_RECALLED):
            recalled = await self.inboxes.recall(tenant, published.id, ids[start : start + MAX_RECALLED])
            for key, item, epoch, unread, unseen in recalled:
                self.live.tell(key, protocol.notification(item, epoch=epoch, unread=unread, unseen=unseen))
        await self.retractions.end_deliveries(tenant, published.id, ids)
        return await self.retractions.noticed(tenant, published.id, ids)

    async def change(self, key: UserKey, ids: Sequence[UUID], change: Change, until: datetime | None = None) -> Counts:
        """Change some of a user's notifications; those already so are left alone. Raise `NotFound` if none exists."""
        done = await self.inboxes.change(key, ids, change, until)
        if done is None:
            raise NotFound("there is no such notification")
        # Of very many only the last is told: the gap before it is read once by each node, cheaper than one by one.
        told = done.changed if len(done.changed) <= MAX_TOLD else done.changed[-1:]
        for item, unread, unseen in told:
            self.live.tell(key, protocol.notification(item, epoch=done.counts.epoch, unread=unread, unseen=unseen))
        return done.counts

    async def archive_read(self, key: UserKey) -> Counts:
        """Put away what is read; what is read while this runs may stay."""
        ids = await self.inboxes.read_ids(key)
        for start in range(0, len(ids), MAX_CHANGED):  # in turns, so that nobody waits for a full inbox
            with suppress(NotFound):  # deleted meanwhile
                await self.change(key, ids[start : start + MAX_CHANGED], "archived")
        return await self.inboxes.counts(key)

    async def change_all(self, key: UserKey, change: Literal["read_all", "seen"], up_to: int | None) -> Counts:
        """Mark everything up to a seq (none: everything) as read or seen."""
        changed, counts = await self.inboxes.change_all(key, change, up_to)
        if changed:
            self.live.tell(key, protocol.inbox(counts, change))
        return counts


def _kind(outcome: Outcome) -> str:
    return "mismatch" if outcome.mismatch else "replayed" if outcome.replayed else "stored"
