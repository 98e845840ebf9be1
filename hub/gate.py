"""Who is asking: the one place where a request or handshake turns into a Principal.

Credentials come as a bearer token or API key, a WebSocket subprotocol, a single-use ticket or a cookie; never as a
token in the URL, which every proxy and log would print (RFC 9700, section 2.7). Browsers must come from an allowed
origin on every handshake, because CORS does not cover WebSockets. API keys are remembered for a few seconds: fast
enough to publish with, short enough to revoke.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Mapping
from functools import partial
from urllib.parse import urlsplit

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub import keys
from hub.auth import NO_SCOPES, Principal, TokenVerifier
from hub.config import Settings
from hub.errors import Forbidden, Malformed, Unauthorized, Unavailable
from hub.store import ApiKeys

KEY_CACHE_SECONDS = 3.0
KEY_CACHE_SIZE = 10_000
TICKET_SECONDS = 30
PROTOCOL_PREFIX = "bearer."


class Gate:
    """Lets requests in. Headers are read through any mapping that ignores case."""

    def __init__(self, settings: Settings, api_keys: ApiKeys, redis: Redis) -> None:
        self._verifier = TokenVerifier(settings)
        self._api_keys = api_keys
        self._redis = redis
        self._ticket_prefix = f"{settings.redis_prefix}:ticket:"
        self._cookie_name = settings.cookie_name
        public = urlsplit(settings.public_url)
        self.origins = frozenset([*settings.allowed_origins, f"{public.scheme}://{public.netloc}"])
        self._cache: dict[bytes, tuple[Principal, float]] = {}
        self._asked: dict[bytes, asyncio.Task[Principal]] = {}

    async def aclose(self) -> None:
        """Close what fetches keys."""
        await self._verifier.aclose()

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Refuse a browser from elsewhere; what is no browser sends no Origin and may pass."""
        origin = headers.get("origin")
        if origin is not None and origin not in self.origins:
            raise Forbidden("this origin is not allowed to connect")

    async def identify(self, headers: Mapping[str, str]) -> Principal:
        """Find who a request comes from; raise `Unauthorized`."""
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and credentials:
            return await self.verify(credentials.strip())
        cookie = self._cookie(headers)
        if cookie is not None:
            self.check_origin(headers)
            self._check_cookie_origin(headers)
            return await self.verify_token(cookie)
        raise Unauthorized("send `Authorization: Bearer` with an API key or a token")

    async def verify(self, credentials: str) -> Principal:
        """Check an API key or a token."""
        if credentials.startswith(keys.PREFIX):
            return await self._verify_key(credentials)
        return await self.verify_token(credentials)

    async def verify_token(self, token: str) -> Principal:
        """Check a user's token."""
        return await self._verifier.verify(token)

    async def identify_stream(self, headers: Mapping[str, str], ticket: str | None) -> Principal | None:
        """Find who opens a stream, by header, subprotocol, ticket or cookie; None if nothing was brought."""
        if ticket is not None:
            return await self._take_ticket(ticket, headers.get("origin"))
        offered = [part.strip() for part in headers.get("sec-websocket-protocol", "").split(",")]
        token = next((part.removeprefix(PROTOCOL_PREFIX) for part in offered if part.startswith(PROTOCOL_PREFIX)), None)
        if token is not None:
            return await self.verify_token(token)
        if "authorization" in headers or self._cookie(headers) is not None:
            return await self.identify(headers)
        return None

    def _cookie(self, headers: Mapping[str, str]) -> str | None:
        if self._cookie_name is None:
            return None
        pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
        return next((value for name, _, value in pairs if name == self._cookie_name and value), None)

    def _check_cookie_origin(self, headers: Mapping[str, str]) -> None:
        """A cookie is sent by any page's request: accept it only from a page that is known to be allowed."""
        if "origin" not in headers and headers.get("sec-fetch-site") != "same-origin":
            raise Forbidden("a cookie is accepted from an allowed origin only")

    async def _verify_key(self, text: str) -> Principal:
        hashed = keys.hash_key(text)
        principal, until = self._cache.get(hashed, (None, 0.0))
        if principal is not None and until > time.monotonic():
            return principal
        keys.parse_key(text)
        asked = self._asked.get(hashed)
        if asked is None:  # a key that is used a thousand times a second is looked up once, not by all who wait
            asked = self._asked[hashed] = asyncio.create_task(self._find_key(hashed))
            asked.add_done_callback(partial(self._found_key, hashed))
        await asyncio.wait((asked,))
        return asked.result()

    def _found_key(self, hashed: bytes, asked: asyncio.Task[Principal]) -> None:
        del self._asked[hashed]
        if not asked.cancelled():
            asked.exception()  # whoever waited hears of it; nobody may be left to

    async def _find_key(self, hashed: bytes) -> Principal:
        found = await self._api_keys.find(hashed)
        if found is None:
            self._cache.pop(hashed, None)
            raise Unauthorized("this API key does not exist, has expired or was revoked")
        expires_at = found.expires_at.timestamp() if found.expires_at else None
        principal = Principal(found.tenant, None, found.scopes, found.id, expires_at, found.name)
        if len(self._cache) >= KEY_CACHE_SIZE:
            self._cache.clear()
        self._cache[hashed] = (principal, time.monotonic() + KEY_CACHE_SECONDS)
        return principal

    async def issue_ticket(self, principal: Principal, origin: str | None) -> str:
        """Make a single-use ticket for a stream of this user, from this origin, within half a minute."""
        ticket = secrets.token_urlsafe(24)
        value = orjson.dumps([principal.tenant, principal.user, principal.expires_at, origin])
        try:
            await self._redis.set(self._ticket_name(ticket), value, ex=TICKET_SECONDS)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("tickets are not available now", retry_after_seconds=1) from error
        return ticket

    async def _take_ticket(self, ticket: str, origin: str | None) -> Principal:
        if not 16 <= len(ticket) <= 64 or not ticket.isascii():
            raise Unauthorized("this is not a ticket")
        try:
            value = await self._redis.getdel(self._ticket_name(ticket))
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("tickets are not available now", retry_after_seconds=1) from error
        if value is None:
            raise Unauthorized("this ticket was used, has expired or never existed")
        tenant, user, expires_at, bound = orjson.loads(value)
        # A page's own EventSource sends no Origin; one that is sent must be the one that asked for the ticket.
        if origin is not None and origin != bound:
            raise Forbidden("this ticket was issued to another origin")
        return Principal(tenant, user, NO_SCOPES, None, expires_at)

    def _ticket_name(self, ticket: str) -> str:
        return self._ticket_prefix + hashlib.sha256(ticket.encode()).hexdigest()


def refuse_tokens_in_url(query: Mapping[str, str]) -> None:
    """Refuse a token in the query, so that nobody gets used to it."""
    for name in ("token", "access_token", "jwt"):
        if name in query:
            raise Malformed(f"`{name}` does not belong in a URL, where proxies log it: use a ticket")


def require_user(principal: Principal) -> Principal:
    """Let users pass, services not."""
    if principal.user is None:
        raise Forbidden("this is for users; services have no inbox")
    return principal
