"""Pure: the signed link that switches one user's e-mail of one category off, without a login (RFC 8058).

The worker signs, the hub verifies; the key is made once by the database. The link names the user, so it is as secret
as the e-mail it stands in, and it can do nothing but switch off.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from typing import NamedTuple

SIGNATURE_BYTES = 16
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class Subscription(NamedTuple):
    """What a link ends."""

    tenant: str
    user: str
    category: str
    channel: str


@lru_cache(maxsize=1024)
def sign(subscription: Subscription, key: str) -> str:
    """Return the token of a link."""
    said = _ENCODER.encode(subscription).encode()
    return urlsafe_b64encode(_signature(said, key) + said).decode().rstrip("=")


def read(token: str, key: str) -> Subscription | None:
    """Return what a token ends, or None if it was not signed here."""
    try:
        decoded = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return None
    signature, said = decoded[:SIGNATURE_BYTES], decoded[SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(said, key)):
        return None
    return Subscription(*json.loads(said))


def headers(address: str) -> dict[str, str]:
    """Return the e-mail headers that let a mailbox offer one click."""
    return {"List-Unsubscribe": f"<{address}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def _signature(said: bytes, key: str) -> bytes:
    return hmac.digest(key.encode(), said, hashlib.sha256)[:SIGNATURE_BYTES]
