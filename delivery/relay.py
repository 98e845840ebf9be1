"""The relay: everything that waits for a time becomes due here. Run one, or several for company.

Each turn: end leases, reconcile what is unknown, let timers happen and tell them live, then queue what is due and ring
RQ. RQ is kept short, so that priority is decided in Postgres by what is due *now*; a channel whose providers are all
closed is not released, a paced one only as fast as its provider allows. Nothing is remembered between turns.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from itertools import groupby

from redis.exceptions import RedisError

from delivery.bell import DELIVER, PROBE, QUEUES, Doorbell
from delivery.config import DeliverySettings
from delivery.edges import served
from delivery.store.ringing import Health, Ringing, Rung, Share, Slot
from delivery.timekeeper import Timekeeper
from hub.config import parse_rate
from hub.errors import HubError

MOST_CLAIMS = 5
BEAT_SECONDS = 5.0
TROUBLE_SECONDS = 1.0
PROBES = 50
CRITICAL_JOB = 10
"""A job of critical deliveries is small, so that one slow provider answer holds up few of them."""

log = logging.getLogger("delivery.relay")


class Relay:
    """Turns until it is told to stop."""

    def __init__(
        self, settings: DeliverySettings, ringing: Ringing, doorbell: Doorbell, timekeeper: Timekeeper, name: str
    ) -> None:
        self._settings = settings
        self._ringing = ringing
        self._doorbell = doorbell
        self._timekeeper = timekeeper
        self._name = name
        self._served = served(settings)
        self._rates = {
            provider: _per_second(getattr(settings, f"rate_limit_{provider}"))
            for providers in self._served.values()
            for provider in providers
        }
        self._share = Share(failures=settings.breaker_failures)
        self._beat_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Turn until `stop` is set; trouble with Postgres or Redis is waited out."""
        while not stop.is_set():
            pause = self._settings.relay_poll_seconds
            try:
                busy = await self.turn()
            except (HubError, RedisError, OSError, TimeoutError) as error:
                log.warning("the relay waits for its stores: %s", error)
                busy, pause = False, TROUBLE_SECONDS
            if not busy:
                await _wait(stop, pause)

    async def turn(self) -> bool:
        """Do what is due once; tell whether there may be more right away."""
        await self._beat()
        await self._timekeeper.turn()
        await self._ringing.lapse(most_claims=MOST_CLAIMS, probe_after_seconds=self._settings.probe_after_seconds)
        await self._ringing.reconcile(most_attempts=self._settings.retry_max_attempts)
        waiting = await asyncio.to_thread(self._doorbell.waiting)
        await self._ring_probes()
        return await self._ring_due(waiting)

    async def _ring_due(self, waiting: Sequence[int]) -> bool:
        health = await self._ringing.health(self._rates, failures=self._settings.breaker_failures)
        slots = self._slots(waiting, health)
        closed = [name for name, state in health.items() if state.closed]
        rung = await self._ringing.ring(
            slots, closed=closed, lease_seconds=self._settings.queue_lease_seconds, share=self._share
        )
        if not rung:
            return False
        try:
            await asyncio.to_thread(self._ring, rung)
        except (RedisError, OSError):
            await self._ringing.unring([one.id for one in rung])
            raise
        await self._spend(rung, health)
        return len(rung) >= min(slot.most for slot in slots)

    def _slots(self, waiting: Sequence[int], health: Mapping[str, Health]) -> list[Slot]:
        """Say how many of each channel and priority may go now: as RQ has room and the provider has allowance."""
        slots = []
        for channel, providers in self._served.items():
            most = self._allowance(providers, health)
            for priority, jobs in enumerate(waiting):
                room = max(0, self._settings.queue_jobs - jobs) * self._job_size(priority)
                slots.append(Slot(channel, priority, min(room, most)))
        return slots

    @staticmethod
    def _allowance(providers: Sequence[str], health: Mapping[str, Health]) -> int:
        """A channel without a provider is released too: its deliveries are told so. A failing one is tried once."""
        if not providers:
            return CRITICAL_JOB
        opened = [health[name] for name in providers if not health[name].closed]
        if not opened:
            return 0
        return 1 if opened[0].failing else max(0, int(opened[0].tokens))

    def _ring(self, rung: Sequence[Rung]) -> None:
        """Enqueue, most urgent first, in jobs of one channel."""
        for priority, of_priority in groupby(rung, key=lambda one: one.priority):
            by_channel: dict[str, list[Rung]] = {}
            for one in of_priority:
                by_channel.setdefault(one.channel, []).append(one)
            for group in by_channel.values():
                size = self._job_size(priority)
                chunks = [group[start : start + size] for start in range(0, len(group), size)]
                self._doorbell.ring(
                    priority,
                    DELIVER,
                    [(f"{chunk[0].id.hex}-{chunk[0].generation}", [one.id for one in chunk]) for chunk in chunks],
                )

    async def _ring_probes(self) -> None:
        ids = await self._ringing.take_probes(PROBES, again_after_seconds=self._settings.queue_lease_seconds)
        if ids:
            jobs = [(f"probe-{ids[0].hex}", ids)]
            await asyncio.to_thread(self._doorbell.ring, QUEUES.index("default"), PROBE, jobs)

    async def _spend(self, rung: Sequence[Rung], health: Mapping[str, Health]) -> None:
        for channel, providers in self._served.items():
            count = sum(one.channel == channel for one in rung)
            provider = next((name for name in providers if not health[name].closed), None)
            if count and provider is not None:
                await self._ringing.spend(provider, count)

    def _job_size(self, priority: int) -> int:
        return min(CRITICAL_JOB, self._settings.job_deliveries) if priority == 0 else self._settings.job_deliveries

    async def _beat(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._beat_at:
            self._beat_at = now + BEAT_SECONDS
            await self._ringing.beat(self._name, "relay", "turning")


def _per_second(rate: str) -> float:
    count, seconds = parse_rate(rate)
    return count / seconds


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
