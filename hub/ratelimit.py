"""How often somebody may ask: one token bucket per API key or user, in this node's memory.

Called by api/ before the work is done. The allowance is per node: behind a balancer over N nodes a caller gets up to N
times the rate. That is the price of having no store on the publish path: a limit shared through Redis costs a round
trip per publish, and would have to let everybody through whenever Redis is away, which is when a limit is missed most.
What it protects, the node's own processor and its share of Postgres, is per node anyway.

A bucket is one number, the time at which it will be full again (the generic cell rate algorithm, after ATM Forum
TM 4.0): no timer refills anything, and a bucket that is full need not be kept.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

from hub import errors
from hub.config import parse_rate

_SWEEP_ABOVE = 10_000
_ROUNDING = 1e-6  # of one token: adding many small times is not exact


class Allowance(NamedTuple):
    """What is left in a bucket, and in how many seconds it will be full again."""

    name: str
    quota: int
    window_seconds: float
    remaining: int
    full_in_seconds: float

    def headers(self) -> list[tuple[str, str]]:
        """Return the response headers that say so (draft-ietf-httpapi-ratelimit-headers-10)."""
        return [
            ("RateLimit-Policy", f'"{self.name}";q={self.quota};w={self.window_seconds:.0f}'),
            ("RateLimit", f'"{self.name}";r={self.remaining};t={math.ceil(self.full_in_seconds)}'),
        ]


class RateLimiter:
    """Holds everybody to one rate, such as ``1000/second``; all of it may come at once after a rest."""

    def __init__(self, rate: str, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._quota, self._window_seconds = parse_rate(rate)
        self._name = name
        self._clock = clock
        self._token_seconds = self._window_seconds / self._quota
        self._full_at: dict[str, float] = {}
        self._sweep_above = _SWEEP_ABOVE

    async def take(self, subject: str, cost: int = 1, *, taken: int = 0) -> Allowance:
        """Take tokens from the subject's bucket; raise `RateLimited`, taking none, when they are not there.

        A cost above the quota is let through by a full bucket, which then owes the rest; `taken` is what the same
        request took from it before. It is a coroutine so that callers need not care where the buckets are.
        """
        now = self._clock()
        full_at = max(self._full_at.get(subject, now), now)
        available = self._quota - (full_at - now) / self._token_seconds
        lacking = min(cost, self._quota - taken) - available
        if lacking > _ROUNDING:
            raise self._refusal(lacking * self._token_seconds, full_at - now)
        full_at += cost * self._token_seconds
        self._keep(subject, full_at, now)
        return self._allowance(full_at - now)

    def _keep(self, subject: str, full_at: float, now: float) -> None:
        """Remember a bucket; when there are twice as many as were in use last time, forget the full ones."""
        self._full_at[subject] = full_at
        if len(self._full_at) > self._sweep_above:
            self._full_at = {name: at for name, at in self._full_at.items() if at > now}
            self._sweep_above = max(_SWEEP_ABOVE, 2 * len(self._full_at))

    def _allowance(self, full_in_seconds: float) -> Allowance:
        available = self._quota - full_in_seconds / self._token_seconds
        remaining = max(0, math.floor(available + _ROUNDING))
        return Allowance(self._name, self._quota, self._window_seconds, remaining, full_in_seconds)

    def _refusal(self, wait_seconds: float, full_in_seconds: float) -> errors.RateLimited:
        rate = f"{self._quota} in {self._window_seconds:.0f} s"
        error = errors.RateLimited(f"the limit is {rate}", retry_after_seconds=wait_seconds)
        error.headers = self._allowance(full_in_seconds).headers()
        return error
