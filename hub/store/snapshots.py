"""Inboxes as a client finds them when it comes in: the counts, what changed since its cursor, the newest items.

Many are read in one statement, because clients come back in crowds. Every inbox is read as it is at one moment, with
everything that belongs to it; two inboxes of one call may be of two moments, which nobody can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from hub.feed import Changes
from hub.identity import UserKey
from hub.notification import Notification
from hub.protocol import Counts
from hub.store.database import Database
from hub.store.rows import INBOX, ITEM, counts_of, notification_of

_HEADS = f"""
with k as materialized (
    select * from unnest($1::text[], $2::text[]) as k (tenant, user_id)
), made as (
    insert into inboxes (tenant, user_id)
    select k.tenant, k.user_id from k
    where not exists (select from inboxes i where i.tenant = k.tenant and i.user_id = k.user_id)
    order by k.tenant, k.user_id on conflict do nothing
    returning *
)
select i.tenant, i.user_id, {INBOX} from k join inboxes i using (tenant, user_id)
union all
select i.tenant, i.user_id, {INBOX} from made i
"""
_READ = f"""
select k.place, {INBOX}, i.changed_seq, i.change as inbox_change, i.purged_seq, n.part, {ITEM}
from unnest($1::text[], $2::text[], $3::bigint[], $4::integer[], $5::integer[]) with ordinality
    as k (tenant, user_id, since, most, newest, place)
join inboxes i using (tenant, user_id)
left join lateral (
    (select 'change' as part, c.* from notifications c
    where c.tenant = i.tenant and c.user_id = i.user_id and c.seq > k.since
    order by c.seq limit k.most)
    union all
    (select 'item', c.* from notifications c
    where c.tenant = i.tenant and c.user_id = i.user_id and c.active
    order by c.created_seq desc limit k.newest)
) n on true
order by k.place, n.part, case n.part when 'change' then n.seq else -n.created_seq end
"""


class Wanted(NamedTuple):
    """What somebody wants to know of an inbox: what changed since a seq (none: nothing), and its newest items."""

    key: UserKey
    since: int | None = None
    items: int = 0

    def rows(self, last_seq: int, limit: int) -> int:
        """Bound how many notifications belong to it, once the inbox's last seq is known."""
        return self.items + (0 if self.since is None else max(0, min(limit + 1, last_seq - self.since)))


class Snapshot(NamedTuple):
    """An inbox at one moment: its changes since a seq, and its newest notifications."""

    changes: Changes
    items: list[Notification]


class Snapshots:
    """Reads inboxes; one that is new is created."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def heads(self, keys: Iterable[UserKey]) -> dict[UserKey, Counts]:
        """Read the counts of many inboxes; make those that are new."""
        wanted = set(keys)
        found = await self._heads(wanted)
        if missing := wanted - found.keys():  # somebody else has made them meanwhile
            found |= await self._heads(missing)
        return found

    async def read(self, wanted: Sequence[Wanted], *, limit: int) -> list[Snapshot]:
        """Read everything that is wanted.

        There are no changes to be had if they are more than `limit`, or if some of them may have been purged.
        """
        rows = await self._read(wanted, limit)
        if len(rows) < len(wanted):
            await self.heads(one.key for place, one in enumerate(wanted, 1) if place not in rows)
            rows = await self._read(wanted, limit)
        return [_snapshot(rows[place], one, limit) for place, one in enumerate(wanted, 1)]

    async def _heads(self, keys: Iterable[UserKey]) -> dict[UserKey, Counts]:
        rows = await self._database.fetch(_HEADS, *_columns(keys))
        return {UserKey(row["tenant"], row["user_id"]): counts_of(row) for row in rows}

    async def _read(self, wanted: Sequence[Wanted], limit: int) -> dict[int, list[Any]]:
        rows = await self._database.fetch(
            _READ,
            *_columns(one.key for one in wanted),
            [one.since or 0 for one in wanted],
            [0 if one.since is None else limit + 1 for one in wanted],
            [one.items for one in wanted],
        )
        return {place: list(group) for place, group in groupby(rows, lambda row: row["place"])}


def _columns(keys: Iterable[UserKey]) -> tuple[list[str], list[str]]:
    pairs = list(keys)
    return [key.tenant for key in pairs], [key.user for key in pairs]


def _snapshot(rows: Sequence[Any], wanted: Wanted, limit: int) -> Snapshot:
    first, since = rows[0], wanted.since or 0
    changed = [notification_of(row) for row in rows if row["part"] == "change"]
    newest = [notification_of(row) for row in rows if row["part"] == "item"]
    whole = (first["changed_seq"], first["inbox_change"]) if first["changed_seq"] > since else None
    complete = len(changed) <= limit and (wanted.since is None or since >= first["purged_seq"])
    return Snapshot(Changes(counts_of(first), changed if complete else None, whole), newest)
