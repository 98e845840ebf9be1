"""What goes wrong, and what a client must make of it. Pure: a script of frames and pauses, and a verdict on the visits.

Every scenario's truth is one inbox of epoch `e`, whose notifications are numbered from 1. A visit is one connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from hub import protocol
from hub.errors import DRAIN, FORBIDDEN, TOKEN_EXPIRED
from hub.notification import Notification
from hub.protocol import Counts, Cursor, Frame

EPOCH = "e"
STAY = 5.0  # seconds that a connection with nothing left to say stays open
AFTER_MS = 500


class Visit(NamedTuple):
    """One connection: its number from 0, how it came, where it resumed, and when (monotonic seconds)."""

    number: int
    transport: str
    cursor: str | None
    at: float


Script = Callable[[Visit], Iterable[Frame | float]]
Judge = Callable[[Sequence[Visit], int], list[str]]


@dataclass(frozen=True)
class Scenario:
    """A rule for clients, what they are told, how they are judged, and what a reload over HTTP gives them."""

    rule: str
    script: Script
    judge: Judge
    page: dict[str, Any]


def item(seq: int) -> Notification:
    """Make notification number `seq`."""
    content = {"category": "conformance", "title": f"number {seq}", "body": None, "data": None, "action_url": None}
    rest: dict[str, Any] = {"icon": None, "actions": None, "priority": "normal", "collapse_key": None, "tags": []}
    made = datetime(2026, 1, 1, tzinfo=UTC)
    return Notification(UUID(int=seq), seq, seq, seq, "created", made, orjson.dumps(content | rest))


def counts(seq: int) -> Counts:
    """Make the counts after `seq` notifications that nobody read."""
    return Counts(EPOCH, seq, seq, seq, 0, 0)


def hello(seq: int, cursor: str | None = None) -> Frame:
    """Make the first frame."""
    resume = Cursor.parse(cursor) if cursor else None
    return protocol.hello(
        counts(seq),
        connection_id="con_conformance",
        user="anybody",
        ping_seconds=25,
        expires_in=3600,
        cursor=resume,
        items=None if resume else [item(number) for number in range(seq, 0, -1)],
    )


def told(*seqs: int) -> Iterator[Frame]:
    """Make live frames."""
    for seq in seqs:
        yield protocol.notification(item(seq), epoch=EPOCH, unread=seq, unseen=seq)


def caught_up(visit: Visit, seq: int) -> Iterator[Frame | float]:
    """Do what a good server does for a client that comes back, then stay."""
    yield hello(seq, visit.cursor)
    if visit.cursor is not None:
        since = Cursor.parse(visit.cursor).seq
        yield from told(*range(since + 1, seq + 1))
        yield protocol.resumed(counts(seq), since=since, count=seq - since)
    yield STAY


def _page(seq: int) -> dict[str, Any]:
    items = [orjson.loads(item(number).encode()) for number in range(seq, 0, -1)]
    return {"items": items, "next_cursor": None, "epoch": EPOCH, "seq": seq, "unread": seq, "unseen": seq}


def _resumes_at(seq: int) -> Judge:
    def judge(visits: Sequence[Visit], reloads: int) -> list[str]:
        if len(visits) < 2:
            return ["it did not come back"]
        wanted = f"{EPOCH}:{seq}"
        return [] if visits[1].cursor == wanted else [f"it resumed at {visits[1].cursor}, not at {wanted}"]

    return judge


def _broken_off(visit: Visit) -> Iterator[Frame | float]:
    if visit.number == 0:
        yield hello(2)
        yield from told(3, 4)
    else:
        yield from caught_up(visit, 7)


def _repeated(visit: Visit) -> Iterator[Frame | float]:
    if visit.number == 0:
        yield hello(1)
        yield from told(2, 2, 3, 2, 3)
    else:
        yield from caught_up(visit, 3)


def _overtaken(visit: Visit) -> Iterator[Frame | float]:
    if visit.number == 0:
        yield hello(1)
        yield from told(4, 2, 3)
    else:
        yield from caught_up(visit, 4)


def _resynced(visit: Visit) -> Iterator[Frame | float]:
    if visit.number == 0:
        yield hello(1)
        yield protocol.resync("slow", Cursor(EPOCH, 6), unread=6, unseen=6)
        yield 1.0
    else:
        yield from caught_up(visit, 6)


def _judge_resync(visits: Sequence[Visit], reloads: int) -> list[str]:
    problems = [] if reloads else ["it did not reload over HTTP"]
    return problems + _resumes_at(6)(visits, reloads)


def _drained(visit: Visit) -> Iterator[Frame | float]:
    if visit.number == 0:
        yield hello(3)
        yield protocol.bye(DRAIN, AFTER_MS)
    else:
        yield from caught_up(visit, 3)


def _judge_drain(visits: Sequence[Visit], reloads: int) -> list[str]:
    problems = _resumes_at(3)(visits, reloads)
    if len(visits) > 1 and visits[1].at - visits[0].at < AFTER_MS / 1000:
        problems.append(f"it came back before after_ms={AFTER_MS} had passed")
    return problems


def _expired(visit: Visit) -> Iterator[Frame | float]:
    if visit.number == 0:
        yield hello(2)
        yield protocol.bye(TOKEN_EXPIRED)
    else:
        yield from caught_up(visit, 2)


def _forbidden(visit: Visit) -> Iterator[Frame | float]:
    yield hello(1)
    yield protocol.bye(FORBIDDEN)


def _judge_forbidden(visits: Sequence[Visit], reloads: int) -> list[str]:
    return ["it came back although it was told to stop"] if len(visits) > 1 else []


SCENARIOS = {
    "replay": Scenario("resumes where it was when a connection breaks off", _broken_off, _resumes_at(4), _page(7)),
    "duplicates": Scenario("drops what it has applied already", _repeated, _resumes_at(3), _page(3)),
    "reorder": Scenario("never goes back behind a seq it has applied", _overtaken, _resumes_at(4), _page(4)),
    "resync": Scenario("reloads over HTTP on `resync`, then goes on from there", _resynced, _judge_resync, _page(6)),
    "drain": Scenario("comes back after `after_ms` when a node drains", _drained, _judge_drain, _page(3)),
    "expiry": Scenario("comes back with a token when its token expired", _expired, _resumes_at(2), _page(2)),
    "forbidden": Scenario("stays away when it is told to stop", _forbidden, _judge_forbidden, _page(1)),
}
