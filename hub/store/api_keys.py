"""API keys of backend services, by their hash."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from hub.store.database import Database


class ApiKey(NamedTuple):
    """A key as it is stored: everything but the key itself."""

    id: str
    tenant: str
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


_COLUMNS = "id, tenant, name, scopes, created_at, expires_at, revoked_at"


class ApiKeys:
    """Creates, finds, lists and revokes API keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, id: str, hash: bytes, *, tenant: str, name: str, scopes: Sequence[str], expires_at: datetime | None
    ) -> None:
        """Store a key; storing the same one again changes nothing."""
        await self._database.fetch(
            "insert into api_keys (id, tenant, name, hash, scopes, expires_at) values ($1, $2, $3, $4, $5, $6)"
            " on conflict do nothing",
            id,
            tenant,
            name,
            hash,
            list(scopes),
            expires_at,
        )

    async def find(self, hash: bytes) -> ApiKey | None:
        """Find a key that may be used now."""
        rows = await self._database.fetch(
            f"select {_COLUMNS} from api_keys where hash = $1 and revoked_at is null"
            " and (expires_at is null or expires_at > now())",
            hash,
        )
        return _key(rows[0]) if rows else None

    async def list(self) -> list[ApiKey]:
        """List every key, newest first."""
        rows = await self._database.fetch(f"select {_COLUMNS} from api_keys order by created_at desc")
        return [_key(row) for row in rows]

    async def revoke(self, id: str) -> bool:
        """End a key's life within seconds on every node; tell whether it was alive."""
        rows = await self._database.fetch(
            "update api_keys set revoked_at = now() where id = $1 and revoked_at is null returning id", id
        )
        return bool(rows)


def _key(row: Any) -> ApiKey:
    id, tenant, name, scopes, *times = row
    return ApiKey(id, tenant, name, frozenset(scopes), *times)
