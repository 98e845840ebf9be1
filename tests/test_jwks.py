import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from hub import errors, jwks
from hub.auth import TokenVerifier, build_key
from tests.credentials import (
    claims,
    ec_jwk,
    ec_key,
    ec_signer,
    number,
    rsa_jwk,
    rsa_key,
    rsa_signer,
    settings,
    token,
    unnamed,
)

ONE, TWO = rsa_jwk(rsa_key(), kid="one"), rsa_jwk(rsa_key(which=1), kid="two")


class Issuer:
    """A real HTTP server that publishes keys, counts its requests and misbehaves on demand."""

    def __init__(self):
        self.url = ""
        self.requests = 0
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.pace_seconds = 0.0
        self.status = "200 OK"
        self.headers = ""
        self.publish(ONE)

    def publish(self, *keys):
        self.body = json.dumps({"keys": keys}).encode()

    def _step(self):
        return 1 if self.pace_seconds else 65536

    async def serve(self, reader, writer):
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                self.asked.set()
                await self.gate.wait()
                head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(self.body)}\r\n{self.headers}\r\n"
                writer.write(head.encode())
                for start in range(0, len(self.body), self._step()):
                    writer.write(self.body[start : start + self._step()])
                    await writer.drain()
                    await asyncio.sleep(self.pace_seconds)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def issuer():
    issuer = Issuer()
    server = await asyncio.start_server(issuer.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    issuer.url = f"http://127.0.0.1:{port}/keys"
    yield issuer
    server.close()
    issuer.gate.set()
    await server.wait_closed()


class Clock:
    """A clock that moves when told."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@asynccontextmanager
async def key_set(issuer, clock, algorithms=("RS256",)):
    keys = jwks.KeySet(issuer.url, list(algorithms), build_key, clock=clock)
    try:
        yield keys
    finally:
        await keys.aclose()


def signed(kid="one", key=None, **changes):
    header = {"alg": "RS256", "kid": kid}
    return token(claims(**changes), header=header, signer=rsa_signer(key or rsa_key()))


@asynccontextmanager
async def verifier(issuer, **values):
    verifier = TokenVerifier(settings(jwt_jwks_url=issuer.url, **values), allow_loopback_http=True)
    try:
        yield verifier
    finally:
        await verifier.aclose()


# Tokens of an issuer


async def test_a_token_is_verified_with_the_published_key(issuer):
    """A token that names a published key stands for its user; the set is fetched once for many tokens."""
    async with verifier(issuer) as verify:
        for user in ("alice", "bob"):
            assert (await verify.verify(signed(sub=user))).user == user
    assert issuer.requests == 1


async def test_an_issuer_may_use_elliptic_keys(issuer):
    """The algorithms allowed decide which published keys count."""
    issuer.publish(ONE, ec_jwk(ec_key(), kid="curve"))
    text = token(header={"alg": "ES256", "kid": "curve"}, signer=ec_signer(ec_key()))
    async with verifier(issuer, jwt_algorithms=["ES256"]) as verify:
        assert (await verify.verify(text)).user == "alice"
        with pytest.raises(errors.Unauthorized):
            await verify.verify(signed())


async def test_a_token_must_name_its_key_and_tell_the_truth(issuer):
    """Without a `kid`, with an unknown one, or with the `kid` of another key, a token is refused."""
    issuer.publish(ONE, TWO)
    async with verifier(issuer) as verify:
        with pytest.raises(errors.Unauthorized, match="does not name its key"):
            await verify.verify(token(header={"alg": "RS256"}, signer=rsa_signer(rsa_key())))
        for text in (signed("three"), signed("two"), signed("one", rsa_key(which=1))):
            with pytest.raises(errors.Unauthorized):
                await verify.verify(text)


async def test_before_the_first_set_the_hub_is_unavailable(issuer):
    """While the issuer was never reached, a client is told to come back, not that its token is bad."""
    issuer.status = "503 Service Unavailable"
    async with verifier(issuer) as verify:
        with pytest.raises(errors.Unavailable) as caught:
            await verify.verify(signed())
    assert caught.value.retry_after_seconds == jwks.COLD_RETRY_SECONDS


@pytest.mark.parametrize(
    "key",
    [
        {**ONE, "use": "enc"},
        {**ONE, "use": 1},
        {**ONE, "key_ops": ["sign"]},
        {**ONE, "key_ops": "verify"},
        {**ONE, "alg": "RS512"},
        {**ONE, "alg": "RSA-OAEP"},
        {**ONE, "kid": 1},
        {**ONE, "kid": None},
        {**ONE, "d": "AQAB"},
        {**ONE, "d": number(rsa_key().private_numbers().d)},
        {**ONE, "n": "AQAB"},
        {**ONE, "n": 1},
        {**ONE, "n": "%%%"},
        {**ONE, "e": None},
        {**ONE, "kty": "EC"},
        {**ONE, "kty": ["RSA"]},
        {"kty": "RSA", "kid": "one"},
        {"kty": "oct", "kid": "one", "k": "c2VjcmV0"},
        {"kty": "OKP", "crv": "Ed25519", "kid": "one", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty": "EC", "crv": "P-999", "kid": "one", "x": "AA", "y": "AA"},
        rsa_jwk(rsa_key(1024)),
        None,
        "one",
        [],
    ],
    ids=unnamed,
)
async def test_a_key_for_something_else_is_skipped_and_its_neighbour_used(issuer, key):
    """Keys for encryption, of other kinds, weak, private or broken do not verify and do not spoil the set."""
    issuer.publish(key, TWO)
    async with verifier(issuer) as verify:
        assert (await verify.verify(signed("two", rsa_key(which=1)))).is_user
        with pytest.raises(errors.Unauthorized):
            await verify.verify(signed("one"))


# The cache


async def test_a_new_key_is_fetched_when_a_token_names_it(issuer):
    """After a rotation, the first token of the new key brings the new set."""
    async with key_set(issuer, Clock()) as keys:
        assert await keys.find("one", "RS256")
        issuer.publish(TWO)
        assert await keys.find("two", "RS256")
        assert await keys.find("one", "RS256") is None
    assert issuer.requests == 2


async def test_unknown_keys_cause_at_most_one_request_a_minute(issuer):
    """Strangers who make up key ids cannot make the hub hammer the issuer."""
    clock = Clock()
    async with key_set(issuer, clock) as keys:
        await keys.find("one", "RS256")
        for attempt in range(50):
            assert await keys.find(f"made up {attempt}", "RS256") is None
        assert issuer.requests == 2
        clock.now += 59
        await keys.find("made up", "RS256")
        assert issuer.requests == 2
        clock.now += 1
        await keys.find("made up", "RS256")
        assert issuer.requests == 3


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 300),
        ("Cache-Control: no-store\r\n", 300),
        ("Cache-Control: max-age=1\r\n", 300),
        ("Cache-Control: public, Max-Age=900, must-revalidate\r\n", 900),
        ("Cache-Control: max-age=999999999\r\n", 86_400),
        ("Cache-Control: max-age=-1\r\n", 300),
    ],
)
async def test_a_set_is_kept_for_its_max_age_within_bounds(issuer, header, seconds):
    """A set is fetched again after `max-age`, at the earliest after 5 minutes and at the latest after a day."""
    clock = Clock()
    issuer.headers = header
    async with key_set(issuer, clock) as keys:
        await keys.find("one", "RS256")
        clock.now += seconds - 1
        await keys.find("one", "RS256")
        assert issuer.requests == 1
        clock.now += 1
        issuer.publish(TWO)
        assert await keys.find("one", "RS256") is None
        assert issuer.requests == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("500 Internal Server Error", b""),
        ("302 Found", b'{"keys": []}'),
        ("200 OK", b""),
        ("200 OK", b"<html>"),
        ("200 OK", b"[]"),
        ("200 OK", b'{"keys": {}}'),
        ("200 OK", b'{"keys": []}'),
        ("200 OK", b'{"keys": ' + b"[" * 2000 + b"]" * 2000 + b"}"),
        ("200 OK", json.dumps({"keys": [TWO] * 101}).encode()),
        ("200 OK", json.dumps({"keys": [TWO], "pad": "x" * jwks.MAX_BYTES}).encode()),
        ("200 OK", b'{"keys": [], "keys": [%s]}' % json.dumps(TWO).encode()),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_a_bad_answer_leaves_the_last_good_set_in_use(issuer, status, body):
    """An error, a redirect, nonsense or too much of it changes nothing; the next attempt waits a minute."""
    clock = Clock()
    async with key_set(issuer, clock) as keys:
        key = await keys.find("one", "RS256")
        issuer.status, issuer.body = status, body
        clock.now += 300
        assert await keys.find("one", "RS256") is key
        assert await keys.find("one", "RS256") is key
        assert issuer.requests == 2
        issuer.status = "200 OK"
        issuer.publish(TWO)
        clock.now += 60
        assert await keys.find("two", "RS256")


async def test_an_issuer_that_is_gone_leaves_the_last_good_set_in_use():
    """Nobody listening is an outage like any other: known keys go on, and the issuer's return is noticed."""
    clock, issuer = Clock(), Issuer()
    server = await asyncio.start_server(issuer.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    issuer.url = f"http://127.0.0.1:{port}/keys"
    issuer.headers = "Connection: close\r\n"
    async with key_set(issuer, clock) as keys:
        key = await keys.find("one", "RS256")
        server.close()
        clock.now += 300
        assert await keys.find("one", "RS256") is key
        issuer.publish(TWO)
        server = await asyncio.start_server(issuer.serve, "127.0.0.1", port)
        clock.now += 60
        assert await keys.find("two", "RS256")
        server.close()


async def test_many_tokens_wait_for_one_request(issuer):
    """A hundred tokens at the start, and a hundred after a rotation, cause one request each time."""
    async with key_set(issuer, Clock()) as keys:
        for requests, kid, published in ((1, "one", [ONE]), (2, "two", [ONE, TWO])):
            issuer.gate.clear()
            issuer.asked.clear()
            waiting = [asyncio.create_task(keys.find(kid, "RS256")) for _ in range(100)]
            async with asyncio.timeout(5):
                await issuer.asked.wait()
            issuer.publish(*published)
            issuer.gate.set()
            assert all(await asyncio.gather(*waiting))
            assert issuer.requests == requests


async def test_a_caller_that_gives_up_does_not_take_the_others_along(issuer):
    """A cancelled connection leaves the request to those who still wait for it."""
    issuer.gate.clear()
    async with key_set(issuer, Clock()) as keys:
        first, second = (asyncio.create_task(keys.find("one", "RS256")) for _ in range(2))
        async with asyncio.timeout(5):
            await issuer.asked.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        issuer.gate.set()
        assert await second
    assert issuer.requests == 1


async def test_a_slow_issuer_is_not_waited_for(issuer, monkeypatch):
    """An issuer that does not answer in time is an outage; known keys are used meanwhile without waiting."""
    clock = Clock()
    async with key_set(issuer, clock) as keys:
        key = await keys.find("one", "RS256")
        clock.now += 300
        issuer.gate.clear()
        issuer.asked.clear()
        monkeypatch.setattr(jwks, "TIMEOUT_SECONDS", 0.2)
        stale = asyncio.create_task(keys.find("one", "RS256"))
        async with asyncio.timeout(5):
            await issuer.asked.wait()
            assert await keys.find("one", "RS256") is key
            assert not stale.done()
            assert await stale is key


async def test_an_issuer_that_dribbles_is_not_waited_for(issuer, monkeypatch):
    """A byte now and then keeps a connection alive, but not the request: it is bounded as a whole."""
    monkeypatch.setattr(jwks, "TIMEOUT_SECONDS", 0.3)
    issuer.pace_seconds = 0.05
    async with key_set(issuer, Clock()) as keys, asyncio.timeout(5):
        with pytest.raises(errors.Unavailable):
            await keys.find("one", "RS256")


async def test_closing_ends_a_request_under_way(issuer):
    """A node that stops does not wait for its issuer, and leaves no task behind."""
    issuer.gate.clear()
    async with key_set(issuer, Clock()) as keys:
        waiting = asyncio.create_task(keys.find("one", "RS256"))
        async with asyncio.timeout(5):
            await issuer.asked.wait()
        async with asyncio.timeout(1):
            await keys.aclose()
        with pytest.raises(errors.Unavailable):
            await waiting
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "jwks"]
