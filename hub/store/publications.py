"""Publishing: many publications in one round trip, through the function `publish` of schema.sql."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from hub.identity import UserKey
from hub.notification import Notification, new_id
from hub.store.database import Fetches

Status = Literal["accepted", "scheduled", "canceled", "recalled"]


@dataclass(slots=True)
class Publication:
    """One accepted publish on its way into the database. `key` and `body_hash` come together or not at all.

    `channels` of None means the category's; `escalations` and `options` are JSON (see `add_deliveries` in schema.sql).
    """

    tenant: str
    producer: str
    category: str
    content: bytes
    users: Sequence[str]
    tags: Sequence[str] = ()
    collapse_key: str | None = None
    expires_at: datetime | None = None
    send_at: datetime | None = None
    channels: Sequence[str] | None = None
    escalations: bytes | None = None
    options: bytes | None = None
    key: str | None = None
    body_hash: bytes | None = None
    id: UUID = field(default_factory=new_id)


class Receipt(NamedTuple):
    """Where one recipient's notification went."""

    user: str
    id: UUID
    seq: int


class Stored(NamedTuple):
    """One notification as it was stored, with the counts right after it."""

    key: UserKey
    notification: Notification
    epoch: str
    unread: int
    unseen: int


@dataclass(slots=True)
class Outcome:
    """What became of a publication: its status, and whether it was answered before (`replayed`) or refused."""

    id: UUID
    receipts: list[Receipt]
    stored: list[Stored] = field(default_factory=list)
    replayed: bool = False
    mismatch: bool = False
    status: Status = "accepted"

    @property
    def scheduled(self) -> bool:
        """Whether it was put off to its time."""
        return self.status == "scheduled"


class Publications:
    """Writes publications, and finds them again."""

    def __init__(self, database: Fetches) -> None:
        self._database = database

    async def publish(self, publications: Sequence[Publication], *, patience_ms: int | None = None) -> list[Outcome]:
        """Store them all or none, in order; answer each. Raise `Unavailable` (or its `Locked`) or `Refused`."""
        recipients = [(number, user, new_id()) for number, p in enumerate(publications, 1) for user in p.users]
        rows = await self._database.fetch(
            "select * from publish($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
            [p.id for p in publications],
            [p.tenant for p in publications],
            [p.producer for p in publications],
            [p.key for p in publications],
            [p.body_hash for p in publications],
            [p.category for p in publications],
            [",".join(p.tags) for p in publications],
            [p.collapse_key for p in publications],
            [p.expires_at for p in publications],
            [p.content for p in publications],
            [p.send_at for p in publications],
            [None if p.channels is None else ",".join(p.channels) for p in publications],
            [p.escalations for p in publications],
            [p.options for p in publications],
            [number for number, _, _ in recipients],
            [user for _, user, _ in recipients],
            [id for _, _, id in recipients],
            patience_ms,
        )
        outcomes = [Outcome(p.id, []) for p in publications]
        for row in sorted(rows, key=lambda row: row["recipient"] or 0):
            number = row["publication"] - 1
            if row["outcome"] == "scheduled":
                outcomes[number].status = "scheduled"
            elif row["recipient"] is None:
                _repeat(outcomes[number], row)
            else:
                user = recipients[row["recipient"] - 1][1]
                _add(outcomes[number], row, publications[number], user)
        return outcomes

    async def find(self, tenant: str, kind: str, id: UUID) -> Outcome | None:
        """Find a publication by its own id, or by a recipient's notification (kind `ntf`) narrowed to that one."""
        if kind == "pub":
            rows = await self._database.fetch(
                "select id, status, user_ids as old_users, notification_ids as old_ids, seqs as old_seqs"
                " from publications where id = $1 and tenant = $2",
                id,
                tenant,
            )
        else:
            rows = await self._database.fetch(
                "select b.id, b.status, array[n.user_id] as old_users, array[n.id] as old_ids,"
                " array[n.created_seq] as old_seqs from notifications n join publications b on b.id = n.publication_id"
                " where n.id = $1 and n.tenant = $2",
                id,
                tenant,
            )
        return Outcome(rows[0]["id"], _receipts(rows[0]), status=rows[0]["status"]) if rows else None


def _repeat(outcome: Outcome, row: Any) -> None:
    outcome.id = row["old_id"]
    outcome.mismatch = row["outcome"] == "mismatch"
    outcome.replayed = not outcome.mismatch
    outcome.receipts = _receipts(row)
    if not outcome.receipts:
        outcome.status = "scheduled"


def _receipts(row: Any) -> list[Receipt]:
    """Read who got what; nobody yet if it is scheduled."""
    if not row["old_seqs"]:
        return []
    parallel = zip(row["old_users"], row["old_ids"], row["old_seqs"], strict=True)
    return [Receipt(*receipt) for receipt in parallel]


def _add(outcome: Outcome, row: Any, publication: Publication, user: str) -> None:
    seq = row["seq"]
    notification = Notification(
        id=row["notification_id"],
        seq=seq,
        created_seq=seq,
        read_seq=seq,
        change=row["outcome"],
        created_at=row["at"],
        content=publication.content,
        repeat_count=row["repeat_count"],
        expires_at=publication.expires_at,
    )
    outcome.receipts.append(Receipt(user, notification.id, seq))
    key = UserKey(publication.tenant, user)
    outcome.stored.append(Stored(key, notification, row["epoch"], row["unread"], row["unseen"]))
