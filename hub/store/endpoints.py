"""Where producers listen: their webhook endpoints. A deleted one is kept without its secret, for what told it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from hub.store.database import Database

MOST = 20
"""Endpoints of a tenant: each event is told to every one of them."""
_COLUMNS = "id, url, events, state, created_at"
_DELETE = """
with mine as (
    update webhooks set state = 'deleted', secret = '' where tenant = $1 and id = $2 and state <> 'deleted' returning id
), ended as (
    update deliveries d set state = 'canceled', reason = 'endpoint_deleted', lease_until = null, updated_at = now()
    from mine where d.webhook_id = mine.id and d.state in ('pending', 'queued')
)
select id from mine
"""


class Listener(NamedTuple):
    """An endpoint as it is shown; its secret is not."""

    id: UUID
    url: str
    events: Sequence[str]
    state: str
    created_at: datetime


class Endpoints:
    """Keeps where producers listen."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, tenant: str, *, url: str, secret: str, events: Sequence[str]) -> Listener | None:
        """Store an endpoint; None if the tenant has enough of them."""
        rows = await self._database.fetch(
            "insert into webhooks (tenant, url, secret, events) select $1, $2, $3, $4 where (select count(*) from"
            f" webhooks where tenant = $1 and state <> 'deleted') < $5 returning {_COLUMNS}",
            tenant,
            url,
            secret,
            list(events),
            MOST,
        )
        return Listener(*rows[0]) if rows else None

    async def of(self, tenant: str) -> list[Listener]:
        """List a tenant's endpoints, oldest first."""
        rows: list[Any] = await self._database.fetch(
            f"select {_COLUMNS} from webhooks where tenant = $1 and state <> 'deleted' order by created_at, id", tenant
        )
        return [Listener(*row) for row in rows]

    async def find(self, tenant: str, id: UUID) -> Listener | None:
        """Find an endpoint."""
        rows = await self._database.fetch(
            f"select {_COLUMNS} from webhooks where tenant = $1 and id = $2 and state <> 'deleted'", tenant, id
        )
        return Listener(*rows[0]) if rows else None

    async def delete(self, tenant: str, id: UUID) -> bool:
        """Forget an endpoint and cancel what it was to be told; tell whether there was one."""
        return bool(await self._database.fetch(_DELETE, tenant, id))
