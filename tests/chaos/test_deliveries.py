"""Invariant I9: whatever dies, every accepted delivery ends in one outcome, and its provider saw it once per key."""

import asyncio
from collections import Counter, defaultdict

import pytest
import redis

from delivery.outbox import Step
from hub.errors import HubError
from hub.identity import UserKey
from hub.store.endpoints import Endpoints
from tests.chaos.frail import POINTS
from tests.chaos.gang import crash
from tests.delivery.office import TABLES
from tests.delivery.producer import Producer, listen

WAVES, USERS_PER_WAVE = 25, 4
KILLS = 50
CHANNELS = ["email", "sms", "push"]
UNDER_WAY = {"pending", "queued", "sending", "unknown"}
MISBEHAVIOUR = (
    {"accept": True, "delay_seconds": 2.0},  # a timeout, although it was accepted
    {"accept": True, "drop": True},
    {"accept": True, "status": 500, "body": {}},
    {"drop": True},
    {
        "status": 429,
        "headers": {"retry-after": "1"},
        "body": {"name": "rate_limit_exceeded", "message": "", "code": 20429},
    },
    {"status": 503, "body": {"name": "internal_server_error", "message": "", "code": 20503}},
)
LIES = {"twilio": [2], "fcm": [2]}
"""An answered 5xx says that nothing was accepted. Only Resend's keys make a provider that lies about it harmless."""


def misbehave(script, rng):
    """Let every provider do everything, to a tenth of its requests each, in an order the seed decides."""
    steps = []
    for provider in ("resend", "twilio", "fcm"):
        for number, step in enumerate(MISBEHAVIOUR):
            if number not in LIES.get(provider, ()):
                steps.append(Step(provider=provider, times=10, chance=0.1, **step))
    rng.shuffle(steps)
    script.add(*steps)


async def eventually(question, seconds):
    """Wait until something is so; an outage while asking counts as no."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                if answer := await question():
                    return answer
            except HubError:
                pass
            await asyncio.sleep(0.1)


async def states(office):
    rows = await office.fetch("select state, count(*) from deliveries group by state")
    return {row[0]: row[1] for row in rows}


async def settle(office, gang, seconds):
    """Wait until every delivery is where it stays, restarting whoever dies."""

    async def settled():
        gang.tend(frail=False)
        found = await states(office)
        return None if UNDER_WAY & set(found) else found

    return await eventually(settled, seconds)


def check(outbox, expected):
    """Compare what the providers accepted with what should have been: each e-mail and SMS once, each push one key."""
    accepted = defaultdict(list)
    for entry in outbox.entries:
        accepted[entry.channel, entry.to].append(entry)
    assert set(accepted) == expected, "lost, or sent to somebody else"
    for (channel, to), entries in accepted.items():
        if channel == "push":
            assert len({entry.key for entry in entries}) == 1, f"{to} got one push under several keys"
            assert entries[0].key
        else:
            assert len(entries) == 1, f"{to} got {len(entries)} over {channel}"


async def check_attempts(office):
    """Every delivery has exactly one attempt on record that succeeded, or was found to have by a look-up."""
    rows = await office.fetch(
        "select d.id, count(*) filter (where a.outcome = 'sent') as sent, count(*) as tried from deliveries d"
        " left join attempts a on a.delivery_id = d.id group by d.id"
    )
    assert all(row["sent"] <= 1 <= row["tried"] for row in rows)


class Audience:
    """Users with addresses of their own, so that whatever arrives is known by where."""

    def __init__(self, office):
        self.office, self.count = office, 0
        self.expected = set()

    async def publish(self, users):
        names = [await self._user() for _ in range(users)]
        await self.office.publish(*names, channels=CHANNELS)

    async def _user(self):
        self.count += 1
        number = f"+49151{self.count:08d}"
        name = await self.office.user(devices=1, phone=number)
        self.expected |= {("email", f"{name}@example.com"), ("sms", number), ("push", f"{name}-device-0")}
        return name


@pytest.fixture
async def audience(office):
    await office.fetch(f"truncate {', '.join(TABLES.split())}")
    return Audience(office)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("point", POINTS)
async def test_a_process_dies_at_a_step(office, audience, providers, gang, point):
    """Whoever dies where: each delivery arrives once and is recorded once."""
    dies = POINTS[point][0]
    gang.start(dies, point)
    gang.start("worker" if dies == "relay" else "relay")
    await audience.publish(2)

    async def hit():
        return gang.points == [point]

    await eventually(hit, 60)
    assert await settle(office, gang, 60) == {"sent": 6}
    check(providers.outbox, audience.expected)
    await check_attempts(office)
    assert gang.kills == 1


@pytest.mark.timeout(600)
async def test_nothing_is_lost_or_doubled_whatever_dies(office, audience, providers, gang, breakable, rng):
    """300 deliveries, at least 50 kills, two FLUSHALLs, Redis and Postgres killed, bad providers."""
    misbehave(providers.script, rng)
    for command in ("relay", "relay", "worker", "worker", "worker"):
        gang.start_any(command)
    broken = {
        WAVES // 5: lambda: redis.Redis.from_url(breakable.redis_url).flushall(),
        WAVES * 2 // 5: lambda: (breakable.redis.kill(), breakable.redis.start()),
        WAVES * 3 // 5: lambda: redis.Redis.from_url(breakable.redis_url).flushall(),
        WAVES * 4 // 5: lambda: crash(breakable.postgres),
    }
    for wave in range(WAVES):
        await audience.publish(USERS_PER_WAVE)
        if wave in broken:
            await asyncio.to_thread(broken[wave])
            await eventually(lambda: states(office), 20)
        await _kill(gang, rng, until=KILLS * (wave + 1) // WAVES)
    assert gang.kills >= KILLS
    assert gang.points, "nobody died at a step"
    await gang.replace_all()
    ended = await settle(office, gang, 180)
    print(f"{gang.kills} kills, at {dict(Counter(gang.points))}; {len(providers.outbox.seen)} requests; {ended}")
    assert ended == {"sent": len(audience.expected)}
    assert len(audience.expected) == 300
    check(providers.outbox, audience.expected)
    await check_attempts(office)


@pytest.mark.timeout(300)
async def test_producers_hear_of_everything_whatever_dies(office, audience, gang, rng):
    """Forty notifications are read while everybody dies and the producer misbehaves: each is told, under one id."""
    answers = [rng.choice([204, 500, 429, "drop"]) for _ in range(60)]
    producer, read = Producer(answers=answers), set()
    async with listen(producer):
        await Endpoints(office.database).create("default", url=producer.url, secret="whsec_AAAA", events=["read"])
        for command in ("relay", "relay", "worker", "worker"):
            gang.start_any(command)
        for wave in range(4):
            read |= {await _read(office, f"reader-{wave}-{number}", rng) for number in range(10)}
            await _kill(gang, rng, until=3 * (wave + 1))
        await gang.replace_all()
        await eventually(lambda: _no_marks(office), 60)
        assert await settle(office, gang, 120) == {"sent": 40}
    ids = defaultdict(set)
    for heard in producer.heard:
        ids[heard.event["data"]["notification_id"]].add(heard.headers["webhook-id"])
    assert set(ids) == read
    assert all(len(known) == 1 for known in ids.values())
    print(f"{gang.kills} kills; {len(producer.heard)} requests for {len(ids)} events")


async def _read(office, user, rng):
    """Publish to a user who reads it, by itself or with everything else, and return its name."""
    id = (await office.publish(user, channels=[])).receipts[0].id
    key = UserKey("default", user)
    if rng.random() < 0.5:
        await office.inboxes.change(key, [id], "read")
    else:
        await office.inboxes.change_all(key, "read_all", None)
    return f"ntf_{id.hex}"


async def _no_marks(office):
    return not await office.fetch("select from read_marks")


async def _kill(gang, rng, *, until):
    """Kill at random, and tend, until so many have died."""
    async with asyncio.timeout(60):
        while gang.kills < until:
            await asyncio.sleep(rng.uniform(0.1, 0.6))  # chance, not a wait for anything
            gang.kill_any()
            gang.tend()
