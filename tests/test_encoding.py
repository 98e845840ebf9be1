"""A frame as bytes: what is put together by hand is what the libraries would have made of it."""

import pytest
from websockets.frames import Frame, Opcode

from hub import protocol, wire
from hub.encoding import as_chunk, as_event, as_message
from hub.errors import DRAIN, Malformed
from hub.protocol import Cursor
from tests import samples

FRAMES = {
    "hello": lambda: protocol.hello(
        samples.counts(3), connection_id="con_1", user="al\u2028ice", ping_seconds=25, expires_in=None
    ),
    "inbox": lambda: protocol.inbox(samples.counts(4), "read_all"),
    "ping": lambda: protocol.ping(Cursor("e", 5)),
    "error": lambda: protocol.error(Malformed("line\nbreak\r\nand \u0085 more"), 7),
    "bye": lambda: protocol.bye(DRAIN, 100),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_chunk_is_the_event_that_the_library_encodes(name):
    """The same event, with its length before it."""
    event = as_event(FRAMES[name]())
    assert as_chunk(FRAMES[name]()) == b"%x\r\n%b\r\n" % (len(event), event)
    assert event.count(b"\n") == 2 + (event.startswith(b"id: ")) + 1


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_text_frame_is_the_one_that_the_library_serializes(size):
    """At each length the header is the shortest that can say it."""
    data = b"x" * size
    assert wire.text_frame(data) == Frame(Opcode.TEXT, data).serialize(mask=False)


def test_a_frame_is_encoded_once():
    """All connections of a user share the bytes."""
    frame = FRAMES["inbox"]()
    assert as_message(frame) is as_message(frame)
    assert as_chunk(frame) is as_chunk(frame)
