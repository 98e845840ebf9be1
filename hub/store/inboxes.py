"""Inboxes: what a user has, what changed since, and changing it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from hub.feed import Changes
from hub.identity import UserKey
from hub.notification import Change, Notification
from hub.protocol import Counts, Cursor
from hub.store.database import Database
from hub.store.listing import INBOX, ITEM, PAGE, UNREAD_BY_CATEGORY, Filter
from hub.store.publications import Stored

_OPEN = f"""
select {INBOX}, i.changed_seq, i.change as inbox_change, i.purged_seq, n.part, {ITEM}
from inboxes i
left join lateral (
    (select 'change' as part, c.* from notifications c
    where c.tenant = i.tenant and c.user_id = i.user_id and c.seq > $3
    order by c.seq limit $4)
    union all
    (select 'item', c.* from notifications c
    where c.tenant = i.tenant and c.user_id = i.user_id and c.active
    order by c.created_seq desc limit $5)
) n on true
where i.tenant = $1 and i.user_id = $2
"""
_RECALL = f"""
select r.tenant, r.user_id, changed, epoch, unread, unseen, c.read_seq as inbox_read_seq,
    c.seen_seq as inbox_seen_seq, {ITEM.replace("n.", "(c.notification).")}
from (
    select n.tenant, n.user_id, n.id from notifications n
    where n.tenant = $1 and n.publication_id = $2 and n.id = any($3)
    order by n.user_id
) r cross join lateral change_notifications(r.tenant, r.user_id, array[r.id], 'recalled', null) c
"""
NO_COUNTS = Counts("", 0, 0, 0, 0, 0)
END = 2**63 - 1


class Snapshot(NamedTuple):
    """An inbox at one moment: its changes since a seq, and its newest notifications."""

    changes: Changes
    items: list[Notification]


class Changed(NamedTuple):
    """What a change did: the notifications now (those that were so already left out of `changed`), and the counts."""

    counts: Counts
    found: set[UUID]
    changed: list[tuple[Notification, int, int]]  # each with unread and unseen right after it


class Page(NamedTuple):
    """A page of a list and the counts at the same moment; `below`: where to go on, if it is short but not the last."""

    counts: Counts
    items: list[Notification]
    below: int | None = None


class Inboxes:
    """Reads and changes inboxes; every read is one statement, hence one moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, key: UserKey, *, since: int | None, limit: int, items: int = 0) -> Snapshot:
        """Read the inbox, the changes above `since`, and its newest `items`; create it if it is new.

        There are no changes to be had if they are more than `limit`, or if some of them may have been purged.
        """
        read = (_OPEN, key.tenant, key.user, since or 0, 0 if since is None else limit + 1, items)
        rows = await self._database.fetch(*read)
        if not rows:
            await self._database.fetch(
                "insert into inboxes (tenant, user_id) values ($1, $2) on conflict do nothing", key.tenant, key.user
            )
            rows = await self._database.fetch(*read)
        first = rows[0]
        changed = [_notification(row) for row in rows if row["part"] == "change"]
        whole = (first["changed_seq"], first["inbox_change"]) if first["changed_seq"] > (since or 0) else None
        newest = [_notification(row) for row in rows if row["part"] == "item"]
        is_whole = len(changed) <= limit and (since is None or since >= first["purged_seq"])
        return Snapshot(Changes(_counts(first), changed if is_whole else None, whole), newest)

    async def positions(self, keys: Iterable[UserKey]) -> dict[UserKey, Cursor]:
        """Look up how far the inboxes of many users are, in one statement."""
        keys = list(keys)
        rows = await self._database.fetch(
            "select i.tenant, i.user_id, i.epoch, i.last_seq from inboxes i"
            " join unnest($1::text[], $2::text[]) as k (tenant, user_id) using (tenant, user_id)",
            [key.tenant for key in keys],
            [key.user for key in keys],
        )
        return {UserKey(row[0], row[1]): Cursor(row[2], row[3]) for row in rows}

    async def counts(self, key: UserKey) -> Counts:
        """Read the counts of an inbox; `NO_COUNTS` if the user has none yet."""
        rows = await self._database.fetch(
            f"select {INBOX} from inboxes i where i.tenant = $1 and i.user_id = $2",
            *key,
        )
        return _counts(rows[0]) if rows else NO_COUNTS

    async def unread_by_category(self, key: UserKey) -> tuple[Counts, dict[str, int]]:
        """Read the counts with the unread ones of each category, all of one moment; looks at unread ones only."""
        rows = await self._database.fetch(UNREAD_BY_CATEGORY, *key)
        if not rows:
            return NO_COUNTS, {}
        return _counts(rows[0]), {row["category"]: row["of_category"] for row in rows if row["category"] is not None}

    async def page(
        self,
        key: UserKey,
        *,
        filter: Filter,
        limit: int,
        before: int | None = None,
        category: str | None = None,
        tag: str | None = None,
    ) -> Page:
        """Read a page of a list, newest first, below `before` (a `created_seq`); the rows and the counts agree."""
        bound = END if before is None else before
        rows = await self._database.fetch(PAGE[filter], *key, bound, category, tag, limit)
        if not rows:
            return Page(NO_COUNTS, [])
        items = [_notification(row) for row in rows if row["id"] is not None]
        return Page(_counts(rows[0]), items, rows[0]["below"])

    async def change(
        self, key: UserKey, ids: Sequence[UUID], change: Change, until: datetime | None = None
    ) -> Changed | None:
        """Change some notifications, each under its own seq; None if none of them exists."""
        rows = await self._database.fetch(
            "select changed, epoch, last_seq, unread, unseen, c.read_seq as inbox_read_seq,"
            f" c.seen_seq as inbox_seen_seq, {ITEM.replace('n.', '(c.notification).')}"
            " from change_notifications($1, $2, $3, $4, $5) c",
            *key,
            list(ids),
            change,
            until,
        )
        if not rows:
            return None
        changed = [(_notification(row), row["unread"], row["unseen"]) for row in rows if row["changed"]]
        return Changed(_counts(rows[-1]), {row["id"] for row in rows}, changed)

    async def recall(self, tenant: str, publication: UUID, ids: Sequence[UUID]) -> list[Stored]:
        """Take back those of a publication's notifications that are still there, and still say what it said."""
        rows = await self._database.fetch(_RECALL, tenant, publication, list(ids))
        return [
            Stored(
                UserKey(row["tenant"], row["user_id"]), _notification(row), row["epoch"], row["unread"], row["unseen"]
            )
            for row in rows
            if row["changed"]
        ]

    async def change_all(
        self, key: UserKey, change: Literal["read_all", "seen"], up_to: int | None
    ) -> tuple[bool, Counts]:
        """Move the watermarks; tell whether that changed anything, and the counts now."""
        rows = await self._database.fetch("select * from change_inbox($1, $2, $3, $4)", *key, change, up_to)
        return rows[0][0], Counts(*rows[0][1:])

    async def check(self) -> None:
        """Prove that the database answers and has the schema; raise `Unavailable`."""
        await self._database.fetch("select from schema_version limit 1")

    async def read_ids(self, key: UserKey) -> list[UUID]:
        """List what is read and not put away, oldest first."""
        rows = await self._database.fetch(
            "select n.id from inboxes i join notifications n using (tenant, user_id)"
            " where i.tenant = $1 and i.user_id = $2 and n.active"
            " and (n.read_at is not null or n.read_seq <= i.read_seq) order by n.created_seq",
            *key,
        )
        return [row[0] for row in rows]


def _counts(row: Any) -> Counts:
    return Counts(
        row["epoch"],
        row["last_seq"],
        row["unread"],
        row["unseen"],
        row["inbox_read_seq"],
        row["inbox_seen_seq"],
    )


def _notification(row: Any) -> Notification:
    return Notification(
        id=row["id"],
        seq=row["seq"],
        created_seq=row["created_seq"],
        read_seq=row["read_seq"],
        change=row["change"],
        created_at=row["created_at"],
        content=row["content"],
        repeat_count=row["repeat_count"],
        seen=row["seen"] or row["created_seq"] <= row["inbox_seen_seq"],
        read=row["read_at"] is not None or row["read_seq"] <= row["inbox_read_seq"],
        read_at=row["read_at"],
        archived_at=row["archived_at"],
        snoozed_until=row["snoozed_until"],
        expires_at=row["expires_at"],
    )
