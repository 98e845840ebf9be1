"""Every kind of change is one live frame on every device of its user, whichever node it was made on."""

import contextlib
import json

import pytest

from tests.hub_nodes import TRANSPORTS, Listener, new_user


async def post(api, path, status=200, **body):
    answer = await api.post(path, json=body or None)
    assert answer.status_code == status, answer.text
    return answer.json()


class Story:
    """A user with some notifications, changed over the API of one node."""

    def __init__(self, cluster, user, node):
        self.cluster = cluster
        self.user = user
        self._node = node
        self._api = cluster.user(user, node)

    async def publish(self, **fields):
        published = await self.cluster.publish(self.user, node=self._node, **fields)
        (notification,) = published["notifications"]
        return notification["id"], notification["seq"]

    async def do(self, verb, id):
        return (await post(self._api, f"/v1/inbox/{id}/{verb}"))["seq"]

    async def delete(self, id):
        return (await self._api.delete(f"/v1/inbox/{id}")).json()["seq"]

    async def all(self, verb, **body):
        return (await post(self._api, f"/v1/inbox/{verb}", **body))["seq"]

    async def page(self):
        return (await self._api.get("/v1/inbox?limit=100")).json()

    async def aclose(self):
        await self._api.aclose()


@pytest.fixture
async def story(cluster):
    async with contextlib.aclosing(Story(cluster, new_user(), node=0)) as made:
        yield made


# what is done after two notifications, and what the frame then says: change, unread, unseen
CHANGES = {
    "created": (lambda s, one, two: s.publish(), 3, 3),
    "read": (lambda s, one, two: s.do("read", one), 1, 1),
    "archived": (lambda s, one, two: s.do("archive", one), 1, 1),
    "deleted": (lambda s, one, two: s.delete(two), 1, 1),
    "read_all": (lambda s, one, two: s.all("read-all"), 0, 0),
    "seen": (lambda s, one, two: s.all("seen"), 2, 0),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("node", [0, 1], ids=["same node", "other node"])
async def test_a_change_is_told_live_with_its_counts(story, listen, change, node):
    """A change made on one node arrives as one frame, with the next seq and the exact counts after it."""
    one, _ = await story.publish()
    two, _ = await story.publish()
    act, unread, unseen = CHANGES[change]
    async with listen(story.user, node) as listener:
        await act(story, one, two)
        await listener.until_seq(3)
        (_, frame) = listener.frames
    assert (frame["change"], frame["seq"], frame["unread"], frame["unseen"]) == (change, 3, unread, unseen)
    if change in ("read_all", "seen"):
        assert set(frame) == {"t", "seq", "change", "read_seq", "seen_seq", "unread", "unseen"}
        assert (frame["t"], frame["seen_seq"], frame["read_seq"]) == ("inbox", 2, 2 if change == "read_all" else 0)
    else:
        assert set(frame) == {"t", "seq", "change", "unread", "unseen", "notification"}
        assert (frame["t"], frame["notification"]["seq"]) == ("notification", 3)


async def test_changes_that_undo_others_are_told_too(story, listen):
    """Unread, unarchived and updated in place: the frames carry the state that a device then shows."""
    async with listen(story.user) as here, listen(story.user, node=1) as there:
        one, _ = await story.publish(collapse_key="k")
        await story.do("read", one)
        await story.do("unread", one)
        await story.do("archive", one)
        await story.do("unarchive", one)
        same, _ = await story.publish(collapse_key="k", title="newer")
        assert same == one
        for listener in (here, there):
            await listener.until_seq(6)
        page = await story.page()
    told = [(f["change"], f["unread"], f["unseen"], f["notification"]["read"]) for f in here.of("notification")]
    assert told == [
        ("created", 1, 1, False),
        ("read", 0, 0, True),
        ("unread", 1, 0, False),
        ("archived", 0, 0, False),
        ("unarchived", 1, 0, False),
        ("updated", 1, 1, False),
    ]
    updated = here.frames[-1]["notification"]
    assert (updated["title"], updated["repeat_count"], updated["created_seq"], updated["seq"]) == ("newer", 2, 6, 6)
    assert here.said[1:] == there.said[1:]
    assert here.inbox.listed == there.inbox.listed == page["items"]


async def test_every_device_is_told_the_same_bytes(cluster, story):
    """Two transports on two nodes: four devices get the very same JSON in the very same order."""
    async with contextlib.AsyncExitStack() as stack:
        listeners = [
            await stack.enter_async_context(Listener(cluster, story.user, transport, node))
            for transport in TRANSPORTS
            for node in (0, 1)
        ]
        ids = [(await story.publish(title=f"{number} \u2028 é"))[0] for number in range(4)]
        await story.do("read", ids[0])
        await story.all("read-all", up_to=3)
        await story.do("archive", ids[1])
        await story.delete(ids[2])
        last = await story.all("seen")
        for listener in listeners:
            await listener.until_seq(last)
        page = await story.page()
    told = [listener.said[1:] for listener in listeners]
    assert told[0] == told[1] == told[2] == told[3]
    assert [json.loads(said)["seq"] for said in told[0]] == list(range(1, last + 1))
    for listener in listeners:
        assert listener.inbox.listed == page["items"]
        assert (listener.inbox.unread, listener.inbox.unseen) == (page["unread"], page["unseen"])


async def test_a_call_that_changes_nothing_is_not_told(story, listen):
    """Repeating a change takes no seq and sends no frame."""
    one, _ = await story.publish()
    async with listen(story.user) as listener:
        for act in (lambda: story.do("unread", one), lambda: story.do("unarchive", one)):
            assert await act() == 1
        assert await story.do("read", one) == await story.do("read", one) == 2
        assert await story.all("read-all") == await story.all("seen") == 2
        assert await story.all("read-all", up_to=10**9) == 2
        assert await story.do("archive", one) == await story.do("archive", one) == 3
        _, seq = await story.publish()
        await listener.until_seq(seq)
    assert [frame["seq"] for frame in listener.frames] == [1, 2, 3, 4]


async def test_read_all_stops_where_the_user_had_looked(story, listen):
    """`up_to` leaves unread what arrived after it, on every device, and a later look covers it."""
    for _ in range(4):
        await story.publish()
    async with listen(story.user, snapshot=10) as here, listen(story.user, node=1, snapshot=10) as there:
        await story.all("read-all", up_to=2)
        for listener in (here, there):
            await listener.until_seq(5)
            assert [item["read"] for item in listener.inbox.listed] == [False, False, True, True]
            assert [item["seen"] for item in listener.inbox.listed] == [False, False, True, True]
            assert (listener.inbox.unread, listener.inbox.unseen) == (2, 2)
        await story.all("seen", up_to=3)
        await here.until_seq(6)
        assert [item["seen"] for item in here.inbox.listed] == [False, True, True, True]
        await story.all("read-all")
        await here.until_seq(7)
        assert (here.inbox.unread, here.inbox.unseen) == (0, 0)
        assert here.inbox.listed == (await story.page())["items"]


async def test_one_publish_to_many_users_reaches_each_of_them_and_nobody_else(cluster, listen):
    """Every recipient gets their own notification under their own seq, and a bystander hears nothing."""
    users = [new_user() for _ in range(5)]
    await cluster.publish(users[0])
    async with contextlib.AsyncExitStack() as stack:
        listeners = [await stack.enter_async_context(listen(user, number % 2)) for number, user in enumerate(users)]
        bystander = await stack.enter_async_context(listen(new_user()))
        published = await cluster.publish(users, "for all")
        for listener, told in zip(listeners, published["notifications"], strict=True):
            await listener.until_seq(told["seq"])
            assert listener.frames[-1]["notification"]["id"] == told["id"]
        assert [told["seq"] for told in published["notifications"]] == [2, 1, 1, 1, 1]
        await cluster.publish(bystander.user)
        await bystander.until_seq(1)
    assert [frame["seq"] for frame in bystander.frames] == [0, 1]


async def test_a_batch_to_one_user_arrives_whole_and_in_order(cluster, listen):
    """Two hundred notifications published at once reach a connected client as two hundred frames."""
    user = new_user()
    items = [{"to": user, "category": "test", "title": f"t{number}"} for number in range(200)]
    async with listen(user) as here, listen(user, node=1) as there, cluster.service() as service:
        assert (await service.post("/v1/notifications/batch", json={"items": items})).status_code == 207
        for listener in (here, there):
            await listener.until_seq(200)
            assert [frame["seq"] for frame in listener.frames] == list(range(201))
            assert [frame["notification"]["title"] for frame in listener.of("notification")] == [
                f"t{number}" for number in range(200)
            ]


async def test_tenants_do_not_hear_each_other(cluster, transport):
    """A user of the same name in another tenant has another inbox."""
    user = new_user()
    foreign = cluster.token(user, tenant="other")
    async with (
        Listener(cluster, user, transport) as own,
        Listener(cluster, user, transport, token=foreign) as other,
    ):
        await cluster.publish(user)
        await own.until_seq(1)
        assert own.frames[0]["epoch"] != other.frames[0]["epoch"]
    assert len(other.frames) == 1
