"""Deliveries as their producer and an operator see them: with their attempts, and the dead ones to decide about.

Read by the API and `hub dlq`; delivery's own statements are in delivery/store. A replay is a new request by a person:
it gets a new idempotency key, and a text rendered anew. But the carrier of a digest keeps its text, because its members
are not to be had again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from hub.store.database import Database

_SHOWN = """
select d.id, d.tenant, d.user_id, d.notification_id, d.publication_id, d.channel, d.state, d.reason, d.run_at,
    d.provider, d.provider_id, d.created_at, d.updated_at,
    (select json_agg(json_build_object('n', a.n, 'started_at', a.started_at, 'finished_at', a.finished_at,
        'outcome', a.outcome, 'error', a.error, 'provider_status', a.provider_status) order by a.n)
    from attempts a where a.delivery_id = d.id) as attempts
from deliveries d
"""
_OF_PUBLICATION = f"""
{_SHOWN} where d.tenant = $1 and d.publication_id = $2 and d.notification_id = any($3) and d.event is null
order by array_position($3, d.notification_id), d.channel, d.created_at, d.id
"""
_OF_SCHEDULED = f"""
{_SHOWN} where d.tenant = $1 and d.publication_id = $2 and d.event is null
order by d.user_id, d.channel, d.created_at, d.id
"""
_DEAD = f"""
{_SHOWN} where d.tenant = $1 and d.state = $2 and d.state in ('dead', 'failed')
    and ($3::uuid is null or (d.created_at, d.id) < (select o.created_at, o.id from deliveries o where o.id = $3))
order by d.created_at desc, d.id desc limit $4
"""
_REPLAY = """
update deliveries d set state = 'pending', reason = '', run_at = now(), replays = d.replays + 1, attempts = 0,
    claims = 0, pinned = false, lease_token = null, lease_until = null, provider_id = null, updated_at = now(),
    message = case when carries then jsonb_set(d.message::jsonb, '{key}',
        to_jsonb('dlv_' || replace(d.id::text, '-', '') || '-' || d.replays + 1))::json end,
    address = case when carries or d.channel = 'push' then d.address end
from (select exists (select from deliveries m where m.digest_id = $2) as carries) c
where d.tenant = $1 and d.id = $2 and d.state in ('dead', 'failed')
returning d.id
"""
_DISCARD = """
update deliveries set state = 'canceled', reason = 'discarded', updated_at = now()
where tenant = $1 and id = $2 and state in ('dead', 'failed') returning id
"""


class Deliveries:
    """Shows deliveries, and does what a person decides about dead ones."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_publication(self, tenant: str, id: UUID, notifications: Sequence[UUID]) -> list[Any]:
        """List the deliveries of a publication's notifications, or of all if it has none yet."""
        if notifications:
            return await self._database.fetch(_OF_PUBLICATION, tenant, id, list(notifications))
        return await self._database.fetch(_OF_SCHEDULED, tenant, id)

    async def find(self, tenant: str, id: UUID) -> Any | None:
        """Find one."""
        rows = await self._database.fetch(f"{_SHOWN} where d.tenant = $1 and d.id = $2", tenant, id)
        return rows[0] if rows else None

    async def dead(self, tenant: str, state: str, *, before: UUID | None, limit: int) -> list[Any]:
        """List dead (or failed) deliveries, newest first, below the one called `before`."""
        return await self._database.fetch(_DEAD, tenant, state, before, limit)

    async def replay(self, tenant: str, id: UUID) -> bool:
        """Let a dead or failed delivery be tried again; False if it is neither."""
        return bool(await self._database.fetch(_REPLAY, tenant, id))

    async def discard(self, tenant: str, id: UUID) -> bool:
        """End a dead or failed delivery for good; False if it is neither."""
        return bool(await self._database.fetch(_DISCARD, tenant, id))
