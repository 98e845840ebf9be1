import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.channel import Ambiguous, Permanent, Throttled, Transient, Unauthorized
from delivery.retry import Schedule, Step, backoff, next_step

SCHEDULE = Schedule(base_seconds=5, cap_seconds=3600, max_attempts=4, probe_after_seconds=60)


@pytest.mark.parametrize(
    ("error", "attempts", "draw", "step"),
    [
        (Permanent("no", status=422), 0, 1, Step("failed", "permanent:422")),
        (Permanent("no", status=400, code="21211"), 0, 1, Step("failed", "permanent:21211")),
        (Transient("busy", status=503), 0, 1, Step("pending", "transient:503", 5)),
        (Transient("busy", status=503), 1, 1, Step("pending", "transient:503", 10)),
        (Transient("busy", status=503), 2, 0.5, Step("pending", "transient:503", 10)),
        (Transient("busy", status=503), 3, 1, Step("dead", "attempts_exhausted")),
        (Transient("busy", retry_after_seconds=90), 0, 1, Step("pending", "transient", 90)),
        (Throttled("slow", status=429), 99, 0, Step("pending", "throttled:429", 5, counts=False)),
        (Throttled("slow", retry_after_seconds=120), 0, 1, Step("pending", "throttled", 120, counts=False)),
        (Throttled("slow", retry_after_seconds=1), 0, 0, Step("pending", "throttled", 1, counts=False)),
        (Unauthorized("key", status=401), 99, 0, Step("pending", "unauthorized:401", 5, counts=False)),
        (Ambiguous("lost", remedy="repeat"), 0, 1, Step("unknown", "ambiguous", 5)),
        (Ambiguous("lost", remedy="repeat"), 3, 1, Step("dead", "attempts_exhausted")),
        (Ambiguous("lost", remedy="look_up"), 0, 1, Step("unknown", "ambiguous", 60)),
        (Ambiguous("lost", remedy="look_up"), 3, 1, Step("unknown", "ambiguous", 60)),
        (Ambiguous("odd", remedy="give_up", status=409), 0, 1, Step("unknown", "ambiguous:409", 60)),
    ],
)
def test_each_error_leads_to_its_step(error, attempts, draw, step):
    """What an error means for the delivery is a table of error, attempts so far and the random draw."""
    assert next_step(error, attempts=attempts, schedule=SCHEDULE, draw=draw) == step


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_the_wait_lies_between_nothing_and_the_cap(attempt, draw):
    """Full jitter never waits longer than the cap, however many attempts there were."""
    assert 0 <= backoff(attempt, SCHEDULE, draw) <= SCHEDULE.cap_seconds


@given(st.integers(1, 60), st.floats(0, 1))
def test_the_ceiling_doubles_until_the_cap(attempt, draw):
    """For the same draw the next wait is twice as long, or at the cap."""
    shorter, longer = backoff(attempt, SCHEDULE, draw), backoff(attempt + 1, SCHEDULE, draw)
    assert longer == pytest.approx(min(2 * shorter, draw * SCHEDULE.cap_seconds))


@given(st.floats(0, 1), st.floats(0, 1e6), st.integers(0, 2))
def test_a_provider_that_names_a_time_is_never_asked_sooner(draw, wait, attempts):
    """Retry-After is a lower bound for refusals of every kind."""
    for error in (Transient("x", retry_after_seconds=wait), Throttled("x", retry_after_seconds=wait)):
        assert next_step(error, attempts=attempts, schedule=SCHEDULE, draw=draw).delay_seconds >= wait


def test_deferrals_never_use_up_a_delivery():
    """A delivery that was throttled a thousand times still has all its attempts."""
    for _ in range(1000):
        step = next_step(Throttled("slow"), attempts=0, schedule=SCHEDULE, draw=0.5)
        assert (step.state, step.counts) == ("pending", False)
