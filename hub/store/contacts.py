"""Contacts and devices: where users can be reached outside. A device's token belongs to whoever registered it last."""

from __future__ import annotations

from typing import Any, NamedTuple

from hub.identity import UserKey
from hub.store.database import Database


class Reach(NamedTuple):
    """A user's contact as it is stored."""

    email: str | None
    phone: str | None
    locale: str | None
    timezone: str | None


class Device(NamedTuple):
    """A device that takes push messages."""

    token: str
    platform: str
    kind: str


class Contacts:
    """Keeps where users can be reached."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, key: UserKey) -> Reach | None:
        """Find a user's contact."""
        rows = await self._database.fetch(
            "select email, phone, locale, timezone from contacts where tenant = $1 and user_id = $2", *key
        )
        return Reach(*rows[0]) if rows else None

    async def put(self, key: UserKey, reach: Reach) -> None:
        """Replace a user's contact; quiet hours are the user's own and stay."""
        await self._database.fetch(
            "insert into contacts (tenant, user_id, email, phone, locale, timezone) values ($1, $2, $3, $4, $5, $6)"
            " on conflict (tenant, user_id) do update set email = $3, phone = $4, locale = $5, timezone = $6,"
            " updated_at = now()",
            *key,
            *reach,
        )

    async def find_device(self, key: UserKey, token: str) -> Device | None:
        """Find a device, if it is this user's."""
        rows = await self._database.fetch(
            "select token, platform, kind from devices where tenant = $1 and user_id = $2 and token = $3", *key, token
        )
        return Device(*rows[0]) if rows else None

    async def put_device(self, key: UserKey, device: Device) -> None:
        """Register a device for a user, whoever had it before."""
        await self._database.fetch(
            "insert into devices (tenant, user_id, token, platform, kind) values ($1, $2, $3, $4, $5)"
            " on conflict (tenant, token) do update set user_id = $2, platform = $4, kind = $5, updated_at = now()",
            *key,
            *device,
        )

    async def remove_device(self, key: UserKey, token: str) -> bool:
        """Forget a device; tell whether it was this user's."""
        rows: list[Any] = await self._database.fetch(
            "delete from devices where tenant = $1 and user_id = $2 and token = $3 returning token", *key, token
        )
        return bool(rows)
