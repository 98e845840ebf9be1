"""One client's place in its stream: what is said, what is held back, and what happens when it reads too slowly."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import protocol
from hub.errors import DRAIN, LIFETIME, REPLACED, TOO_SLOW
from hub.protocol import Cursor
from tests import samples
from tests.samples import EPOCH, counts, frame

OPENING = [protocol.ping(Cursor(EPOCH, 3)), protocol.resumed(counts(3), since=3, count=0)]


def taken(data):
    """Name what a writer took: a notification by its seq, anything else by its kind."""
    frames = [one for lines in data for one in samples.read(lines.splitlines())]
    return [frame["seq"] if frame["t"] == "notification" else frame["t"] for frame in frames]


def said(wire):
    return [frame["seq"] if frame["t"] == "notification" else frame["t"] for frame in wire.frames]


async def drained(connection):
    return taken(await asyncio.wait_for(connection.drain(), 5))


@given(st.lists(st.integers(1, 12)))
def test_each_change_is_passed_on_once_and_in_order_whatever_comes(seqs):
    """A live frame goes out iff it is above everything before it."""
    connection, wire = samples.wired(opened_at=4)
    for seq in seqs:
        connection.deliver(frame(seq))
    expected, last = [], 4
    for seq in seqs:
        if seq > last:
            expected.append(seq)
            last = seq
    assert said(wire) == expected
    assert connection.cursor == Cursor(EPOCH, last)


def test_a_frame_of_another_epoch_is_news_whatever_its_seq():
    """After the numbering began anew a low seq is passed on."""
    connection, wire = samples.wired(opened_at=9)
    connection.deliver(frame(1, epoch="new"))
    connection.deliver(frame(1, epoch="new"))
    assert said(wire) == [1]


@pytest.mark.parametrize("attached", ["before", "after"])
def test_live_frames_wait_for_the_opening(attached):
    """What happens while a client joins is said after its opening, without what the snapshot already has."""
    connection, wire = samples.connection(), samples.Wire()
    if attached == "before":
        connection.attach(wire)
    for seq in (2, 3, 4, 5):
        connection.deliver(frame(seq))
    assert wire.frames == []
    connection.open(OPENING, counts(3))
    if attached == "after":
        connection.attach(wire)
    connection.deliver(frame(6))
    assert said(wire) == ["ping", "resumed", 4, 5, 6]


async def test_a_writer_gets_the_opening_first_and_what_was_held_back_next():
    """A writer that drains goes live once the opening is written: that is when it asks for more."""
    connection = samples.connection()
    connection.deliver(frame(3))
    connection.deliver(frame(4))
    connection.open(OPENING, counts(3))
    connection.deliver(frame(5))
    assert await drained(connection) == ["ping", "resumed"]
    connection.deliver(frame(6))
    assert await drained(connection) == [4, 5, 6]


async def test_a_writer_waits_until_there_is_something():
    """`drain` returns when the first frame arrives, with everything that came in the same turn."""
    connection = samples.connection()
    connection.open(OPENING, counts(3))
    await drained(connection)
    waiting = asyncio.create_task(drained(connection))
    await asyncio.sleep(0)
    assert not waiting.done()
    connection.deliver(frame(4))
    connection.deliver(frame(5))
    assert await waiting == [4, 5]


def test_more_than_is_kept_while_joining_becomes_a_resync():
    """Beyond the bound a joining client keeps only the newest, as a `resync` to it: the rest can be reloaded."""
    connection, wire = samples.connection(max_frames=4), samples.Wire()
    connection.attach(wire)
    for seq in range(4, 10):
        connection.deliver(frame(seq))
    connection.open(OPENING, counts(3))
    connection.deliver(frame(10))
    assert said(wire) == ["ping", "resumed", "resync", 9, 10]
    assert (wire.frames[2]["seq"], wire.frames[2]["unread"]) == (8, 8)


async def test_what_was_too_much_while_joining_but_is_in_the_snapshot_is_dropped():
    """A flood that the snapshot has caught up with leaves no trace."""
    connection = samples.connection(max_frames=3)
    for seq in range(4, 9):
        connection.deliver(frame(seq))
    connection.open(OPENING, counts(8))
    await drained(connection)
    connection.deliver(frame(9))
    assert await drained(connection) == [9]


async def test_an_opening_may_be_larger_than_the_backlog():
    """A replay is bounded by the replay limit: neither its size nor a ping that joins it turns it into a resync."""
    connection = samples.connection(max_frames=3)
    connection.open([frame(seq) for seq in range(1, 11)], counts(10))
    connection.send(protocol.ping(Cursor(EPOCH, 10)))
    assert await drained(connection) == [*range(1, 11), "ping"]


async def test_a_backlog_that_holds_too_many_frames_gives_way_to_one_resync():
    """A client that reads too slowly loses what was waiting and is told where to go on from."""
    slow = []
    connection = samples.connection(max_frames=3, on_slow=lambda: slow.append(1))
    connection.open(OPENING, counts(3))
    await drained(connection)
    waiting = asyncio.create_task(connection.drain())
    await asyncio.sleep(0)  # live
    for seq in range(4, 9):
        connection.deliver(frame(seq))
    frames = samples.read(b"".join(await waiting).splitlines())
    assert [(one["t"], one["seq"]) for one in frames] == [("resync", 7), ("notification", 8)]
    assert frames[0] == {"t": "resync", "reason": "slow", "epoch": EPOCH, "seq": 7, "unread": 7, "unseen": 7}
    assert slow == [1]


def test_a_full_sink_keeps_a_bounded_backlog():
    """While the transport is full frames wait within the bounds, and leave in order when it is not."""
    connection, wire = samples.wired(opened_at=0, max_frames=3)
    connection.pause()
    for seq in (1, 2, 3):
        connection.deliver(frame(seq))
    assert wire.frames == []
    connection.resume()
    assert said(wire) == [1, 2, 3]
    connection.pause()
    for seq in (4, 5, 6, 7, 8):
        connection.deliver(frame(seq))
    connection.resume()
    assert said(wire)[3:] == ["resync", 8]
    assert wire.frames[3]["seq"] == 7


@given(st.lists(st.integers(1, 4), max_size=40), st.integers(1, 8), st.integers(1, 600))
def test_the_backlog_is_bounded_and_never_lies(pauses, max_frames, max_bytes):
    """However frames and pauses fall, a client that applies what it gets ends at the last seq and its counts, and gaps
    only where it was told."""
    connection, wire = samples.wired(opened_at=0, max_frames=max_frames, max_bytes=max_bytes)
    seq = 0
    for burst in pauses:
        connection.pause()
        for _ in range(burst):
            seq += 1
            connection.deliver(frame(seq))
        before = len(wire.frames)
        connection.resume()
        assert len(wire.frames) - before <= max_frames
    last = 0
    for one in wire.frames:
        assert one["seq"] == last + 1 or (one["t"] == "resync" and one["seq"] > last)
        last = one["seq"]
        assert one["unread"] == last
    assert last == seq


def test_a_single_frame_above_the_bound_is_said_all_the_same():
    """A backlog that is empty takes any frame: a limit in bytes cannot silence a client."""
    connection, wire = samples.wired(opened_at=0, max_bytes=1)
    connection.pause()
    connection.deliver(frame(1))
    connection.resume()
    assert said(wire) == [1]


def test_bye_comes_last_and_the_first_reason_stays():
    """Closing says `bye` after what was waiting; what comes later is dropped, another reason too."""
    connection, wire = samples.wired(opened_at=0)
    connection.pause()
    connection.deliver(frame(1))
    connection.close(DRAIN, 250)
    connection.deliver(frame(2))
    connection.close(LIFETIME)
    assert wire.ended is None
    connection.resume()
    assert said(wire) == [1, "bye"]
    assert wire.frames[-1] == {"t": "bye", "code": 4200, "reason": "drain", "reconnect": True, "after_ms": 250}
    assert wire.ended == DRAIN


async def test_a_writer_is_told_to_close_once_bye_is_written():
    """After `bye` a writer that asks for more gets nothing, which means the end."""
    connection = samples.connection()
    connection.open(OPENING, counts(3))
    await drained(connection)
    waiting = asyncio.create_task(drained(connection))
    await asyncio.sleep(0)
    connection.close(LIFETIME)
    assert await waiting == ["bye"]
    assert await drained(connection) == []


@pytest.mark.parametrize("attached", ["before", "after"])
def test_a_client_that_is_sent_away_while_it_joins_hears_bye_and_nothing_after_it(attached):
    """Whoever is closed before the opening is ready gets `bye` as the last word, whichever comes first."""
    connection, wire = samples.connection(), samples.Wire()
    if attached == "before":
        connection.attach(wire)
    connection.deliver(frame(4))
    connection.close(REPLACED)
    connection.open(OPENING, counts(3))
    if attached == "after":
        connection.attach(wire)
    assert said(wire) == ["bye"]
    assert wire.ended == REPLACED


async def test_a_client_that_takes_nothing_is_given_up_without_a_word():
    """`abandon` empties the backlog: nothing more can be said, and the reason is kept for the books."""
    connection = samples.connection()
    connection.open(OPENING, counts(3))
    connection.abandon()
    assert connection.closing == TOO_SLOW
    assert await drained(connection) == []
    connection.deliver(frame(4))
    assert await drained(connection) == []


def test_an_abandoned_sink_is_not_written_to():
    """After a client has gone nothing reaches its transport."""
    connection, wire = samples.wired(opened_at=0)
    connection.abandon()
    connection.deliver(frame(1))
    connection.send(protocol.ping(Cursor(EPOCH, 0)))
    assert wire.frames == []
