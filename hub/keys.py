"""The text of an API key: ``hub_<id>_<secret><checksum>``.

Owns the format; the rows are the store's. The id finds the row and may be logged; the secret is known to its owner
only, we keep a hash. SHA-256 is enough: a slow hash protects secrets that can be guessed, and 160 random bits cannot,
while every publish would pay for it. The prefix lets secret scanners find a leaked key, and the checksum tells a
typo from a revoked key without asking the database.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from typing import NamedTuple

from hub import errors

PREFIX = "hub_"
# Without i, l, o and u, which are misread (Crockford's base 32); 5 bits a character.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_CHARS, _SECRET_CHARS, _CHECKSUM_CHARS = 12, 34, 6
_KEY = re.compile(rf"({PREFIX}([{_ALPHABET}]{{{_ID_CHARS}}})_[{_ALPHABET}]{{{_SECRET_CHARS}}})(.{{{_CHECKSUM_CHARS}}})")


class NewKey(NamedTuple):
    """A key just made: the row's id and hash, and the text to be shown once."""

    id: str
    text: str
    hash: bytes


def new_key() -> NewKey:
    """Make a key of 170 random bits."""
    key_id, secret = _random(_ID_CHARS), _random(_SECRET_CHARS)
    text = f"{PREFIX}{key_id}_{secret}"
    text += _checksum(text)
    return NewKey(key_id, text, hash_key(text))


def hash_key(text: str) -> bytes:
    """Hash a key's whole text, as the row keeps it; compare with `hmac.compare_digest`."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def parse_key(text: str) -> str:
    """Return the key's id; raise `Unauthorized` for anything that `new_key` cannot have made."""
    match = _KEY.fullmatch(text)
    if match is None:
        raise errors.Unauthorized("this is not an API key")
    body, key_id, checksum = match.groups()
    if checksum != _checksum(body):
        raise errors.Unauthorized("the API key has a typo")
    return str(key_id)


def _random(chars: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(chars))


def _checksum(body: str) -> str:
    crc = zlib.crc32(body.encode())
    return "".join(_ALPHABET[crc >> shift & 31] for shift in range(0, 5 * _CHECKSUM_CHARS, 5))
