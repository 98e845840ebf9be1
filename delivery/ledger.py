"""Writes outcomes down, many per statement, and does not give up while Postgres is away for a moment.

While one statement is in flight the next outcomes gather, as in the hub's group commit. What cannot be written in time
is left to its lease: the delivery becomes unknown, and is reconciled.
"""

from __future__ import annotations

import asyncio
import logging
import time

from delivery.store.outcomes import Outcome, Outcomes
from hub.errors import Unavailable

BATCH = 200
RETRY_SECONDS = 0.25

log = logging.getLogger("delivery.ledger")


class Ledger:
    """Records outcomes; `record` returns once it is committed."""

    def __init__(self, outcomes: Outcomes, *, patience_seconds: float) -> None:
        self._outcomes = outcomes
        self._patience_seconds = patience_seconds
        self._waiting: list[tuple[Outcome, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def record(self, outcome: Outcome) -> None:
        """Write an outcome down; raise `Unavailable` if the database stays away too long."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((outcome, written))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await written

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                await self._persist([outcome for outcome, _ in batch])
            except Exception as error:  # noqa: BLE001 - whatever it is, every waiter must hear of it
                for _, written in batch:
                    if not written.done():
                        written.set_exception(error)
            else:
                for _, written in batch:
                    if not written.done():
                        written.set_result(None)

    async def _persist(self, outcomes: list[Outcome]) -> None:
        deadline = time.monotonic() + self._patience_seconds
        while True:
            try:
                await self._outcomes.finish(outcomes)
            except Unavailable as error:
                if time.monotonic() > deadline:
                    raise
                log.warning("outcomes wait for the database: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return
