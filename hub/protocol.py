"""hub.v1, sans I/O: the frames a server says, the commands a client says, and the cursor both count by.

Values in, values out: no socket, task or clock, so that its tests are plain tables. A `Frame` is encoded once and
shared by every connection of its user, on whichever node: it travels as a one-line header and the same JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from hub.errors import Close, HubError, Malformed
from hub.notification import Notification
from hub.validation import refused

SUBPROTOCOL = "hub.v1"
WEBSOCKET_VERSION = "13"  # of RFC 6455
VERSION = 1
ResyncReason = Literal["epoch", "too_far", "slow"]


class Cursor(NamedTuple):
    """How far a client has come: the inbox's incarnation and the last change applied."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.seq}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``<epoch>:<seq>``; raise `Malformed` for anything else."""
        match = re.fullmatch(r"([0-9A-Za-z_-]{1,64}):(0|[1-9][0-9]{0,17})", text)
        if match is None:
            raise Malformed("a cursor looks like <epoch>:<seq>")
        return cls(match[1], int(match[2]))


class Counts(NamedTuple):
    """The state of an inbox as a whole, exact at `seq`."""

    epoch: str
    seq: int
    unread: int
    unseen: int
    read_seq: int
    seen_seq: int


class Frame:
    """One encoded message of the server; `cursor` is where a client stands once it has applied it."""

    __slots__ = ("chunk", "cursor", "event", "json", "message", "name", "unread", "unseen")

    def __init__(
        self, name: str, json: bytes, *, cursor: Cursor | None = None, unread: int = 0, unseen: int = 0
    ) -> None:
        self.name = name
        self.json = json
        self.cursor = cursor
        self.unread = unread
        self.unseen = unseen
        # filled by the first connection that needs them (encoding.py)
        self.message: bytes | None = None
        self.event: bytes | None = None
        self.chunk: bytes | None = None

    def pack(self) -> bytes:
        """Encode it for another node; only frames that carry a cursor travel."""
        assert self.cursor is not None
        header = f"{self.name} {self.cursor.epoch} {self.cursor.seq} {self.unread} {self.unseen}\n"
        return header.encode() + self.json

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Decode what `pack` made; raise `ValueError` if it is something else."""
        header, _, json = data.partition(b"\n")
        json.decode()  # what is no UTF-8 would only fail later, where it is encoded for clients
        name, epoch, seq, unread, unseen = header.decode().split(" ")
        return cls(name, json, cursor=Cursor(epoch, int(seq)), unread=int(unread), unseen=int(unseen))


def _frame(name: str, fields: Mapping[str, Any], cursor: Cursor | None = None) -> Frame:
    json = orjson.dumps({"t": name, **fields}, option=orjson.OPT_UTC_Z)
    return Frame(name, json, cursor=cursor, unread=fields.get("unread", 0), unseen=fields.get("unseen", 0))


def hello(
    counts: Counts,
    *,
    connection_id: str,
    user: str,
    ping_seconds: float,
    expires_in: float | None,
    cursor: Cursor | None = None,
    items: Sequence[Notification] | None = None,
) -> Frame:
    """Open the stream. A resuming client keeps its `cursor`; any other starts at the snapshot's seq."""
    fields: dict[str, Any] = {
        "v": VERSION,
        "connection_id": connection_id,
        "user_id": user,
        "epoch": counts.epoch,
        "seq": counts.seq,
        "unread": counts.unread,
        "unseen": counts.unseen,
        "read_seq": counts.read_seq,
        "seen_seq": counts.seen_seq,
        "ping_seconds": ping_seconds,
        "expires_in": expires_in,
    }
    if items is not None:
        fields["items"] = [orjson.Fragment(item.encode()) for item in items]
    return _frame("hello", fields, cursor or Cursor(counts.epoch, counts.seq))


def notification(item: Notification, *, epoch: str, unread: int, unseen: int) -> Frame:
    """Tell of a change of one notification, with all of it inside."""
    start = f'{{"t":"notification","seq":{item.seq},"change":"{item.change}","unread":{unread},"unseen":{unseen},'
    json = start.encode() + b'"notification":' + item.encode() + b"}"
    return Frame("notification", json, cursor=Cursor(epoch, item.seq), unread=unread, unseen=unseen)


def inbox(counts: Counts, change: str) -> Frame:
    """Tell of a change of the inbox as a whole, at `counts.seq`."""
    fields = {
        "seq": counts.seq,
        "change": change,
        "read_seq": counts.read_seq,
        "seen_seq": counts.seen_seq,
        "unread": counts.unread,
        "unseen": counts.unseen,
    }
    return _frame("inbox", fields, Cursor(counts.epoch, counts.seq))


def resumed(counts: Counts, *, since: int, count: int) -> Frame:
    """Close a replay: everything in (since, counts.seq] has been said in `count` notification frames."""
    fields = {
        "from": since,
        "to": counts.seq,
        "count": count,
        "unread": counts.unread,
        "unseen": counts.unseen,
        "read_seq": counts.read_seq,
        "seen_seq": counts.seen_seq,
    }
    return _frame("resumed", fields, Cursor(counts.epoch, counts.seq))


def resync(reason: ResyncReason, cursor: Cursor, *, unread: int, unseen: int) -> Frame:
    """Give up on continuity: the client reloads over HTTP and goes on from `cursor`."""
    fields = {"reason": reason, "epoch": cursor.epoch, "seq": cursor.seq, "unread": unread, "unseen": unseen}
    return _frame("resync", fields, cursor)


def ping(cursor: Cursor) -> Frame:
    """Prove to both sides that the other is there, and how far the stream is."""
    return _frame("ping", {"seq": cursor.seq}, cursor)


def token(state: Literal["expiring", "ok"], expires_in: float) -> Frame:
    """Ask for a fresh token, or confirm one."""
    return _frame("token", {"state": state, "expires_in": expires_in})


def ok(ref: int, seq: int) -> Frame:
    """Confirm the command that carried `ref`."""
    return _frame("ok", {"ref": ref, "seq": seq})


def error(problem: HubError, ref: int | None = None) -> Frame:
    """Say why a command failed; the connection lives."""
    fields: dict[str, Any] = {"code": problem.code, "message": problem.detail, "temporary": problem.temporary}
    if ref is not None:
        fields = {"ref": ref} | fields
    if problem.errors:
        fields["errors"] = [field._asdict() for field in problem.errors]
    return _frame("error", fields)


def bye(close: Close, after_ms: int = 0) -> Frame:
    """Say why the connection ends, and whether and when to come back."""
    fields = {"code": close.code, "reason": close.reason, "reconnect": close.reconnect, "after_ms": after_ms}
    return _frame("bye", fields)


Ref = Annotated[int, Field(ge=0, le=2**53)]
Seq = Annotated[int, Field(ge=0, le=2**53)]


class Command(BaseModel):
    """Base of what a client says."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    ref: Ref | None = None


class Resume(BaseModel):
    """A cursor inside the `auth` frame."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    epoch: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
    seq: Seq


class Auth(Command):
    """The first frame of a connection that brought no other credentials."""

    t: Literal["auth"]
    token: str
    resume: Resume | None = None
    snapshot: Annotated[int, Field(ge=0, le=100)] | None = None


class Pong(Command):
    """The answer to `ping`."""

    t: Literal["pong"]
    seq: Seq = 0


class Refresh(Command):
    """A fresh token for the same user."""

    t: Literal["refresh"]
    token: str


class ChangeItems(Command):
    """A change of some notifications."""

    t: Literal["read", "unread", "archive"]
    ids: Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=100)]


class ChangeInbox(Command):
    """A change of everything up to a seq."""

    t: Literal["read_all", "seen"]
    up_to: Seq | None = None


AnyCommand = Auth | Pong | Refresh | ChangeItems | ChangeInbox
_COMMANDS: TypeAdapter[AnyCommand] = TypeAdapter(Annotated[AnyCommand, Field(discriminator="t")])


def parse(text: str | bytes) -> AnyCommand:
    """Read a client's frame; raise `Malformed` if it is no JSON object, `Invalid` if it is no known command."""
    try:
        return _COMMANDS.validate_json(text)
    except ValidationError as invalid:
        raise refused(invalid, skip=1) from None


def ref_of(text: str | bytes) -> int | None:
    """Find the `ref` of a frame that did not parse, so that its error can be told apart."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    ref = document.get("ref") if isinstance(document, dict) else None
    return ref if isinstance(ref, int) and not isinstance(ref, bool) else None
