"""Pure: what an attempt's error means for its delivery: wait how long, or give up how.

`jobs` calls `next_step` once per failed attempt and writes the answer down; `relay` knows nothing of errors. Attempts
count outcomes: being throttled or refused for our credentials says nothing about the delivery and is not counted.
The random draw is a parameter so that tables and properties can pin it. Rejected: RQ's own Retry, which lives in
Redis and is lost with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from delivery.channel import Ambiguous, Permanent, SendError, Throttled, Transient, Unauthorized

EXHAUSTED = "attempts_exhausted"


@dataclass(frozen=True, slots=True)
class Schedule:
    """How patient a delivery is."""

    base_seconds: float = 5.0
    cap_seconds: float = 3600.0
    max_attempts: int = 12
    probe_after_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Step:
    """Where the delivery goes, when it is due again, and whether the attempt counts."""

    state: Literal["pending", "unknown", "failed", "dead"]
    reason: str
    delay_seconds: float = 0.0
    counts: bool = True


def backoff(attempt: int, schedule: Schedule, draw: float) -> float:
    """Return the wait in seconds after the `attempt`-th try: full jitter, `draw` uniform in [0, 1]."""
    ceiling = schedule.base_seconds * 2.0 ** min(attempt - 1, 64)
    return draw * min(schedule.cap_seconds, ceiling)


def next_step(error: SendError, *, attempts: int, schedule: Schedule, draw: float) -> Step:
    """Decide after an attempt failed; `attempts` are those counted before this one."""
    match error:
        case Permanent():
            return Step("failed", _reason(error))
        case Throttled() | Unauthorized():
            return _defer(error, attempts=attempts, schedule=schedule, draw=draw)
        case Ambiguous() if error.remedy != "repeat":
            return Step("unknown", _reason(error), schedule.probe_after_seconds)
    if attempts + 1 >= schedule.max_attempts:
        return Step("dead", EXHAUSTED)
    delay = backoff(attempts + 1, schedule, draw)
    if isinstance(error, Ambiguous):
        return Step("unknown", _reason(error), delay)
    assert isinstance(error, Transient), f"expected a transient error, got {type(error).__name__}"
    return Step("pending", _reason(error), max(delay, error.retry_after_seconds or 0.0))


def _defer(error: Transient, *, attempts: int, schedule: Schedule, draw: float) -> Step:
    """Wait at least the base: with a draw of zero a throttled provider would be hammered."""
    least = schedule.base_seconds if error.retry_after_seconds is None else error.retry_after_seconds
    return Step("pending", _reason(error), max(backoff(attempts + 1, schedule, draw), least), counts=False)


def _reason(error: SendError) -> str:
    kind = type(error).__name__.lower()
    return f"{kind}:{error.code or error.status}" if error.code or error.status else kind
