"""Token → Principal: who speaks, proven by a signature. The only importer of python-jose.

Called once per connection and per user request. claims.py reads the token before the library sees it and judges its
words afterwards; in between the library does one thing, comparing a signature with one key under one algorithm we
chose. So no header can pick the algorithm, the key or its kind (RFC 8725, sections 3.1 and 3.2): keys are built per
algorithm at start, and settings allow one family. Rejected: `jose.jwt.decode`, whose defaults let too much pass.
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jose import jwk, jws

from hub import claims, errors
from hub.config import ELLIPTIC, RSA, InvalidSettings, Settings
from hub.identity import DEFAULT_TENANT, is_tenant, is_user_id
from hub.strength import weakness

if TYPE_CHECKING:  # its HTTP client is imported only where a key set is configured
    from hub.jwks import KeySet

NO_SCOPES: frozenset[str] = frozenset()  # one for all users: an empty set takes 200 bytes


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever a credential stands for: a user (by token) or a service (by API key); `expires_at` in unix
    seconds. `producer` is the service's name, which its keys share."""

    tenant: str
    user: str | None
    scopes: frozenset[str]
    key_id: str | None
    expires_at: float | None
    producer: str | None = None

    @property
    def is_user(self) -> bool:
        """Tell whether a user speaks, who may touch their own inbox only."""
        return self.user is not None

    @property
    def is_service(self) -> bool:
        """Tell whether a service speaks, which may do what its scopes say."""
        return self.key_id is not None


class TokenVerifier:
    """Verifies users' tokens with the configured key, or with the keys the issuer publishes."""

    def __init__(self, settings: Settings, *, allow_loopback_http: bool = False) -> None:
        """Raise `InvalidSettings` for a weak or unsuitable key. Plain http to loopback is for tests."""
        self._rules = claims.Rules(settings.jwt_issuer, settings.jwt_audience, settings.jwt_leeway_seconds)
        self._keys: dict[str, Any] = {}
        self._issuer: KeySet[Any] | None = None
        if settings.jwt_jwks_url:
            self._issuer = _issuer(settings, allow_loopback_http=allow_loopback_http)
        else:
            self._keys = static_keys(settings)

    async def verify(self, token: str) -> Principal:
        """Return whom the token stands for; raise `TokenExpired` or `Unauthorized` for any other string.

        The one thing that is not the token's fault is `Unavailable`: the issuer's keys were never reached so far.
        """
        read = claims.read(token)
        key = await self._find(read)
        if key is None or not signature_holds(token, key, read.algorithm):
            raise errors.Unauthorized("the token's signature does not hold")
        claims.check(read, self._rules, time.time())
        return Principal(read.user.tenant, read.user.user, NO_SCOPES, None, read.expires_at)

    async def aclose(self) -> None:
        """Close what fetches the issuer's keys."""
        if self._issuer is not None:
            await self._issuer.aclose()

    async def _find(self, token: claims.Token) -> Any:
        """Return the key to try. With a single configured key a `kid` says nothing, otherwise it is required."""
        if self._issuer is None:
            return self._keys.get(token.algorithm)
        if token.kid is None:
            raise errors.Unauthorized("the token does not name its key")
        return await self._issuer.find(token.kid, token.algorithm)


def sign(settings: Settings, *, user: str, ttl_seconds: float = 3600, tenant: str = DEFAULT_TENANT) -> str:
    """Issue a user's token; raise `InvalidSettings` where no secret is configured, `Invalid` for a bad name."""
    if not settings.jwt_secret:
        raise InvalidSettings("HUB_JWT_SECRET: is needed to sign tokens")
    if not is_user_id(user) or not is_tenant(tenant):
        raise errors.Invalid("a user id has 1–255 characters, a tenant is a lower-case name")
    algorithm, key = next(iter(static_keys(settings).items()))
    now = time.time()
    words = {"iss": settings.jwt_issuer, "aud": settings.jwt_audience, "sub": user, "tenant": tenant}
    return str(jws.sign({**words, "iat": int(now), "exp": round(now + ttl_seconds, 3)}, key, algorithm=algorithm))


def check_keys(settings: Settings) -> None:
    """Raise `InvalidSettings` unless tokens can be verified with the keys configured, as far as can be told offline."""
    if settings.jwt_jwks_url:
        _checked_url(settings, allow_loopback_http=False)
    else:
        static_keys(settings)


def static_keys(settings: Settings) -> dict[str, Any]:
    """Build the configured key once for each algorithm allowed; raise `InvalidSettings` naming the variable."""
    if settings.jwt_secret:
        name, material, default = "HUB_JWT_SECRET", settings.jwt_secret, ["HS256"]
    else:
        # An environment file cannot hold line breaks, so a PEM may carry `\n` instead.
        name, material = "HUB_JWT_PUBLIC_KEY", (settings.jwt_public_key or "").replace("\\n", "\n")
        default = [_default_algorithm(material)]
    try:
        return {algorithm: build_key(material, algorithm) for algorithm in settings.jwt_algorithms or default}
    except ValueError as error:
        raise InvalidSettings(f"{name}: {error}") from None


def build_key(material: str | dict[str, Any], algorithm: str) -> Any:
    """Make a key of a secret, a PEM or a JWK; raise `ValueError` when it is unreadable or too weak."""
    try:
        key = jwk.construct(material, algorithm)
    except Exception as error:
        raise ValueError("cannot be read as a key") from error
    if reason := weakness(key.prepared_key, algorithm):
        raise ValueError(reason)
    return key


def signature_holds(token: str, key: Any, algorithm: str) -> bool:
    """Tell whether the key made the token's signature with the algorithm, which the key was built for.

    The key is asked itself: `jws.verify` would first read the header that claims.py has read, and let it say more.
    """
    signed, _, signature = token.rpartition(".")
    try:
        holds = key.verify(signed.encode(), base64.urlsafe_b64decode(signature + "=="))
    except Exception:  # noqa: BLE001 - jose lets errors of four libraries through; each means that it does not hold
        return False
    return bool(holds) and key._algorithm == algorithm


def _issuer(settings: Settings, *, allow_loopback_http: bool) -> KeySet[Any]:
    from hub.jwks import KeySet

    url = _checked_url(settings, allow_loopback_http=allow_loopback_http)
    return KeySet(url, settings.jwt_algorithms or ["RS256"], build_key)


def _checked_url(settings: Settings, *, allow_loopback_http: bool) -> str:
    from hub.jwks import check_url

    url = settings.jwt_jwks_url or ""
    try:
        check_url(url, allow_loopback_http=allow_loopback_http)
    except ValueError as error:
        raise InvalidSettings(f"HUB_JWT_JWKS_URL: {error}") from None
    return url


def _default_algorithm(pem: str) -> str:
    """Return the algorithm that suits a key when none is configured; RS256 when nothing does, to be refused with it."""
    for algorithm in sorted(ELLIPTIC | RSA):
        try:
            build_key(pem, algorithm)
        except ValueError:
            continue
        return algorithm
    return "RS256"
