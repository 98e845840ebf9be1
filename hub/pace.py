"""How fast a client may talk on one connection: so many frames a second, five seconds' worth of them at once.

Every frame counts, pings and parts of messages too: each costs the event loop as much as a command. `ratelimit` is for
requests; this is two numbers per connection that speaks, with nobody to look it up by.
"""

from __future__ import annotations

import time

BURST_SECONDS = 5


class Pace:
    """What one client may still say."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, frames_per_second: float) -> None:
        self._rate = frames_per_second
        self._left = frames_per_second * BURST_SECONDS
        self._at = time.monotonic()

    def allows(self) -> bool:
        """Count one more frame; tell whether it was within the pace."""
        now = time.monotonic()
        self._left = min(self._rate * BURST_SECONDS, self._left + (now - self._at) * self._rate) - 1
        self._at = now
        return self._left >= 0
