"""The rules of hub.v1 that can be seen from outside, each a check of its own.

A rule's sentence is its docstring. Rules that hold for streams run once per transport.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from hub.conformance.subject import Subject, Transport, expect

Check = Callable[[Subject, Transport], Awaitable[None]]
BOTH: tuple[Transport, ...] = ("websocket", "sse")


class Rule(NamedTuple):
    """A check and the transports it is for."""

    check: Check
    transports: tuple[Transport, ...]

    @property
    def sentence(self) -> str:
        """What must hold."""
        return (self.check.__doc__ or "").strip()


RULES: list[Rule] = []


def rule(*transports: Transport) -> Callable[[Check], Check]:
    """Register the function below as a rule."""

    def register(check: Check) -> Check:
        RULES.append(Rule(check, transports or BOTH))
        return check

    return register


@rule()
async def _hello_first(subject: Subject, transport: Transport) -> None:
    """`hello` is the first frame and carries the snapshot the stream continues from."""
    user = subject.new_user()
    await subject.published(user, 2)
    async with subject.stream(user, transport, snapshot=1) as stream:
        hello = await stream.next()
        expect(hello["t"] == "hello" and hello["user_id"] == user, hello)
        expect((hello["seq"], hello["unread"], hello["unseen"]) == (2, 2, 2), hello)
        expect([item["seq"] for item in hello["items"]] == [2], hello["items"])


@rule()
async def _live(subject: Subject, transport: Transport) -> None:
    """A published notification arrives live, with the next seq and the exact counts."""
    user = subject.new_user()
    async with subject.stream(user, transport) as stream:
        hello = await stream.next("hello")
        for number in (1, 2, 3):
            await subject.published(user)
            frame = await stream.next()
            expect(frame["t"] == "notification" and frame["change"] == "created", frame)
            expect((frame["seq"], frame["unread"]) == (hello["seq"] + number, number), frame)


@rule()
async def _replay(subject: Subject, transport: Transport) -> None:
    """A resuming client gets everything above its cursor, in order, once, closed by `resumed`."""
    user = subject.new_user()
    await subject.published(user, 2)
    async with subject.stream(user, transport) as stream:
        hello = await stream.next("hello")
    await subject.published(user, 5)
    async with subject.stream(user, transport, cursor=f"{hello['epoch']}:2") as stream:
        await stream.next("hello")
        seqs = [(await stream.next("notification"))["seq"] for _ in range(5)]
        expect(seqs == [3, 4, 5, 6, 7], seqs)
        resumed = await stream.next()
        expect((resumed["t"], resumed["from"], resumed["to"], resumed["count"]) == ("resumed", 2, 7, 5), resumed)


@rule()
async def _nothing_missed(subject: Subject, transport: Transport) -> None:
    """A client that missed nothing is told so: `resumed` with a count of 0."""
    user = subject.new_user()
    await subject.published(user)
    async with subject.stream(user, transport) as stream:
        epoch = (await stream.next("hello"))["epoch"]
    async with subject.stream(user, transport, cursor=f"{epoch}:1") as stream:
        await stream.next("hello")
        resumed = await stream.next()
        expect((resumed["t"], resumed["count"]) == ("resumed", 0), resumed)


@rule()
async def _compacted(subject: Subject, transport: Transport) -> None:
    """A replay is compacted: each changed notification once, in its latest state."""
    user = subject.new_user()
    (one,) = await subject.published(user)
    async with subject.stream(user, transport) as stream:
        epoch = (await stream.next("hello"))["epoch"]
    for verb in ("read", "unread", "read"):
        await subject.as_user(user, "POST", f"/v1/inbox/{one['id']}/{verb}")
    async with subject.stream(user, transport, cursor=f"{epoch}:1") as stream:
        await stream.next("hello")
        frame = await stream.next("notification")
        expect((frame["seq"], frame["notification"]["read"], frame["unread"]) == (4, True, 0), frame)
        resumed = await stream.next()
        expect((resumed["t"], resumed["count"], resumed["to"]) == ("resumed", 1, 4), resumed)


@rule()
async def _other_epoch(subject: Subject, transport: Transport) -> None:
    """A cursor of another epoch is answered by `resync`, never by a partial replay."""
    user = subject.new_user()
    await subject.published(user, 2)
    async with subject.stream(user, transport, cursor="elsewhere:1") as stream:
        await stream.next("hello")
        resync = await stream.next()
        expect((resync["t"], resync["seq"], resync["unread"]) == ("resync", 2, 2), resync)
        await stream.silent()


@rule()
async def _cursor_ahead(subject: Subject, transport: Transport) -> None:
    """A cursor above the inbox's last seq is answered by `resync`."""
    user = subject.new_user()
    await subject.published(user)
    async with subject.stream(user, transport) as stream:
        epoch = (await stream.next("hello"))["epoch"]
    async with subject.stream(user, transport, cursor=f"{epoch}:99") as stream:
        await stream.next("hello")
        resync = await stream.next()
        expect((resync["t"], resync["seq"]) == ("resync", 1), resync)


@rule()
async def _other_devices(subject: Subject, transport: Transport) -> None:
    """What is read on one device is read on the others, with the counts."""
    user = subject.new_user()
    (one,) = await subject.published(user)
    async with subject.stream(user, "websocket") as reader, subject.stream(user, transport) as other:
        await reader.next("hello")
        await other.next("hello")
        await reader.say(t="read", ids=[one["id"]], ref=7)
        ok = await reader.next("ok")
        expect((ok["ref"], ok["seq"]) == (7, 2), ok)
        frame = await other.next("notification")
        expect((frame["change"], frame["unread"], frame["notification"]["read"]) == ("read", 0, True), frame)


@rule()
async def _read_all(subject: Subject, transport: Transport) -> None:
    """Marking all as read up to a seq leaves what came after it unread."""
    user = subject.new_user()
    await subject.published(user, 3)
    async with subject.stream(user, transport) as stream:
        await stream.next("hello")
        await subject.as_user(user, "POST", "/v1/inbox/read-all", {"up_to": 2})
        frame = await stream.next()
        expect((frame["t"], frame["change"], frame["read_seq"], frame["unread"]) == ("inbox", "read_all", 2, 1), frame)


@rule()
async def _repetition(subject: Subject, transport: Transport) -> None:
    """A change that changes nothing takes no seq and sends no frame."""
    user = subject.new_user()
    (one,) = await subject.published(user)
    async with subject.stream(user, transport) as stream:
        await stream.next("hello")
        first = await subject.as_user(user, "POST", f"/v1/inbox/{one['id']}/read")
        await stream.next("notification")
        again = await subject.as_user(user, "POST", f"/v1/inbox/{one['id']}/read")
        expect(first.json() == again.json(), again.json())
        await stream.silent()


@rule()
async def _disconnected(subject: Subject, transport: Transport) -> None:
    """A disconnected user is told `bye` 4009, not to reconnect, and the connection ends."""
    user = subject.new_user()
    async with subject.stream(user, transport) as stream:
        await stream.next("hello")
        await subject.as_service("POST", f"/v1/users/{user}/disconnect")
        bye = await stream.next("bye")
        expect((bye["code"], bye["reconnect"]) == (4009, False), bye)
        code = await stream.closed
        expect(code in (4009, None), code)


@rule("sse")
async def _event_ids(subject: Subject, transport: Transport) -> None:
    """An event's id is the cursor a client stands at once it has applied the frame."""
    user = subject.new_user()
    async with subject.stream(user, transport) as stream:
        epoch = (await stream.next("hello"))["epoch"]
        await subject.published(user)
        id, _ = await stream.next_with_id("notification")
        expect(id == f"{epoch}:1", id)


@rule("websocket")
async def _errors(subject: Subject, transport: Transport) -> None:
    """An unknown or failing command is answered by `error` with its ref, and the connection lives."""
    user = subject.new_user()
    async with subject.stream(user, transport) as stream:
        await stream.next("hello")
        await stream.say(t="no such command", ref=1)
        error = await stream.next()
        expect((error["t"], error.get("ref")) == ("error", 1), error)
        await stream.say(t="auth", token="again", ref=2)  # noqa: S106 (not a secret)
        error = await stream.next()
        expect((error["t"], error["code"]) == ("error", "already_authenticated"), error)
        await subject.published(user)
        await stream.next("notification")


@rule("websocket")
async def _same_json(subject: Subject, transport: Transport) -> None:
    """Both transports say the same JSON."""
    user = subject.new_user()
    async with subject.stream(user, "websocket") as one, subject.stream(user, "sse") as two:
        await one.next("hello")
        await two.next("hello")
        await subject.published(user)
        frames = await one.next("notification"), await two.next("notification")
        expect(frames[0] == frames[1], frames)


@rule("websocket")
async def _idempotency(subject: Subject, transport: Transport) -> None:
    """One Idempotency-Key makes one notification; with another body it is refused with 422."""
    user = subject.new_user()
    first = await subject.publish(user, Idempotency_Key=user)
    again = await subject.publish(user, Idempotency_Key=user)
    expect(first.json() == again.json(), again.json())
    expect(again.headers.get("idempotent-replayed") == "true", dict(again.headers))
    other = await subject.publish(user, "another title", Idempotency_Key=user)
    expect(other.status_code == 422, other.status_code)
    page = (await subject.as_user(user, "GET", "/v1/inbox")).json()
    expect((len(page["items"]), page["unread"]) == (1, 1), page)
