"""What a user's token says: its shape and its words (RFC 7519, RFC 8725), without any cryptography.

Owns the two pure halves of a verification. `read` takes the token apart before a library sees it: python-jose lets
deep nesting, infinite numbers, `crit`, foreign `typ` and absent claims pass or blow up. `check` compares what was read
with the settings, after auth.py found that the signature holds. Both raise `Unauthorized` and nothing else, for any
string whatever. Rejected: the library's own claim checks, which accept a token without `exp` or `aud`.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from functools import lru_cache
from typing import Any, NamedTuple

from hub import errors
from hub.identity import DEFAULT_TENANT, UserKey, is_tenant, is_user_id

MAX_TOKEN_BYTES = 4096
# Brackets bound the depth before anything recurses: Python's parser gives up near a depth of a thousand.
_MAX_BRACKETS = 200
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")
_TYPES = {"jwt", "at+jwt"}
_YEAR_9999 = 253_402_300_799


class Token(NamedTuple):
    """A token's header and claims, of the right types but not yet believed; times in unix seconds."""

    algorithm: str
    kid: str | None
    issuer: str
    audiences: tuple[str, ...]
    user: UserKey
    issued_at: float
    expires_at: float
    not_before: float


class Rules(NamedTuple):
    """What a token must say to be meant for us."""

    issuer: str
    audience: str
    leeway_seconds: float


def read(text: str) -> Token:
    """Take a compact JWS apart; raise `Unauthorized` unless every part has the shape we expect."""
    if len(text) > MAX_TOKEN_BYTES:
        raise errors.Unauthorized(f"the token is longer than {MAX_TOKEN_BYTES} bytes")
    parts = _COMPACT.fullmatch(text)
    if parts is None:
        raise errors.Unauthorized("the token is not a JWT: three base64url parts are expected")
    try:
        return _token(_header(parts[1]), _decode(parts[2]))
    except ValueError as error:
        raise errors.Unauthorized(f"the token is malformed: {error}") from None


def check(token: Token, rules: Rules, now: float) -> None:
    """Compare a token whose signature holds with the rules; only a token right in all else is told it expired."""
    if token.issuer != rules.issuer:
        raise errors.Unauthorized("the token is of another issuer")
    if rules.audience not in token.audiences:
        raise errors.Unauthorized("the token is meant for another audience")
    if max(token.issued_at, token.not_before) > now + rules.leeway_seconds:
        raise errors.Unauthorized("the token is not valid yet")
    if now >= token.expires_at + rules.leeway_seconds:
        raise errors.TokenExpired


@lru_cache(maxsize=64)
def _header(part: str) -> dict[str, Any]:
    """Read a header: an issuer's tokens have one for each of its keys. Nobody changes what is returned."""
    return _decode(part)


def _decode(part: str) -> dict[str, Any]:
    return parse_object(base64.urlsafe_b64decode(part + "=="))


def parse_object(data: bytes, *, max_brackets: int = _MAX_BRACKETS) -> dict[str, Any]:
    """Parse a JSON object; raise `ValueError` for another type, a duplicate name, NaN or too many brackets."""
    if data.count(b"{") + data.count(b"[") > max_brackets:
        raise ValueError("JSON is nested too deeply")
    try:
        parsed = _JSON.decode(data.decode())
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError("not JSON") from None
    if not isinstance(parsed, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - callers expect one kind of error for bad bytes
    return parsed


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        # Two parsers may disagree on which of the two counts (RFC 8725, section 2.4).
        raise ValueError("a name occurs twice")
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _token(header: dict[str, Any], claims: dict[str, Any]) -> Token:
    if "crit" in header:
        raise ValueError("`crit` names extensions, and none is understood")
    if _text(header, "typ", "JWT").lower().removeprefix("application/") not in _TYPES:
        raise ValueError("`typ` is neither JWT nor at+jwt")
    return Token(
        algorithm=_text(header, "alg"),
        kid=_text(header, "kid") if "kid" in header else None,
        issuer=_text(claims, "iss"),
        audiences=_audiences(claims),
        user=_user(claims),
        issued_at=_time(claims, "iat"),
        expires_at=_time(claims, "exp"),
        not_before=_time(claims, "nbf", 0),
    )


def _text(members: dict[str, Any], name: str, default: str | None = None) -> str:
    value = members.get(name, default)
    if not isinstance(value, str):
        raise ValueError(f"`{name}` is missing or not a string")  # noqa: TRY004 - one kind of error for bad words
    return value


def _time(claims: dict[str, Any], name: str, default: float | None = None) -> float:
    """Read a NumericDate. A boolean is an `int` to Python only; milliseconds land beyond the year 9999."""
    value = claims.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"`{name}` is missing or not a number")  # noqa: TRY004 - as above
    if not 0 <= value <= _YEAR_9999:  # infinity too: JSON's 1e999 is one
        raise ValueError(f"`{name}` is not in seconds since 1970")
    return float(value)


def _audiences(claims: dict[str, Any]) -> tuple[str, ...]:
    value = claims.get("aud")
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(audience, str) for audience in listed):
        raise ValueError("`aud` is missing or neither a string nor a list of strings")
    return tuple(listed)


def _user(claims: dict[str, Any]) -> UserKey:
    user = UserKey(sys.intern(_text(claims, "tenant", DEFAULT_TENANT)), _text(claims, "sub"))
    if not is_tenant(user.tenant):
        raise ValueError("`tenant` is not a tenant's name")
    if not is_user_id(user.user):
        raise ValueError("`sub` is not a user id")
    return user
