"""Threads for providers whose libraries block: a send begins when one is free, or is put off before anything was sent.

The edges of FCM and SMTP run their calls here. Waiting in an executor's own queue would eat a send's time unseen, and a
job that ends meanwhile would leave a delivery that was never sent to be reconciled as if it had been.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from delivery.channel import Throttled

THREADS = 50
PATIENCE_SECONDS = 5.0


class Threads:
    """So many threads, under one name."""

    def __init__(self, name: str, most: int = THREADS, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._executor = ThreadPoolExecutor(most, thread_name_prefix=name)
        self._free = asyncio.Semaphore(most)
        self._patience_seconds = patience_seconds

    async def run(self, call: Callable[..., Any], *arguments: Any, timeout_seconds: float | None = None) -> Any:
        """Run a call; raise `Throttled` if no thread is free in time, `TimeoutError` if it takes too long itself."""
        try:
            async with asyncio.timeout(self._patience_seconds):  # 3.11's `wait_for` may swallow a cancellation
                await self._free.acquire()
        except TimeoutError:
            raise Throttled("too many sends at once", code="no_thread", retry_after_seconds=1.0) from None
        work = self._executor.submit(call, *arguments)
        # When the thread is done with it, not when its caller has stopped waiting.
        work.add_done_callback(partial(self._give_back, asyncio.get_running_loop()))
        async with asyncio.timeout(timeout_seconds):
            return await asyncio.wrap_future(work)

    def _give_back(self, loop: asyncio.AbstractEventLoop, _: object) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._free.release)

    def close(self) -> None:
        """End the threads when their calls are done; wait for nothing."""
        self._executor.shutdown(wait=False, cancel_futures=True)
