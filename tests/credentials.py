"""Keys, settings and hand-made tokens for the tests of authentication; nothing here trusts the code under test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from hub.config import Settings

SECRET = "a secret of the tests, long enough"
Signer = Callable[[bytes], bytes]


def settings(**values: Any) -> Settings:
    """Settings as the environment would give them, with the test secret unless another key is named."""
    if not {"jwt_secret", "jwt_public_key", "jwt_jwks_url"} & values.keys():
        values["jwt_secret"] = SECRET
    return Settings(**{"database_url": "postgresql:///unused", "redis_url": "redis://unused", **values})


@cache
def rsa_key(bits: int = 2048, which: int = 0) -> rsa.RSAPrivateKey:
    """One RSA key a session for each size and `which`: making them is slow."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(curve: type[ec.EllipticCurve] = ec.SECP256R1, which: int = 0) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


def public_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def public_der(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def rsa_jwk(key: rsa.RSAPrivateKey, **members: Any) -> dict[str, Any]:
    public = key.public_key().public_numbers()
    return {"kty": "RSA", "kid": "one", "n": number(public.n), "e": number(public.e), **members}


def ec_jwk(key: ec.EllipticCurvePrivateKey, **members: Any) -> dict[str, Any]:
    public = key.public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "kid": "one", "x": number(public.x), "y": number(public.y), **members}


def hmac_signer(key: bytes, digest: str = "sha256") -> Signer:
    return lambda data: hmac.new(key, data, getattr(hashlib, digest)).digest()


def rsa_signer(key: rsa.RSAPrivateKey) -> Signer:
    return lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def ec_signer(key: ec.EllipticCurvePrivateKey, digest: type[hashes.HashAlgorithm] = hashes.SHA256) -> Signer:
    size = (key.key_size + 7) // 8

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest())))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    return sign


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims; a change to `...` leaves the claim out."""
    now = int(time.time())
    good = {"iss": "hub", "aud": "hub", "sub": "alice", "iat": now, "exp": now + 600, **changes}
    return {name: value for name, value in good.items() if value is not ...}


def token(
    words: dict[str, Any] | bytes | None = None,
    *,
    header: dict[str, Any] | bytes | None = None,
    signer: Signer | None = None,
) -> str:
    """A token signed by hand, from dictionaries or from raw bytes."""
    header = {"alg": "HS256", "typ": "JWT"} if header is None else header
    words = claims() if words is None else words
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, words)]
    signed = ".".join(b64(part) for part in parts)
    return f"{signed}.{b64((signer or hmac_signer(SECRET.encode()))(signed.encode()))}"


def unnamed(value):
    """Name a test's case without its value, which is another one in every process."""
    return "case"
