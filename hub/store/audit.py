"""Proving that the counts are exact: every inbox row against the rows it counts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import NamedTuple

from hub.identity import UserKey
from hub.store.database import Database

INBOXES_AT_ONCE = 500

_COUNTED = """
    select
        count(*) filter (where n.active and n.read_at is null and n.read_seq > i.read_seq) as unread,
        count(*) filter (where n.active and not n.seen and n.created_seq > i.seen_seq) as unseen,
        coalesce(max(n.seq), 0) as top
    from notifications n where n.tenant = i.tenant and n.user_id = i.user_id
"""


class Mismatch(NamedTuple):
    """An inbox that does not agree with its notifications."""

    key: UserKey
    unread: int
    unread_rows: int
    unseen: int
    unseen_rows: int
    last_seq: int
    top_seq: int

    def __str__(self) -> str:
        return (
            f"{self.key.tenant}/{self.key.user}: unread {self.unread}, rows say {self.unread_rows};"
            f" unseen {self.unseen}, rows say {self.unseen_rows}; last seq {self.last_seq}, rows reach {self.top_seq}"
        )


class Audit:
    """Compares, and repairs on request."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.inboxes = 0

    async def mismatches(self) -> AsyncGenerator[Mismatch, None]:
        """Yield every inbox that is wrong, looking at some hundreds at a time; each look is one moment."""
        after = UserKey("", "")
        while True:
            rows = await self._database.fetch(
                "select i.tenant, i.user_id, i.unread, c.unread, i.unseen, c.unseen, i.last_seq, c.top"
                " from (select * from inboxes where (tenant, user_id) > ($1, $2) order by tenant, user_id limit $3) i"
                f" cross join lateral ({_COUNTED}) c order by i.tenant, i.user_id",
                *after,
                INBOXES_AT_ONCE,
            )
            for tenant, user, *figures in rows:
                self.inboxes += 1
                found = Mismatch(UserKey(tenant, user), *figures)
                wrong = found.unread != found.unread_rows or found.unseen != found.unseen_rows
                if wrong or found.top_seq > found.last_seq:
                    yield found
            if len(rows) < INBOXES_AT_ONCE:
                return
            after = UserKey(rows[-1][0], rows[-1][1])

    async def repair(self, key: UserKey) -> None:
        """Count an inbox anew, as a change of its own, so that every client learns of it."""
        await self._database.fetch(
            "with i as (select * from inboxes where tenant = $1 and user_id = $2 for update),"
            f" c as (select c.* from i cross join lateral ({_COUNTED}) c)"
            " update inboxes b set unread = c.unread, unseen = c.unseen, last_seq = greatest(b.last_seq, c.top) + 1,"
            " changed_seq = greatest(b.last_seq, c.top) + 1 from c where b.tenant = $1 and b.user_id = $2",
            *key,
        )
