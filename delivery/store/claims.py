"""Claiming: from queued to sending, one transaction per job, decided while the users' inboxes are locked.

A row that is no longer queued is not claimed, so a doorbell that rings twice costs a look and nothing else. The
attempts are written in the same transaction, before any provider is called: what a killed worker may have sent is
always on record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from delivery.case import Case
from delivery.claim import Verdict, message_json
from hub.store import Database

_WRITE = """
with verdict as (
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::json[], $6::json[], $7::text[],
        $8::text[], $9::text[], $10::text[], $11::uuid[])
        as v (id, state, reason, run_at, decision, message, address, address_kind, provider, remedy, digest_id)
), written as (
    update deliveries d set state = v.state, reason = v.reason, run_at = coalesce(v.run_at, d.run_at),
        decision = coalesce(v.decision, d.decision), message = coalesce(v.message, d.message),
        address = coalesce(v.address, d.address), address_kind = coalesce(v.address_kind, d.address_kind),
        provider = coalesce(v.provider, d.provider), remedy = coalesce(v.remedy, d.remedy),
        digest_id = coalesce(v.digest_id, d.digest_id), updated_at = now(),
        lease_token = case v.state when 'sending' then $12 else d.lease_token end,
        lease_until = case v.state when 'sending' then now() + $13 * interval '1 second' end,
        claimed_at = case v.state when 'sending' then now() else d.claimed_at end,
        claims = d.claims + (v.state = 'sending')::integer, requests = d.requests + (v.state = 'sending')::integer
    from verdict v where d.id = v.id
    returning d.id, d.state, d.requests, d.attempts, d.provider
), begun as (
    insert into attempts (delivery_id, n, provider)
    select w.id, w.requests, w.provider from written w where w.state = 'sending'
)
select id, requests, attempts from written where state = 'sending'
"""
_COPY = """
insert into deliveries (tenant, user_id, notification_id, publication_id, category, channel, priority, unless,
    expires_at, address, address_kind, message)
select d.tenant, d.user_id, d.notification_id, d.publication_id, d.category, d.channel, d.priority, d.unless,
    d.expires_at, c.address, c.address_kind, c.message
from unnest($1::uuid[], $2::text[], $3::text[], $4::json[]) as c (parent, address, address_kind, message)
join deliveries d on d.id = c.parent
on conflict do nothing
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery this worker may send now: attempt number `n`, after `attempts` that counted."""

    verdict: Verdict
    token: UUID
    n: int
    attempts: int


class Claims:
    """Claims queued deliveries; `judge(cases, joining)` decides while everything it saw stays true."""

    def __init__(self, database: Database, *, lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds

    async def claim(
        self, ids: Sequence[UUID], judge: Callable[[list[Case], list[Case]], list[Verdict]]
    ) -> list[Claimed]:
        """Decide over those of `ids` that are queued and return the ones to send; raise `Locked` or `Unavailable`."""
        token = uuid4()
        async with self._database.connection() as connection, connection.transaction():
            locked = await connection.fetch("select id, joins from lock_claims($1)", list(ids))
            if not locked:
                return []
            facts = await connection.fetch(
                "select * from delivery_facts where id = any($1)", [row["id"] for row in locked]
            )
            joins = {row["id"]: row["joins"] for row in locked}
            cases = [Case(row) for row in facts]
            verdicts = judge([case for case in cases if not joins[case.id]], [case for case in cases if joins[case.id]])
            rows = await connection.fetch(_WRITE, *_columns(verdicts), token, self._lease_seconds)
            copies = [(verdict.case.id, copy) for verdict in verdicts for copy in verdict.copies]
            if copies:
                await connection.execute(
                    _COPY,
                    [parent for parent, _ in copies],
                    [copy.address for _, copy in copies],
                    [copy.address_kind for _, copy in copies],
                    [message_json(copy) for _, copy in copies],
                )
        begun = {row["id"]: row for row in rows}
        return [
            Claimed(verdict, token, begun[verdict.case.id]["requests"], begun[verdict.case.id]["attempts"])
            for verdict in verdicts
            if verdict.case.id in begun
        ]

    async def defer(self, ids: Sequence[UUID], seconds: float) -> None:
        """Put queued deliveries back for a moment: their users' inboxes are busy."""
        await self._database.fetch(
            "update deliveries set state = 'pending', run_at = now() + $2 * interval '1 second', lease_until = null"
            " where id = any($1) and state = 'queued'",
            list(ids),
            seconds,
        )

    async def bury(self, id: UUID, reason: str) -> None:
        """End a delivery that cannot be claimed, however often it is tried: a fault of the hub, for a person to see."""
        await self._database.fetch(
            "update deliveries set state = 'dead', reason = $2, lease_until = null, updated_at = now()"
            " where id = $1 and state = 'queued'",
            id,
            reason,
        )

    async def release(self, claimed: Claimed) -> None:
        """Give back what was claimed but certainly not sent, and take the attempt back."""
        await self._database.fetch(
            "with mine as (update deliveries set state = 'pending', run_at = now(), lease_until = null"
            " where id = $1 and lease_token = $2 and state = 'sending' returning id)"
            " update attempts set finished_at = now(), outcome = 'lost', error = 'too late to be sent under its lease'"
            " from mine where delivery_id = mine.id and n = $3",
            claimed.verdict.case.id,
            claimed.token,
            claimed.n,
        )


def _columns(verdicts: Sequence[Verdict]) -> list[list[object]]:
    """Turn verdicts into the parallel arrays of the statement."""
    messages = [verdict.message if verdict.state == "sending" else None for verdict in verdicts]
    return [
        [verdict.case.id for verdict in verdicts],
        [verdict.state for verdict in verdicts],
        [verdict.reason for verdict in verdicts],
        [verdict.run_at for verdict in verdicts],
        [None if verdict.decision is None else verdict.decision.as_json() for verdict in verdicts],
        [None if message is None else message_json(message) for message in messages],
        [None if message is None else message.address for message in messages],
        [None if message is None else message.address_kind for message in messages],
        [None if verdict.edge is None else verdict.edge.provider for verdict in verdicts],
        [None if verdict.edge is None else verdict.edge.remedy for verdict in verdicts],
        [verdict.digest_id for verdict in verdicts],
    ]
