"""What can go wrong, and what a caller is told: one tree of errors, one table of close codes.

Each error has a stable `code` (the last part of its problem type), an HTTP `status` and a WebSocket `close`. The HTTP
edge turns any of them into ``application/problem+json`` (RFC 9457), the live edge into an `error` or `bye` frame.
Subclasses exist only where a caller can act differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class FieldError(NamedTuple):
    """One bad field: a JSON pointer (RFC 6901, as a URI fragment) and what is wrong with it."""

    pointer: str
    detail: str


class Close(NamedTuple):
    """Why a connection ends. The code's range alone tells a client what to do (PROTOCOL: close codes)."""

    code: int
    reason: str
    reconnect: bool


CLIENT_GONE = Close(1001, "the client went away", True)  # never sent: nobody is there to read it
PROTOCOL_ERROR = Close(4000, "protocol error", False)
FORBIDDEN = Close(4003, "forbidden", False)
DISCONNECTED = Close(4009, "disconnected by the application", False)
REPLACED = Close(4010, "replaced by a newer connection", False)
FRAME_TOO_BIG = Close(4013, "frame too big", False)
TOO_MANY_ERRORS = Close(4040, "too many errors", False)
OVERLOADED = Close(4100, "overloaded", True)
NODE_FULL = Close(4104, "the node is full", True)
TOO_SLOW = Close(4108, "too slow", True)
RATE_LIMITED = Close(4113, "rate limited", True)
INTERNAL = Close(4150, "internal error", True)
DRAIN = Close(4200, "drain", True)
NO_PONG = Close(4201, "no pong", True)
LIFETIME = Close(4202, "lifetime", True)
TOKEN_EXPIRED = Close(4301, "token expired", True)
TOKEN_INVALID = Close(4302, "token invalid or revoked", True)
NO_AUTH = Close(4308, "no auth in time", True)


class HubError(Exception):
    """Base of everything the hub tells a caller about."""

    code = "internal"
    status = 500
    title = "Internal error"
    close = INTERNAL
    temporary = False
    headers: Sequence[tuple[str, str]] = ()  # what an HTTP answer says besides

    def __init__(
        self, detail: str = "", *, errors: Sequence[FieldError] = (), retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.errors = tuple(errors)
        self.retry_after_seconds = retry_after_seconds


class Malformed(HubError):
    """The bytes are not what they claim to be: broken JSON, encoding or cursor."""

    code, status, title, close = "malformed", 400, "Malformed request", PROTOCOL_ERROR


class Invalid(HubError):
    """Well-formed, but a field does not fit; `errors` names each one."""

    code, status, title, close = "validation", 422, "Invalid request", PROTOCOL_ERROR


class Unauthorized(HubError):
    """No credentials, or none that hold."""

    code, status, title, close = "unauthorized", 401, "Authentication required", TOKEN_INVALID


class TokenExpired(Unauthorized):
    """The token was good once; the client should fetch a new one."""

    code, title, close = "token_expired", "Token expired", TOKEN_EXPIRED


class Forbidden(HubError):
    """Known, but not allowed: the wrong kind of credentials, a missing scope, a foreign origin."""

    code, status, title, close = "forbidden", 403, "Forbidden", FORBIDDEN


class NotFound(HubError):
    """It does not exist, or is not yours; the two are not told apart."""

    code, status, title, close = "not_found", 404, "Not found", PROTOCOL_ERROR


class Conflict(HubError):
    """The state does not allow it."""

    code, status, title, close = "conflict", 409, "Conflict", PROTOCOL_ERROR


class InFlight(Conflict):
    """The same was asked for just now and is still being done; `retry_after_seconds` says when to ask again."""

    code, title, temporary = "in_flight", "Still in flight", True


class AlreadyAuthenticated(HubError):
    """An `auth` frame on a connection that has its credentials."""

    code, status, title, close = "already_authenticated", 409, "Already authenticated", PROTOCOL_ERROR


class TooLarge(HubError):
    """The body or a field is above its limit."""

    code, status, title, close = "too_large", 413, "Content too large", FRAME_TOO_BIG


class UnsupportedMediaType(HubError):
    """The body is not JSON."""

    code, status, title, close = "unsupported_media_type", 415, "Unsupported media type", PROTOCOL_ERROR


class IdempotencyMismatch(HubError):
    """The Idempotency-Key was used for another body."""

    code, status, title = "idempotency_mismatch", 422, "Idempotency key reused"
    close = PROTOCOL_ERROR


class RateLimited(HubError):
    """More than the allowance; `retry_after_seconds` says when to come back."""

    code, status, title, close, temporary = "rate_limited", 429, "Too many requests", RATE_LIMITED, True


class Unavailable(HubError):
    """A store is away or the node is full or draining; nothing was accepted, try again."""

    code, status, title, close, temporary = "unavailable", 503, "Service unavailable", OVERLOADED, True


class Draining(Unavailable):
    """This node leaves; another one takes whoever comes."""

    close = DRAIN


class NodeFull(Unavailable):
    """This node takes no more connections; another one may."""

    close = NODE_FULL
