"""Small real objects for the tests of the pure modules: notifications, counts, frames, connections."""

import json
from datetime import UTC, datetime
from uuid import UUID

from hub import protocol
from hub.auth import Principal
from hub.connection import Connection
from hub.identity import UserKey
from hub.notification import Notification
from hub.protocol import Counts

EPOCH = "epoch"
KEY = UserKey("default", "alice")
AT = datetime(2026, 1, 2, 3, 4, 5, 678900, UTC)


def item(seq, change="created", *, created_seq=None, **fields):
    """Make a notification whose last change is `seq`; its id tells when it was created."""
    created_seq = created_seq or seq
    content = b'{"category":"test","title":"t%d"}' % created_seq
    return Notification(
        UUID(int=created_seq), seq, created_seq, fields.pop("read_seq", created_seq), change, AT, content, **fields
    )


def counts(seq, *, epoch=EPOCH, unread=None, unseen=None, read_seq=0, seen_seq=0):
    """Make counts; by default everything up to `seq` is unread and unseen."""
    return Counts(epoch, seq, seq if unread is None else unread, seq if unseen is None else unseen, read_seq, seen_seq)


def frame(seq, *, epoch=EPOCH):
    """Make the live frame of a new notification with this seq."""
    return protocol.notification(item(seq), epoch=epoch, unread=seq, unseen=seq)


def principal(*, user=KEY.user, expires_at=None):
    """Make a user who was let in."""
    return Principal(KEY.tenant, user, frozenset(), None, expires_at)


def connection(
    *, id="con_1", transport="websocket", max_frames=256, max_bytes=512 * 1024, now=0.0, expires_at=None, **more
):
    """Make a connection that joins; its frames are written as lines of JSON."""
    return Connection(
        id,
        principal(expires_at=expires_at),
        transport,
        lambda frame: frame.json + b"\n",
        max_frames=max_frames,
        max_bytes=max_bytes,
        now=now,
        **more,
    )


def read(data):
    """Decode what was written, one frame per element."""
    return [json.loads(one) for one in data]


class Wire:
    """A sink that keeps the frames it is given, as a transport that is never full does."""

    def __init__(self):
        self.frames = []
        self.ended = None

    def write(self, data):
        assert self.ended is None, "nothing may follow the end"
        self.frames += [json.loads(line) for line in data.splitlines()]

    def end(self, close):
        self.ended = close

    @property
    def seqs(self):
        """The seqs of the frames that changed something."""
        return [frame["seq"] for frame in self.frames if frame["t"] in ("notification", "inbox", "resync")]


def wired(*, opened_at=0, epoch=EPOCH, **more):
    """Make a live connection on a wire of its own, at a snapshot with the seq `opened_at`."""
    wire = Wire()
    made = connection(**more)
    made.attach(wire)
    made.open([], counts(opened_at, epoch=epoch))
    return made, wire
