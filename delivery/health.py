"""What this worker knows of the providers, and what it tells the others.

The table `providers` is shared; a worker looks at it every second and writes only when something changes: a refusal of
our credentials or a rate limit closes a provider for all at once, failures in a row close it at a limit, the first
success opens it again.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime

from delivery.channel import Ambiguous, SendError, Throttled, Transient, Unauthorized
from delivery.config import DeliverySettings
from delivery.store.outcomes import Outcomes
from hub.errors import Unavailable

REFRESH_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 3600.0

log = logging.getLogger("delivery.health")


class ProviderHealth:
    """The closed providers, as of a second ago."""

    def __init__(self, outcomes: Outcomes, settings: DeliverySettings) -> None:
        self._outcomes = outcomes
        self._settings = settings
        self._troubled: dict[str, tuple[int, datetime | None]] = {}
        self._read_at = 0.0

    async def closed(self) -> dict[str, datetime]:
        """Return until when each closed provider is."""
        if time.monotonic() - self._read_at > REFRESH_SECONDS:
            self._troubled = await self._outcomes.troubled()
            self._read_at = time.monotonic()
        return self.known_closed

    @property
    def known_closed(self) -> dict[str, datetime]:
        """What `closed` said last."""
        return {name: until for name, (_, until) in self._troubled.items() if until is not None}

    async def works(self, provider: str) -> None:
        """Note a success."""
        if provider in self._troubled:
            await self._note(provider, failures=0, reason="", close_seconds=0)

    async def fails(self, provider: str, error: SendError) -> None:
        """Note what an error says about the provider, if it says anything."""
        reason = f"{type(error).__name__.lower()}: {error.detail}"[:500]
        if isinstance(error, Unauthorized):
            log.error("provider %s refuses our credentials, nothing is sent to it: %s", provider, error.detail)
            await self._note(provider, failures=1, reason=reason, close_seconds=self._settings.breaker_seconds)
        elif isinstance(error, Throttled):
            pause = min(error.retry_after_seconds or self._settings.retry_base_seconds, LONGEST_PAUSE_SECONDS)
            await self._note(provider, failures=0, reason=reason, close_seconds=pause)
        elif isinstance(error, (Transient, Ambiguous)):
            if isinstance(error, Ambiguous) and error.alarm:
                log.error("provider %s got another body under a known key: %s", provider, error.detail)
            await self._note(provider, failures=1, reason=reason, close_seconds=0)

    async def _note(self, provider: str, *, failures: int, reason: str, close_seconds: float) -> None:
        try:
            await self._outcomes.health(
                provider,
                failures=failures,
                reason=reason,
                close_seconds=close_seconds,
                limit=self._settings.breaker_failures,
                breaker_seconds=self._settings.breaker_seconds,
            )
        except Unavailable:
            return  # the next outcome will say it again
        self._read_at = 0.0
