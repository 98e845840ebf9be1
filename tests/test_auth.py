import json
import time

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from hub import errors
from hub.auth import Principal, TokenVerifier, sign
from hub.config import InvalidSettings
from tests.credentials import (
    SECRET,
    b64,
    claims,
    ec_key,
    ec_signer,
    hmac_signer,
    public_der,
    public_pem,
    rsa_key,
    rsa_signer,
    settings,
    token,
    unnamed,
)


async def refusal(text, **values):
    """Verify a text that must be refused and return the reason given."""
    with pytest.raises(errors.Unauthorized) as caught:
        await TokenVerifier(settings(**values)).verify(text)
    assert caught.value.status == 401
    return caught.value.detail


# Who a token stands for


async def test_a_signed_token_stands_for_its_user():
    """A user's token names the user, the tenant and when it ends, and carries no scopes."""
    expires_at = time.time() + 60
    principal = await TokenVerifier(settings()).verify(token(claims(exp=expires_at, tenant="acme")))
    assert principal == Principal("acme", "alice", frozenset(), None, expires_at)
    assert principal.is_user
    assert not principal.is_service


async def test_an_api_key_stands_for_a_service():
    """Whoever has a key id is a service, not a user."""
    principal = Principal("default", None, frozenset({"publish"}), "k1", None)
    assert principal.is_service
    assert not principal.is_user


async def test_a_token_we_issue_is_one_we_accept():
    """What `sign` issues, `verify` believes, for exactly as long as asked."""
    before = time.time()
    text = sign(settings(), user="Zoë 🦊", ttl_seconds=90, tenant="acme")
    principal = await TokenVerifier(settings()).verify(text)
    assert (principal.tenant, principal.user) == ("acme", "Zoë 🦊")
    assert before + 89.9 < principal.expires_at < time.time() + 90.1


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
async def test_tokens_are_issued_with_the_first_algorithm_allowed(algorithm):
    """A stronger HMAC than the default serves for signing and verifying alike."""
    values = settings(jwt_secret="x" * 64, jwt_algorithms=[algorithm])
    text = sign(values, user="alice")
    assert text.startswith(b64(f'{{"alg":"{algorithm}"'.encode()))
    assert (await TokenVerifier(values).verify(text)).user == "alice"


@pytest.mark.parametrize(
    "words",
    [
        lambda: claims(aud=["other", "hub"]),
        lambda: claims(nbf=time.time() - 5),
        lambda: claims(iat=time.time() + 5),
        lambda: claims(exp=time.time() - 5),
        lambda: claims(exp=253_402_300_799),
        lambda: claims(sub="x" * 255),
        lambda: claims(scope="openid", roles=[{"name": "admin"}], email=None, jti="1"),
    ],
)
async def test_a_token_may_say_more_than_we_need_and_clocks_may_differ_a_little(words):
    """Other audiences, unknown claims, and times within the leeway do not make a token bad."""
    assert (await TokenVerifier(settings()).verify(token(words()))).is_user


@pytest.mark.parametrize("typ", [..., "JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
async def test_access_tokens_are_accepted_under_their_registered_types(typ):
    """`typ` may be absent, JWT or at+jwt, in any case, with or without `application/` (RFC 9068)."""
    header = {"alg": "HS256"} if typ is ... else {"alg": "HS256", "typ": typ}
    assert (await TokenVerifier(settings()).verify(token(header=header))).is_user


async def test_a_kid_says_nothing_when_there_is_one_key():
    """With one configured key, a `kid` is ignored as long as it is text."""
    assert (await TokenVerifier(settings()).verify(token(header={"alg": "HS256", "kid": "../../etc"}))).is_user


# What a token must not say


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "iat", "exp"])
async def test_a_required_claim_is_required(name):
    """A token without one of the five claims is refused with the claim's name."""
    assert f"`{name}`" in await refusal(token(claims(**{name: ...})))


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in ("iss", "aud", "sub", "tenant") for value in (None, 1, True, {}, [1], [["hub"]], "")]
    + [("aud", []), ("aud", "other"), ("aud", ["other"]), ("aud", ["hub", 1]), ("aud", {"hub": 1}), ("aud", "hubb")]
    + [("iss", "Hub"), ("iss", ["hub"]), ("sub", "x" * 256), ("sub", "a\u0000b"), ("sub", "a\nb"), ("sub", "\ud800")]
    + [("tenant", "Acme"), ("tenant", "a/b"), ("tenant", "a" * 64)]
    + [(name, value) for name in ("exp", "iat", "nbf") for value in (None, "1", True, [], -1, 1e300, 10**3000)]
    + [("exp", int(time.time() * 1000)), ("iat", time.time() + 3600), ("nbf", time.time() + 3600)],
    ids=unnamed,
)
async def test_a_claim_of_a_wrong_type_or_value_is_refused(name, value):
    """Each claim has one type and a range; anything else is refused, never guessed."""
    assert await refusal(token(claims(**{name: value})))


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e999", "-1e999", "9" * 3000])
async def test_a_time_that_is_no_time_is_refused(number):
    """Numbers beyond every clock are refused instead of overflowing."""
    words = json.dumps(claims(exp=0)).replace('"exp": 0', f'"exp": {number}').encode()
    assert await refusal(token(words))


async def test_an_expired_token_is_told_apart():
    """A token that was good until now is answered with `token_expired`, so that a client fetches a new one."""
    with pytest.raises(errors.TokenExpired) as caught:
        await TokenVerifier(settings()).verify(token(claims(exp=time.time() - 11)))
    assert caught.value.code == "token_expired"


@pytest.mark.parametrize("change", [{"iss": "other"}, {"aud": "other"}, {"sub": ""}])
async def test_an_expired_token_that_was_never_good_is_not_called_expired(change):
    """Only a token that is right in everything else is told that it expired."""
    with pytest.raises(errors.Unauthorized) as caught:
        await TokenVerifier(settings()).verify(token(claims(exp=1, **change)))
    assert not isinstance(caught.value, errors.TokenExpired)


async def test_an_expired_forgery_is_not_called_expired():
    """The signature is looked at before the clock."""
    with pytest.raises(errors.Unauthorized, match="signature") as caught:
        await TokenVerifier(settings()).verify(token(claims(exp=1), signer=hmac_signer(b"another secret")))
    assert not isinstance(caught.value, errors.TokenExpired)


async def test_the_leeway_is_a_setting():
    """With no leeway a token is over the moment it expires."""
    text = token(claims(exp=time.time() - 1))
    assert (await TokenVerifier(settings()).verify(text)).is_user
    with pytest.raises(errors.TokenExpired):
        await TokenVerifier(settings(jwt_leeway_seconds=0)).verify(text)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
async def test_what_python_calls_json_is_not_all_json(constant):
    """Constants that only some parsers know are refused in claims nobody reads, too."""
    words = json.dumps(claims()).encode()[:-1] + f', "x": {constant}}}'.encode()
    assert "not JSON" in await refusal(token(words))


# Headers


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"alg": None},
        {"alg": 1},
        {"alg": ["HS256"]},
        {"alg": "hs256"},
        {"alg": "none"},
        {"alg": "None"},
        {"alg": ""},
        {"alg": "HS512"},
        {"alg": "RS256"},
        {"alg": "ES256"},
        {"alg": "PS256"},
        {"alg": "EdDSA"},
        {"alg": "dir"},
        {"alg": "HS256", "typ": "dpop+jwt"},
        {"alg": "HS256", "typ": "secevent+jwt"},
        {"alg": "HS256", "typ": ""},
        {"alg": "HS256", "typ": 1},
        {"alg": "HS256", "typ": None},
        {"alg": "HS256", "crit": []},
        {"alg": "HS256", "crit": ["exp"], "exp": 1},
        {"alg": "HS256", "crit": ["b64"], "b64": False},
        {"alg": "HS256", "kid": 1},
        {"alg": "HS256", "kid": None},
        {"alg": "HS256", "kid": ["one"]},
    ],
    ids=json.dumps,
)
async def test_a_foreign_header_is_refused(header):
    """Another algorithm, type or any critical extension is refused, however well it is signed."""
    assert await refusal(token(header=header))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b'{"alg":"HS256","alg":"HS256"}', None),
        (b'{"alg":"HS256","\\u0061lg":"none"}', None),
        (None, json.dumps(claims()).encode()[:-1] + b',"sub":"bob"}'),
        (None, json.dumps(claims()).encode()[:-1] + b',"x":{"a":1,"a":2}}'),
    ],
    ids=unnamed,
)
async def test_a_name_that_occurs_twice_is_refused(header, words):
    """No second `alg` or `sub` can hide behind the first, at any depth."""
    assert "twice" in await refusal(token(words, header=header))


@pytest.mark.parametrize("bad", [b"x", b"[]", b'"a"', b"null", b"{", b"{}{}", b"\xff\xfe", b'{"a":"\xff"}', b"\x00"])
async def test_parts_that_are_no_json_object_are_refused(bad):
    """Header and claims are JSON objects in UTF-8."""
    assert "malformed" in await refusal(token(header=bad))
    assert "malformed" in await refusal(token(bad))


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":'])
@pytest.mark.parametrize("depth", [201, 450])
async def test_deep_nesting_is_refused_before_it_recurses(opening, depth):
    """A small token of nothing but brackets costs nothing and is refused by its depth."""
    nested = b'{"alg":"HS256","x":' + opening * depth
    assert "nested too deeply" in await refusal(token(header=nested, words=b"{}"))
    assert "nested too deeply" in await refusal(token(words=nested))


async def test_a_token_is_at_most_4_kib():
    """4,096 characters are read; one more is refused by its length alone."""
    room = 4096 - len(token(claims(pad="")))
    fitting = token(claims(pad="x" * (room * 3 // 4)))
    assert len(fitting) <= 4096
    assert (await TokenVerifier(settings()).verify(fitting)).is_user
    assert "longer than 4096" in await refusal(token(claims(pad="x" * (room + 3))))
    assert "longer" not in await refusal("a.b." + "c" * 4092)
    assert "longer" in await refusal("a.b." + "c" * 4093)


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a.b", "a.b.c.d", "a..c", ".b.c", "a.b.", "bearer", "\x00", "é.é.é", "\ud800", "٣.٣.٣", "a.b.c\n"],
)
async def test_text_that_is_no_token_is_refused(text):
    """Anything but three base64url parts is refused before it is decoded."""
    assert "three base64url parts" in await refusal(text)


@pytest.mark.parametrize(
    "spoil", [lambda t: t + "=", lambda t: t + "\n", lambda t: " " + t, lambda t: t.replace(".", ". ")]
)
async def test_a_good_token_with_decoration_is_refused(spoil):
    """Padding, spaces and line breaks are no part of a token."""
    assert "three base64url parts" in await refusal(spoil(token()))


async def test_every_part_is_signed():
    """A token whose header, claims or signature was changed by one character is refused."""
    text = token()
    for position in range(0, len(text) - 1, 7):
        if text[position] != ".":
            changed = text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]
            await refusal(changed)


# Keys


async def test_each_kind_of_public_key_verifies_its_tokens_by_default():
    """A PEM names its algorithm by itself: RS256 for RSA, the curve's own for an elliptic key."""
    curves = [(ec.SECP256R1, "ES256", hashes.SHA256), (ec.SECP384R1, "ES384", hashes.SHA384)]
    curves.append((ec.SECP521R1, "ES512", hashes.SHA512))
    pairs = [(rsa_key(), "RS256", rsa_signer(rsa_key()))]
    pairs += [(ec_key(curve), algorithm, ec_signer(ec_key(curve), digest)) for curve, algorithm, digest in curves]
    for key, algorithm, signer in pairs:
        verifier = TokenVerifier(settings(jwt_public_key=public_pem(key)))
        assert (await verifier.verify(token(header={"alg": algorithm}, signer=signer))).user == "alice"


async def test_a_pem_may_come_on_one_line():
    r"""Environment files hold no line breaks, so `\n` stands for one."""
    verifier = TokenVerifier(settings(jwt_public_key=public_pem(rsa_key()).replace("\n", "\\n")))
    assert (await verifier.verify(token(header={"alg": "RS256"}, signer=rsa_signer(rsa_key())))).is_user


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("form", ["pem", "pem without last line break", "der", "pem body"])
async def test_a_public_key_is_never_taken_for_a_secret(algorithm, form):
    """Signing with HMAC and the published RSA key, in whatever form, is the classic forgery and is refused."""
    pem, der = public_pem(rsa_key()), public_der(rsa_key())
    secret = {"pem": pem, "pem without last line break": pem.strip(), "pem body": "".join(pem.split("\n")[1:-2])}
    forged = hmac_signer(der if form == "der" else secret[form].encode(), "sha" + algorithm[2:])
    assert await refusal(token(header={"alg": algorithm}, signer=forged), jwt_public_key=pem)


async def test_a_token_of_another_key_of_the_same_kind_is_refused():
    """It is the key that counts, not the algorithm."""
    foreign = token(header={"alg": "RS256"}, signer=rsa_signer(rsa_key(which=1)))
    assert "signature" in await refusal(foreign, jwt_public_key=public_pem(rsa_key()))
    foreign = token(header={"alg": "ES256"}, signer=ec_signer(ec_key(which=1)))
    assert "signature" in await refusal(foreign, jwt_public_key=public_pem(ec_key()))


async def test_an_all_zero_ecdsa_signature_is_refused():
    """The signature of nothing does not fit everything (CVE-2022-21449 in another place)."""
    forged = token(header={"alg": "ES256"}, signer=lambda _: bytes(64))
    assert "signature" in await refusal(forged, jwt_public_key=public_pem(ec_key()))


@pytest.mark.parametrize("header", [{"jwk": {}}, {"jku": "https://evil.example/keys"}, {"x5u": "https://evil.example"}])
async def test_a_token_cannot_bring_its_own_key(header):
    """Keys named or carried by the token are not looked at."""
    forged = token(header={"alg": "RS256", **header}, signer=rsa_signer(rsa_key(which=1)))
    assert "signature" in await refusal(forged, jwt_public_key=public_pem(rsa_key()))


def private_pem(key):
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(*form).decode()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"jwt_secret": "x" * 31}, "HUB_JWT_SECRET: the secret must have at least 32 bytes"),
        ({"jwt_secret": "x" * 47, "jwt_algorithms": ["HS384"]}, "HUB_JWT_SECRET: the secret must have at least 48"),
        ({"jwt_secret": "x" * 63, "jwt_algorithms": ["HS256", "HS512"]}, "at least 64 bytes"),
        ({"jwt_secret": public_pem(rsa_key())}, "HUB_JWT_SECRET: cannot be read"),
        ({"jwt_public_key": "x"}, "HUB_JWT_PUBLIC_KEY: cannot be read as a key"),
        ({"jwt_public_key": public_pem(rsa_key(1024))}, "HUB_JWT_PUBLIC_KEY: the RSA key has 1024 bits"),
        ({"jwt_public_key": private_pem(rsa_key())}, "HUB_JWT_PUBLIC_KEY: not an RSA public key"),
        ({"jwt_public_key": private_pem(ec_key()), "jwt_algorithms": ["ES256"]}, "not an elliptic curve public key"),
        ({"jwt_public_key": public_pem(ec_key()), "jwt_algorithms": ["ES384"]}, "ES384 needs the curve secp384r1"),
        ({"jwt_public_key": public_pem(ec_key()), "jwt_algorithms": ["RS256"]}, "not an RSA public key"),
        ({"jwt_public_key": public_pem(rsa_key()), "jwt_algorithms": ["ES256"]}, "not an elliptic curve public key"),
        ({"jwt_jwks_url": "http://issuer.example/keys"}, "HUB_JWT_JWKS_URL: must be an https address"),
        ({"jwt_jwks_url": "http://127.0.0.1/keys"}, "HUB_JWT_JWKS_URL: must be an https address"),
        ({"jwt_jwks_url": "file:///etc/passwd"}, "HUB_JWT_JWKS_URL: must be an https address"),
        ({"jwt_jwks_url": "https://"}, "HUB_JWT_JWKS_URL: must be an https address"),
        ({"jwt_jwks_url": "https://a:b:c"}, "HUB_JWT_JWKS_URL: not an address"),
    ],
)
def test_a_weak_or_unsuitable_key_stops_the_start(values, reason):
    """A key too weak for its algorithm, or of another kind, is refused at start with the variable's name."""
    with pytest.raises(InvalidSettings, match=reason):
        TokenVerifier(settings(**values))


def test_only_loopback_may_be_plain_even_in_tests():
    """The switch for tests opens http to loopback, not to the world."""
    with pytest.raises(InvalidSettings, match="https"):
        TokenVerifier(settings(jwt_jwks_url="http://issuer.example/"), allow_loopback_http=True)


def test_without_a_secret_nothing_is_signed():
    """A hub that only knows public keys issues no tokens."""
    with pytest.raises(InvalidSettings, match="HUB_JWT_SECRET"):
        sign(settings(jwt_public_key=public_pem(rsa_key())), user="alice")


@pytest.mark.parametrize(("user", "tenant"), [("", "default"), ("a\n", "default"), ("alice", "Acme"), ("alice", "")])
def test_a_name_nobody_could_have_is_not_signed(user, tenant):
    """A token that `verify` would refuse is not issued."""
    with pytest.raises(errors.Invalid):
        sign(settings(), user=user, tenant=tenant)


# Whatever comes


@given(
    st.one_of(st.text(), st.binary().map(lambda data: data.decode("latin-1")), st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*"))
)
async def test_any_text_whatever_is_answered_with_unauthorized(text):
    """Random text never raises anything but Unauthorized."""
    await refusal(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "jwk", "b64", "zip"]), json_values),
    st.dictionaries(st.sampled_from(["iss", "aud", "sub", "iat", "exp", "nbf", "tenant", "x"]), json_values),
)
async def test_well_signed_nonsense_is_accepted_or_refused_but_never_breaks(header, words):
    """Any header and claims under a good signature end in a principal or in Unauthorized."""
    text = token(claims(**words), header={"alg": "HS256", **header})
    try:
        principal = await TokenVerifier(settings()).verify(text)
    except errors.Unauthorized:
        return
    assert principal.is_user


GOOD = sign(settings(), user="alice", ttl_seconds=600)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 8), st.text(max_size=8))
async def test_a_mutated_token_is_refused(start, removed, inserted):
    """A good token with some characters replaced, removed or added is refused, whatever came of it."""
    changed = GOOD[:start] + inserted + GOOD[start + removed :]
    # The last character of a signature carries two bits that mean nothing: it may differ.
    if changed[:-1] != GOOD[:-1] or len(changed) != len(GOOD):
        await refusal(changed)


async def test_a_reason_never_repeats_the_token():
    """What we say about a bad token is safe to log: no part of it is in there."""
    for text in (token(claims(sub="")), token(signer=hmac_signer(b"x")), "super-secret", token(claims(aud="hush"))):
        reason = await refusal(text)
        assert not any(part in reason for part in ("super-secret", "hush", *text.split("."), SECRET))
