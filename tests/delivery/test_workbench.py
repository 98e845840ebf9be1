"""A worker's jobs side by side: as many as there is room for, none for too long, none taken before its time."""

import asyncio
import logging

import pytest

from delivery.workbench import Workbench


class Work:
    """Jobs that run until they are told to end."""

    def __init__(self):
        self.running = 0
        self.most = 0
        self.end = asyncio.Event()

    async def __call__(self):
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.end.wait()
        finally:
            self.running -= 1


async def settle():
    """Let everything run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_ring_is_answered_while_there_is_room_for_another():
    """The first jobs begin at once; the one that fills the bench is answered when one of them is done."""
    bench, work = Workbench(3, timeout_seconds=5), Work()
    await bench.begin(work)
    await bench.begin(work)
    third = asyncio.create_task(bench.begin(work))
    await settle()
    assert (work.running, third.done()) == (3, False), "it runs, but nothing more is to be taken"
    work.end.set()
    await third
    await bench.clear()
    assert (work.running, work.most) == (0, 3)


async def test_one_at_a_time_is_answered_when_it_is_done():
    """With room for one job a ring is what it is in plain RQ."""
    bench, done = Workbench(1, timeout_seconds=5), []

    async def job():
        await asyncio.sleep(0)
        done.append(1)

    await bench.begin(job)
    assert done == [1]


async def test_clearing_waits_for_what_is_in_hand():
    """A worker that stops finishes its jobs first."""
    bench, work = Workbench(8, timeout_seconds=5), Work()
    await bench.begin(work)
    clearing = asyncio.create_task(bench.clear())
    await settle()
    assert not clearing.done()
    work.end.set()
    await clearing


@pytest.mark.parametrize("trouble", ["slow", "broken"])
async def test_a_job_that_hangs_or_fails_makes_room(trouble, caplog):
    """It is ended and logged; the next one runs as if nothing had happened."""
    bench, done = Workbench(1, timeout_seconds=0.05), []

    async def job():
        if trouble == "broken":
            raise RuntimeError("a bug")
        await asyncio.Event().wait()

    async def next_job():
        done.append(1)

    with caplog.at_level(logging.WARNING):
        await bench.begin(job)
    await bench.begin(next_job)
    assert done == [1]
    assert ("ended" if trouble == "slow" else "a bug") in caplog.text
