"""The issuer's published keys (a JWK set, RFC 7517): fetched, kept, and refreshed when a token names a new one.

Owns the cache of one issuer's set; auth.py asks it for a key and gives it the function that makes one. Invariants:
one request at a time however many tokens wait for it; no stranger can make us ask more than once a minute; the last
good set stays in use while the issuer is away. A key the issuer withdraws is refused after at most `max-age` plus
the 3 s of a request. Rejected: a refresh on a timer, which also asks when nobody signs in.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import httpx2
import structlog

from hub import errors
from hub.claims import parse_object

TIMEOUT_SECONDS = 3.0
MAX_BYTES = 256 * 1024
MIN_AGE_SECONDS, MAX_AGE_SECONDS = 300.0, 86_400.0
ASK_AGAIN_SECONDS = 60.0
COLD_RETRY_SECONDS = 5.0
_MAX_KEYS = 100
_MAX_AGE = re.compile(r"\bmax-age\s*=\s*\"?([0-9]{1,9})")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_KEY_TYPES = {"RS": "RSA", "ES": "EC"}

log = structlog.get_logger(__name__)
Key = TypeVar("Key")


class KeySet(Generic[Key]):
    """One issuer's keys by `kid` and algorithm; `build` makes a key or raises `ValueError`, which skips it."""

    def __init__(
        self,
        url: str,
        algorithms: list[str],
        build: Callable[[dict[str, Any], str], Key],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._algorithms = algorithms
        self._build = build
        self._clock = clock
        # Unpacked bytes are what the size limit counts, so nothing packed is asked for.
        self._client = httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, headers={"Accept-Encoding": "identity"})
        self._keys: dict[tuple[str, str], Key] = {}
        self._stale_at = self._may_ask_at = float("-inf")
        self._request: asyncio.Task[None] | None = None

    async def find(self, kid: str, algorithm: str) -> Key | None:
        """Return the key, after a refresh when the set is stale or lacks it; `Unavailable` before the first set."""
        wanted = kid, algorithm
        if self._clock() >= self._stale_at or (wanted not in self._keys and self._may_ask()):
            await self._refresh()
        if not self._keys:
            raise errors.Unavailable("the issuer's keys cannot be loaded", retry_after_seconds=COLD_RETRY_SECONDS)
        return self._keys.get(wanted)

    async def aclose(self) -> None:
        """Stop a request under way and close the connection."""
        if self._request is not None:
            self._request.cancel()
            await asyncio.wait((self._request,))
        await self._client.aclose()

    def _may_ask(self) -> bool:
        """Tell whether an unknown `kid` may cause a request: to join one is free, to start one is not."""
        if self._request is not None:
            return True
        now = self._clock()
        if now < self._may_ask_at:
            return False
        self._may_ask_at = now + ASK_AGAIN_SECONDS
        return True

    async def _refresh(self) -> None:
        """Wait for the one request. `asyncio.wait` neither cancels it with its caller nor passes its end on."""
        if self._request is None:
            self._request = asyncio.create_task(self._load(), name="jwks")
        await asyncio.wait((self._request,))

    async def _load(self) -> None:
        # Recorded first: whatever goes wrong below, the next attempt is not made at once.
        self._stale_at = self._clock() + (ASK_AGAIN_SECONDS if self._keys else COLD_RETRY_SECONDS)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                keys, max_age_seconds = await self._fetch()
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            log.warning("key set not refreshed", reason=str(error) or type(error).__name__, kept_keys=len(self._keys))
        else:
            self._keys = keys
            self._stale_at = self._clock() + max_age_seconds
        finally:
            self._request = None

    async def _fetch(self) -> tuple[dict[tuple[str, str], Key], float]:
        body = bytearray()
        async with self._client.stream("GET", self._url) as response:
            if response.status_code != 200:
                raise ValueError(f"the issuer answered {response.status_code}")
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError(f"the key set is larger than {MAX_BYTES} bytes")
        return self._parse(bytes(body)), _age_seconds(response.headers.get("cache-control", ""))

    def _parse(self, body: bytes) -> dict[tuple[str, str], Key]:
        listed = parse_object(body, max_brackets=4 * _MAX_KEYS).get("keys")
        if not isinstance(listed, list) or len(listed) > _MAX_KEYS:
            raise ValueError(f"the key set has no list of at most {_MAX_KEYS} keys")
        keys: dict[tuple[str, str], Key] = {}
        for jwk in listed:
            for algorithm in _suitable(jwk, self._algorithms):
                try:
                    keys[jwk["kid"], algorithm] = self._build(jwk, algorithm)
                except ValueError as error:
                    log.warning("key skipped", kid=jwk["kid"], algorithm=algorithm, reason=str(error))
        if not keys:
            # Almost always a mistake; believing it would sign everybody out.
            raise ValueError("the key set has no key we can use")
        return keys


def check_url(text: str, *, allow_loopback_http: bool) -> None:
    """Raise `ValueError` unless keys fetched from there can be trusted: https, or loopback where a test allows it."""
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise ValueError(f"not an address: {error}") from None
    if url.scheme == "http" and allow_loopback_http and url.host in _LOOPBACK:
        return
    if url.scheme != "https" or not url.host:
        raise ValueError("must be an https address")


def _suitable(jwk: Any, algorithms: list[str]) -> Iterator[str]:
    """Yield the algorithms a key may verify; none for a key of another kind or use (RFC 7517, sections 4 and 5)."""
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str):
        return
    if jwk.get("use", "sig") != "sig" or "verify" not in _list(jwk.get("key_ops", ["verify"])):
        return
    for algorithm in algorithms:
        if jwk.get("kty") == _KEY_TYPES[algorithm[:2]] and jwk.get("alg", algorithm) == algorithm:
            yield algorithm


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _age_seconds(cache_control: str) -> float:
    match = _MAX_AGE.search(cache_control.lower())
    return min(max(float(match[1]), MIN_AGE_SECONDS), MAX_AGE_SECONDS) if match else MIN_AGE_SECONDS
