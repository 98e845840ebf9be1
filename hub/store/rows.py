"""What the columns of an inbox and of a notification are, and what is made of them: the one place for both.

Used by every statement that reads either; `INBOX` speaks of an inbox `i`, `ITEM` of a notification `n`.
"""

from __future__ import annotations

from typing import Any

from hub.notification import Notification
from hub.protocol import Counts

INBOX = "i.epoch, i.last_seq, i.unread, i.unseen, i.read_seq as inbox_read_seq, i.seen_seq as inbox_seen_seq"
ITEM = (
    "n.id, n.seq, n.created_seq, n.read_seq, n.change, n.created_at, n.content, n.repeat_count, n.seen, n.read_at,"
    " n.archived_at, n.snoozed_until, n.expires_at"
)


def counts_of(row: Any) -> Counts:
    """Make the counts of a row with the columns `INBOX`."""
    return Counts(
        row["epoch"],
        row["last_seq"],
        row["unread"],
        row["unseen"],
        row["inbox_read_seq"],
        row["inbox_seen_seq"],
    )


def notification_of(row: Any) -> Notification:
    """Make the notification of a row with the columns `ITEM` and the watermarks of its `INBOX`."""
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
