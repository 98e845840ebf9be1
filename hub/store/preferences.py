"""The category registry, and what users chose: the two sides of the category × channel grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hub.identity import UserKey
from hub.store.database import Database

_COLUMNS = "name, title, channels, mandatory, retention_days, throttle::json as throttle, digest::json as digest"


class Registered(NamedTuple):
    """A category as it is registered; `throttle` and `digest` are JSON by channel."""

    name: str
    title: str
    channels: list[str] | None
    mandatory: bool
    retention_days: int | None
    throttle: bytes | None
    digest: bytes | None


class Quiet(NamedTuple):
    """Quiet hours: wall-clock times, in a zone of their own or the user's."""

    start: str
    end: str
    timezone: str | None


class Chosen(NamedTuple):
    """Everything a user chose, and the zone the user lives in."""

    choices: dict[tuple[str, str], bool]
    quiet: Quiet | None
    timezone: str | None


class Preferences:
    """Keeps both."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def categories(self, tenant: str) -> list[Registered]:
        """List every registered category by name."""
        rows = await self._database.fetch(f"select {_COLUMNS} from categories where tenant = $1 order by name", tenant)
        return [Registered(*row) for row in rows]

    async def category(self, tenant: str, name: str) -> Registered | None:
        """Find a category."""
        rows = await self._database.fetch(
            f"select {_COLUMNS} from categories where tenant = $1 and name = $2", tenant, name
        )
        return Registered(*rows[0]) if rows else None

    async def register(self, tenant: str, category: Registered) -> None:
        """Register a category, or change it."""
        await self._database.fetch(
            "insert into categories (tenant, name, title, channels, mandatory, retention_days, throttle, digest)"
            " values ($1, $2, $3, $4, $5, $6, $7::json::jsonb, $8::json::jsonb)"
            " on conflict (tenant, name) do update set title = $3, channels = $4, mandatory = $5, retention_days = $6,"
            " throttle = excluded.throttle, digest = excluded.digest, updated_at = now()",
            tenant,
            *category,
        )

    async def unregister(self, tenant: str, name: str) -> bool:
        """Forget a category; its notifications and preferences stay. Tell whether it was registered."""
        rows: list[Any] = await self._database.fetch(
            "delete from categories where tenant = $1 and name = $2 returning name", tenant, name
        )
        return bool(rows)

    async def chosen(self, key: UserKey) -> Chosen:
        """Read what a user chose."""
        cells = await self._database.fetch(
            "select category, channel, enabled from preferences where tenant = $1 and user_id = $2", *key
        )
        contact = await self._database.fetch(
            "select quiet_start, quiet_end, quiet_timezone, timezone from contacts where tenant = $1 and user_id = $2",
            *key,
        )
        choices = {(row[0], row[1]): row[2] for row in cells}
        if not contact:
            return Chosen(choices, None, None)
        start, end, zone, timezone = contact[0]
        return Chosen(choices, None if start is None else Quiet(start, end, zone), timezone)

    async def choose(
        self, key: UserKey, cells: Mapping[tuple[str, str], bool | None], *, quiet: Quiet | None, set_quiet: bool
    ) -> None:
        """Write some cells (None: no choice of one's own) and, if `set_quiet`, the quiet hours; all or nothing."""
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(
                "with cell as (select *"
                " from unnest($3::text[], $4::text[], $5::boolean[]) as c (category, channel, on_)),"
                " gone as (delete from preferences p using cell c where p.tenant = $1 and p.user_id = $2"
                " and p.category = c.category and p.channel = c.channel and c.on_ is null)"
                " insert into preferences (tenant, user_id, category, channel, enabled)"
                " select $1, $2, category, channel, on_ from cell where on_ is not null order by category, channel"
                " on conflict (tenant, user_id, category, channel) do update set enabled = excluded.enabled,"
                " updated_at = now()",
                *key,
                [category for category, _ in cells],
                [channel for _, channel in cells],
                list(cells.values()),
            )
            if set_quiet:
                await connection.execute(
                    "insert into contacts (tenant, user_id, quiet_start, quiet_end, quiet_timezone)"
                    " values ($1, $2, $3, $4, $5) on conflict (tenant, user_id) do update set quiet_start = $3,"
                    " quiet_end = $4, quiet_timezone = $5, updated_at = now()",
                    *key,
                    *(quiet or (None, None, None)),
                )
