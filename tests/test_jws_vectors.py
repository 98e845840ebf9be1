"""The published examples of RFC 7515, appendix A: signatures made by nobody in this project."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hub import errors
from hub.auth import TokenVerifier, build_key, signature_holds, static_keys
from tests.credentials import b64, public_pem, settings

CLAIMS = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
A1 = f"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
A1_KEY = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
A2 = (
    f"eyJhbGciOiJSUzI1NiJ9.{CLAIMS}."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU"
    "Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d"
    "O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig"
    "cN_IoypGlUPQGe77Rw"
)
A2_P = (
    "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2"
    "KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc"
)
A2_Q = (
    "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_"
    "HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc"
)
A3 = (
    f"eyJhbGciOiJFUzI1NiJ9.{CLAIMS}."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
A3_XY = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
A4 = (
    "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA."
    "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2Y"
    "BJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
)
A4_XY = (
    "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
    "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
)
A5 = f"eyJhbGciOiJub25lIn0.{CLAIMS}."


def number(text):
    return int.from_bytes(base64.urlsafe_b64decode(text + "=="), "big")


def rsa_pem():
    return public_pem(Public(rsa.RSAPublicNumbers(65537, number(A2_P) * number(A2_Q)).public_key()))


def ec_pem(x, y, curve):
    return public_pem(Public(ec.EllipticCurvePublicNumbers(number(x), number(y), curve()).public_key()))


class Public:
    """What `public_pem` needs of a private key, for keys whose private half we do not have."""

    def __init__(self, key):
        self.public_key = lambda: key


def keys(algorithm):
    """The keys of the appendix as the hub builds them from its settings."""
    if algorithm == "HS256":
        # The example's key is 64 arbitrary bytes, which no environment variable can hold: the JWK form carries them.
        return {"HS256": build_key({"kty": "oct", "k": A1_KEY}, "HS256")}
    pems = {
        "RS256": rsa_pem,
        "ES256": lambda: ec_pem(*A3_XY, ec.SECP256R1),
        "ES512": lambda: ec_pem(*A4_XY, ec.SECP521R1),
    }
    return static_keys(settings(jwt_public_key=pems[algorithm]()))


VECTORS = [("HS256", A1), ("RS256", A2), ("ES256", A3), ("ES512", A4)]


@pytest.mark.parametrize(("algorithm", "text"), VECTORS)
def test_the_signatures_of_the_rfc_hold(algorithm, text):
    """The four signed examples hold under their key and algorithm."""
    built = keys(algorithm)
    assert list(built) == [algorithm]
    assert signature_holds(text, built[algorithm], algorithm)


@pytest.mark.parametrize(("algorithm", "text"), VECTORS)
def test_the_signatures_of_the_rfc_hold_for_nothing_else(algorithm, text):
    """One changed bit, another payload or another algorithm, and the same signature does not hold."""
    key = keys(algorithm)[algorithm]
    head, payload, signature = text.split(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[0] ^= 1
    for forged in (f"{head}.{payload}.{b64(bytes(raw))}", f"{head}.{b64(b'other')}.{signature}", f"{head}.{payload}."):
        assert not signature_holds(forged, key, algorithm)
    other = "RS384" if algorithm != "RS256" else "HS256"
    assert not signature_holds(text, key, other)


@pytest.mark.parametrize("text", [A1, A2, A3, A4, A5])
async def test_none_of_the_examples_is_a_token_for_us(text):
    """The examples lack an audience and a subject, or a signature: each is refused with the one error."""
    with pytest.raises(errors.Unauthorized):
        await TokenVerifier(settings()).verify(text)
