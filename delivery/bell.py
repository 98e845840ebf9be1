"""The doorbell: RQ jobs that carry delivery ids, and nothing that could run anything else.

The relay rings, the worker answers. Arguments are JSON. RQ would import and call whatever function a job in Redis
names, callbacks included; `Bell` knows two doors and no callbacks, so that whoever can write to Redis can at most ring.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from uuid import UUID

from redis import Redis
from rq import Queue
from rq.job import Job
from rq.queue import EnqueueData
from rq.serializers import JSONSerializer

QUEUES = ("critical", "high", "default", "low")
"""By priority, 0 to 3."""
DELIVER = "delivery.jobs.deliver"
PROBE = "delivery.jobs.probe"
FAILURE_SECONDS = 3600

Door = Callable[[list[str]], None]


class Bell(Job):
    """A job whose function is one of `doors`."""

    doors: ClassVar[dict[str, Door]] = {}

    @property
    def func(self) -> Door:
        """The door that was rung at; raise `ValueError` for any other function."""
        name = self.func_name
        if name not in self.doors:
            raise ValueError(f"{name!r} is not a door of this worker")
        return self.doors[name]

    @property
    def success_callback(self) -> None:
        """None, whatever Redis says."""

    @property
    def failure_callback(self) -> None:
        """None, whatever Redis says."""

    @property
    def stopped_callback(self) -> None:
        """None, whatever Redis says."""

    def cleanup(self, ttl: int | None = None, pipeline: Any = None, remove_from_queue: bool = True) -> None:
        """Forget a ring that was answered at once; RQ would first ask for its status in each registry, a trip each."""
        if ttl != 0 or remove_from_queue or pipeline is None:
            super().cleanup(ttl, pipeline, remove_from_queue)
        else:
            pipeline.delete(self.key, self.dependents_key, self.dependencies_key)

    def send_webhooks(self, *_: Any, **__: Any) -> None:
        """Call nobody, whatever Redis says."""


class Doorbell:
    """Rings for deliveries. Synchronous: call it from a thread."""

    def __init__(self, redis: Redis, *, job_timeout_seconds: int, ttl_seconds: int) -> None:
        self._queues = [Queue(name, connection=redis, serializer=JSONSerializer) for name in QUEUES]
        self._redis = redis
        self._job_timeout_seconds = job_timeout_seconds
        self._ttl_seconds = ttl_seconds

    def waiting(self) -> list[int]:
        """Count the jobs waiting in each queue; raise what redis-py raises."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for queue in self._queues:
                pipeline.llen(queue.key)
            return [int(count) for count in pipeline.execute()]

    def ring(self, priority: int, door: str, jobs: Sequence[tuple[str, Sequence[UUID]]]) -> None:
        """Enqueue jobs, each with its id and the rows it carries."""
        self._queues[priority].enqueue_many([self._job(door, job_id, ids) for job_id, ids in jobs])

    def _job(self, door: str, job_id: str, ids: Sequence[UUID]) -> EnqueueData:
        return Queue.prepare_data(
            door,
            args=[[id.hex for id in ids]],
            timeout=self._job_timeout_seconds,
            ttl=self._ttl_seconds,
            result_ttl=0,
            failure_ttl=FAILURE_SECONDS,
            job_id=job_id,
            description=f"{len(ids)} × {door.rpartition('.')[2]}",
        )
