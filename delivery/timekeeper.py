"""Lets timers happen and tells what they changed: scheduled publishes, snoozes, expiries; and keeps house.

Called by the relay on every turn. A change is committed first and told second, like every change of the hub; what is
lost on the way is found by the nodes' position check. Telling is one pipelined publish per turn.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from delivery.housekeeping import Housekeeper
from delivery.store.timers import Timers
from hub import protocol
from hub.propagator import channel_name
from hub.store.publications import Stored

log = logging.getLogger("delivery.timekeeper")


class Timekeeper:
    """Does what is due, once per turn."""

    def __init__(self, timers: Timers, redis: Redis, housekeeper: Housekeeper, *, prefix: str) -> None:
        self._timers = timers
        self._redis = redis
        self._housekeeper = housekeeper
        self._prefix = prefix

    async def turn(self) -> None:
        """Let everything happen that is due."""
        fired = await self._timers.fire_schedules()
        woken = await self._timers.change_due("unsnoozed")
        expired = await self._timers.change_due("expired")
        await self._timers.expire_deliveries()
        await self._timers.tell_of_reading()
        await self._tell([*fired, *woken, *expired])
        await self._housekeeper.turn()

    async def _tell(self, changes: Sequence[Stored]) -> None:
        if not changes:
            return
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for key, item, epoch, unread, unseen in changes:
                    frame = protocol.notification(item, epoch=epoch, unread=unread, unseen=unseen)
                    pipeline.publish(channel_name(self._prefix, key), frame.pack())
                await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("%d changes are not told live, the nodes will find them: %s", len(changes), error)
