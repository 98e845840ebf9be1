"""What the policy sees of deliveries: of those that are stored, and of those a publish would bring.

A dry run is the publish itself, in a transaction that is rolled back: so it cannot come to another answer than the real
one. It holds the recipients' inboxes for that moment, like any publish.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from hub.store.database import Database
from hub.store.publications import Publication, Publications

_FACTS = "select * from delivery_facts where publication_id = $1 and event is null"
_ORDER = " order by user_id, channel, created_at, id"
_TIMELINE = """
select * from (
select d.id as delivery_id, d.user_id, d.channel, a.started_at as at, 'attempt' as event, a.provider as detail,
    null::integer as provider_status
from deliveries d join attempts a on a.delivery_id = d.id
where d.tenant = $1 and d.publication_id = $2 and ($3::uuid is null or d.notification_id = $3) and d.event is null
union all
select d.id, d.user_id, d.channel, a.finished_at, a.outcome, a.error, a.provider_status
from deliveries d join attempts a on a.delivery_id = d.id
where d.tenant = $1 and d.publication_id = $2 and ($3::uuid is null or d.notification_id = $3) and d.event is null
    and a.finished_at is not null
union all
select d.id, d.user_id, d.channel, e.happened_at, e.kind, e.detail, null
from deliveries d join provider_events e on e.delivery_id = d.id
where d.tenant = $1 and d.publication_id = $2 and ($3::uuid is null or d.notification_id = $3) and d.event is null
union all
select d.id, d.user_id, d.channel, d.updated_at, d.state, nullif(d.reason, ''), null
from deliveries d
where d.tenant = $1 and d.publication_id = $2 and ($3::uuid is null or d.notification_id = $3) and d.event is null
    and d.state not in ('sending', 'sent')  -- the attempt says so
union all
select null, n.user_id, 'in_app', n.created_at, 'published', null, null
from notifications n where n.tenant = $1 and n.publication_id = $2 and n.id = any($4)
union all
select null, n.user_id, 'in_app', n.read_at, 'read', null, null
from notifications n where n.tenant = $1 and n.publication_id = $2 and n.id = any($4) and n.read_at is not null
union all
select null, null, null, b.created_at, 'accepted', null, null from publications b where b.tenant = $1 and b.id = $2
) happened order by at, event <> 'accepted', channel, delivery_id
"""


class Decisions:
    """Reads what decisions depend on."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def facts(self, tenant: str, id: UUID, notification: UUID | None) -> list[Any]:
        """Read what is known of a publication's deliveries now, or of one notification's."""
        rows = _FACTS + " and tenant = $2 and ($3::uuid is null or notification_id = $3)" + _ORDER
        return await self._database.fetch(rows, id, tenant, notification)

    async def rehearse(self, publication: Publication) -> list[Any]:
        """Read what would be known of its deliveries if it were published now; nothing of it stays."""
        async with self._database.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                await Publications(connection).publish([publication])
                rows: list[Any] = await connection.fetch(_FACTS + _ORDER, publication.id)
            finally:
                await transaction.rollback()
        return rows

    async def timeline(self, tenant: str, id: UUID, notification: UUID | None, ids: Sequence[UUID]) -> list[Any]:
        """List what happened to a publication, oldest first."""
        return await self._database.fetch(_TIMELINE, tenant, id, notification, list(ids))
