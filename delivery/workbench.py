"""The jobs a worker has in hand, side by side: while one waits for its provider, the next are claimed and recorded.

RQ's worker hears one ring after the other. `begin` answers a ring as soon as its job runs and there is room for one
more, so that whatever is heard next is started at once, and nothing is taken from a queue to lie about here: priority
is decided by what is taken. A job that takes too long is cancelled; what it was sending is left to its lease, like the
work of a worker that was killed. Rejected: larger jobs, which make everything in them wait for the slowest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger("delivery.workbench")


class Workbench:
    """At most `most` jobs at once, each for at most so long."""

    def __init__(self, most: int, *, timeout_seconds: float) -> None:
        self._most = most
        self._timeout_seconds = timeout_seconds
        self._jobs: set[asyncio.Task[None]] = set()

    async def begin(self, job: Callable[[], Awaitable[None]]) -> None:
        """Start a job, then wait until there is room for another."""
        task = asyncio.create_task(self._run(job))
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        while len(self._jobs) >= self._most:
            await asyncio.wait(self._jobs, return_when=asyncio.FIRST_COMPLETED)

    async def clear(self) -> None:
        """Wait until every job is done."""
        while self._jobs:
            await asyncio.wait(self._jobs)

    async def _run(self, job: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await job()
        except TimeoutError:
            log.warning("a job took longer than %g s and was ended", self._timeout_seconds)
        except Exception:
            log.exception("a job failed; what it had claimed is found when its lease is over")
