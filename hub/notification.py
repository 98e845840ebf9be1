"""What a notification is: the one JSON object that frames, lists and snapshots all carry.

Its constant part (`content`) is rendered once, when it is published, and stored verbatim; what changes is kept as
columns and rendered around it. So the same notification reads the same everywhere, and nothing that a producer sent
inside `data` is ever parsed again. Pure: the database hands rows to `Notification`, the protocol asks it to `encode`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import orjson

from hub.errors import NotFound
from hub.randomness import random_bytes

Change = Literal[
    "created",
    "updated",
    "read",
    "unread",
    "archived",
    "unarchived",
    "snoozed",
    "unsnoozed",
    "expired",
    "recalled",
    "deleted",
]
REMOVALS = frozenset({"expired", "recalled", "deleted"})


@dataclass(slots=True)
class Notification:
    """One user's notification in its latest state; `read` and `seen` already account for the inbox's watermarks."""

    id: UUID
    seq: int
    created_seq: int
    read_seq: int
    change: Change
    created_at: datetime
    content: bytes
    repeat_count: int = 1
    seen: bool = False
    read: bool = False
    read_at: datetime | None = None
    archived_at: datetime | None = None
    snoozed_until: datetime | None = None
    expires_at: datetime | None = None

    def encode(self) -> bytes:
        """Render it as the JSON object of API.md, "Shapes"."""
        state = orjson.dumps(
            {
                "id": notification_name(self.id),
                "seq": self.seq,
                "created_seq": self.created_seq,
                "read_seq": self.read_seq,
                "created_at": self.created_at,
                "seen": self.seen,
                "read": self.read,
                "archived": self.archived_at is not None,
                "read_at": self.read_at,
                "archived_at": self.archived_at,
                "snoozed_until": self.snoozed_until,
                "expires_at": self.expires_at,
                "repeat_count": self.repeat_count,
            },
            option=orjson.OPT_UTC_Z,
        )
        return state[:-1] + b"," + self.content[1:]


def new_id() -> UUID:
    """Make a UUIDv7 (RFC 9562): 48 bits of milliseconds, then random, so that new rows share index pages."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(random_bytes(10), "big")
    return UUID(int=number & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)


def notification_name(id: UUID) -> str:
    """Name a notification as the API does: ``ntf_`` and 32 hex digits."""
    return "ntf_" + id.hex


def publication_name(id: UUID) -> str:
    """Name a publication as the API does: ``pub_`` and 32 hex digits."""
    return "pub_" + id.hex


def parse_name(text: str, *prefixes: str) -> tuple[str, UUID]:
    """Split ``ntf_…`` or ``pub_…`` into its prefix and id; what cannot be a name is `NotFound`, like a foreign one."""
    prefix, _, digits = text.partition("_")
    if prefix not in prefixes or len(digits) != 32 or not digits.isascii() or not digits.isalnum():
        raise NotFound(f"there is no {text[:60]!r}")
    try:
        return prefix, UUID(hex=digits)
    except ValueError:
        raise NotFound(f"there is no {text!r}") from None
