"""What is not kept for ever, and for how long: every statement purges a bounded number of rows, and says how many.

A notification that ages out is not purged but expires, live, like any other; only its tombstone is purged, when nobody
needs it any more. All of it is safe to run on any number of relays at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from hub.store import Database

CHUNK = 1000
_DELIVERIES = """
with old as (
    select id from deliveries
    where created_at < now() - $1 * interval '1 day' and updated_at < now() - $1 * interval '1 day'
        and state in ('sent', 'delivered', 'failed', 'dead', 'canceled', 'suppressed', 'expired')
    limit $2 for update skip locked
), tries as (
    delete from attempts a using old where a.delivery_id = old.id
), events as (
    delete from provider_events e using old where e.delivery_id = old.id
)
delete from deliveries d using old where d.id = old.id returning d.id
"""
_KEYS = """
delete from idempotency_keys k using (
    select tenant, producer, key from idempotency_keys where created_at < now() - $1 * interval '1 hour'
    limit $2 for update skip locked
) old
where k.tenant = old.tenant and k.producer = old.producer and k.key = old.key returning k.key
"""

_ORPHANS = """
update deliveries d set state = 'canceled', reason = 'endpoint_deleted', updated_at = now()
where d.id in (
    select o.id from deliveries o left join webhooks w on w.id = o.webhook_id
    where o.webhook_id is not null and o.state = 'pending' and (w.id is null or w.state = 'deleted')
    limit $1 for update of o skip locked)
returning d.id
"""
_ENDPOINTS = """
delete from webhooks w where w.state = 'deleted' and not exists (
    select from deliveries d where d.webhook_id = w.id and d.state in ('pending', 'queued', 'sending'))
returning w.id
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long what is over is kept."""

    idempotency_hours: int = 48
    tombstone_days: int = 30
    delivery_days: int = 90


class Retention:
    """Purges; each method does one step and returns how many rows that was."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database = database
        self._terms = terms

    async def sweep_notifications(self) -> int:
        """Look at the next notifications: let those expire that their category keeps no longer, purge tombstones."""
        return await self._count("select sweep_notifications($1, $2)", CHUNK, self._terms.tombstone_days)

    async def sweep_publications(self) -> int:
        """Look at the next publications: forget those of which nothing is left."""
        return await self._count("select sweep_publications($1, $2)", CHUNK, self._terms.delivery_days)

    async def forget_keys(self) -> int:
        """Drop idempotency keys nobody may repeat any more."""
        return len(await self._database.fetch(_KEYS, float(self._terms.idempotency_hours), CHUNK))

    async def forget_deliveries(self) -> int:
        """Drop deliveries that ended long ago, with their attempts and what providers said of them."""
        return len(await self._database.fetch(_DELIVERIES, float(self._terms.delivery_days), CHUNK))

    async def forget_endpoints(self) -> int:
        """Cancel what a deleted endpoint was still to be told, tried again or replayed, then forget the endpoint."""
        canceled = await self._database.fetch(_ORPHANS, CHUNK)
        await self._database.fetch(_ENDPOINTS)
        return len(canceled)

    async def _count(self, sql: str, *arguments: object) -> int:
        rows = await self._database.fetch(sql, *arguments)
        return int(rows[0][0])
