"""Taking back what was published: cancelling what has not happened yet, recalling what has.

Cancelling and firing both take the schedule's row, so exactly one of them wins. A recall changes the notifications
first, each under its inbox's lock: whatever is claimed from then on is suppressed by the policy, and what is read
afterwards as sent had left before. Every step may be repeated: a recall that was interrupted is finished by asking
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from hub.store.database import Database

_CANCEL = """
with mine as (
    update schedules set state = 'canceled' where id = $1 and tenant = $2 and state = 'scheduled' returning id
), told as (
    update publications b set status = 'canceled' from mine where b.id = mine.id
), ended as (
    update deliveries d set state = 'canceled', reason = 'canceled', lease_until = null, updated_at = now()
    from mine where d.publication_id = mine.id and d.state in ('pending', 'queued')
)
select id from mine
"""
_END_DELIVERIES = """
with told as (
    update publications set status = 'recalled' where id = $1 and tenant = $2 and notification_ids <@ $3
)
update deliveries set state = 'canceled', reason = 'recalled', lease_until = null, updated_at = now()
where publication_id = $1 and tenant = $2 and notification_id = any($3) and state in ('pending', 'queued')
    and event is null  -- that it was read is told, although it is taken back
"""
_NOTICED = """
select n.user_id, n.id, n.change = 'recalled' as recalled, n.seen or n.created_seq <= i.seen_seq as seen,
    n.read_at is not null or n.read_seq <= i.read_seq as read, n.read_at,
    coalesce((select array_agg(distinct d.channel order by d.channel) from deliveries d
        where d.publication_id = n.publication_id and d.notification_id = n.id and d.event is null
            and d.state in ('sending', 'unknown', 'sent', 'delivered')), '{}') as sent
from notifications n join inboxes i using (tenant, user_id)
where n.publication_id = $1 and n.tenant = $2 and n.id = any($3)
order by array_position($3, n.id)
"""


class Noticed(NamedTuple):
    """What a recipient had of a notification before it was taken back; `sent`: the channels it had left over."""

    user: str
    id: UUID
    recalled: bool
    seen: bool
    read: bool
    read_at: datetime | None
    sent: Sequence[str]


class Retractions:
    """Cancels publications, and ends what belongs to recalled notifications (see `Inboxes.recall`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def cancel(self, tenant: str, id: UUID) -> bool:
        """Cancel a scheduled publication and its deliveries; False if it has fired, or was canceled before."""
        return bool(await self._database.fetch(_CANCEL, id, tenant))

    async def end_deliveries(self, tenant: str, id: UUID, notifications: Sequence[UUID]) -> None:
        """Cancel what has not been sent of recalled notifications; with all of them the publication is recalled."""
        await self._database.fetch(_END_DELIVERIES, id, tenant, list(notifications))

    async def noticed(self, tenant: str, id: UUID, notifications: Sequence[UUID]) -> list[Noticed]:
        """Tell of a publication's notifications how far they had come."""
        return [Noticed(*row) for row in await self._database.fetch(_NOTICED, id, tenant, list(notifications))]
