"""Relay and worker as processes around RQ: everything arrives, whatever happens to Redis and to them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
import redis
import redis.asyncio
from rq import Callback, Queue
from rq.serializers import JSONSerializer

from delivery.bell import Bell
from delivery.outbox import Step
from hub.identity import UserKey
from hub.propagator import channel_name
from hub.protocol import Frame
from tests.delivery.crew import ROOT, Crew

BOUND_SECONDS = 3
"""How long a critical delivery may wait behind others while providers answer: the README says so."""
PROVIDER_SECONDS = 1


@pytest.fixture
def crew(office, services, providers):
    """A crew on a Redis database of its own, with short leases and quick retries."""
    separator = "&" if "?" in services.redis_url else "?"
    url = f"{services.redis_url}{separator}db=7" if "unix" in services.redis_url else f"{services.redis_url}/7"
    client = redis.Redis.from_url(url)
    client.flushdb()
    settings = {
        "database_url": office.settings.database_url,
        "redis_url": url,
        "resend_base_url": providers.url,
        "twilio_base_url": providers.url,
        "fcm_base_url": providers.url,
        "retry_base_seconds": "0.2",
        "probe_after_seconds": "0.5",
        "queue_lease_seconds": "1",
        "provider_timeout_seconds": str(PROVIDER_SECONDS),
        "job_timeout_seconds": "2",
        "send_lease_seconds": "3",
        "log_level": "ERROR",
    }
    with Crew(**settings) as started:
        started.redis, started.url = client, url
        yield started
    client.close()


async def settled(office, seconds=40):
    """Wait until every delivery has reached a state it stays in."""
    async with asyncio.timeout(seconds):
        while True:
            rows = await office.fetch("select state, count(*) from deliveries group by state")
            states = {row[0]: row[1] for row in rows}
            if not set(states) & {"pending", "queued", "sending", "unknown"}:
                return states
            await asyncio.sleep(0.05)


async def test_two_relays_and_two_workers_send_everything_once(office, providers, crew):
    """300 deliveries over three channels: each accepted once, although everybody wants to do it."""
    for command in ("relay", "relay", "worker", "worker"):
        crew.start(command)
    users = [await office.user(devices=1) for _ in range(100)]
    await office.publish(*users, channels=["email", "sms", "push"])
    assert await settled(office) == {"sent": 300}
    assert len(providers.outbox.entries) == 300
    assert len({(entry.channel, entry.to, entry.key) for entry in providers.outbox.entries}) >= 201
    beats = await office.fetch("select kind, count(*) from heartbeats group by kind order by kind")
    assert [tuple(row) for row in beats] == [("relay", 2), ("worker", 2)]


async def test_nothing_is_lost_with_redis(office, providers, crew):
    """FLUSHALL while everything is queued: Postgres rings again."""
    crew.start("relay")
    users = [await office.user() for _ in range(60)]
    await office.publish(*users)
    async with asyncio.timeout(20):
        while not crew.redis.exists("rq:queue:default"):
            await asyncio.sleep(0.02)
    crew.redis.flushdb()
    crew.start("worker")
    assert await settled(office) == {"sent": 60}
    assert len(providers.outbox.entries) == 60


async def test_a_worker_killed_in_the_middle_of_sending_causes_no_duplicate(office, providers, crew):
    """The provider has it, the worker is gone: e-mail and SMS are accepted once nevertheless."""
    providers.script.add(Step(accept=True, delay_seconds=0.8, times=2))
    await office.publish(await office.user(), channels=["email", "sms"])
    crew.start("relay")
    worker = crew.start("worker")
    await providers.outbox.wait(lambda outbox: len(outbox.entries) == 2, 20)
    crew.kill(worker)
    crew.start("worker")
    assert await settled(office) == {"sent": 2}
    assert sorted(entry.channel for entry in providers.outbox.entries) == ["email", "sms"]


async def test_a_worker_finishes_its_job_on_sigterm(office, providers, crew):
    """A rolling restart loses no time: what is being sent is recorded before the process ends."""
    providers.script.add(Step(accept=True, delay_seconds=0.8))
    await office.publish(await office.user())
    crew.start("relay")
    worker = crew.start("worker")
    await providers.outbox.wait(lambda outbox: outbox.entries, 20)
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait, 10) == 0
    assert (await office.delivery())["state"] == "sent"


async def test_a_job_that_names_another_function_runs_nothing(office, crew, tmp_path):
    """Whoever writes to Redis can ring, not run code: not by function, not by callback."""
    target = tmp_path / "touched"
    queue = Queue("critical", connection=crew.redis, serializer=JSONSerializer)
    queue.enqueue("os.mkdir", str(target), job_id="evil")
    worker = crew.start("worker")
    async with asyncio.timeout(20):
        while queue.count or (worker.poll() is None and not crew.redis.zscore("rq:failed:critical", "evil")):
            await asyncio.sleep(0.05)
    assert not target.exists()
    job = Bell.create("os.mkdir", connection=crew.redis, serializer=JSONSerializer, on_success=Callback("os.mkdir"))
    assert job.success_callback is None
    with pytest.raises(ValueError, match="not a door"):
        job.func  # noqa: B018


async def test_a_flood_of_low_priority_does_not_hold_up_critical(office, providers, crew):
    """10,000 rows of low priority in the way: a critical one goes out within seconds, not behind them."""
    crew.start("relay")
    crew.start("worker")
    users = [await office.user() for _ in range(200)]
    for _ in range(50):
        await office.publish(*users, priority="low")
    await providers.outbox.wait(lambda outbox: len(outbox.entries) > 200, 30)
    waited = await until_out(office, providers, users[0])
    left = (await office.fetch("select count(*) from deliveries where state = 'pending'"))[0][0]
    assert left > 1000, "the flood should still be there"
    assert waited < BOUND_SECONDS


async def test_a_flood_to_a_silent_provider_holds_up_critical_for_one_answer(office, providers, crew):
    """All the worker has in hand waits for a provider that says nothing: critical waits until it gives up, once."""
    providers.script.add(Step(provider="twilio", delay_seconds=60, times=0))
    crew.start("relay")
    crew.start("worker")
    users = [await office.user() for _ in range(100)]
    for _ in range(20):
        await office.publish(*users, priority="low", channels=["sms"])
    await providers.outbox.wait(lambda outbox: len(providers.requests()) > 200, 30)
    assert await until_out(office, providers, users[0]) < PROVIDER_SECONDS + BOUND_SECONDS


async def until_out(office, providers, user):
    """Publish something critical and return the seconds until its e-mail is accepted."""
    begun = asyncio.get_running_loop().time()
    await office.publish(user, priority="critical", title="Fire")
    await providers.outbox.wait(lambda outbox: outbox.find(lambda entry: entry.title == "Fire"), 20)
    return asyncio.get_running_loop().time() - begun


async def test_what_is_due_happens_within_a_second_once_and_live(office, crew):
    """Two relays: scheduled publishes, snoozes and expiries each bring one frame, at their time, to those connected."""
    crew.start("relay")
    crew.start("relay")
    await at_work(office, 2)
    due = datetime.now(UTC) + timedelta(seconds=2)
    users = [UserKey("default", f"user-{number}") for number in range(10)]
    for key in users:
        await office.publish(key.user, channels=[], send_at=due)
        await office.publish(key.user, channels=[], expires_at=due)
        snoozed = await office.publish(key.user, channels=[])
        await office.inboxes.change(key, [snoozed.receipts[0].id], "snoozed", due)
    heard = await frames(crew.url, users, 3 * len(users))
    said = [json.loads(frame.json) for frame, _ in heard]
    assert sorted(frame["change"] for frame in said) == sorted(["created", "expired", "unsnoozed"] * len(users))
    assert {frame["seq"] for frame in said} == {4, 5, 6}, "each under a number of its own, after the three before"
    late = [at - due.timestamp() for _, at in heard]
    assert min(late) >= 0
    assert max(late) < 1
    for key in users:
        assert (await office.inboxes.counts(key))[1:4] == (6, 2, 2)


async def at_work(office, count):
    """Wait until so many processes have said that they are there."""
    async with asyncio.timeout(20):
        while (await office.fetch("select count(*) from heartbeats"))[0][0] < count:
            await asyncio.sleep(0.02)


async def frames(redis_url, users, count):
    """Collect what the users' nodes hear, and when; after so many there must be silence."""
    heard = []
    async with redis.asyncio.Redis.from_url(redis_url) as client, client.pubsub() as pubsub:
        await pubsub.subscribe(*(channel_name("hub", key) for key in users))
        async with asyncio.timeout(15):
            while len(heard) < count:
                message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=1)
                if message is not None:
                    heard.append((Frame.unpack(message["data"]), time.time()))
        assert await pubsub.get_message(ignore_subscribe_messages=True, timeout=0.5) is None
    return heard


def test_bad_settings_stop_the_start_with_their_names():
    """A lease shorter than a request is refused before anything is sent."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    environment |= {"HUB_DATABASE_URL": "postgresql://x", "HUB_REDIS_URL": "redis://x", "HUB_SEND_LEASE_SECONDS": "5"}
    done = subprocess.run(
        [sys.executable, "-m", "delivery", "relay"], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "HUB_JOB_TIMEOUT_SECONDS < HUB_SEND_LEASE_SECONDS must hold" in done.stderr
