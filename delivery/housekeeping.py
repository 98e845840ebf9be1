"""Takes away what is not kept for ever, a little at a time, between the relay's other work.

A step that was full has more to do and is repeated on the next turn; one that was not rests. So a table that has grown
for years is emptied at the pace of some thousand rows a second, and an empty one costs a look a minute. What is kept
for how long, `store.retention` says; heartbeats forget themselves.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from delivery.store.retention import CHUNK, Retention

REST_SECONDS = 60.0
STEP_SECONDS = 0.2


class Chore:
    """One kind of step, and when it is due again."""

    def __init__(self, step: Callable[[], Awaitable[int]]) -> None:
        self._step = step
        self._due_at = 0.0

    async def turn(self) -> None:
        """Take a step, if it is due."""
        now = time.monotonic()
        if now >= self._due_at:
            full = await self._step() >= CHUNK
            self._due_at = now + (STEP_SECONDS if full else REST_SECONDS)


class Housekeeper:
    """Does each chore in its own time."""

    def __init__(self, retention: Retention) -> None:
        steps = (
            retention.sweep_notifications,
            retention.sweep_publications,
            retention.forget_keys,
            retention.forget_deliveries,
            retention.forget_endpoints,
        )
        self._chores = [Chore(step) for step in steps]

    async def turn(self) -> None:
        """Take the steps that are due."""
        for chore in self._chores:
            await chore.turn()
