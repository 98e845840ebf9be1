"""Threads for blocking libraries: what finds none free in time is put off, and was certainly not sent."""

import asyncio
import threading

import pytest

from delivery.channel import Throttled
from delivery.threads import Threads


@pytest.fixture
def threads():
    """One thread, and little patience."""
    made = Threads("test", 1, patience_seconds=0.05)
    yield made
    made.close()


async def test_a_call_runs_in_a_thread(threads):
    """Its result comes back, and so does what it raises."""
    assert await threads.run(threading.current_thread) is not threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 / 0)


async def test_what_finds_no_thread_free_is_put_off(threads):
    """It never runs; it is no attempt; later there is room again."""
    end, ran = threading.Event(), []
    first = asyncio.create_task(threads.run(end.wait, 5))
    await asyncio.sleep(0)
    with pytest.raises(Throttled) as caught:
        await threads.run(ran.append, 1)
    assert caught.value.retry_after_seconds == 1.0
    end.set()
    assert await first
    assert ran == []
    await threads.run(ran.append, 2)
    assert ran == [2]


async def test_a_call_that_takes_too_long_keeps_its_thread(threads):
    """The caller goes on, but the thread is not counted as free before it is."""
    end = threading.Event()
    with pytest.raises(TimeoutError):
        await threads.run(end.wait, 5, timeout_seconds=0.01)
    with pytest.raises(Throttled):
        await threads.run(int)
    end.set()
    assert await threads.run(int) == 0
