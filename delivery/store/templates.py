"""Templates: saving a version, finding one, and which are in force.

The templates API writes; publishing asks `in_force`, which is remembered for a second, because most categories have
none and the answer to a publish is not to wait for that. A version is never changed: what was sent can be explained.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import NamedTuple

from hub.store import Database

FRESH_SECONDS = 1.0
MOST_REMEMBERED = 10_000
_COLUMNS = "category, channel, locale, version, title, body, html, created_at"


class Saved(NamedTuple):
    """One version of a template."""

    category: str
    channel: str
    locale: str
    version: int
    title: str
    body: str
    html: str | None
    created_at: datetime


class Place(NamedTuple):
    """What a template is for."""

    tenant: str
    category: str
    channel: str
    locale: str


class Words(NamedTuple):
    """What a template says."""

    title: str
    body: str
    html: str | None


class Templates:
    """Reads and writes templates."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._in_force: dict[tuple[str, str], tuple[float, list[Saved]]] = {}

    async def save(self, place: Place, words: Words) -> tuple[Saved, bool]:
        """Save a version and tell whether it is new: what is in force already is not saved again."""
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(hashtext($1))", "/".join(place))
            latest = await connection.fetchrow(
                f"select {_COLUMNS} from templates where tenant = $1 and category = $2 and channel = $3 and locale = $4"
                " order by version desc limit 1",
                *place,
            )
            if latest is not None and (latest["title"], latest["body"], latest["html"]) == words:
                return Saved(*latest), False
            row = await connection.fetchrow(
                "insert into templates (tenant, category, channel, locale, version, title, body, html)"
                f" values ($1, $2, $3, $4, $5, $6, $7, $8) returning {_COLUMNS}",
                *place,
                1 if latest is None else latest["version"] + 1,
                *words,
            )
        self._in_force.pop((place.tenant, place.category), None)
        return Saved(*row), True

    async def find(self, place: Place, version: int | None = None) -> Saved | None:
        """Find a version, by default the one in force."""
        rows = await self._database.fetch(
            f"select {_COLUMNS} from templates where tenant = $1 and category = $2 and channel = $3 and locale = $4"
            " and version = coalesce($5, version) order by version desc limit 1",
            *place,
            version,
        )
        return Saved(*rows[0]) if rows else None

    async def in_force(self, tenant: str, category: str) -> list[Saved]:
        """List what a category says, over every channel in every language; at most a second old."""
        read_at, known = self._in_force.get((tenant, category), (0.0, []))
        if time.monotonic() - read_at < FRESH_SECONDS:
            return known
        if read_at:  # one asks again, the others go on with what is known
            self._in_force[tenant, category] = time.monotonic(), known
        rows = await self._database.fetch(
            f"select distinct on (channel, locale) {_COLUMNS} from templates where tenant = $1 and category = $2"
            " order by channel, locale, version desc",
            tenant,
            category,
        )
        if len(self._in_force) >= MOST_REMEMBERED:
            self._in_force.clear()
        found = [Saved(*row) for row in rows]
        self._in_force[tenant, category] = time.monotonic(), found
        return found
