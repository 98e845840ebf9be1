import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import errors, ratelimit
from hub.ratelimit import RateLimiter


class Clock:
    """A clock that moves when told."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def limiter(rate, clock=None):
    return RateLimiter(rate, "publish", clock=clock or Clock())


async def refused(limit, subject="key", cost=1):
    with pytest.raises(errors.RateLimited) as caught:
        await limit.take(subject, cost)
    return caught.value


async def test_a_rested_caller_may_use_the_whole_quota_at_once():
    """The full quota passes in one instant, the next request is refused with the time to wait."""
    limit = limiter("5/second")
    assert [(await limit.take("key")).remaining for _ in range(5)] == [4, 3, 2, 1, 0]
    error = await refused(limit)
    assert error.status == 429
    assert error.retry_after_seconds == pytest.approx(0.2)


async def test_waiting_as_told_is_enough_and_less_is_not():
    """Whoever comes back after `retry_after_seconds` is let in; a little earlier is too early."""
    clock = Clock()
    limit = limiter("3/minute", clock)
    for _ in range(3):
        await limit.take("key")
    wait = (await refused(limit)).retry_after_seconds
    clock.now += wait - 0.01
    await refused(limit)
    clock.now += 0.01
    assert (await limit.take("key")).remaining == 0


async def test_everybody_has_their_own_bucket():
    """One caller's flood takes nothing from another."""
    limit = limiter("1/hour")
    await limit.take("one")
    await refused(limit, "one")
    assert await limit.take("two")


async def test_a_batch_costs_as_much_as_its_items():
    """A batch of ten takes ten; when ten are not left, none is taken."""
    limit = limiter("15/second")
    assert (await limit.take("key", 10)).remaining == 5
    assert (await refused(limit, cost=10)).retry_after_seconds == pytest.approx(5 / 15)
    assert (await limit.take("key", 5)).remaining == 0


async def test_a_batch_above_the_quota_passes_from_a_full_bucket_and_is_paid_off():
    """A batch larger than the quota is possible, but the rate holds in the long run."""
    clock = Clock()
    limit = limiter("100/second", clock)
    assert (await limit.take("key", 500)).remaining == 0
    assert (await refused(limit)).retry_after_seconds == pytest.approx(4.01)
    assert (await refused(limit, cost=500)).retry_after_seconds == pytest.approx(5)
    clock.now += 5
    assert await limit.take("key", 500)


async def test_what_costs_nothing_is_always_allowed_while_something_is_left():
    """A batch whose items were all bad costs nothing and still says what is left."""
    limit = limiter("5/second")
    assert (await limit.take("key", 0)).remaining == 5


async def test_the_answer_says_what_is_left_and_so_does_a_refusal():
    """The headers are those of the IETF draft: quota and window, what remains and when it is all back."""
    limit = limiter("2/minute")
    allowance = await limit.take("key")
    assert allowance.headers() == [("RateLimit-Policy", '"publish";q=2;w=60'), ("RateLimit", '"publish";r=1;t=30')]
    limit._clock.now += 0.5
    assert (await limit.take("key", 0)).headers()[1] == ("RateLimit", '"publish";r=1;t=30')
    limit._clock.now -= 0.5
    await limit.take("key")
    assert list((await refused(limit)).headers) == [
        ("RateLimit-Policy", '"publish";q=2;w=60'),
        ("RateLimit", '"publish";r=0;t=60'),
    ]


async def test_full_buckets_are_forgotten(monkeypatch):
    """Callers who stay away cost no memory, and forgetting them changes nothing for those who are limited."""
    monkeypatch.setattr(ratelimit, "_SWEEP_ABOVE", 100)
    clock = Clock()
    limit = limiter("1/second", clock)
    await limit.take("debtor", 3600)
    for visitor in range(10_000):
        clock.now += 0.1
        await limit.take(f"visitor {visitor}")
    assert len(limit._full_at) < 250
    await refused(limit, "debtor")


steps = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 4)), max_size=60)


@given(st.integers(1, 10), steps)
async def test_no_interval_ever_sees_more_than_quota_and_refill(quota, asked):
    """Between any two moments, at most a full bucket plus what flowed in was let through, and waiting always helps."""
    clock = Clock()
    limit = limiter(f"{quota}/second", clock)
    passed, waits = [], []
    for pause, cost in asked:
        clock.now += pause
        try:
            await limit.take("key", min(cost, quota))
            passed.append((clock.now, min(cost, quota)))
        except errors.RateLimited as error:
            waits.append(error.retry_after_seconds)
    assert all(0 < wait <= 1 + 1e-6 for wait in waits)
    for first in range(len(passed)):
        total = 0
        for at, cost in passed[first:]:
            total += cost
            assert total <= quota + (at - passed[first][0]) * quota + 1e-3
    clock.now += math.ceil(quota)
    assert (await limit.take("key", quota)).remaining == 0
