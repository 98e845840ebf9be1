"""Whether a key is strong enough for its algorithm, and of the right kind: RFC 7518, sections 3.2 to 3.4.

Pure; auth.py asks it about configured keys at start and about each key of an issuer's set. python-jose takes a
six-byte secret, an RSA key of 512 bits and a curve of another algorithm without a word.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

MIN_RSA_BITS = 2048
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}


def weakness(key: object, algorithm: str) -> str | None:
    """Say why the key must not be used with the algorithm, or None when it may be."""
    if algorithm.startswith("HS"):
        return _secret_weakness(key, int(algorithm[2:]) // 8)
    if algorithm.startswith("RS"):
        return _rsa_weakness(key)
    return _curve_weakness(key, algorithm)


def _secret_weakness(key: object, min_bytes: int) -> str | None:
    if isinstance(key, bytes) and len(key) >= min_bytes:
        return None
    return f"the secret must have at least {min_bytes} bytes"


def _rsa_weakness(key: object) -> str | None:
    if not isinstance(key, RSAPublicKey):
        return "not an RSA public key"
    if key.key_size < MIN_RSA_BITS:
        return f"the RSA key has {key.key_size} bits, at least {MIN_RSA_BITS} are needed"
    return None


def _curve_weakness(key: object, algorithm: str) -> str | None:
    if not isinstance(key, EllipticCurvePublicKey):
        return "not an elliptic curve public key"
    if key.curve.name != _CURVES[algorithm]:
        return f"{algorithm} needs the curve {_CURVES[algorithm]}, the key is on {key.curve.name}"
    return None
