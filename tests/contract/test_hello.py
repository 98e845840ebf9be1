"""The first frame: the snapshot a stream continues from, the same JSON on both transports and in the list."""

import json

import pytest

from tests.hub_nodes import TRANSPORTS, Listener, Refused, WayIn, new_user

HELLO = {
    *("t", "v", "connection_id", "user_id", "epoch", "seq", "unread", "unseen", "read_seq", "seen_seq"),
    *("ping_seconds", "expires_in"),
}


def item_of(said):
    """Cut the notification out of a frame as it came."""
    return said[said.index('"notification":') + len('"notification":') : -1]


async def test_hello_comes_first_and_says_where_the_inbox_is(cluster, listen):
    """A new client is told the counts as the API has them, with exactly the fields of the protocol."""
    user = new_user()
    for _ in range(3):
        await cluster.publish(user)
    async with cluster.user(user) as api:
        await api.post("/v1/inbox/seen", json={"up_to": 2})
        page = (await api.get("/v1/inbox")).json()
    async with listen(user) as listener:
        hello = listener.frames[0]
    assert set(hello) == HELLO
    assert {name: hello[name] for name in ("t", "v", "user_id", "ping_seconds")} == {
        "t": "hello",
        "v": 1,
        "user_id": user,
        "ping_seconds": 25,
    }
    assert {name: hello[name] for name in ("epoch", "seq", "unread", "unseen")} == {
        name: page[name] for name in ("epoch", "seq", "unread", "unseen")
    }
    assert (hello["seq"], hello["unread"], hello["unseen"], hello["read_seq"], hello["seen_seq"]) == (4, 3, 1, 0, 2)
    assert 3590 <= hello["expires_in"] <= 3600


async def test_somebody_nobody_ever_wrote_to_has_a_stream(listen):
    """A user without an inbox gets an empty one, and its epoch stays."""
    user = new_user()
    async with listen(user, snapshot=5) as one, listen(user, node=1) as two:
        assert one.frames[0]["items"] == []
        assert (one.frames[0]["seq"], one.frames[0]["unread"]) == (0, 0)
        assert one.frames[0]["epoch"] == two.frames[0]["epoch"]
        assert one.frames[0]["connection_id"] != two.frames[0]["connection_id"]


@pytest.mark.parametrize(("asked", "given"), [(0, 0), (2, 2), (100, 3)])
async def test_a_snapshot_has_the_newest_items_first(cluster, listen, asked, given):
    """`snapshot=N` puts the N newest listed notifications into `hello`, byte for byte as the list has them."""
    user = new_user()
    for number in range(4):
        published = await cluster.publish(user, f"title {number} \u2028 🦊", data={"n": number})
    async with cluster.user(user) as api:
        await api.post(f"/v1/inbox/{published['notifications'][0]['id']}/archive")
        page = await api.get("/v1/inbox")
    async with listen(user, snapshot=asked) as listener:
        hello = listener.frames[0]
    assert set(hello) == HELLO | {"items"}
    assert [item["title"][:7] for item in hello["items"]] == ["title 2", "title 1", "title 0"][:given]
    assert hello["items"] == page.json()["items"][:given]
    items = listener.said[0][listener.said[0].index('"items":') + len('"items":') :]
    assert page.text[len('{"items":') :].startswith(items[:-2])


async def test_both_transports_say_the_same_hello(cluster):
    """But for the connection's id the two transports open with the same bytes."""
    user, token = new_user(), None
    await cluster.publish(user)
    token = cluster.token(user)
    said = []
    for transport in TRANSPORTS:
        async with Listener(cluster, user, transport, snapshot=5, token=token) as listener:
            said.append(listener.said[0].replace(listener.frames[0]["connection_id"], "con"))
            expires_in = listener.frames[0]["expires_in"]
    assert said[0].replace(f'"expires_in":{expires_in + 1},', f'"expires_in":{expires_in},') == said[1]


async def test_a_notification_reads_the_same_live_listed_and_in_a_snapshot(cluster, listen):
    """The JSON of a notification is one and the same in a frame, in the list and in `hello`, to the byte."""
    user = new_user()
    async with listen(user) as here, listen(user, node=1) as there:
        published = await cluster.publish(
            user,
            'title \u2028 \u0085 \\ " 🦊',
            body="two\r\nlines",
            data={"deep": [1, 2.5, None, {"é": "\t"}]},
            action_url="/orders/7",
            icon="https://example.com/i.png",
            actions=[{"id": "ok", "label": "OK"}],
            priority="high",
            tags=["a", "b"],
            collapse_key="k",
            expires_at="2999-01-01T02:00:00.25+02:00",
        )
        await here.until_seq(1)
        await there.until_seq(1)
        async with cluster.user(user) as api:
            await api.post(f"/v1/inbox/{published['notifications'][0]['id']}/read")
            listed = (await api.get("/v1/inbox")).text
        await here.until_seq(2)
        await there.until_seq(2)
    assert here.said[1:] == there.said[1:]
    assert f'{{"items":[{item_of(here.said[2])}],' in listed
    assert json.loads(item_of(here.said[1]))["expires_at"] == "2999-01-01T00:00:00.250000Z"
    async with listen(user, snapshot=1) as late:
        assert f'"items":[{item_of(here.said[2])}]' in late.said[0]


@pytest.mark.parametrize("snapshot", ["-1", "101", "x", "1.0", "", "٣", "9" * 30])
async def test_a_snapshot_that_is_no_number_up_to_100_is_refused(cluster, snapshot):
    """A bad `snapshot` is 422 on SSE, and `error` and 4000 on WebSocket, where a page cannot see a status."""
    user = new_user()
    usual = cluster.way_in(user, "sse")
    with pytest.raises(Refused) as refusal:
        async with Listener(cluster, user, "sse", way_in=usual._replace(query={"snapshot": snapshot})):
            pass
    assert refusal.value.status == 422
    assert json.loads(refusal.value.body)["errors"][0]["pointer"] == "#/query/snapshot"
    way_in = cluster.way_in(user, "websocket")._replace(query={"snapshot": snapshot})
    async with Listener(cluster, user, "websocket", way_in=way_in) as listener:
        assert await listener.until_closed() == 4000
    assert [frame["t"] for frame in listener.frames] == ["error", "bye"]


async def test_the_ids_of_an_event_stream_are_cursors(cluster):
    """Each event's id is where a client stands once it has applied it, so that a browser resumes by itself."""
    user = new_user()
    await cluster.publish(user)
    async with Listener(cluster, user, "sse") as listener:
        await cluster.publish(user)
        await listener.until_seq(2)
    epoch = listener.frames[0]["epoch"]
    assert listener.ids == [f"{epoch}:1", f"{epoch}:2"]


async def test_a_server_says_nothing_before_hello_even_to_the_hasty(cluster):
    """Whatever a client sends before it was greeted is answered after `hello`."""
    user = new_user()
    way_in = cluster.way_in(user, "websocket")._replace(first='{"t":"nonsense","ref":7}')
    async with Listener(cluster, user, "websocket", way_in=way_in) as listener:
        await listener.until_frame("error", ref=7)
    assert [frame["t"] for frame in listener.frames] == ["hello", "error"]


async def test_a_stream_is_for_get_and_a_socket_is_for_an_upgrade(cluster):
    """Other methods and plain requests are told what to do instead."""
    user = new_user()
    async with cluster.user(user) as api:
        assert (await api.post("/v1/stream")).status_code == 405
        plain = await api.get("/v1/ws")
    assert (plain.status_code, plain.headers["upgrade"]) == (426, "websocket")
    assert plain.headers["sec-websocket-version"] == "13"


def test_a_way_in_has_no_credentials_by_itself():
    """The helper of these tests adds nothing that a test did not ask for."""
    assert WayIn() == ({}, {}, ("hub.v1",), None)
