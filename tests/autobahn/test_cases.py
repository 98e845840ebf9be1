"""What Autobahn asks of a WebSocket server in its cases 1 to 7 and 10, asked in every run of the tests.

The expectations are those of RFC 6455. The server is the echo of these tests, on streams in and out of ASGI; what a
node makes of violations is in tests/faults/test_malformed.py.
"""

import asyncio
import struct
from types import SimpleNamespace

import pytest

from tests.autobahn.__main__ import PATHS, echoing
from tests.faults.raw import BINARY, CLOSE, CONTINUATION, HANDSHAKE, PING, PONG, TEXT, Raw, closing, frame

HELLO = "Hello-µ@ßöäüàá-UTF-8!! κόσμε 𝄞".encode()
HIGHEST = "\x7f\u07ff\uffff\U0010ffff".encode()
BIG = b"*" * 65_536


class Talk(Raw):
    """A connection on which every frame is kept, not only JSON."""

    async def all(self):
        """Hear everything up to the end: kinds and payloads."""
        heard = []
        async with asyncio.timeout(10):
            try:
                while True:
                    heard.append(await self._frame())
            except (asyncio.IncompleteReadError, ConnectionError):
                return heard


@pytest.fixture(scope="module", params=PATHS)
def port(request):
    with echoing(request.param) as port:
        yield port


@pytest.fixture
async def talk(port):
    async with await Talk.connect(SimpleNamespace(port=port)) as talking:
        await talking.request(HANDSHAKE, "/", "")
        assert talking.status == 101
        yield talking


def parts(payload, size, opcode=TEXT):
    """Cut a message into frames."""
    cut = [payload[at : at + size] for at in range(0, len(payload), size)]
    kinds = [opcode] + [CONTINUATION] * (len(cut) - 1)
    return b"".join(frame(one, kind, fin=one is cut[-1]) for one, kind in zip(cut, kinds, strict=True))


PEACEFUL = {  # what is said, and what is to be heard before the close that follows
    **{f"1.1 text of {n}": (frame(BIG[:n]), [(TEXT, BIG[:n])]) for n in (0, 125, 126, 127, 128, 65_535, 65_536)},
    **{
        f"1.2 bytes of {n}": (frame(BIG[:n], BINARY), [(BINARY, BIG[:n])])
        for n in (0, 125, 126, 127, 128, 65_535, 65_536)
    },
    "2.1 an empty ping": (frame(b"", PING), [(PONG, b"")]),
    "2.3 a ping of bytes": (frame(b"\x00\xff\xfe", PING), [(PONG, b"\x00\xff\xfe")]),
    "2.4 the longest ping": (frame(b"\xfe" * 125, PING), [(PONG, b"\xfe" * 125)]),
    "2.7 a pong nobody asked for": (frame(b"", PONG), []),
    "2.9 a pong and a ping": (frame(b"?", PONG) + frame(b"!", PING), [(PONG, b"!")]),
    "2.10 ten pings": (b"".join(frame(b"%d" % n, PING) for n in range(10)), [(PONG, b"%d" % n) for n in range(10)]),
    "5.3 text in parts": (parts(HELLO, 10), [(TEXT, HELLO)]),
    "5.6 a ping between parts": (
        frame(b"one", fin=False) + frame(b"?", PING) + frame(b"two", CONTINUATION),
        [(PONG, b"?"), (TEXT, b"onetwo")],
    ),
    "5.19 pings between many parts": (
        frame(b"1", fin=False)
        + b"".join(frame(b"%d" % n, CONTINUATION, fin=False) + frame(b"%d" % n, PING) for n in range(2, 5))
        + frame(b"5", CONTINUATION),
        [(PONG, b"2"), (PONG, b"3"), (PONG, b"4"), (TEXT, b"12345")],
    ),
    "6.1 empty parts": (
        frame(b"", fin=False) + frame(b"middle", CONTINUATION, fin=False) + frame(b"", CONTINUATION),
        [(TEXT, b"middle")],
    ),
    "6.2 a character in parts": (parts(HELLO, 1), [(TEXT, HELLO)]),
    "6.9 the highest characters": (
        frame("\x7f\u07ff\uffff\U0010ffff".encode()),
        [(TEXT, "\x7f\u07ff\uffff\U0010ffff".encode())],
    ),
    "10.1 a long message in short parts": (parts(BIG, 1300), [(TEXT, BIG)]),
}
VIOLATIONS = {  # what is said, and the code it is closed with
    "2.5 a ping too long": (frame(b"x" * 126, PING), 1002),
    **{f"3 reserved bits {bits}": (frame(b"x", rsv=bits), 1002) for bits in range(1, 8)},
    **{f"4 opcode {opcode}": (frame(b"x", opcode), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "5.1 a ping in parts": (frame(b"x", PING, fin=False) + frame(b"y", CONTINUATION), 1002),
    "5.2 a pong in parts": (frame(b"x", PONG, fin=False) + frame(b"y", CONTINUATION), 1002),
    "5.9 a part of nothing": (frame(b"x", CONTINUATION), 1002),
    "5.10 a first part of nothing": (frame(b"x", CONTINUATION, fin=False), 1002),
    "5.18 a message inside another": (frame(b"x", fin=False) + frame(b"y"), 1002),
    "6.3 a byte that is none": (frame(HELLO[:20] + b"\xed\xa0\x80" + b"edited"), 1007),
    "6.4 a byte that is none, in parts": (
        frame(b"\xce\xba\xf4\x90", fin=False) + frame(b"\x80\x80", CONTINUATION),
        1007,
    ),
    **{
        f"6.x {text.hex()}": (frame(text), 1007)
        for text in (
            *(b"\xce", b"\xe1\xbd", b"\xf0\x9d\x84", b"\x80", b"\xbf", b"\x80\xbf", b"\xc0 ", b"\xfe", b"\xff"),
            *(b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf"),
            *(b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80"),
            *(b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80", b"\xf4\x90\x80\x80", b"\xf7\xbf\xbf\xbf"),
        )
    },
    "7.3.2 a close of one byte": (frame(b"a", CLOSE), 1002),
    "7.3.6 a close too long": (closing(1000, b"*" * 124), 1002),
    "7.5.1 a reason that is no text": (closing(1000, b"\xce\xba\xed\xa0\x80"), 1007),
    **{f"7.9 code {code}": (closing(code), 1002) for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)},
}


@pytest.mark.parametrize(
    ("case", "piece"),
    [
        (case, piece)
        for case, (said, _) in PEACEFUL.items()
        for piece in (len(said), 997, 1)  # at once, in pieces, byte by byte
        if len(said) < 1000 * piece
    ],
)
async def test_what_is_said_is_echoed(talk, case, piece):
    """Messages come back, pings are answered, in order and however they arrive; then the close is answered in kind."""
    said, expected = PEACEFUL[case]
    for at in range(0, len(said), piece):
        talk.say(said[at : at + piece])
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert [await talk._frame() for _ in expected] == expected
    talk.say(closing(1000, b"bye"))
    ((kind, payload),) = await talk.all()
    assert (kind, payload[:2]) == (CLOSE, struct.pack("!H", 1000))


@pytest.mark.parametrize("case", VIOLATIONS)
async def test_a_violation_is_closed_with_its_code(talk, case):
    """The first thing heard is the close; nothing that came with the violation or after it is echoed."""
    said, code = VIOLATIONS[case]
    talk.say(said + frame(b"after"))
    ((kind, payload),) = await talk.all()
    assert (kind, struct.unpack("!H", payload[:2])) == (CLOSE, (code,))


CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
CLOSES = {  # what is said, and the code that is to come back; 1005 is none, and may be answered by 1000
    "7.3.1 no code": (frame(b"", CLOSE), 1005),
    **{f"7.7 code {code}": (closing(code), code) for code in CODES},
    "7.3.5 the longest reason": (closing(1000, b"*" * 123), 1000),
    "7.1.5 between parts": (frame(b"half", fin=False) + closing(1000), 1000),
    "7.1.2 things after it": (closing(1000) + frame(b"after") + frame(b"", PING) + closing(1001), 1000),
}


@pytest.mark.parametrize("case", CLOSES)
async def test_a_close_is_answered_in_kind_and_is_the_end(talk, case):
    """Its code comes back, and nothing more."""
    said, code = CLOSES[case]
    talk.say(said)
    ((kind, payload),) = await talk.all()
    answered = struct.unpack("!H", payload[:2])[0] if payload else 1005
    assert kind == CLOSE
    assert answered in ({1000, 1005} if code == 1005 else {code})
