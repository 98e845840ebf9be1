"""A worker process: RQ's SimpleWorker in the main thread, one event loop for the work in another.

RQ pops a ring and waits until its job has begun and there is room for one more; the loop holds the database pool and
the providers' kept connections for the life of the process. The worker says every few seconds in Postgres that it is
there, because after a restart of Redis an idle one works on without being known to RQ. Rejected: RQ's forking worker,
which opens everything anew for each job.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar
from uuid import UUID

import uvloop
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from delivery import edges
from delivery.bell import DELIVER, PROBE, Bell, Door
from delivery.claim import Judge
from delivery.config import DeliverySettings
from delivery.jobs import Jobs
from delivery.render import Renderer
from delivery.store.claims import Claims
from delivery.store.outcomes import Outcomes
from delivery.store.ringing import Ringing
from delivery.workbench import Workbench
from hub.errors import HubError
from hub.store import Database

BEAT_SECONDS = 5.0
WORKER_TTL_SECONDS = 60
MAX_JOBS = 5000
SWITCH_SECONDS = 0.0005
"""RQ's two dozen round trips a ring each wait for the interpreter when the other thread is busy: 5 ms by default."""
YOUNG_OBJECTS = 100_000
"""Until a look for cycles: more than the jobs in hand are made of. By default it is three looks a delivery, which find
nothing."""
LOOK_UPS = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}
"""For Postgres: whatever a worker asks for, there is a key to find it by. A plan from when there were few rows, or no
statistics yet, would read all contacts and all attempts for one job."""
Result = TypeVar("Result")

log = logging.getLogger("delivery.worker")


class Engine:
    """An event loop in a thread of its own, with everything the jobs need; a context manager."""

    def __init__(self, settings: DeliverySettings, queues: Sequence[str]) -> None:
        self._settings = settings
        self._queues = queues
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="deliveries", daemon=True)

    def __enter__(self) -> Engine:
        self._thread.start()
        self.wait(self._open)
        return self

    def __exit__(self, *_: object) -> None:
        self.wait(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def doors(self) -> dict[str, Door]:
        """Return what a ring may call."""
        return {
            DELIVER: lambda ids: self._begin(lambda: self._jobs.deliver([UUID(id) for id in ids])),
            PROBE: lambda ids: self._begin(lambda: self._jobs.probe([UUID(id) for id in ids])),
        }

    def _begin(self, job: Callable[[], Awaitable[None]]) -> None:
        self.wait(lambda: self._workbench.begin(job))

    def wait(self, begin: Callable[[], Awaitable[Result]]) -> Result:
        """Run something on the loop; if waiting is interrupted (RQ's job timeout), it is cancelled there."""

        async def run() -> Result:
            return await begin()

        future = asyncio.run_coroutine_threadsafe(run(), self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    async def _open(self) -> None:
        settings = self._settings
        self._database = await Database(settings, planning=LOOK_UPS).open()
        outcomes = Outcomes(self._database)
        self._edges = edges.build(settings)
        renderer = Renderer(
            public_url=settings.public_url.rstrip("/"),
            email_from=settings.email_from or edges.LOCAL_SENDER,
            sms_from=settings.twilio_from or edges.LOCAL_NUMBER,
            unsubscribe_key=await outcomes.unsubscribe_key(),
        )
        claims = Claims(self._database, lease_seconds=settings.send_lease_seconds)
        judge = Judge(self._edges, renderer)
        self._jobs = Jobs(settings, edges=self._edges, judge=judge, claims=claims, outcomes=outcomes)
        self._workbench = Workbench(settings.worker_jobs, timeout_seconds=settings.job_timeout_seconds)
        self._heart = asyncio.create_task(self._beat(Ringing(self._database)))

    async def _close(self) -> None:
        await self._workbench.clear()
        self._heart.cancel()
        with suppress(asyncio.CancelledError):
            await self._heart
        await self._edges.close()
        await self._database.close()

    async def _beat(self, ringing: Ringing) -> None:
        name = f"{socket.gethostname()}:{os.getpid()}"
        while True:
            try:
                await ringing.beat(name, "worker", ",".join(self._queues))
            except HubError as error:
                log.warning("the heartbeat waits for the database: %s", error)
            await asyncio.sleep(BEAT_SECONDS)


def run(settings: DeliverySettings, queues: Sequence[str]) -> None:
    """Work until SIGTERM (after the jobs in hand) or after so many jobs that a fresh process is due."""
    redis = Redis.from_url(
        settings.redis_url,
        retry=Retry(ExponentialBackoff(cap=2.0, base=0.1), 20),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )
    sys.setswitchinterval(SWITCH_SECONDS)
    with Engine(settings, queues) as engine:
        gc.collect()
        gc.freeze()  # the SDKs' hundred thousand objects stay: no collection needs to look at them again
        gc.set_threshold(YOUNG_OBJECTS, 10, 10)
        bell = type("WorkerBell", (Bell,), {"doors": engine.doors()})
        worker = SimpleWorker(
            [Queue(name, connection=redis, serializer=JSONSerializer, job_class=bell) for name in queues],
            connection=redis,
            serializer=JSONSerializer,
            job_class=bell,
            worker_ttl=WORKER_TTL_SECONDS,
            maintenance_interval=WORKER_TTL_SECONDS,
        )
        worker.log.setLevel(logging.WARNING)
        worker.work(max_jobs=MAX_JOBS, logging_level="WARNING")
