"""What a ring sets off: claim → decide → send → record. Runs on a worker's event loop; RQ only names the rows.

`deliver` claims and sends many deliveries of one channel at once; `probe` asks a provider what became of an unknown
one. The order of steps is the guarantee: the claim and the attempt are committed before the provider is called, the
lease's age is looked at right before the request, and the outcome is recorded only where the lease is still ours.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import orjson

from delivery.case import Case
from delivery.channel import Message, Permanent, Receipt, SendError
from delivery.claim import Judge, Verdict
from delivery.config import DeliverySettings
from delivery.edges import Edges
from delivery.health import ProviderHealth
from delivery.ledger import Ledger
from delivery.retry import EXHAUSTED, Step, backoff, next_step
from delivery.store.claims import Claimed, Claims
from delivery.store.outcomes import Outcome, Outcomes, Unknown
from hub.errors import Unavailable
from hub.store.database import Locked

BUSY_SECONDS = 0.5
UNRESOLVED_AFTER = timedelta(hours=1)

log = logging.getLogger("delivery.jobs")


class Jobs:
    """The work of one worker process."""

    def __init__(
        self, settings: DeliverySettings, *, edges: Edges, judge: Judge, claims: Claims, outcomes: Outcomes
    ) -> None:
        self._settings = settings
        self._edges = edges
        self._judge = judge
        self._claims = claims
        self._outcomes = outcomes
        self._ledger = Ledger(outcomes, patience_seconds=settings.job_timeout_seconds)
        self._health = ProviderHealth(outcomes, settings)

    async def deliver(self, ids: Sequence[UUID]) -> None:
        """Send what of these is still to be sent."""
        claimed_at = time.monotonic()
        claimed = await self._claim(ids)
        await asyncio.gather(*(self._attempt(one, claimed_at) for one in claimed))

    async def probe(self, ids: Sequence[UUID]) -> None:
        """Find out what became of deliveries whose provider may have them."""
        for unknown in await self._outcomes.unknown(ids):
            await self._look_up(unknown)

    async def _claim(self, ids: Sequence[UUID]) -> list[Claimed]:
        """Claim together; when that fails, each alone, so that a busy inbox or a bad row holds up nobody else."""
        closed = await self._health.closed()

        def judge(cases: list[Case], joining: list[Case]) -> list[Verdict]:
            return self._judge.judge(cases, joining, closed)

        try:
            return await self._claims.claim(ids, judge)
        except Locked:
            if len(ids) == 1:
                await self._claims.defer(ids, BUSY_SECONDS)
                return []
        except Unavailable:
            raise
        except Exception as error:
            log.exception("%d deliveries could not be claimed", len(ids))
            if len(ids) == 1:
                await self._claims.bury(ids[0], f"bug: {error}")
                return []
        alone = [await self._claim([id]) for id in ids]
        return [claimed for group in alone for claimed in group]

    async def _attempt(self, claimed: Claimed, claimed_at: float) -> None:
        message, edge = claimed.verdict.message, claimed.verdict.edge
        assert message is not None
        assert edge is not None
        last_moment = claimed_at + self._settings.send_lease_seconds - self._settings.provider_timeout_seconds
        if time.monotonic() >= last_moment:
            await self._claims.release(claimed)
            return
        try:
            receipt = await edge.send(message)
        except SendError as error:
            await self._ledger.record(self._failed(claimed, error))
            await self._after(claimed, message, error)
        except Exception as error:
            log.exception("delivery %s failed inside the hub", message.delivery_id)
            await self._ledger.record(self._failed(claimed, Permanent(f"{type(error).__name__}: {error}", code="bug")))
        else:
            await self._ledger.record(_sent(claimed, receipt))
            await self._health.works(edge.provider)

    def _failed(self, claimed: Claimed, error: SendError) -> Outcome:
        step = next_step(
            error,
            attempts=claimed.attempts,
            schedule=self._settings.schedule,
            draw=random.random(),  # noqa: S311 - jitter
        )
        return Outcome(
            claimed.verdict.case.id,
            claimed.token,
            claimed.n,
            state=step.state,
            reason=step.reason,
            delay_seconds=self._delay(claimed, step),
            counts=step.counts,
            outcome=type(error).__name__.lower(),
            error=error.detail[:2000],
            status=error.status,
            remedy=getattr(error, "remedy", None),
        )

    def _delay(self, claimed: Claimed, step: Step) -> float:
        """A definite refusal goes to the next provider at once, if there is one that was not asked yet."""
        verdict = claimed.verdict
        assert verdict.edge is not None
        definite = step.state == "pending" and not verdict.case.row["pinned"]
        closed = self._health.known_closed
        takes_over = definite and self._edges.has_other(verdict.case.channel, verdict.edge.provider, closed)
        return 0.0 if takes_over else step.delay_seconds

    async def _after(self, claimed: Claimed, message: Message, error: SendError) -> None:
        """Draw the conclusions that reach beyond this delivery."""
        case, edge = claimed.verdict.case, claimed.verdict.edge
        assert edge is not None
        await self._health.fails(edge.provider, error)
        if not isinstance(error, Permanent) or error.address_is == "fine":
            return
        if case.channel == "webhook":
            await self._outcomes.disable_webhook(case.row["webhook_id"])
        elif error.address_is == "gone":
            await self._outcomes.forget_device(case.row["tenant"], message.address)
        else:
            await self._outcomes.suppress(case.row["tenant"], case.channel, message.address, "stop")

    async def _look_up(self, unknown: Unknown) -> None:
        """Ask the provider for one: found is sent, not found is tried again, no answer is asked again."""
        edge = self._edges.named(unknown.provider)
        if edge is None:
            return
        message = Message(**orjson.loads(unknown.message))
        known = await self._outcomes.known_ids(unknown.provider, message.address, unknown.claimed_at)
        try:
            receipt = await edge.find(message, since=unknown.claimed_at, known=known)
        except SendError as error:
            log.warning("delivery %s could not be looked up: %s", message.delivery_id, error.detail)
            if unknown.age > UNRESOLVED_AFTER:
                await self._outcomes.resolve(unknown.id, state="failed", reason="outcome_unknown")
            return
        if receipt is not None:
            await self._outcomes.resolve(unknown.id, state="sent", reason="", provider_id=receipt.provider_id)
        elif unknown.attempts >= self._settings.retry_max_attempts:
            await self._outcomes.resolve(unknown.id, state="dead", reason=EXHAUSTED)
        else:
            delay = backoff(unknown.attempts, self._settings.schedule, random.random())  # noqa: S311 - jitter
            await self._outcomes.resolve(unknown.id, state="pending", reason="not_found", delay_seconds=delay)


def _sent(claimed: Claimed, receipt: Receipt) -> Outcome:
    return Outcome(
        claimed.verdict.case.id,
        claimed.token,
        claimed.n,
        state="sent",
        reason="",
        delay_seconds=0.0,
        counts=True,
        outcome="sent",
        provider_id=receipt.provider_id,
        status=receipt.status,
    )
