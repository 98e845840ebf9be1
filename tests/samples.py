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
    """Make a connection that joins; its frames are written as their JSON."""
    return Connection(
        id,
        principal(expires_at=expires_at),
        transport,
        lambda frame: frame.json,
        max_frames=max_frames,
        max_bytes=max_bytes,
        now=now,
        **more,
    )


def read(data):
    """Decode what was written, one frame per element."""
    return [json.loads(one) for one in data]
