"""Pure: what a webhook says of an event: one JSON object, in the form of Standard Webhooks.

`claim` writes it when the event is claimed for the first time, and it is sent unchanged ever after. It names what
happened and to which notification; a delivery is told as it was at that moment, because by now it may be another.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from delivery.case import Case
from delivery.channel import Message
from hub.notification import notification_name, publication_name


def message(case: Case, address: str) -> Message:
    """Write the message of an event."""
    kind = f"notification.{case.row['event']}"
    said = {"type": kind, "timestamp": case.row["created_at"], "data": _data(case)}
    text = orjson.dumps(said, option=orjson.OPT_UTC_Z).decode()
    return Message(delivery_id=case.name, key=case.key, sender="", address=address, title=kind, text=text)


def _data(case: Case) -> dict[str, Any]:
    row, news = case.row, case.row["news"]
    notification_id: UUID = row["notification_id"]
    return {
        "notification_id": notification_name(notification_id),
        "publication_id": publication_name(row["publication_id"]),
        "user_id": row["user_id"],
        "category": row["category"],
        "delivery": None if news is None else orjson.loads(news),
    }
