"""What the recording providers have accepted, and every request they saw.

`vendors` writes, the listing and tests read. An accepted message is one entry for ever: a request repeated with the
same idempotency key is counted on it, as the vendor would, so `len(entries)` is what recipients would have got.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

CAPACITY = 20_000


@dataclass(slots=True)
class Entry:
    """One accepted message."""

    id: str
    provider: str
    channel: str
    to: str
    title: str
    text: str
    html: str | None
    key: str | None
    """Idempotency key or collapse id."""
    request: dict[str, Any]
    """The body as the SDK sent it."""
    accepted_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    requests: int = 1

    def as_json(self) -> dict[str, Any]:
        """Return what the listing shows; the HTML has its own address."""
        fields = asdict(self)
        html = fields.pop("html")
        fields["accepted_at"] = self.accepted_at.isoformat().replace("+00:00", "Z")
        return fields | {"html": f"/outbox/{self.id}/html" if html else None}


@dataclass(frozen=True, slots=True)
class Seen:
    """One request, whether or not it was accepted."""

    provider: str
    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Outbox:
    """The newest accepted messages and seen requests, with a way to wait for more."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=CAPACITY)
        self.seen: deque[Seen] = deque(maxlen=CAPACITY)
        self._by_key: dict[str, Entry] = {}
        self._changed = asyncio.Condition()

    def keyed(self, key: str | None) -> Entry | None:
        """Return the message that was accepted under an idempotency key."""
        return None if key is None else self._by_key.get(key)

    def find(self, matches: Callable[[Entry], bool]) -> Entry | None:
        """Return the newest entry that matches."""
        return next((entry for entry in reversed(self.entries) if matches(entry)), None)

    async def note(self, seen: Seen) -> None:
        """Remember a request and wake whoever waits."""
        self.seen.append(seen)
        async with self._changed:
            self._changed.notify_all()

    async def accept(self, entry: Entry) -> Entry:
        """Keep an accepted message and wake whoever waits."""
        if len(self.entries) == CAPACITY:
            self._by_key.pop(self.entries[0].key or "", None)
        self.entries.append(entry)
        if entry.key is not None:
            self._by_key[entry.key] = entry
        async with self._changed:
            self._changed.notify_all()
        return entry

    async def wait(self, done: Callable[[Outbox], bool], timeout_seconds: float = 10.0) -> None:
        """Wait until a condition on the outbox holds; raise `TimeoutError` when it does not in time."""
        async with asyncio.timeout(timeout_seconds), self._changed:
            await self._changed.wait_for(lambda: done(self))

    def clear(self) -> None:
        """Forget everything."""
        self.entries.clear()
        self._by_key.clear()
        self.seen.clear()
