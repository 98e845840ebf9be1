"""Scenario: e-mails a second through a provider that takes its time, by one worker of delivery and by its peers.

Plain RQ is its forking worker with one job per message, BullMQ its worker with so many jobs in hand, each the way its
guide shows. All send to the same provider, one after the other in the same run, each on the processor that is kept for
what is measured: what counts is the ratio. Only ours decides, claims and records each send in Postgres.
`python -m bench.sending REDIS PROVIDER` is the plain one's side.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import orjson
from redis import Redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer

from bench.generator import ROOT, Generator, Running
from bench.ground import AROUND, MEASURED, answers, execute, free_port, processor_seconds
from bench.peers import install
from delivery.config import DeliverySettings
from hub.store import Database, Publications
from hub.store.publications import Publication

PLAIN_JOBS = 40
UNPACED = "1000000/second"  # by default Resend is sent 1,000 a second at most
LONGEST_SECONDS = 120.0
OURS, PLAIN, TIMES = "delivery, one worker: sent/s", "RQ, forking worker: sent/s", "times"
BULLMQ = {concurrency: f"BullMQ, {concurrency} at once: sent/s" for concurrency in (5, 50)}


def compare(provider_seconds: float, deliveries: int, _generator: Generator, running: Running) -> dict[str, float]:
    """Return what each sends in a second, how many times more the first does, and what a send costs it."""
    port = free_port()
    provider = f"http://127.0.0.1:{port}"
    with _process("bench.provider", str(port), str(provider_seconds)):
        _until(lambda: answers(port))
        ours, cost = _ours(running, provider, deliveries)
        plain = _plain(running.redis_url, provider)
        peers = {
            name: _bullmq(running.redis_url, provider, concurrency, deliveries) for concurrency, name in BULLMQ.items()
        }
    return {OURS: ours, "µs CPU/send": cost * 1e6, PLAIN: plain, TIMES: ours / plain, **peers}


def send(provider: str) -> None:
    """Send one e-mail; what a job of plain RQ does."""
    _post(f"{provider}/emails", {"to": ["a@example.com"], "subject": "s", "text": "t", "from": "b@example.com"})


def _ours(running: Running, provider: str, deliveries: int) -> tuple[float, float]:
    """Measure a backlog from its first attempt to its last recorded outcome: sends a second, processor time of each."""
    settings = {
        "database_url": running.database_url,
        "redis_url": running.redis_url,
        "resend_base_url": provider,
        "rate_limit_resend": UNPACED,
    }
    asyncio.run(_publish(DeliverySettings(**settings), deliveries))  # type: ignore[arg-type]
    environment = {f"HUB_{name.upper()}": value for name, value in settings.items()} | {"HUB_LOG_LEVEL": "ERROR"}
    with _process("delivery", "worker", on=MEASURED, **environment) as worker:
        _until(lambda: execute(running.database_url, "select from heartbeats where kind = 'worker'"))
        before = processor_seconds(worker.pid)
        with _process("delivery", "relay", **environment):
            _until(lambda: _count(running.database_url, "state = 'sent'") == deliveries)
        used = processor_seconds(worker.pid) - before
    rows = execute(
        running.database_url,
        "select count(*), extract(epoch from max(finished_at) - min(started_at))::float from attempts"
        " where outcome = 'sent'",
    )
    return rows[0][0] / rows[0][1], used / rows[0][0]


def _plain(redis_url: str, provider: str) -> float:
    """Measure plain RQ's worker on jobs that wait already."""
    return PLAIN_JOBS / _time(sys.executable, "-m", "bench.sending", redis_url, provider)


def _bullmq(redis_url: str, provider: str, concurrency: int, deliveries: int) -> float:
    """Measure BullMQ's worker on jobs that wait already."""
    jobs = min(deliveries, 40 * concurrency + int(deliveries * concurrency / 50))
    program = str(ROOT / "bench" / "peers" / "node" / "sending.js")
    return jobs / _time(install(), program, redis_url, provider, str(concurrency), str(jobs))


def _time(*command: str) -> float:
    """Run a program on the processor of what is measured; return the seconds that it prints."""
    os.sched_setaffinity(0, MEASURED)
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=LONGEST_SECONDS)
    finally:
        os.sched_setaffinity(0, AROUND)
    return float(done.stdout.split()[-1])


async def _publish(settings: DeliverySettings, deliveries: int) -> None:
    database = await Database(settings).open()
    try:
        users = [f"reader-{number}" for number in range(deliveries)]
        await database.fetch(
            "insert into contacts (tenant, user_id, email)"
            " select 'default', name, name || '@example.com' from unnest($1::text[]) as u (name)",
            users,
        )
        fields: dict[str, Any] = dict.fromkeys(("data", "action_url", "icon", "actions", "collapse_key"))
        content = fields | {"category": "bench", "title": "t", "body": "b", "priority": "normal", "tags": []}
        for start in range(0, deliveries, 1000):
            readers = users[start : start + 1000]
            publication = Publication(
                "default", "service:bench", "bench", orjson.dumps(content), readers, channels=["email"]
            )
            await Publications(database).publish([publication])
    finally:
        await database.close()


@contextlib.contextmanager
def _process(
    module: str, *arguments: str, on: set[int] = AROUND, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    os.sched_setaffinity(0, on)  # a child inherits it
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], cwd=ROOT, env={**os.environ, **environment}
        )
    finally:
        os.sched_setaffinity(0, AROUND)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def _until(condition: Any) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.2)


def _count(url: str, where: str) -> int:
    return int(execute(url, f"select count(*) from deliveries where {where}")[0][0])


def _post(url: str, body: Any) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10):
        pass


def _work(redis_url: str, provider: str) -> None:
    redis = Redis.from_url(redis_url)
    queue = Queue("plain", connection=redis, serializer=JSONSerializer)
    for _ in range(PLAIN_JOBS):
        queue.enqueue("bench.sending.send", provider)
    worker = Worker([queue], connection=redis, serializer=JSONSerializer)
    begun = time.perf_counter()
    worker.work(burst=True, logging_level="ERROR")
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    _work(*sys.argv[1:])
