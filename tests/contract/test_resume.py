"""Coming back: one rule on both transports, and nothing missing, nothing twice, the order kept."""

import json

import pytest

from tests.contract.conftest import REPLAY_LIMIT
from tests.hub_nodes import TRANSPORTS, Inbox, Listener, Refused, WayIn, new_user

EVERY_WAY = [
    ("websocket", "query"),
    ("websocket", "auth frame"),
    ("sse", "header"),
    ("sse", "query"),
]


def way_back(cluster, user, transport, by, cursor):
    """Make the way in of a client that resumes from a cursor."""
    usual = cluster.way_in(user, transport)
    epoch, _, seq = cursor.rpartition(":")
    match transport, by:
        case "websocket", "query":
            return usual._replace(query={"resume": cursor})
        case "websocket", "auth frame":
            auth = {"t": "auth", "token": cluster.token(user), "resume": {"epoch": epoch, "seq": int(seq)}}
            return WayIn(first=json.dumps(auth))
        case "sse", "header":
            return usual._replace(headers={**usual.headers, "Last-Event-ID": cursor})
        case _:
            return usual._replace(query={"last_event_id": cursor})


def coming_back(cluster, listener, by=None, node=1, cursor=None):
    """Reconnect as the client that `listener` was, to another node."""
    by = by or {"websocket": "query", "sse": "header"}[listener.transport]
    way_in = way_back(cluster, listener.user, listener.transport, by, cursor or listener.cursor)
    return Listener(cluster, listener.user, listener.transport, node, inbox=listener.inbox, way_in=way_in)


def kinds(listener):
    return [frame["t"] for frame in listener.frames]


async def batch(cluster, user, count, first=0):
    """Publish many notifications to one user in as few commits as can be."""
    async with cluster.service() as service:
        for start in range(first, first + count, 500):
            numbers = range(start, min(start + 500, first + count))
            items = [{"to": user, "category": "test", "title": f"t{number}"} for number in numbers]
            answer = await service.post("/v1/notifications/batch", json={"items": items})
            assert {result["status"] for result in answer.json()["results"]} == {201}


@pytest.mark.parametrize(("transport", "by"), EVERY_WAY)
async def test_a_client_that_missed_nothing_is_told_so(cluster, transport, by):
    """Resuming from the last seq is `hello`, `resumed` with nothing in between, and live from there."""
    user = new_user()
    await cluster.publish(user)
    async with Listener(cluster, user, transport) as first:
        pass
    async with coming_back(cluster, first, by) as second:
        resumed = await second.until_frame("resumed")
        assert kinds(second) == ["hello", "resumed"]
        assert {name: resumed[name] for name in ("from", "to", "count")} == {"from": 1, "to": 1, "count": 0}
        assert set(resumed) == {"t", "from", "to", "count", "unread", "unseen", "read_seq", "seen_seq"}
        await cluster.publish(user)
        await second.until_seq(2)
    assert kinds(second) == ["hello", "resumed", "notification"]


@pytest.mark.parametrize(("transport", "by"), EVERY_WAY)
async def test_what_was_missed_comes_in_order_and_once(cluster, transport, by):
    """Everything above the cursor is replayed in seq order, then `resumed`, then what happens from now on."""
    user = new_user()
    async with Listener(cluster, user, transport, snapshot=10) as first:
        await cluster.publish(user)
        await first.until_seq(1)
    for node in (0, 1, 0):
        await cluster.publish(user, node=node)
    async with coming_back(cluster, first, by) as second:
        resumed = await second.until_frame("resumed")
        await cluster.publish(user)
        await second.until_seq(5)
    assert kinds(second) == ["hello", *["notification"] * 3, "resumed", "notification"]
    assert [frame["seq"] for frame in second.of("notification")] == [2, 3, 4, 5]
    assert (resumed["from"], resumed["to"], resumed["count"], resumed["unread"]) == (1, 4, 3, 4)
    assert (second.frames[0]["seq"], second.frames[0]["unread"]) == (4, 4)


async def test_state_changes_are_replayed_compacted(cluster, listen):
    """A replay says each changed notification once, in its latest state: read, put away, updated and deleted ones."""
    user = new_user()
    async with listen(user, snapshot=10) as first:
        ids = [(await cluster.publish(user))["notifications"][0]["id"] for _ in range(4)]
        await first.until_seq(4)
    async with cluster.user(user) as api:
        await api.post(f"/v1/inbox/{ids[0]}/read")  # 5
        await api.post(f"/v1/inbox/{ids[1]}/archive")  # 6
        await api.delete(f"/v1/inbox/{ids[2]}")  # 7
        new = (await cluster.publish(user))["notifications"][0]["id"]  # 8
        await api.post(f"/v1/inbox/{new}/read")  # 9
        await api.post(f"/v1/inbox/{ids[0]}/unread")  # 10
        page = (await api.get("/v1/inbox")).json()
    async with coming_back(cluster, first) as second:
        resumed = await second.until_frame("resumed")
        told = [(frame["seq"], frame["change"], frame["notification"]["id"]) for frame in second.of("notification")]
        assert second.inbox.listed == page["items"]
    assert told == [(6, "archived", ids[1]), (7, "deleted", ids[2]), (9, "read", new), (10, "unread", ids[0])]
    assert (resumed["count"], resumed["to"], resumed["unread"], resumed["unseen"]) == (4, 10, 2, 1)
    assert {(frame["unread"], frame["unseen"]) for frame in second.of("notification")} == {(2, 1)}


async def test_moved_watermarks_are_part_of_a_replay(cluster, listen):
    """Marking everything while a client was away reaches it, without touching what came afterwards."""
    user = new_user()
    async with listen(user, snapshot=10) as first:
        for _ in range(3):
            await cluster.publish(user)
        await first.until_seq(3)
    async with cluster.user(user) as api:
        await api.post("/v1/inbox/read-all", json={"up_to": 2})  # 4
        await cluster.publish(user)  # 5
        page = (await api.get("/v1/inbox")).json()
        async with coming_back(cluster, first) as second:
            resumed = await second.until_frame("resumed")
            assert second.inbox.listed == page["items"]
            assert [item["read"] for item in second.inbox.listed] == [False, False, True, True]
        assert (resumed["count"], resumed["read_seq"], resumed["seen_seq"], resumed["unread"]) == (1, 2, 2, 2)
        await api.post("/v1/inbox/seen")  # 6
        page = (await api.get("/v1/inbox")).json()
    async with coming_back(cluster, second) as third:
        resumed = await third.until_frame("resumed")
        assert third.inbox.listed == page["items"]
        assert third.inbox.unseen == 0
    assert (resumed["count"], resumed["seen_seq"], resumed["to"]) == (0, 5, 6)


async def test_resumed_counts_the_notification_frames_before_it(cluster, listen):
    """`resumed.count` is what was sent, whether or not the inbox as a whole changed too."""
    user = new_user()
    async with listen(user) as first:
        pass
    for _ in range(3):
        await cluster.publish(user)
    async with cluster.user(user) as api:
        await api.post("/v1/inbox/read-all")
    async with coming_back(cluster, first) as second:
        resumed = await second.until_frame("resumed")
    before = second.frames[: second.frames.index(resumed)]
    assert resumed["count"] == sum(frame["t"] == "notification" for frame in before) == 3


async def test_hello_does_not_move_the_cursor_of_a_client_that_resumes(cluster):
    """If the line breaks after `hello`, the next cursor is still the old one: an event's id says where a client is."""
    user = new_user()
    await cluster.publish(user)
    async with Listener(cluster, user, "sse") as first:
        pass
    for _ in range(2):
        await cluster.publish(user)
    async with coming_back(cluster, first) as second:
        await second.until_frame("resumed")
    epoch = second.inbox.epoch
    assert second.ids == [f"{epoch}:1", f"{epoch}:2", f"{epoch}:3", f"{epoch}:3"]


async def test_the_header_wins_over_the_query(cluster):
    """A native `EventSource` that reconnects repeats its URL: the fresher cursor is in the header."""
    user = new_user()
    for _ in range(3):
        await cluster.publish(user)
    async with Listener(cluster, user, "sse") as first:
        epoch = first.inbox.epoch
    way_in = way_back(cluster, user, "sse", "header", f"{epoch}:2")._replace(query={"last_event_id": f"{epoch}:0"})
    async with Listener(cluster, user, "sse", way_in=way_in) as second:
        assert (await second.until_frame("resumed"))["from"] == 2


async def test_the_auth_frame_wins_over_the_query(cluster):
    """A cursor in the first frame is fresher than the one in the URL; without one the URL's counts."""
    user = new_user()
    for _ in range(3):
        await cluster.publish(user)
    async with Listener(cluster, user, "websocket") as first:
        epoch = first.inbox.epoch
    query = {"resume": f"{epoch}:0", "snapshot": "1"}
    own = {"t": "auth", "token": cluster.token(user), "resume": {"epoch": epoch, "seq": 2}, "snapshot": 2}
    for said, since, items in ((own, 2, 2), ({"t": "auth", "token": own["token"]}, 0, 1)):
        way_in = WayIn(query=query, first=json.dumps(said))
        async with Listener(cluster, user, "websocket", way_in=way_in) as second:
            assert (await second.until_frame("resumed"))["from"] == since
            assert len(second.frames[0]["items"]) == items


async def test_any_cursor_however_old_is_resumed(cluster, listen):
    """From the very beginning of an inbox the whole of it is replayed, snapshot or not."""
    user = new_user()
    async with listen(user) as first:
        pass
    for _ in range(3):
        await cluster.publish(user)
    by = {"websocket": "query", "sse": "header"}[first.transport]
    way_in = way_back(cluster, user, first.transport, by, f"{first.inbox.epoch}:0")
    async with Listener(cluster, user, first.transport, snapshot=2, inbox=Inbox(), way_in=way_in) as second:
        resumed = await second.until_frame("resumed")
        assert len(second.frames[0]["items"]) == 2
    assert (resumed["from"], resumed["to"], resumed["count"]) == (0, 3, 3)


@pytest.mark.parametrize(("transport", "by"), EVERY_WAY)
@pytest.mark.parametrize("cursor", ["{epoch}:3", "{epoch}:999999999999", "another:1", "another:0"])
async def test_a_cursor_that_cannot_be_continued_is_a_resync(cluster, transport, by, cursor):
    """A cursor above the last seq or of another epoch gets `resync` and nothing of a replay, then goes on live."""
    user = new_user()
    for _ in range(2):
        await cluster.publish(user)
    async with Listener(cluster, user, transport) as first:
        epoch = first.inbox.epoch
    async with coming_back(cluster, first, by, cursor=cursor.format(epoch=epoch)) as second:
        resync = await second.until_frame("resync")
        assert kinds(second) == ["hello", "resync"]
        await cluster.publish(user)
        await second.until_frame("notification", seq=3)
    assert resync == {"t": "resync", "reason": "epoch", "epoch": epoch, "seq": 2, "unread": 2, "unseen": 2}
    assert kinds(second) == ["hello", "resync", "notification"]


UNREADABLE = ["x", ":", "epoch:", ":1", "e:-1", "e:01", "e:1:2", "e:1.5", "e f:1", "e:" + "9" * 30, "e" * 65 + ":1"]


@pytest.mark.parametrize("cursor", UNREADABLE)
async def test_an_unreadable_cursor_is_refused(cluster, cursor):
    """It is 400 on SSE, `error` and 4000 on WebSocket; it is never taken for a new client."""
    user = new_user()
    for by in ("header", "query"):
        with pytest.raises(Refused) as refusal:
            async with Listener(cluster, user, "sse", way_in=way_back(cluster, user, "sse", by, cursor)):
                pass
        assert refusal.value.status == 400
        assert json.loads(refusal.value.body)["type"].endswith("/malformed")
    usual = cluster.way_in(user, "websocket")
    async with Listener(cluster, user, "websocket", way_in=usual._replace(query={"resume": cursor})) as listener:
        assert await listener.until_closed() == 4000
    assert kinds(listener) == ["error", "bye"]
    assert (listener.frames[0]["code"], listener.frames[1]["code"]) == ("malformed", 4000)


@pytest.mark.parametrize("resume", ["e:1", {"epoch": "e"}, {"epoch": "e", "seq": -1}, {"epoch": "", "seq": 1}, 7])
async def test_an_unreadable_cursor_in_the_auth_frame_is_refused(cluster, resume):
    """The same holds for a cursor that comes with the token: `error`, `bye`, 4000."""
    user = new_user()
    first = json.dumps({"t": "auth", "token": cluster.token(user), "resume": resume})
    async with Listener(cluster, user, "websocket", way_in=WayIn(first=first)) as listener:
        assert await listener.until_closed() == 4000
    assert kinds(listener) == ["error", "bye"]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_thousand_changes_while_away_are_all_replayed(brisk, transport):
    """Up to the replay limit nothing is missing, nothing comes twice and the order is kept; one more is a `resync`,
    never a part."""
    user = new_user()
    async with Listener(brisk, user, transport) as first:
        pass
    await batch(brisk, user, REPLAY_LIMIT)
    async with coming_back(brisk, first) as second:
        resumed = await second.until_frame("resumed", timeout=30)
        assert [frame["seq"] for frame in second.of("notification")] == list(range(1, REPLAY_LIMIT + 1))
        assert [frame["notification"]["title"] for frame in second.of("notification")] == [
            f"t{number}" for number in range(REPLAY_LIMIT)
        ]
        assert (resumed["from"], resumed["to"], resumed["count"]) == (0, REPLAY_LIMIT, REPLAY_LIMIT)
        assert len(second.inbox.listed) == second.inbox.unread == REPLAY_LIMIT
        await batch(brisk, user, 1, first=REPLAY_LIMIT)
        await second.until_seq(REPLAY_LIMIT + 1)
    old = f"{second.inbox.epoch}:0"
    async with coming_back(brisk, second, cursor=old) as third:
        resync = await third.until_frame("resync")
        await batch(brisk, user, 1)
        await third.until_frame("notification")
    assert kinds(third) == ["hello", "resync", "notification"]
    assert {name: resync[name] for name in ("reason", "seq", "unread")} == {
        "reason": "too_far",
        "seq": REPLAY_LIMIT + 1,
        "unread": REPLAY_LIMIT + 1,
    }


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_many_changes_of_few_notifications_fit_into_a_replay(brisk, transport):
    """The limit counts rows, not changes: however often a few notifications changed, they are replayed."""
    user = new_user()
    async with Listener(brisk, user, transport) as first:
        pass
    id = (await brisk.publish(user))["notifications"][0]["id"]
    async with brisk.user(user) as api:
        for _ in range(20):
            await api.post(f"/v1/inbox/{id}/read")
            await api.post(f"/v1/inbox/{id}/unread")
    async with coming_back(brisk, first) as second:
        resumed = await second.until_frame("resumed")
    assert (resumed["to"], resumed["count"]) == (41, 1)


async def test_a_native_event_source_reconnects_by_itself(cluster):
    """With a ticket in the URL and the last event's id in the header, as a browser sends it, nothing is lost."""
    user = new_user()

    async def ticket():
        async with cluster.user(user) as api:
            return {"ticket": (await api.post("/v1/tickets")).json()["ticket"]}

    async with Listener(cluster, user, "sse", way_in=WayIn(query=await ticket())) as first:
        await cluster.publish(user)
        await first.until_seq(1)
    last_event_id = [id for id in first.ids if id is not None][-1]
    await cluster.publish(user)
    way_in = WayIn(query=await ticket(), headers={"Last-Event-ID": last_event_id, "Accept": "text/event-stream"})
    async with Listener(cluster, user, "sse", inbox=first.inbox, way_in=way_in) as second:
        await second.until_frame("resumed")
    assert [frame["seq"] for frame in second.of("notification")] == [2]


async def test_a_client_that_leaves_and_comes_back_during_a_flood_misses_nothing(cluster, listen):
    """Reconnecting again and again while changes arrive, on one node after the other, gives every seq once."""
    user, seqs = new_user(), []
    async with listen(user) as listener:
        pass
    for turn in range(8):
        published = await cluster.publish([user], node=turn)
        async with coming_back(cluster, listener, node=turn) as listener:
            for number in range(5):
                published = await cluster.publish(user, node=number)
            await listener.until_seq(published["notifications"][0]["seq"])
        seqs += [frame["seq"] for frame in listener.of("notification")]
    assert seqs == list(range(1, 8 * 6 + 1))
