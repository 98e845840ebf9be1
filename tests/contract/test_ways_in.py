"""Who is let in and how: header, subprotocol, first frame, ticket, cookie; and what those hear who are not."""

import json

import pytest

from hub import keys
from tests.hub_nodes import ORIGIN, TRANSPORTS, Listener, Refused, WayIn, new_user

FOREIGN = "https://evil.example"
BEARER = [("websocket", "header"), ("websocket", "subprotocol"), ("websocket", "auth frame"), ("sse", "header")]


def bringing(token, by, **headers):
    """Make the way in of a client that brings a token."""
    match by:
        case "header":
            return WayIn(headers={"Authorization": f"Bearer {token}", **headers})
        case "subprotocol":
            return WayIn(headers=headers, subprotocols=["hub.v1", f"bearer.{token}"])
        case _:
            return WayIn(headers=headers, first=json.dumps({"t": "auth", "token": token}))


async def ticket(cluster, user, **headers):
    async with cluster.user(user) as api:
        answer = await api.post("/v1/tickets", headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["expires_in"] == 30
    return {"ticket": answer.json()["ticket"]}


async def refused(cluster, transport, way_in):
    """Return the refusal of a handshake, which must be one."""
    with pytest.raises(Refused) as refusal:
        async with Listener(cluster, "nobody", transport, way_in=way_in):
            pass
    answer = refusal.value
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body)["status"] == answer.status
    return answer


async def turned_away(cluster, way_in):
    """Return the code and the error of a WebSocket that was let in only to be told that it cannot stay."""
    async with Listener(cluster, "nobody", "websocket", way_in=way_in) as listener:
        code = await listener.until_closed()
    assert [frame["t"] for frame in listener.frames] == ["error", "bye"]
    assert listener.frames[1]["code"] == code
    return code, listener.frames[0]["code"]


async def let_in(cluster, transport, way_in, user):
    async with Listener(cluster, user, transport, way_in=way_in) as listener:
        assert (listener.frames[0]["t"], listener.frames[0]["user_id"]) == ("hello", user)
    return listener


@pytest.mark.parametrize(("transport", "by"), BEARER)
async def test_a_token_lets_a_user_in_however_it_is_brought(cluster, transport, by):
    """Header, subprotocol and first frame are the same door."""
    user = new_user()
    await let_in(cluster, transport, bringing(cluster.token(user), by), user)
    await let_in(cluster, transport, bringing(cluster.token(user), by, Origin=ORIGIN), user)


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["hub.v1"], "hub.v1"), ([], None), (["chat", "hub.v1", "x"], "hub.v1")]
)
async def test_the_subprotocol_is_answered_and_a_token_in_it_is_not_echoed(cluster, offered, chosen):
    """The server picks `hub.v1` if it is offered, and never repeats the token."""
    user = new_user()
    token = cluster.token(user)
    plain = WayIn(headers={"Authorization": f"Bearer {token}"}, subprotocols=offered)
    assert (await let_in(cluster, "websocket", plain, user)).subprotocol == chosen
    carrying = WayIn(subprotocols=["hub.v1", f"bearer.{token}"])
    assert (await let_in(cluster, "websocket", carrying, user)).subprotocol == "hub.v1"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_ticket_opens_one_stream_once(cluster, transport):
    """A ticket is used up by the first stream it opens, on whichever node."""
    user = new_user()
    way_in = WayIn(query=await ticket(cluster, user))
    async with Listener(cluster, user, transport, 1, way_in=way_in) as listener:
        assert listener.frames[0]["user_id"] == user
        assert listener.frames[0]["expires_in"] > 3500
    assert (await refused(cluster, transport, way_in)).status == 401


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_ticket_is_bound_to_the_page_that_asked_for_it(cluster, transport):
    """It opens a stream from the same origin, or without one as a page's own `EventSource`; from no other."""
    user = new_user()
    for headers in ({"Origin": ORIGIN}, {}):
        way_in = WayIn(headers=headers, query=await ticket(cluster, user, Origin=ORIGIN))
        await let_in(cluster, transport, way_in, user)
    elsewhere = WayIn(headers={"Origin": cluster.settings.public_url}, query=await ticket(cluster, user, Origin=ORIGIN))
    if transport == "sse":
        assert (await refused(cluster, transport, elsewhere)).status == 403
    else:
        assert await turned_away(cluster, elsewhere) == (4003, "forbidden")


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("text", ["", "x", "x" * 32, "x" * 5000, "é" * 20, "*", "\0" * 20])
async def test_what_is_no_ticket_opens_nothing(cluster, transport, text):
    """A made-up ticket is 401, whatever it is made of."""
    assert (await refused(cluster, transport, WayIn(query={"ticket": text}))).status == 401


@pytest.mark.parametrize(
    "way_in",
    [
        WayIn(query={"ticket": "x" * 10_000}),
        WayIn(headers={"X-Long": "x" * 10_000}),
        WayIn(headers={f"X-{number}": "x" for number in range(200)}),
    ],
    ids=["url", "header", "headers"],
)
async def test_a_handshake_too_long_to_read_is_answered(cluster, way_in):
    """What is beyond the limits of a WebSocket's handshake is 431, not a socket that hangs."""
    with pytest.raises(Refused) as refusal:
        async with Listener(cluster, "nobody", "websocket", way_in=way_in):
            pass
    assert refusal.value.status == 431


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_bad_cursor_does_not_use_up_a_ticket(cluster, transport):
    """What is wrong with the URL is said before the ticket is looked at, so that the client may correct it."""
    user = new_user()
    query = await ticket(cluster, user)
    bad = WayIn(query={**query, "resume": "x", "last_event_id": "x"})
    if transport == "sse":
        assert (await refused(cluster, transport, bad)).status == 400
    else:
        assert await turned_away(cluster, bad) == (4000, "malformed")
    await let_in(cluster, transport, WayIn(query=query), user)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_cookie_counts_only_from_an_allowed_page(brisk, transport):
    """A cookie comes with any page's request, so it needs an allowed origin, or the browser's word for the same one."""
    user = new_user()
    cookie = {"Cookie": f"theme=dark; hub_token={brisk.token(user)}"}
    for more in ({"Origin": ORIGIN}, {"Sec-Fetch-Site": "same-origin"}):
        await let_in(brisk, transport, WayIn(headers=cookie | more), user)
    for more in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": FOREIGN}):
        assert (await refused(brisk, transport, WayIn(headers=cookie | more))).status == 403


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("origin", [FOREIGN, "null", "https://app.example.com.evil.example", ORIGIN + ":8443", ""])
async def test_a_browser_from_elsewhere_is_refused(cluster, transport, origin):
    """An origin must match exactly, with good credentials too: CORS does not cover WebSockets."""
    user = new_user()
    usual = cluster.way_in(user, transport)
    answer = await refused(cluster, transport, usual._replace(headers={**usual.headers, "Origin": origin}))
    assert answer.status == 403


BAD_TOKENS = {
    "expired": (lambda c: c.token("somebody", ttl_seconds=-3000), 4301, "token_expired"),
    "forged": (lambda c: c.token("somebody")[:-4] + "AAAA", 4302, "unauthorized"),
    "nonsense": (lambda c: "abc", 4302, "unauthorized"),
    "a key": (lambda c: c.api_key, 4302, "unauthorized"),
    "no such key": (lambda c: keys.new_key().text, 4302, "unauthorized"),
}


@pytest.mark.parametrize("bad", BAD_TOKENS)
async def test_a_bad_token_in_the_handshake_is_401_where_it_can_be_seen(cluster, bad):
    """What is no browser gets HTTP: 401 with a challenge, or 403 for a key, which has no inbox."""
    make, *_ = BAD_TOKENS[bad]
    for transport in TRANSPORTS:
        answer = await refused(cluster, transport, bringing(make(cluster), "header"))
        assert answer.status == (403 if bad == "a key" else 401)
        assert ("www-authenticate" in answer.headers) == (answer.status == 401)


@pytest.mark.parametrize("by", ["subprotocol", "auth frame"])
@pytest.mark.parametrize("bad", BAD_TOKENS)
async def test_a_browser_with_a_bad_token_is_told_in_frames(cluster, bad, by):
    """A page's script cannot see a refused handshake: it is let in, told `error` and `bye`, and closed."""
    make, code, error = BAD_TOKENS[bad]
    assert await turned_away(cluster, bringing(make(cluster), by, Origin=ORIGIN)) == (code, error)


@pytest.mark.parametrize("name", ["token", "access_token", "jwt"])
async def test_a_token_in_the_url_is_refused(cluster, name):
    """Even a good one: nobody shall get used to putting it where proxies log it."""
    user = new_user()
    query = {name: cluster.token(user)}
    for transport in TRANSPORTS:
        usual = cluster.way_in(user, transport)
        assert (await refused(cluster, transport, usual._replace(query=query))).status == 400


async def test_without_credentials_there_is_no_event_stream(cluster):
    """SSE cannot ask later, so it is 401 at once."""
    assert (await refused(cluster, "sse", WayIn())).status == 401


@pytest.mark.parametrize(
    ("first", "code", "error"),
    [
        ("nonsense", 4000, "malformed"),
        ("{}", 4000, "validation"),
        ('{"t":"auth"}', 4000, "validation"),
        ('{"t":"auth","token":7}', 4000, "validation"),
        ('{"t":"auth","token":""}', 4302, "unauthorized"),
        ('{"t":"pong","seq":0}', 4000, "malformed"),
        ('{"t":"read_all"}', 4000, "malformed"),
        (b'{"t":"auth"}', 4000, "malformed"),
        ('{"t":"auth","token":"' + "x" * 5000 + '"}', 4302, "unauthorized"),
        ("[" * 10_000, 4000, "malformed"),
        ('{"t":"auth","token":"\\ud800"}', 4000, "malformed"),
    ],
)
async def test_the_first_frame_must_be_auth(cluster, first, code, error):
    """Whoever brought nothing has one frame to say who they are; anything else ends the connection."""
    assert await turned_away(cluster, WayIn(first=first)) == (code, error)


async def test_whoever_says_nothing_is_sent_away(brisk):
    """Without `auth` in time the connection is told `bye` and closed with 4308."""
    async with Listener(brisk, "nobody", "websocket", way_in=WayIn()) as listener:
        assert await listener.until_closed() == 4308
    assert listener.frames == [
        {"t": "bye", "code": 4308, "reason": "no auth in time", "reconnect": True, "after_ms": 0}
    ]


@pytest.mark.parametrize("by", ["header", "subprotocol", "auth frame", "ticket"])
async def test_a_second_auth_is_an_error_and_the_connection_lives(cluster, by):
    """Who is let in stays who they are: `auth` is answered by `already_authenticated`."""
    user = new_user()
    way_in = WayIn(query=await ticket(cluster, user)) if by == "ticket" else bringing(cluster.token(user), by)
    async with Listener(cluster, user, "websocket", way_in=way_in) as listener:
        answer = await listener.ask(t="auth", token=cluster.token(new_user()))
        assert (answer["t"], answer["code"]) == ("error", "already_authenticated")
        await cluster.publish(user)
        await listener.until_seq(1)


async def test_an_auth_with_a_ref_is_answered_with_it(cluster):
    """`auth` is a command like any other: `ok` with its `ref` follows the opening, an error carries it."""
    user = new_user()
    await cluster.publish(user)
    good = json.dumps({"t": "auth", "token": cluster.token(user), "ref": 5})
    async with Listener(cluster, user, "websocket", way_in=WayIn(first=good)) as listener:
        assert await listener.until_frame("ok") == {"t": "ok", "ref": 5, "seq": 1}
        assert listener.frames[0]["t"] == "hello"
    for bad in ({"t": "auth", "token": "x", "ref": 6}, {"t": "auth", "ref": 6}, {"t": "read_all", "ref": 6}):
        async with Listener(cluster, user, "websocket", way_in=WayIn(first=json.dumps(bad))) as listener:
            await listener.until_closed()
            assert listener.frames[0]["ref"] == 6


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_presence_is_who_is_connected_where(cluster, transport):
    """A user is online on as many nodes as they are connected to, and offline once the last connection ended."""
    user = new_user()

    async def nodes():
        async with cluster.service() as service:
            answer = (await service.get(f"/v1/users/{user}/presence")).json()
        assert answer["online"] == (answer["nodes"] > 0)
        return answer["nodes"]

    async def until_nodes(count):
        for _ in range(200):
            if await nodes() == count:
                return
        assert await nodes() == count

    assert await nodes() == 0
    async with Listener(cluster, user, transport, 0):
        assert await nodes() == 1
        async with Listener(cluster, user, transport, 0), Listener(cluster, user, transport, 1):
            assert await nodes() == 2
        await until_nodes(1)
    await until_nodes(0)
