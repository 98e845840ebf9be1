"""Recording what came of an attempt, fenced by the lease: a worker that lost its lease changes nothing.

With one exception: an acceptance is a fact, whoever holds the lease now. It is recorded as long as nobody else has
claimed the row again, so that what was sent is not repeated. Many outcomes share a statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from hub.store import Database

_FINISH = """
with outcome as (
    select * from unnest($1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::text[], $6::float[], $7::boolean[],
        $8::text[], $9::text[], $10::text[], $11::integer[], $12::text[])
        as o (id, token, n, state, reason, delay, counts, outcome, error, provider_id, status, remedy)
), finished as (
    update deliveries d set state = case when o.state = 'sent' and d.state = 'delivered' then d.state else o.state end,
        reason = o.reason, run_at = now() + o.delay * interval '1 second', claims = 0,
        attempts = d.attempts + o.counts::integer, provider_id = coalesce(o.provider_id, d.provider_id),
        pinned = d.pinned or o.state = 'unknown', remedy = coalesce(o.remedy, d.remedy), lease_until = null,
        updated_at = now()
    from outcome o
    where d.id = o.id and d.lease_token = o.token and (d.state = 'sending'
        or o.state = 'sent' and d.state in ('unknown', 'pending', 'queued', 'delivered'))
    returning d.id
), noted as (
    update attempts a set finished_at = now(), outcome = o.outcome, error = o.error, provider_status = o.status
    from outcome o where a.delivery_id = o.id and a.n = o.n
)
select id from finished
"""
_HEALTH = """
insert into providers as p (name, failures, closed_until, reason)
values ($1, $2, case when $4::float > 0 then now() + $4 * interval '1 second' end, $3)
on conflict (name) do update set
    failures = case when $2 = 0 then 0 else p.failures + $2 end, reason = $3,
    closed_until = case when $4 > 0 then now() + $4 * interval '1 second'
        when $2 > 0 and p.failures + $2 >= $5 then now() + $6 * interval '1 second' end
"""


class Outcome(NamedTuple):
    """What came of one attempt: the delivery's next state, and the attempt's answer; in the statement's order."""

    id: UUID
    token: UUID
    n: int
    state: str
    reason: str
    delay_seconds: float
    counts: bool
    outcome: str
    error: str | None = None
    provider_id: str | None = None
    status: int | None = None
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """A delivery that its provider may have; `age` counts from when it was sent."""

    id: UUID
    message: bytes
    provider: str
    claimed_at: datetime
    attempts: int
    age: timedelta


class Outcomes:
    """Records outcomes, and what they say about providers and addresses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def finish(self, outcomes: Sequence[Outcome]) -> None:
        """Record outcomes in one statement; raise `Unavailable`."""
        await self._database.fetch(_FINISH, *zip(*outcomes, strict=True))

    async def health(
        self, provider: str, *, failures: int, reason: str, close_seconds: float, limit: int, breaker_seconds: float
    ) -> None:
        """Note failures of a provider in a row (0: it works), and close it now or at the limit."""
        await self._database.fetch(_HEALTH, provider, failures, reason, close_seconds, limit, breaker_seconds)

    async def troubled(self) -> dict[str, tuple[int, datetime | None]]:
        """List the providers that failed last: failures in a row, and until when each is closed, if it is."""
        rows = await self._database.fetch(
            "select name, failures, case when closed_until > now() then closed_until end from providers"
            " where failures > 0 or closed_until > now()"
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    async def forget_device(self, tenant: str, token: str) -> None:
        """Remove a device whose token no longer exists."""
        await self._database.fetch("delete from devices where tenant = $1 and token = $2", tenant, token)

    async def disable_webhook(self, id: UUID) -> None:
        """Tell an endpoint nothing more: it says that it is gone."""
        await self._database.fetch("update webhooks set state = 'disabled' where id = $1 and state = 'active'", id)

    async def suppress(self, tenant: str, channel: str, address: str, reason: str) -> None:
        """Never write to an address again."""
        await self._database.fetch(
            "insert into suppressions (tenant, channel, address, reason) values ($1, $2, $3, $4)"
            " on conflict do nothing",
            tenant,
            channel,
            address.lower(),
            reason,
        )

    async def unsubscribe_key(self) -> str:
        """Read the key that signs unsubscribe links."""
        rows = await self._database.fetch("select value from secrets where name = 'unsubscribe'")
        return str(rows[0][0])

    async def unknown(self, ids: Sequence[UUID]) -> list[Unknown]:
        """Read those of `ids` whose outcome is still unknown."""
        rows = await self._database.fetch(
            "select id, message, provider, claimed_at, attempts, now() - claimed_at as age from deliveries"
            " where id = any($1) and state = 'unknown'",
            list(ids),
        )
        return [Unknown(*row) for row in rows]

    async def known_ids(self, provider: str, address: str, since: datetime) -> frozenset[str]:
        """List the provider's ids that other deliveries to an address have."""
        rows = await self._database.fetch(
            "select provider_id from deliveries where provider = $1 and address = $2 and provider_id is not null"
            " and claimed_at >= $3::timestamptz - interval '1 hour'",
            provider,
            address,
            since,
        )
        return frozenset(row[0] for row in rows)

    async def resolve(
        self, id: UUID, *, state: str, reason: str, provider_id: str | None = None, delay_seconds: float = 0.0
    ) -> None:
        """End an unknown outcome, unless something else has ended it."""
        await self._database.fetch(
            "update deliveries set state = $2, reason = $3, provider_id = coalesce($4, provider_id),"
            " run_at = now() + $5 * interval '1 second', pinned = pinned and $2 <> 'pending', updated_at = now()"
            " where id = $1 and state = 'unknown'",
            id,
            state,
            reason,
            provider_id,
            delay_seconds,
        )
