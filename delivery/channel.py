"""What a provider edge takes and gives: one message in, a receipt or one of five errors out.

`jobs` speaks to providers only through `Channel`; `retry` turns the errors into the delivery's next state. The
invariant that everything else rests on: an edge raises `Ambiguous` whenever the provider *may* have accepted the
message, and any other error only when it certainly has not. Rejected: one error with a status code, because each
caller would then have to know every vendor's table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

Remedy = Literal["repeat", "look_up", "give_up"]
"""How to end an ambiguity: send again (harmless by key), ask the provider, or leave it to a person."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one delivery says to one address: rendered once, stored, and sent again unchanged."""

    delivery_id: str
    key: str
    """The idempotency key: constant over automatic attempts, new for a manual replay."""
    sender: str
    address: str
    text: str
    title: str = ""
    html: str | None = None
    link: str | None = None
    address_kind: Literal["token", "fid"] = "token"
    """What a push address is; other channels ignore it."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Additional e-mail headers, such as List-Unsubscribe."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Additional push data."""
    callback_url: str | None = None
    ttl_seconds: int | None = None
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider has it. `status` is the HTTP or SMTP status of its answer."""

    provider: str
    provider_id: str
    status: int | None = None


class SendError(Exception):
    """Base of what can go wrong with one attempt; `detail` is written to the attempt."""

    def __init__(self, detail: str, *, status: int | None = None, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.code = code


class Transient(SendError):
    """Not accepted, but it may be later."""

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(detail, status=status, code=code)
        self.retry_after_seconds = retry_after_seconds


class Throttled(Transient):
    """Not accepted because we are too fast or over a quota: a deferral, which is no attempt."""


class Unauthorized(Transient):
    """The provider refuses our credentials, whatever we send: stop the provider and raise an alarm."""


class Permanent(SendError):
    """Never: this message to this address is refused for good."""

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        code: str | None = None,
        address_is: Literal["fine", "gone", "opted_out"] = "fine",
    ) -> None:
        super().__init__(detail, status=status, code=code)
        self.address_is = address_is


class Ambiguous(SendError):
    """It may have been accepted: the answer is missing or makes no sense."""

    def __init__(
        self, detail: str, *, remedy: Remedy, status: int | None = None, code: str | None = None, alarm: bool = False
    ) -> None:
        super().__init__(detail, status=status, code=code)
        self.remedy = remedy
        self.alarm = alarm


class Channel(Protocol):
    """One provider's edge."""

    provider: str
    remedy: Remedy
    """What to do when a worker died while it was sending."""

    async def send(self, message: Message) -> Receipt:
        """Send it once, without any retry of its own; raise a `SendError` unless the provider accepted it."""

    async def find(self, message: Message, *, since: datetime, known: frozenset[str]) -> Receipt | None:
        """Look for an ambiguous message sent at `since` or later that is none of the `known` provider ids."""

    async def close(self) -> None:
        """Release connections."""
