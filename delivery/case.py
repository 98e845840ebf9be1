"""Pure: one delivery with everything its decision and its text depend on, as the database hands it over.

`store` builds a `Case` per row of the view `delivery_facts`; `claim` decides over cases, `render` writes their
messages, explain shows them. It only translates: what a fact means is `policy`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import orjson

from delivery.destination import Endpoint
from delivery.policy import Facts
from delivery.preference import Category, Throttle
from delivery.quiet import QuietHours

PRIORITIES = ("critical", "high", "normal", "low")


@dataclass(frozen=True)
class Case:
    """One row of `delivery_facts`; `row` has its columns by name. What is JSON is read once."""

    row: Mapping[str, Any]

    @property
    def id(self) -> UUID:
        """The delivery."""
        value: UUID = self.row["id"]
        return value

    @property
    def name(self) -> str:
        """The delivery as the API names it."""
        return delivery_name(self.id)

    @property
    def key(self) -> str:
        """The idempotency key: the same for every automatic attempt."""
        return f"{self.name}-{self.row['replays']}"

    @property
    def channel(self) -> str:
        """email, sms, push or webhook."""
        return str(self.row["channel"])

    @cached_property
    def content(self) -> dict[str, Any]:
        """The notification's constant part."""
        content: dict[str, Any] = orjson.loads(self.row["content"])
        return content

    @cached_property
    def options(self) -> dict[str, Any]:
        """What the producer said about rendering."""
        options: dict[str, Any] = orjson.loads(self.row["options"] or b"{}")
        return options

    @property
    def group(self) -> tuple[str, str, str, str]:
        """What shares a digest."""
        return self.row["tenant"], self.row["user_id"], self.channel, self.row["category"]

    @cached_property
    def devices(self) -> list[tuple[str, str]]:
        """The user's devices: token and kind."""
        return [(token, kind) for token, kind in orjson.loads(self.row["devices"] or b"[]")]

    @property
    def exists(self) -> bool:
        """Whether its notification is there: not before it is published, nor after its user was erased."""
        return self.row["content"] is not None

    @property
    def address(self) -> str | None:
        """Where it goes: fixed earlier, or the user's address now. A device counts only while it is the user's."""
        fixed: str | None = self.row["address"]
        if self.channel == "webhook":
            return None if self.endpoint is None else self.endpoint.url
        if self.channel == "push":
            tokens = [token for token, _ in self.devices]
            return (fixed if fixed in tokens else None) if fixed else next(iter(tokens), None)
        return fixed or self.row.get({"email": "email", "sms": "phone"}.get(self.channel, ""))

    @property
    def endpoint(self) -> Endpoint | None:
        """Where a producer hears of it, if it is still to be told."""
        if self.row["webhook_state"] != "active":
            return None
        return Endpoint(self.row["webhook_id"], self.row["webhook_url"], self.row["webhook_secret"])

    def facts(self) -> Facts:
        """Say it as the policy asks for it."""
        row = self.row
        now: datetime = row["decided_at"]
        return Facts(
            now=now,
            channel=self.channel,
            priority=PRIORITIES[row["priority"]],
            created_at=row["published_at"] or row["created_at"],
            category=self.category(),
            address=self.address,
            choices={(category, self.channel): enabled for category, enabled in orjson.loads(row["choices"] or b"[]")},
            suppression=row["suppression"],
            recalled=row["notification_change"] in ("recalled", "deleted"),
            expires_at=now if row["notification_change"] == "expired" else row["expires_at"],
            unless=row["unless"],
            read_at=row["read_at"] or (now if row["is_read"] else None),
            seen=bool(row["is_seen"]),
            quiet_hours=self._quiet_hours(),
            recent=row["recent"],
        )

    def category(self) -> Category:
        """Return the registered category, or the default one."""
        row, channel = self.row, self.channel
        throttle, digest = _json(row["throttle"]), _json(row["digest"])
        return Category(
            name=row["category"],
            title=row["category_title"] or "",
            channels=None if row["category_channels"] is None else tuple(row["category_channels"]),
            mandatory=row["mandatory"],
            throttle={channel: Throttle(**throttle)} if throttle else None,
            digest={channel: digest["window_seconds"]} if digest else None,
        )

    def _quiet_hours(self) -> QuietHours | None:
        row = self.row
        if row["quiet_start"] is None:
            return None
        zone = row["quiet_timezone"] or row["timezone"] or "UTC"
        return QuietHours.parse(row["quiet_start"], row["quiet_end"], zone)


def delivery_name(id: UUID) -> str:
    """Name a delivery as the API does: ``dlv_`` and 32 hex digits."""
    return "dlv_" + id.hex


def _json(value: str | bytes | None) -> Any:
    return None if value is None else orjson.loads(value)
