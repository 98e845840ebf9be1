"""Who may do what: every operation against every kind of credential."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from hub import auth
from hub.api.operation import ANYBODY, USER
from tests.api.calls import OPERATIONS, body_of, path_of
from tests.hub_nodes import ORIGIN, new_user

GUARDED = [operation for operation in OPERATIONS if operation.access != ANYBODY]
FOREIGN = "https://evil.example"


def bearer(credentials):
    """Make the header."""
    return {"Authorization": f"Bearer {credentials}"}


@pytest.fixture(scope="session")
async def strangers(api):
    """Make the headers of those nobody should let in."""
    past = datetime.now(UTC) - timedelta(minutes=1)
    other_secret = api.settings.model_copy(update={"jwt_secret": "another-secret-" * 4})
    other_audience = api.settings.model_copy(update={"jwt_audience": "another"})
    key = api.api_key
    return {
        "nothing": {},
        "an empty header": {"Authorization": ""},
        "no credentials": {"Authorization": "Bearer"},
        "another scheme": {"Authorization": f"Basic {key}"},
        "garbage": bearer("garbage"),
        "bytes": {b"Authorization": b"Bearer \xff\xfe"},
        "a key with a typo": bearer(key[:-1] + ("a" if key[-1] != "a" else "b")),
        "a key nobody made": bearer(await unsaved_key()),
        "an expired key": bearer(await api.key(expires_at=past)),
        "a forged token": bearer(auth.sign(other_secret, user="x")),
        "a token for others": bearer(auth.sign(other_audience, user="x")),
        "an expired token": bearer(api.token("x", ttl_seconds=-60)),
        "a token in a cookie of another name": {"Cookie": f"token={api.token('x')}"},
    }


async def unsaved_key():
    """Make a key that is right in itself."""
    from hub import keys

    return keys.new_key().text


@pytest.mark.parametrize("operation", GUARDED, ids=lambda operation: operation.name)
async def test_nobody_gets_in_without_credentials_that_hold(api, strangers, operation):
    """Every operation answers 401 to every stranger, says how to authenticate, and does not look at the body."""
    async with api.client() as client:
        for who, headers in strangers.items():
            answer = await client.request(operation.method, path_of(operation), headers=headers, content=b"{{{")
            assert answer.status_code == 401, who
            assert answer.headers["www-authenticate"].startswith("Bearer")
            expected = "token_expired" if who == "an expired token" else "unauthorized"
            assert answer.json()["type"].endswith(f"/{expected}"), who


@pytest.mark.parametrize("operation", GUARDED, ids=lambda operation: operation.name)
async def test_the_wrong_kind_of_credentials_is_forbidden(api, operation):
    """A service has no inbox, a user does not publish, and a key without the scope is no key for this."""
    other_scopes = [scope for scope in ("publish", "admin") if scope != operation.access]
    wrong = (
        {"an API key": api.api_key}
        if operation.access == USER
        else {
            "a token": api.token("x"),
            "a key with other scopes": await api.key(scopes=other_scopes),
            "a key without scopes": await api.key(scopes=[]),
        }
    )
    async with api.client() as client:
        for who, credentials in wrong.items():
            answer = await client.request(
                operation.method, path_of(operation), headers=bearer(credentials), json=body_of(operation)
            )
            assert answer.status_code == 403, who
            assert answer.json()["type"].endswith("/forbidden")


async def test_what_needs_no_credentials_is_known(api):
    """Only health, metrics and what proves itself otherwise are open; everything else is in the tests above."""
    open_to_all = {operation.path for operation in OPERATIONS if operation.access == ANYBODY}
    proven = ("/v1/webhooks/", "/v1/unsubscribe/")
    assert {path for path in open_to_all if not path.startswith(proven)} == {"/livez", "/readyz", "/metrics"}


@pytest.mark.parametrize("path", ["/v1/stream", "/v1/ws"])
async def test_a_stream_needs_credentials_too(api, path):
    """Over HTTP the stream answers 401 and 403 like any operation; the WebSocket's path asks to upgrade."""
    async with api.client() as client:
        statuses = [
            (await client.get(path, headers=headers)).status_code
            for headers in ({}, bearer("garbage"), bearer(api.token("x", ttl_seconds=-60)), bearer(api.api_key))
        ]
    assert statuses == ([401, 401, 401, 403] if path == "/v1/stream" else [426] * 4)


@pytest.mark.parametrize("name", ["token", "access_token", "jwt"])
async def test_a_token_in_the_address_is_refused(api, name):
    """A good token in the query is 400: nobody should get used to what every proxy logs."""
    async with api.client() as client:
        answer = await client.get("/v1/stream", params={name: api.token("x")})
    assert answer.status_code == 400
    assert api.token("x")[:20] not in answer.text


async def test_a_revoked_key_is_refused_within_seconds(api):
    """A key that was just in use stops working on both nodes once it is revoked."""
    key = await api.key(name="leaver")
    async with api.service(0, key) as one, api.service(1, key) as two:
        assert [(await node.get("/v1/users/x/presence")).status_code for node in (one, two)] == [200, 200]
        api.run("keys", "revoke", key.split("_")[1])
        deadline = time.monotonic() + 5
        while {(await node.get("/v1/users/x/presence")).status_code for node in (one, two)} != {401}:
            assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": ORIGIN}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": FOREIGN}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": FOREIGN, "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Origin": ORIGIN + "."}, 403),
    ],
)
async def test_a_cookie_is_taken_from_allowed_origins_only(api, headers, status):
    """A browser sends the cookie with any page's request, so the page has to be one of ours; also for changes."""
    user = new_user()
    await api.publish(user)
    async with api.client(Cookie=f"session={api.token(user)}") as client:
        answer = await client.post("/v1/inbox/read-all", headers=headers)
    assert answer.status_code == status
    assert (await api.inbox(user))["unread"] == (0 if status == 200 else 1)
