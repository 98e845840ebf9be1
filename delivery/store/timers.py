"""What waits for a time: scheduled publishes, snoozes, expiries; each due once, whoever asks.

Every change of an inbox takes its number under the inbox's lock, inside the functions of schema.sql; what is returned
is what has to be told live.
"""

from __future__ import annotations

from typing import Any, Literal

from hub.identity import UserKey
from hub.notification import Notification
from hub.store import Database
from hub.store.publications import Stored
from hub.store.rows import notification_of

BATCH = 200
MARKED = 1000


class Timers:
    """Lets due things happen; every method is one statement and safe to run on any number of relays."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def fire_schedules(self) -> list[Stored]:
        """Publish what is due."""
        rows = await self._database.fetch("select * from fire_schedules($1)", BATCH)
        return [_fired(row) for row in rows]

    async def change_due(self, change: Literal["unsnoozed", "expired"]) -> list[Stored]:
        """Wake what was snoozed, or take away what has expired."""
        rows = await self._database.fetch(
            "select c.tenant, c.user_id, c.epoch, c.unread, c.unseen, c.inbox_read_seq, c.inbox_seen_seq,"
            " (c.notification).* from change_due($1, $2) c where c.changed",
            change,
            BATCH,
        )
        return [_changed(row) for row in rows]

    async def expire_deliveries(self) -> None:
        """End deliveries that would come too late."""
        await self._database.fetch(
            "update deliveries set state = 'expired', reason = 'expired', updated_at = now() where id in (select id"
            " from deliveries where state = 'pending' and expires_at <= now() limit 1000 for update skip locked)"
        )

    async def tell_of_reading(self) -> None:
        """Tell producers of what was marked as read all at once, step by step."""
        await self._database.fetch("select tell_of_mark($1)", MARKED)


def _fired(row: Any) -> Stored:
    notification = Notification(
        id=row["notification_id"],
        seq=row["seq"],
        created_seq=row["seq"],
        read_seq=row["seq"],
        change=row["change"],
        created_at=row["at"],
        content=row["content"],
        repeat_count=row["repeat_count"],
        expires_at=row["expires_at"],
    )
    return Stored(UserKey(row["tenant"], row["user_id"]), notification, row["epoch"], row["unread"], row["unseen"])


def _changed(row: Any) -> Stored:
    notification = notification_of(row)
    return Stored(UserKey(row["tenant"], row["user_id"]), notification, row["epoch"], row["unread"], row["unseen"])
