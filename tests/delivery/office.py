"""The whole of delivery inside a test: real Postgres, real edges, the relay's and the worker's steps one at a time.

`turn` does what a relay does and then what a worker does with its rings, without Redis in between: time is moved by
writing `run_at`, never by sleeping. Tests that need the processes themselves start them.
"""

from __future__ import annotations

import uuid

import orjson

from delivery.claim import Judge
from delivery.config import DeliverySettings
from delivery.edges import Edges
from delivery.housekeeping import Housekeeper
from delivery.jobs import Jobs
from delivery.render import Renderer
from delivery.store.claims import Claims
from delivery.store.outcomes import Outcomes
from delivery.store.retention import Retention, Terms
from delivery.store.ringing import Ringing, Share, Slot
from delivery.store.timers import Timers
from hub.store import Database, Inboxes, Publications
from hub.store.publications import Publication

TABLES = (
    "inboxes publications schedules notifications idempotency_keys contacts devices suppressions categories preferences"
    " templates deliveries attempts provider_events providers heartbeats webhooks read_marks"
)
CHANNELS = ("email", "sms", "push", "webhook")


class Office:
    """One tenant's deliveries."""

    def __init__(self, database: Database, settings: DeliverySettings, edges: Edges) -> None:
        self.database = database
        self.settings = settings
        self.publications = Publications(database)
        self.inboxes = Inboxes(database)
        self.ringing = Ringing(database)
        self.timers = Timers(database)
        self.outcomes = Outcomes(database)
        self.claims = Claims(database, lease_seconds=settings.send_lease_seconds)
        self.renderer = Renderer("https://hub.example.com", "Shop <shop@example.com>", "+15005550006", "key")
        self.use(edges)

    def use(self, edges: Edges) -> None:
        """Speak to these providers from now on."""
        self.edges = edges
        judge = Judge(edges, self.renderer)
        self.jobs = Jobs(self.settings, edges=edges, judge=judge, claims=self.claims, outcomes=self.outcomes)

    async def fetch(self, sql: str, *arguments: object):
        """Run a statement."""
        return await self.database.fetch(sql, *arguments)

    async def user(self, name: str | None = None, *, devices: int = 0, **contact: str) -> str:
        """Make a user with an e-mail address, a phone number and devices."""
        name = name or f"user-{uuid.uuid4().hex[:8]}"
        fields = {"email": f"{name}@example.com", "phone": "+4915112345678", **contact}
        names = ", ".join(fields)
        marks = ", ".join(f"${number}" for number in range(2, len(fields) + 2))
        await self.fetch(
            f"insert into contacts (tenant, user_id, {names}) values ('default', $1, {marks})", name, *fields.values()
        )
        for number in range(devices):
            await self.fetch(
                "insert into devices (tenant, user_id, token, platform, kind)"
                " values ('default', $1, $2, 'web', 'token')",
                name,
                f"{name}-device-{number}",
            )
        return name

    def housekeeper(self) -> Housekeeper:
        """Make a housekeeper that has not done anything yet."""
        return Housekeeper(Retention(self.database, Terms()))

    async def publish(self, *users: str, channels=("email",), escalate=None, options=None, **fields):
        """Publish a notification; returns the publication."""
        content = {
            "category": fields.pop("category", "order.shipped"),
            "title": fields.pop("title", "Your order is on its way"),
            "body": fields.pop("body", "It left the warehouse."),
            "data": None,
            "action_url": fields.pop("action_url", None),
            "icon": None,
            "actions": None,
            "priority": fields.pop("priority", "normal"),
            "collapse_key": fields.get("collapse_key"),
            "tags": [],
        }
        publication = Publication(
            "default",
            "service:tests",
            content["category"],
            orjson.dumps(content),
            users,
            channels=channels,
            escalations=orjson.dumps(escalate) if escalate else None,
            options=orjson.dumps(options) if options else None,
            **fields,
        )
        (outcome,) = await self.publications.publish([publication])
        return outcome

    async def ring(self, most: int = 1000):
        """Queue what is due and return the rows' ids."""
        slots = [Slot(channel, priority, most) for channel in CHANNELS for priority in range(4)]
        rung = await self.ringing.ring(slots, closed=[], lease_seconds=self.settings.queue_lease_seconds, share=Share())
        return [one.id for one in rung]

    async def turn(self) -> int:
        """Let one relay and one worker do what is due; return how many deliveries were rung for."""
        await self.ringing.lapse(most_claims=5, probe_after_seconds=self.settings.probe_after_seconds)
        await self.ringing.reconcile(most_attempts=self.settings.retry_max_attempts)
        probes = await self.ringing.take_probes(100, again_after_seconds=60)
        await self.jobs.probe(probes)
        ids = await self.ring()
        await self.jobs.deliver(ids)
        return len(ids) + len(probes)

    async def hurry(self, to: str = "now()") -> None:
        """Make everything that waits due, leases included."""
        await self.fetch(
            f"update deliveries set run_at = {to}, lease_until = case when lease_until is not null then now() -"
            " interval '1 second' end where state in ('pending', 'unknown', 'queued', 'sending')"
        )
        await self.fetch("update providers set closed_until = null")
        self.jobs._health._read_at = 0.0

    async def deliveries(self, **where: object):
        """Read deliveries, oldest first."""
        conditions = " and ".join(f"{name} = ${number}" for number, name in enumerate(where, 1)) or "true"
        rows = await self.fetch(f"select * from deliveries where {conditions} order by created_at, id", *where.values())
        return [dict(row) for row in rows]

    async def delivery(self, **where: object):
        """Read the one delivery there is."""
        (row,) = await self.deliveries(**where)
        return row

    async def attempts(self):
        """Read every attempt."""
        return [dict(row) for row in await self.fetch("select * from attempts order by started_at, n")]
