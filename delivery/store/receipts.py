"""What providers report later, applied once and only forwards.

The hub's webhook operations call `record`. An event that was heard before, that is about an older message of the
delivery, or that would turn it back, is kept for the timeline and changes nothing. Forwards is: on its way, sent,
delivered, failed (a bounce may follow a receipt). The address of a bounce, a complaint or a STOP is written down even
when the delivery no longer changes.
"""

from __future__ import annotations

from typing import Any

from delivery.callback import Fate, Report
from hub.store import Database

ON_ITS_WAY = ("pending", "queued", "sending", "unknown")
_RANK = {"sent": 1, "delivered": 2, "again": 3, "failed": 3}
_FIND = """
select id, tenant, channel, state, address, provider_id from deliveries
where channel = $3 and event is null and (id = $1 or $1 is null and provider = $4 and provider_id = $2)
for update
"""
_NOTE = """
insert into provider_events (provider, event_id, delivery_id, kind, detail, happened_at)
values ($1, $2, $3, $4, $5, coalesce($6, now())) on conflict do nothing returning event_id
"""
_APPLY = """
update deliveries set state = $2, reason = $3, provider = $4, provider_id = $5, lease_until = null, updated_at = now(),
    claims = 0, pinned = pinned and $2 <> 'pending', run_at = now() + $6 * interval '1 second'
where id = $1
"""
_TRIED_AGAIN = """
select exists (select from provider_events
    where delivery_id = $1 and kind in ('undelivered', 'failed') and event_id <> $2)
"""
_SUPPRESS = "insert into suppressions (tenant, channel, address, reason) values ($1, $2, $3, $4) on conflict do nothing"


class Receipts:
    """Applies providers' reports to deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, report: Report, *, again_after_seconds: float) -> bool:
        """Apply a report; tell whether the delivery changed. Raise `Unavailable`."""
        async with self._database.connection() as connection, connection.transaction():
            row = await connection.fetchrow(_FIND, report.delivery, report.provider_id, report.channel, report.provider)
            if row is None:
                return False
            said = (report.provider, report.event_id, row["id"], report.kind, report.detail, report.happened_at)
            if not await connection.fetch(_NOTE, *said):
                return False
            if report.suppress and row["address"]:
                await connection.execute(
                    _SUPPRESS, row["tenant"], report.channel, row["address"].lower(), report.suppress
                )
            fate = report.fate
            if fate is None or not _is_forward(row, report.provider_id, fate):
                return False
            if fate == "again":
                tried = await connection.fetchval(_TRIED_AGAIN, row["id"], report.event_id)
                fate = "failed" if tried else "again"
            state = "pending" if fate == "again" else fate
            reason = report.reason if fate in ("failed", "again") else ""
            delay = again_after_seconds if fate == "again" else 0.0
            await connection.execute(_APPLY, row["id"], state, reason, report.provider, report.provider_id, delay)
        return True


def _is_forward(row: Any, provider_id: str, fate: Fate) -> bool:
    """Tell whether a message's fate moves its delivery on; what is on its way again waits for news of a new message."""
    same = row["provider_id"] == provider_id
    if row["state"] in ON_ITS_WAY:
        return not same or (row["state"] == "unknown" and fate != "sent")
    return (same or row["provider_id"] is None) and 0 < _RANK.get(row["state"], 9) < _RANK[fate]
