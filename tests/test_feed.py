"""One user's feed: in order, once, without gaps, whatever the way between the nodes does to the frames."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import protocol
from hub.errors import Unavailable
from hub.feed import MAX_HELD, Changes, Feed
from hub.protocol import Cursor
from tests import samples
from tests.samples import EPOCH, KEY, counts, frame, item


class Truth:
    """The inbox in the database, in memory: it numbers changes, makes their live frames, and is read from."""

    def __init__(self, *, limit=500):
        self.epoch, self.seq = EPOCH, 0
        self.items = {}
        self.whole = None
        self.reads = []
        self.failing = False
        self.gate = None
        self.reading = asyncio.Event()
        self._limit = limit

    def counts(self):
        return counts(self.seq, epoch=self.epoch, read_seq=self.whole or 0, seen_seq=self.whole or 0)

    def publish(self):
        self.seq += 1
        self.items[self.seq] = item(self.seq)
        return protocol.notification(self.items[self.seq], epoch=self.epoch, unread=self.seq, unseen=self.seq)

    def touch(self, created_seq):
        self.seq += 1
        self.items[created_seq] = item(self.seq, "read", created_seq=created_seq)
        return protocol.notification(self.items[created_seq], epoch=self.epoch, unread=self.seq, unseen=self.seq)

    def read_all(self):
        self.seq += 1
        self.whole = self.seq
        return protocol.inbox(self.counts(), "read_all")

    def begin_anew(self, epoch):
        self.__init__()
        self.epoch = epoch

    async def read(self, key, since):
        assert key == KEY
        self.reads.append(since)
        self.reading.set()
        at_once = self._read(since)
        if self.gate is not None:
            await self.gate.wait()
        if self.failing:
            raise Unavailable("the database is away")
        return at_once

    def _read(self, since):
        above = sorted((one for one in self.items.values() if one.seq > since), key=lambda one: one.seq)
        whole = (self.whole, "read_all") if (self.whole or 0) > since else None
        return Changes(self.counts(), above if len(above) <= self._limit else None, whole)


def heard(truth, *, started=True):
    """Make a feed with one live connection, both at the truth's seq."""
    feed = Feed(KEY, truth.read, ready=None)
    connection, wire = samples.wired(opened_at=truth.seq, epoch=truth.epoch)
    feed.connections.append(connection)
    if started:
        feed.start(truth.counts())
    return feed, wire


def kinds(wire):
    return [(one["t"], one["seq"]) for one in wire.frames]


def notifications(*seqs):
    return [("notification", seq) for seq in seqs]


@pytest.mark.parametrize(
    ("arriving", "delivered", "gap"),
    [
        ([1, 2, 3], [1, 2, 3], False),
        ([1, 1, 2, 1, 2], [1, 2], False),
        ([2, 1], [1, 2], False),
        ([3, 2, 1], [1, 2, 3], False),
        ([1, 3], [1], True),
        ([2], [], True),
        ([3, 3, 1], [1], True),
        ([1, 3, 2, 3], [1, 2, 3], False),
    ],
)
def test_frames_go_out_contiguous_or_not_at_all(arriving, delivered, gap):
    """A frame that follows goes out, one that does not waits for those before it, and a repeated one is dropped."""
    feed, wire = heard(Truth())
    for seq in arriving:
        feed.receive(frame(seq))
    assert kinds(wire) == notifications(*delivered)
    assert feed.has_gap is gap


def test_what_arrives_before_the_first_snapshot_waits_for_it():
    """Frames that come before the feed knows where it is are delivered above the snapshot, and dropped below it."""
    truth = Truth()
    feed, wire = heard(truth, started=False)
    frames = [truth.publish() for _ in range(4)]
    for one in frames:
        feed.receive(one)
    assert not feed.has_gap
    feed.start(counts(2))
    assert kinds(wire) == notifications(3, 4)
    feed.start(counts(1))
    assert feed.cursor == Cursor(EPOCH, 4)


def test_a_gap_before_the_first_snapshot_is_known_afterwards():
    """A frame that does not follow the first snapshot makes a gap, as it would have later."""
    truth = Truth()
    feed, wire = heard(truth, started=False)
    truth.publish()
    feed.receive(truth.publish())
    feed.start(counts(0))
    assert kinds(wire) == []
    assert feed.has_gap


async def test_a_repair_fills_the_gap_from_the_database():
    """What was lost is read once and delivered with the frames that waited, in order."""
    truth = Truth()
    feed, wire = heard(truth)
    frames = [truth.publish() for _ in range(5)]
    feed.receive(frames[0])
    feed.receive(frames[4])
    await feed.repair()
    assert kinds(wire) == notifications(1, 2, 3, 4, 5)
    assert truth.reads == [1]
    assert not feed.has_gap


async def test_a_repair_says_each_notification_once_in_its_latest_state():
    """A repair is compacted: seqs jump, and a notification that changed twice is told once."""
    truth = Truth()
    feed, wire = heard(truth)
    for _ in range(3):
        truth.publish()
    truth.touch(1)
    truth.touch(1)
    await feed.repair()
    assert kinds(wire) == notifications(2, 3, 5)
    assert [one["change"] for one in wire.frames] == ["created", "created", "read"]


async def test_a_repair_reaches_a_moved_watermark():
    """A change of the inbox as a whole takes its place in the repair, so that the last frame is at the current seq."""
    truth = Truth()
    feed, wire = heard(truth)
    truth.publish()
    truth.publish()
    truth.read_all()
    await feed.repair()
    assert kinds(wire) == [*notifications(1, 2), ("inbox", 3)]
    assert wire.frames[-1]["read_seq"] == 3
    assert feed.cursor == Cursor(EPOCH, 3)


async def test_a_change_after_a_moved_watermark_comes_after_it():
    """What happened after everything was read is not covered by it."""
    truth = Truth()
    feed, wire = heard(truth)
    truth.publish()
    truth.read_all()
    truth.publish()
    await feed.repair()
    assert kinds(wire) == [("notification", 1), ("inbox", 2), ("notification", 3)]


async def test_a_repair_that_finds_no_row_of_the_last_change_still_gets_there():
    """When the last change left nothing to show, an `inbox` frame at the current seq keeps everybody together."""
    truth = Truth()
    feed, wire = heard(truth)
    truth.publish()
    truth.publish()
    del truth.items[2]
    await feed.repair()
    assert kinds(wire) == [("notification", 1), ("inbox", 2)]
    assert feed.cursor == Cursor(EPOCH, 2)


async def test_repairs_at_the_same_time_share_one_read():
    """However many find the gap, the database is asked once, and all of them wait for the answer."""
    truth = Truth()
    truth.gate = asyncio.Event()
    feed, wire = heard(truth)
    truth.publish()
    repairs = [asyncio.create_task(feed.repair()) for _ in range(5)]
    await truth.reading.wait()
    truth.gate.set()
    await asyncio.wait_for(asyncio.gather(*repairs), 5)
    assert truth.reads == [0]
    assert kinds(wire) == notifications(1)


async def test_live_frames_during_a_repair_are_neither_lost_nor_doubled():
    """What arrives while the database is read goes out in its place, whether the read has it or not."""
    truth = Truth()
    truth.gate = asyncio.Event()
    feed, wire = heard(truth)
    first, second = truth.publish(), truth.publish()
    repair = asyncio.create_task(feed.repair())
    await truth.reading.wait()
    feed.receive(second)
    feed.receive(first)
    feed.receive(truth.publish())
    feed.receive(frame(5))
    truth.gate.set()
    await asyncio.wait_for(repair, 5)
    assert kinds(wire) == notifications(1, 2, 3)
    assert feed.has_gap
    feed.receive(frame(4))
    assert kinds(wire) == notifications(1, 2, 3, 4, 5)


async def test_a_caller_who_gives_up_does_not_stop_the_repair():
    """A repair that one caller no longer waits for still serves the other."""
    truth = Truth()
    truth.gate = asyncio.Event()
    feed, wire = heard(truth)
    truth.publish()
    impatient, patient = asyncio.create_task(feed.repair()), asyncio.create_task(feed.repair())
    await truth.reading.wait()
    impatient.cancel()
    truth.gate.set()
    await asyncio.wait_for(patient, 5)
    assert kinds(wire) == notifications(1)


async def test_a_repair_that_fails_changes_nothing_and_can_be_repeated():
    """While the database is away the gap stays as it is, nothing is skipped, and a later repair closes it."""
    truth = Truth()
    feed, wire = heard(truth)
    truth.publish()
    feed.receive(truth.publish())
    truth.failing = True
    with pytest.raises(Unavailable):
        await feed.repair()
    assert feed.has_gap
    assert kinds(wire) == []
    truth.failing = False
    await feed.repair()
    assert kinds(wire) == notifications(1, 2)


async def test_more_than_the_limit_is_a_resync_and_never_a_part():
    """A gap that is too wide is not filled at all: everybody is told to reload, then goes on from there."""
    truth = Truth(limit=3)
    feed, wire = heard(truth)
    for _ in range(4):
        truth.publish()
    await feed.repair()
    assert wire.frames == [{"t": "resync", "reason": "too_far", "epoch": EPOCH, "seq": 4, "unread": 4, "unseen": 4}]
    feed.receive(truth.publish())
    assert kinds(wire)[1:] == notifications(5)


async def test_exactly_the_limit_is_repaired():
    """The limit itself still fits."""
    truth = Truth(limit=3)
    feed, wire = heard(truth)
    for _ in range(3):
        truth.publish()
    await feed.repair()
    assert kinds(wire) == notifications(1, 2, 3)


@pytest.mark.parametrize("seqs", [1, 3, 5])
async def test_a_new_epoch_is_a_resync(seqs):
    """When the numbering began anew the old cursor means nothing, wherever the new one is: reload and go on."""
    truth = Truth()
    for _ in range(2):
        truth.publish()
    feed, wire = heard(truth)
    truth.begin_anew("new")
    for _ in range(seqs):
        last = truth.publish()
    feed.receive(last)
    assert feed.has_gap
    assert kinds(wire) == []
    await feed.repair()
    assert [(one["t"], one["reason"], one["epoch"], one["seq"]) for one in wire.frames] == [
        ("resync", "epoch", "new", seqs)
    ]
    feed.receive(truth.publish())
    assert kinds(wire)[1:] == notifications(seqs + 1)
    assert not feed.has_gap


async def test_a_straggler_of_an_old_epoch_is_forgotten():
    """A frame from before the numbering began anew leads to one read and no frame."""
    truth = Truth()
    feed, wire = heard(truth)
    feed.receive(frame(1, epoch="old"))
    await feed.repair()
    assert kinds(wire) == []
    assert not feed.has_gap
    feed.receive(truth.publish())
    assert kinds(wire) == notifications(1)


@pytest.mark.parametrize(
    ("cursor", "behind"),
    [(Cursor(EPOCH, 2), True), (Cursor(EPOCH, 1), False), (Cursor(EPOCH, 0), False), (Cursor("new", 0), True)],
)
def test_a_feed_knows_when_the_database_is_ahead(cursor, behind):
    """It is behind a higher seq and any other epoch, and never behind what it has told already."""
    truth = Truth()
    truth.publish()
    feed, _ = heard(truth)
    assert feed.is_behind(cursor) is behind


async def test_a_feed_without_a_snapshot_is_not_behind_and_not_repaired():
    """Before the first snapshot there is nothing to compare and nothing to fill."""
    truth = Truth()
    feed, _ = heard(truth, started=False)
    assert not feed.is_behind(Cursor(EPOCH, 99))
    await feed.repair()
    assert truth.reads == []


def test_a_client_that_joined_later_hears_nothing_from_before():
    """A connection with a newer snapshot than its feed gets only what lies above it."""
    truth = Truth()
    feed, early = heard(truth)
    frames = [truth.publish() for _ in range(3)]
    connection, late = samples.wired(opened_at=2)
    feed.connections.append(connection)
    for one in frames:
        feed.receive(one)
    assert kinds(early) == notifications(1, 2, 3)
    assert kinds(late) == notifications(3)


async def test_the_frames_that_wait_are_bounded_and_none_is_missed_for_it():
    """A flood behind a gap is not kept without end: the repair reads what was forgotten."""
    truth = Truth(limit=10 * MAX_HELD)
    feed, wire = heard(truth)
    truth.publish()
    for _ in range(MAX_HELD + 50):
        feed.receive(truth.publish())
    await feed.repair()
    assert kinds(wire) == notifications(*range(1, MAX_HELD + 52))
    assert not feed.has_gap


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["publish", "publish", "touch", "read_all", "repair"]),
        st.integers(0, 2),  # how often it arrives
        st.integers(0, 3),  # how many changes later
    ),
    max_size=30,
)


@given(CHANGES)
async def test_no_loss_repetition_or_reordering_is_seen_by_a_client(changes):
    """Whatever happens to the frames on their way, after one repair a client has every notification in its latest
    state, got each seq at most once and in order, and was never told a gap was none."""
    truth = Truth()
    feed, wire = heard(truth)
    later = {}
    for number, (change, copies, delay) in enumerate(changes):
        if change == "repair":
            await feed.repair()
        elif change == "touch" and truth.items:
            later.setdefault(number + delay, []).extend([truth.touch(min(truth.items))] * copies)
        elif change == "read_all":
            later.setdefault(number + delay, []).extend([truth.read_all()] * copies)
        else:
            later.setdefault(number + delay, []).extend([truth.publish()] * copies)
        for one in later.pop(number, []):
            feed.receive(one)
    for number in sorted(later):
        for one in later[number]:
            feed.receive(one)
    await feed.repair()
    seqs = wire.seqs
    assert seqs == sorted(set(seqs))
    assert feed.cursor.seq == truth.seq
    assert not feed.has_gap
    assert (seqs[-1] if seqs else 0) == truth.seq
    latest = {one["notification"]["id"]: one["seq"] for one in wire.frames if one["t"] == "notification"}
    assert sorted(latest.values()) == sorted(one.seq for one in truth.items.values())
