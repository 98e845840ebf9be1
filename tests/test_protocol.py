"""hub.v1 without a socket: what each frame says, which commands are understood, and how cursors and frames travel."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import protocol
from hub.errors import DRAIN, PROTOCOL_ERROR, FieldError, Invalid, Malformed, NotFound, Unavailable
from hub.protocol import Cursor, Frame
from tests import samples

EPOCHS = st.text("0123456789abcdefABCDEF_-", min_size=1, max_size=64)
COUNTS = samples.counts(9, unread=4, unseen=3, read_seq=2, seen_seq=5)


@given(EPOCHS, st.integers(0, 10**18 - 1))
def test_a_cursor_survives_being_written_and_read(epoch, seq):
    """A cursor reads back from its text as it was."""
    assert Cursor.parse(str(Cursor(epoch, seq))) == Cursor(epoch, seq)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "e", "e:", ":1", "e:-1", "e:+1", "e: 1", "e:1 ", "e:01", "e:1.0", "e:1e3", "e:x", "e:1\n", "e:٣"),
        *("é:1", "a b:1", "e:1:2", "x" * 65 + ":1", "e:" + "9" * 19, "null", "[]", "\0:1"),
    ],
)
def test_anything_else_is_no_cursor(text):
    """A text that is not an epoch, a colon and a plain number is refused as malformed."""
    with pytest.raises(Malformed):
        Cursor.parse(text)


@given(
    st.sampled_from(["notification", "inbox", "resync"]),
    EPOCHS,
    st.integers(0, 2**53),
    st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)),
    st.text(),
)
def test_a_frame_arrives_on_another_node_as_it_left(name, epoch, seq, counts, text):
    """Packing and unpacking a frame keeps its name, its bytes, its cursor and its counts."""
    sent = Frame(name, json.dumps(text).encode(), cursor=Cursor(epoch, seq), unread=counts[0], unseen=counts[1])
    got = Frame.unpack(sent.pack())
    assert (got.name, got.json, got.cursor, got.unread, got.unseen) == (
        sent.name,
        sent.json,
        sent.cursor,
        sent.unread,
        sent.unseen,
    )


@pytest.mark.parametrize("data", [b"", b"\n", b"x", b"a b c d e\n{}", b"a e 1 2\n{}", b"a e 1 2 3 4\n{}", b"\xff\n{}"])
def test_what_is_no_packed_frame_is_refused(data):
    """Foreign bytes on a channel raise `ValueError` and nothing else."""
    with pytest.raises(ValueError):  # noqa: PT011 - which one is int's or bytes' business
        Frame.unpack(data)


HELLO = {"connection_id": "con_1", "user": "alice", "ping_seconds": 25, "expires_in": 60}
FRAMES = [
    (
        protocol.hello(COUNTS, **HELLO),
        {
            "t": "hello",
            "v": 1,
            "connection_id": "con_1",
            "user_id": "alice",
            "epoch": "epoch",
            "seq": 9,
            "unread": 4,
            "unseen": 3,
            "read_seq": 2,
            "seen_seq": 5,
            "ping_seconds": 25,
            "expires_in": 60,
        },
        9,
    ),
    (
        protocol.inbox(COUNTS, "read_all"),
        {"t": "inbox", "seq": 9, "change": "read_all", "read_seq": 2, "seen_seq": 5, "unread": 4, "unseen": 3},
        9,
    ),
    (
        protocol.resumed(COUNTS, since=6, count=2),
        {"t": "resumed", "from": 6, "to": 9, "count": 2, "unread": 4, "unseen": 3, "read_seq": 2, "seen_seq": 5},
        9,
    ),
    (
        protocol.resync("too_far", Cursor("epoch", 9), unread=4, unseen=3),
        {"t": "resync", "reason": "too_far", "epoch": "epoch", "seq": 9, "unread": 4, "unseen": 3},
        9,
    ),
    (protocol.ping(Cursor("epoch", 9)), {"t": "ping", "seq": 9}, 9),
    (protocol.token("expiring", 58), {"t": "token", "state": "expiring", "expires_in": 58}, None),
    (protocol.ok(7, 9), {"t": "ok", "ref": 7, "seq": 9}, None),
    (
        protocol.bye(DRAIN, 250),
        {"t": "bye", "code": 4200, "reason": "drain", "reconnect": True, "after_ms": 250},
        None,
    ),
    (
        protocol.bye(PROTOCOL_ERROR),
        {"t": "bye", "code": 4000, "reason": "protocol error", "reconnect": False, "after_ms": 0},
        None,
    ),
    (
        protocol.error(NotFound("gone"), 3),
        {"t": "error", "ref": 3, "code": "not_found", "message": "gone", "temporary": False},
        None,
    ),
    (
        protocol.error(Unavailable("later")),
        {"t": "error", "code": "unavailable", "message": "later", "temporary": True},
        None,
    ),
    (
        protocol.error(Invalid("bad", errors=[FieldError("#/ids", "is missing")])),
        {
            "t": "error",
            "code": "validation",
            "message": "bad",
            "temporary": False,
            "errors": [{"pointer": "#/ids", "detail": "is missing"}],
        },
        None,
    ),
]


@pytest.mark.parametrize(("frame", "fields", "seq"), FRAMES, ids=[fields["t"] for _, fields, _ in FRAMES])
def test_a_frame_says_exactly_its_fields(frame, fields, seq):
    """Each kind of frame carries the fields of the protocol's table, no others, and the cursor it leads to."""
    assert json.loads(frame.json) == fields
    assert frame.name == fields["t"]
    assert frame.cursor == (None if seq is None else Cursor("epoch", seq))


def test_a_hello_carries_items_only_where_they_were_asked_for():
    """`items` is absent without a snapshot, and an empty list for an empty one."""
    assert "items" not in json.loads(protocol.hello(COUNTS, **HELLO).json)
    assert json.loads(protocol.hello(COUNTS, **HELLO, items=[]).json)["items"] == []


def test_the_cursor_of_a_resuming_client_is_not_moved_by_hello():
    """`hello` leaves a client that resumes where it was: what is above that is still to come."""
    hello = protocol.hello(COUNTS, **HELLO, cursor=Cursor("epoch", 4))
    assert hello.cursor == Cursor("epoch", 4)
    assert json.loads(hello.json)["seq"] == 9


def test_a_notification_reads_the_same_in_a_frame_and_in_a_snapshot():
    """A frame and `hello.items` contain the very bytes that `Notification.encode` makes."""
    item = samples.item(9, "read", created_seq=3)
    frame = protocol.notification(item, epoch="epoch", unread=4, unseen=3)
    assert frame.json.endswith(b',"notification":' + item.encode() + b"}")
    assert item.encode() in protocol.hello(COUNTS, **HELLO, items=[item]).json
    said = json.loads(frame.json)
    assert {name: said[name] for name in said if name != "notification"} == {
        "t": "notification",
        "seq": 9,
        "change": "read",
        "unread": 4,
        "unseen": 3,
    }


ID = "ntf_" + "0" * 32
COMMANDS = [
    ({"t": "auth", "token": "x"}, {"ref": None, "resume": None, "snapshot": None}),
    ({"t": "auth", "token": "x", "resume": {"epoch": "e", "seq": 0}, "snapshot": 100}, {"snapshot": 100}),
    ({"t": "pong", "seq": 3}, {"seq": 3}),
    ({"t": "pong"}, {"seq": 0}),
    ({"t": "refresh", "token": "x", "ref": 0}, {"ref": 0}),
    ({"t": "read", "ids": [ID]}, {"ids": [ID]}),
    ({"t": "unread", "ids": [ID], "ref": 2**53}, {"ref": 2**53}),
    ({"t": "archive", "ids": [ID] * 100}, {"ids": [ID] * 100}),
    ({"t": "read_all"}, {"up_to": None}),
    ({"t": "read_all", "up_to": 2**53}, {"up_to": 2**53}),
    ({"t": "seen", "up_to": 0}, {"up_to": 0}),
]


@pytest.mark.parametrize(("said", "understood"), COMMANDS)
def test_every_command_of_the_table_is_understood(said, understood):
    """A command parses into its kind and its fields, with what was left out at its default."""
    command = protocol.parse(json.dumps(said))
    assert command.t == said["t"]
    assert {name: getattr(command, name) for name in understood} == understood


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({}, "#"),
        ({"t": "publish"}, "#"),
        ({"t": None}, "#"),
        ({"t": ["read"]}, "#"),
        ([], "#"),
        ("read", "#"),
        (7, "#"),
        (None, "#"),
        ({"t": "read"}, "#/ids"),
        ({"t": "read", "ids": []}, "#/ids"),
        ({"t": "read", "ids": [ID] * 101}, "#/ids"),
        ({"t": "read", "ids": ID}, "#/ids"),
        ({"t": "read", "ids": [ID, 7]}, "#/ids/1"),
        ({"t": "read", "ids": ["x" * 65]}, "#/ids/0"),
        ({"t": "read", "ids": [ID], "id": ID}, "#/id"),
        ({"t": "read", "ids": [ID], "ref": "1"}, "#/ref"),
        ({"t": "read", "ids": [ID], "ref": 1.5}, "#/ref"),
        ({"t": "read", "ids": [ID], "ref": True}, "#/ref"),
        ({"t": "read", "ids": [ID], "ref": -1}, "#/ref"),
        ({"t": "read", "ids": [ID], "ref": 2**53 + 1}, "#/ref"),
        ({"t": "seen", "up_to": -1}, "#/up_to"),
        ({"t": "seen", "up_to": 10**30}, "#/up_to"),
        ({"t": "read_all", "up_to": "7"}, "#/up_to"),
        ({"t": "refresh"}, "#/token"),
        ({"t": "auth", "token": "x", "snapshot": 101}, "#/snapshot"),
        ({"t": "auth", "token": "x", "resume": "e:1"}, "#/resume"),
        ({"t": "auth", "token": "x", "resume": {"epoch": "e"}}, "#/resume/seq"),
        ({"t": "auth", "token": "x", "resume": {"epoch": "e f", "seq": 1}}, "#/resume/epoch"),
    ],
)
def test_a_command_that_does_not_fit_is_refused_by_its_field(said, pointer):
    """JSON that is no known command is invalid, and the error points at the field."""
    with pytest.raises(Invalid) as caught:
        protocol.parse(json.dumps(said))
    assert caught.value.errors[0].pointer == pointer


@pytest.mark.parametrize(
    "text", ["", "{", "nonsense", '{"t":"pong"', "\0", '{"t":"pong"} x', "[" * 10_000, '{"t":"auth","token":"\\ud800"}']
)
def test_what_is_no_json_is_malformed(text):
    """Text that is not JSON, or nested beyond reason, is malformed, not an internal error."""
    with pytest.raises(Malformed):
        protocol.parse(text)


@given(st.text() | st.binary().map(lambda data: data.decode(errors="replace")))
def test_no_text_breaks_the_parser(text):
    """Whatever a client says is a command, invalid or malformed."""
    try:
        protocol.parse(text)
    except (Invalid, Malformed):
        protocol.ref_of(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([said["t"] for said, _ in COMMANDS]), st.dictionaries(st.text(), JSON, max_size=4), JSON, JSON)
def test_no_value_of_a_field_breaks_the_parser(name, more, ref, value):
    """Any JSON in any field of any command is understood or refused, and its `ref` is found or ignored."""
    said = json.dumps({**more, "t": name, "ref": ref, "ids": value, "token": value, "up_to": value})
    try:
        protocol.parse(said)
    except (Invalid, Malformed):
        found = protocol.ref_of(said)
        assert found is None or found == ref


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ('{"t":"nothing","ref":7}', 7),
        ('{"t":"read","ref":0}', 0),
        ('{"ref":true}', None),
        ('{"ref":"7"}', None),
        ('{"ref":7.5}', None),
        ("[7]", None),
        ("{", None),
        ("", None),
    ],
)
def test_the_ref_of_a_bad_frame_is_found_where_it_is_one(text, ref):
    """An error can be told apart by its `ref` even when the frame around it does not fit."""
    assert protocol.ref_of(text) == ref
