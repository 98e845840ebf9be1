"""Whatever a client says, each violation ends in a documented error or close, and nobody else notices."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.invariants import DOCUMENTED, RFC_6455, Crowd
from tests.faults.raw import BINARY, CLOSE, CONTINUATION, PING, TEXT, Raw, closing, frame
from tests.hub_nodes import new_user

DEEP = b'{"t":' * 10_000 + b"1" + b"}" * 10_000
NESTED = b"[" * 10_000 + b"]" * 10_000

# What RFC 6455 forbids, and the close code it has for that.
VIOLATIONS = {
    "not masked": (frame(b"{}", masked=False), 1002),
    "reserved bit 1, as after an offer to compress": (frame(b"{}", rsv=4), 1002),
    "reserved bit 2": (frame(b"{}", rsv=2), 1002),
    "reserved bit 3": (frame(b"{}", rsv=1), 1002),
    "reserved data opcode": (frame(b"{}", 3), 1002),
    "reserved control opcode": (frame(b"", 11), 1002),
    "fragmented ping": (frame(b"", PING, fin=False), 1002),
    "long ping": (frame(b"x" * 126, PING), 1002),
    "continuation of nothing": (frame(b"{}", CONTINUATION), 1002),
    "text inside a fragmented text": (frame(b"{", fin=False) + frame(b"}"), 1002),
    "close with 1005": (closing(1005), 1002),
    "close with 1006": (closing(1006), 1002),
    "close with 999": (closing(999), 1002),
    "close of one byte": (frame(b"\x03", CLOSE), 1002),
    "close with a reason that is no UTF-8": (closing(1000, b"\xff"), 1007),
    "invalid UTF-8": (frame(b'{"t":"\xff"}'), 1007),
    "half a character": (frame(b'"\xc3', fin=False) + frame(b'"', CONTINUATION), 1007),
    "too big": (frame(b"x" * 65_537), 1009),
    "claims to be huge": (frame(b"", size=1 << 40), 1009),
    "claims more than there is": (frame(b"", size=(1 << 63) - 1), 1009),
    "too big in parts": (frame(b"x" * 40_000, fin=False) + frame(b"x" * 40_000, CONTINUATION), 1009),
}

# Well-formed messages that make no sense.
NONSENSE = {
    "no JSON": frame(b"hello"),
    "nothing": frame(b""),
    "half of JSON": frame(b'{"t":"read",'),
    "a number": frame(b"1"),
    "a list": frame(b"[]"),
    "null": frame(b"null"),
    "NUL": frame(b'{"t":"pong"\x00}'),
    "NUL in a string": frame(b'{"t":"read\\u0000","ids":["ntf_"]}'),
    "half of a surrogate": frame(b'{"t":"read","ids":["\\ud800"]}'),
    "deep objects": frame(DEEP),
    "deep lists": frame(NESTED),
    "no t": frame(b"{}"),
    "unknown t": frame(b'{"t":"sing"}'),
    "t is a list": frame(b'{"t":["read"]}'),
    "wrong type": frame(b'{"t":"read","ids":"all"}'),
    "too many": frame(json.dumps({"t": "read", "ids": ["x"] * 101}).encode()),
    "unknown field": frame(b'{"t":"pong","seq":1,"extra":1}'),
    "negative seq": frame(b'{"t":"seen","up_to":-1}'),
    "huge seq": frame(b'{"t":"seen","up_to":99999999999999999999999}'),
    "infinite seq": frame(b'{"t":"seen","up_to":1e999}'),
    "ref is a word": frame(b'{"t":"seen","ref":"one"}'),
    "ref is huge": frame(b'{"t":"seen","ref":9223372036854775808}'),
    "binary": frame(b"{}", BINARY),
}


@pytest.fixture(params=["true", "false"], ids=["lean", "asgi"], scope="module")
def lean(request):
    return request.param


@pytest.fixture(scope="module")
async def node(start, lean):
    """One node on which a neighbour listens all the time; in the end it must have missed nothing."""
    async with start(lean=lean) as cluster, Crowd(cluster) as crowd:
        users = await crowd.everywhere()
        yield cluster
        async with cluster.service() as service:
            await crowd.publish(service, users[0])
        await crowd.settle(2)
        assert all(listener.closed is None for listener in crowd.listeners)
        await crowd.check()


@pytest.mark.parametrize(("said", "code"), VIOLATIONS.values(), ids=VIOLATIONS)
@pytest.mark.parametrize("user", [True, False], ids=["live", "unknown"])
async def test_a_violation_of_rfc_6455_is_closed_with_its_code(node, said, code, user):
    """Each violation, before and after the client said who it is, is closed with the code RFC 6455 has for it."""
    async with await Raw.websocket(node, new_user() if user else None) as raw:
        assert raw.status == 101
        if user:
            await raw.until_heard("hello")
        raw.say(said)
        assert await raw.until_closed() == code


@pytest.mark.parametrize("said", NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_is_answered_with_an_error_and_the_connection_lives(node, said):
    """A message that is no command is answered by `error`; the next one is heard."""
    async with await Raw.websocket(node, new_user()) as raw:
        await raw.until_heard("hello")
        raw.say(said)
        error = await raw.until_heard("error")
        assert error["code"] in ("malformed", "validation")
        assert error["temporary"] is False
        assert await raw.is_alive()


@pytest.mark.parametrize("said", NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_instead_of_auth_is_told_off_and_closed(node, said):
    """Who does not begin with `auth` is told why, said `bye`, and closed with 4000."""
    async with await Raw.websocket(node) as raw:
        raw.say(said)
        assert await raw.until_closed() == 4000
        assert [heard["t"] for heard in raw.heard] == ["error", "bye"]


async def test_errors_without_end_end_the_connection(node):
    """Ten errors in a row are enough: 4040."""
    async with await Raw.websocket(node, new_user()) as raw:
        await raw.until_heard("hello")
        for _ in range(20):
            raw.say(frame(b"{}"))
        assert await raw.until_closed() == 4040
        assert sum(heard["t"] == "error" for heard in raw.heard) == 10


async def test_a_message_in_many_pieces_is_one_message(node):
    """Fragments, with pings between them and characters cut in half, are put together."""
    message = json.dumps({"t": "seen", "ref": 7, "up_to": 0}).encode()
    async with await Raw.websocket(node, new_user()) as raw:
        await raw.until_heard("hello")
        for at, byte in enumerate(message):
            raw.say(frame(bytes([byte]), TEXT if at == 0 else CONTINUATION, fin=False) + frame(b"", PING))
        raw.say(frame(b"", CONTINUATION))
        assert (await raw.until_heard("ok"))["ref"] == 7


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_a_client_that_closes_is_closed_with_its_own_code(node, code):
    """A client's close is echoed and the connection ends."""
    async with await Raw.websocket(node, new_user()) as raw:
        await raw.until_heard("hello")
        raw.say(closing(code))
        assert await raw.until_closed() == code
        assert await asyncio.wait_for(raw.reader.read(), 5) == b""


@pytest.mark.parametrize(
    "offer",
    ["permessage-deflate", "permessage-deflate; server_max_window_bits=8", "x-webkit-deflate-frame", "gzip, deflate"],
)
async def test_an_offer_to_compress_is_declined(node, offer):
    """No extension is agreed on, so nothing compressed is ever unpacked: a bomb is a reserved bit, closed with 1002."""
    headers = f"Sec-WebSocket-Extensions: {offer}\r\n"
    async with await Raw.websocket(node, new_user(), headers=headers) as raw:
        assert raw.status == 101
        await raw.until_heard("hello")
        raw.say(frame(b"\x00" * 1000, rsv=4))
        assert await raw.until_closed() == 1002


FRAMES = st.builds(
    frame,
    st.binary(max_size=200) | st.sampled_from([b"{}", b'{"t":"pong","seq":0}', b'{"t":"seen","ref":1}', b"\xff"]),
    st.integers(0, 15),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 0, 1, 4]),
    masked=st.sampled_from([True, True, True, False]),
    size=st.none() | st.integers(0, (1 << 64) - 1),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FRAMES | st.binary(max_size=50), max_size=12), st.booleans())
async def test_whatever_is_said_the_answer_is_documented(node, said, live):
    """Any bytes at all: the connection lives on, waits for more, or ends with a documented code."""
    async with await Raw.websocket(node, new_user() if live else None) as raw:
        for data in said:
            raw.say(data)
        raw.say_nothing_more()
        assert await raw.until_closed(8) in DOCUMENTED | RFC_6455 | {1005, 1006, *range(3000, 5000)}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.booleans())
async def test_a_handshake_of_any_bytes_is_answered_or_dropped(node, said, as_header):
    """Rubbish instead of a request, or in its headers, is answered with a 4xx or dropped."""
    async with await Raw.connect(node.nodes[0]) as raw:
        raw.say(b"GET /v1/ws HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: upgrade\r\n" * as_header + said)
        raw.say_nothing_more()
        answer = await asyncio.wait_for(raw.reader.read(), 8)
        assert answer == b"" or answer[9:10] in b"45" or answer.startswith(b"HTTP/1.1 101"), answer
