"""What the relay does to deliveries: end leases, reconcile what is unknown, and queue what is due.

Every statement skips rows that somebody else holds, so any number of relays share the work. Queueing is committed
before RQ is told: a ring that is lost is repeated when its lease ends, a ring that comes twice claims nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from hub.store import Database

_LAPSE = """
with lapsed as (
    select id, state, claims from deliveries where state in ('queued', 'sending') and lease_until < now()
    order by lease_until limit 1000 for update skip locked
), ended as (
    update deliveries d set
        state = case when l.state = 'queued' then 'pending' when l.claims >= $1 then 'dead' else 'unknown' end,
        reason = case when l.state = 'queued' then d.reason when l.claims >= $1 then 'kills_workers'
            else 'lease_over' end,
        run_at = case when l.state = 'sending' and d.remedy <> 'repeat' then now() + $2 * interval '1 second'
            else d.run_at end,
        attempts = d.attempts + (l.state = 'sending')::integer,
        pinned = d.pinned or l.state = 'sending', lease_until = null, updated_at = now()
    from lapsed l where d.id = l.id
    returning d.id, d.requests, l.state
)
update attempts a set finished_at = now(), outcome = 'lost', error = 'the worker did not come back'
from ended e where e.state = 'sending' and a.delivery_id = e.id and a.n = e.requests and a.finished_at is null
"""
_RECONCILE = """
with due as (
    select id, remedy from deliveries where state = 'unknown' and run_at <= now() and remedy <> 'look_up'
    order by run_at limit 1000 for update skip locked
)
update deliveries d set
    state = case when due.remedy = 'give_up' then 'failed' when d.attempts >= $1 then 'dead'
        when d.claimed_at < now() - interval '20 hours' then 'failed' else 'pending' end,
    reason = case when due.remedy = 'give_up' or d.claimed_at < now() - interval '20 hours' then 'outcome_unknown'
        when d.attempts >= $1 then 'attempts_exhausted' else d.reason end,
    updated_at = now()
from due where d.id = due.id
"""
_PROBE = """
with due as (
    select id from deliveries where state = 'unknown' and run_at <= now() and remedy = 'look_up'
    order by run_at limit $1 for update skip locked
)
update deliveries d set run_at = now() + $2 * interval '1 second' from due where d.id = due.id returning d.id
"""
_RING = """
with due as (
    select d.id from unnest($1::text[], $2::smallint[], $3::integer[]) as slot (channel, priority, most)
    cross join lateral (
        select o.id from deliveries o
        where o.state = 'pending' and o.channel = slot.channel and o.priority = slot.priority and o.run_at <= now()
            and not (o.pinned and o.provider = any ($4))
        order by o.run_at limit slot.most for update skip locked
    ) d
    where slot.channel <> 'webhook'
), told as (
    select d.id, slot.most from unnest($1::text[], $2::smallint[], $3::integer[]) as slot (channel, priority, most)
    cross join lateral (
        select w.id, case when p.failures >= $6 then 1 else $7 end - (select count(*) from deliveries q
            where q.webhook_id = w.id and q.state in ('queued', 'sending')) as room
        from webhooks w left join providers p on p.name = 'webhook:' || replace(w.id::text, '-', '')
        where w.state <> 'deleted' and (p.closed_until is null or p.closed_until <= now())
    ) w
    cross join lateral (
        select o.id from deliveries o
        where o.webhook_id = w.id and o.state = 'pending' and o.priority = slot.priority and o.run_at <= now()
        order by o.run_at limit greatest(0, least(w.room, slot.most)) for update skip locked
    ) d
    where slot.channel = 'webhook' and slot.most > 0
)
update deliveries d set state = 'queued', generation = d.generation + 1, lease_until = now() + $5 * interval '1 second',
    updated_at = now()
from (select id from due union all (select id from told limit (select max(most) from told))) r where d.id = r.id
returning d.id, d.channel, d.priority, d.generation, d.run_at
"""


@dataclass(frozen=True, slots=True)
class Slot:
    """How many deliveries of a channel and priority may be queued now."""

    channel: str
    priority: int
    most: int


@dataclass(frozen=True, slots=True)
class Rung:
    """A delivery that was queued, and how often that has happened to it."""

    id: UUID
    channel: str
    priority: int
    generation: int


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a provider: closed or not, failing or not, and how many it may be sent now."""

    closed: bool
    failing: bool
    tokens: float


@dataclass(frozen=True, slots=True)
class Share:
    """How many deliveries one producer's endpoint may be sent at a time, and after how many failures only one."""

    most: int = 50
    failures: int = 20


class Ringing:
    """Moves deliveries between pending and queued, and ends what was left behind."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lapse(self, *, most_claims: int, probe_after_seconds: float) -> None:
        """End leases: what was queued is pending again, what was being sent is unknown, or dead if it kills workers."""
        await self._database.fetch(_LAPSE, most_claims, probe_after_seconds)

    async def reconcile(self, *, most_attempts: int) -> None:
        """End unknown outcomes that need no look-up: repeat by the same key, or leave to a person."""
        await self._database.fetch(_RECONCILE, most_attempts)

    async def take_probes(self, most: int, *, again_after_seconds: float) -> list[UUID]:
        """Pick unknown outcomes to be looked up now, each by one relay; they come up again if nobody does."""
        rows = await self._database.fetch(_PROBE, most, again_after_seconds)
        return [row["id"] for row in rows]

    async def health(self, rates: Mapping[str, float], *, failures: int) -> dict[str, Health]:
        """Refill every provider's allowance (a second's worth at most) and tell how it is."""
        rows = await self._database.fetch(
            "insert into providers as p (name, tokens) select r.name, r.rate from unnest($1::text[], $2::float[])"
            " as r (name, rate) on conflict (name) do update set refilled_at = now(), tokens = least(excluded.tokens,"
            " p.tokens + excluded.tokens * extract(epoch from now() - p.refilled_at))"
            " returning p.name, coalesce(p.closed_until > now(), false) as closed, p.failures >= $3 as failing,"
            " p.tokens",
            list(rates),
            list(rates.values()),
            failures,
        )
        return {row["name"]: Health(row["closed"], row["failing"], row["tokens"]) for row in rows}

    async def spend(self, provider: str, count: int) -> None:
        """Take what was queued off a provider's allowance."""
        await self._database.fetch("update providers set tokens = tokens - $2 where name = $1", provider, float(count))

    async def ring(
        self, slots: Sequence[Slot], *, closed: Sequence[str], lease_seconds: float, share: Share
    ) -> list[Rung]:
        """Queue what is due, oldest first, as the slots and the endpoints' share allow; the most urgent come first."""
        rows: list[Any] = await self._database.fetch(
            _RING,
            [slot.channel for slot in slots],
            [slot.priority for slot in slots],
            [slot.most for slot in slots],
            list(closed),
            lease_seconds,
            share.failures,
            share.most,
        )
        rows.sort(key=lambda row: (row["priority"], row["run_at"]))
        return [Rung(row["id"], row["channel"], row["priority"], row["generation"]) for row in rows]

    async def unring(self, ids: Sequence[UUID]) -> None:
        """Take back rings that RQ did not get."""
        await self._database.fetch(
            "update deliveries set state = 'pending', lease_until = null where id = any($1) and state = 'queued'",
            list(ids),
        )

    async def beat(self, id: str, kind: str, detail: str) -> None:
        """Say that somebody is at work, and forget who has not been heard for a day."""
        await self._database.fetch(
            "with gone as (delete from heartbeats where seen_at < now() - interval '1 day')"
            " insert into heartbeats (id, kind, detail) values ($1, $2, $3)"
            " on conflict (id) do update set seen_at = now(), detail = excluded.detail",
            id,
            kind,
            detail,
        )
