"""What a page makes of nodes that die, networks that go, laptops that sleep and tokens that run out: nothing is lost."""

from __future__ import annotations

import re
import signal

import pytest
from playwright.async_api import expect

from tests.e2e.visit import asleep, until
from tests.edge import Edge, installed
from tests.hub_nodes import new_user


@pytest.fixture
def edge(cluster):
    """Nginx in front of both nodes, as users meet them."""
    binary = installed() or pytest.skip("needs Nginx")
    with Edge(binary, [node.url.removeprefix("http://") for node in cluster.nodes]) as running:
        yield running


@pytest.fixture
def nodes(cluster):
    """The two nodes, running again afterwards whatever a test did to them."""
    yield cluster.nodes
    for node in cluster.nodes:
        if node.process.poll() is not None:
            node.start()
    for node in cluster.nodes:
        node.wait_until_ready()


async def inbox(cluster, user, node=1):
    """The inbox as the API tells it."""
    async with cluster.user(user, node) as client:
        return (await client.get("/v1/inbox")).json()


async def online(cluster, user):
    """Whether the hub sees the user connected."""
    async with cluster.service() as service:
        return (await service.get(f"/v1/users/{user}/presence")).json()["online"]


@pytest.mark.parametrize("transport", ["websocket", "sse"])
async def test_a_killed_node(visitor, cluster, nodes, edge, transport):
    """Each node is killed in turn; the page goes on with the other one by itself and misses nothing."""
    user = new_user("alice")
    tab = await visitor.visit(user, hub=edge.url, transport=transport)
    await tab.open()
    published = []
    for down, up in ((0, 1), (1, 0)):
        nodes[down].kill()
        for _ in range(3):
            published.insert(0, f"Number {len(published)}")
            await cluster.publish(user, published[0], node=up)
        await tab.until_titles(*published)
        await tab.until(connection="live", unread=len(published))
        nodes[down].start()
        nodes[down].wait_until_ready()
    assert "waiting" in await tab.seen("states")


async def test_the_only_node(visitor, cluster, nodes):
    """While its only node is away the page says so and keeps what the user does; once it is back all is made good."""
    user = new_user("alice")
    tab = await visitor.visit(user)
    await tab.open()
    await cluster.publish(user, "Before")
    nodes[0].kill()
    await cluster.publish(user, "Meanwhile", node=1)
    await expect(tab.page.get_by_text("Connecting again")).to_be_visible()
    await tab.entry("Before").get_by_role("button", name="Mark as read").click()
    await expect(tab.page.get_by_text("1 change is sent when you are back")).to_be_visible()
    nodes[0].start()
    nodes[0].wait_until_ready()
    await tab.until_titles("Meanwhile", "Before", seconds=30)
    await tab.until(connection="live", unread=1, queued=0, seconds=30)
    await expect(tab.page.get_by_text("Connecting again")).to_be_hidden()
    read = {item["title"]: item["read"] for item in (await inbox(cluster, user))["items"]}
    assert read == {"Meanwhile": False, "Before": True}


async def test_a_drained_node(visitor, cluster, nodes, edge):
    """A node that stops in order hands its clients over; nothing is missing in between."""
    user = new_user("alice")
    tab = await visitor.visit(user, hub=edge.url)
    await tab.open()
    for number, node in enumerate(nodes):
        node.signal(signal.SIGTERM)
        node.wait()
        await cluster.publish(user, f"Number {number}", node=1 - number)
        await tab.until(connection="live", unread=number + 1)
        node.start()
        node.wait_until_ready()
    await tab.until_titles("Number 1", "Number 0")


@pytest.mark.parametrize("transport", ["websocket", "sse"])
async def test_sleep(visitor, browser, cluster, transport):
    """A laptop that slept until the hub gave it up wakes to an inbox that is up to date within seconds."""
    user = new_user("alice")
    tab = await visitor.visit(user, transport=transport)
    await tab.open()
    await cluster.publish(user, "Before")
    await tab.until_titles("Before")
    async with asleep(browser):
        for number in range(5):
            await cluster.publish(user, f"Number {number}", node=1)
        async with cluster.user(user, 1) as client:
            await client.post("/v1/inbox/read-all")
        await cluster.publish(user, "After", node=1)
        if transport == "websocket":
            await until(lambda: online(cluster, user), lambda is_online: not is_online, 30)
    await tab.until_titles("After", *(f"Number {number}" for number in reversed(range(5))), "Before")
    await tab.until(connection="live", unread=1)


WAKING = {"online": "globalThis", "pageshow": "globalThis", "visibilitychange": "document"}


async def test_woken(visitor):
    """A page that waits to try again tries at once when it is shown again or the network is back."""
    tried = []
    profile = await visitor.profile()
    await profile.add_init_script("Math.random = () => 0.999")  # the longest waits there are

    async def refuse(socket):
        tried.append(socket.url)
        await socket.close()

    await profile.route_web_socket("**/v1/ws**", refuse)
    tab = await visitor.load(new_user("alice"), profile=profile, transport="websocket")
    await until(_length(tried), lambda count: count >= 4)
    for event, target in WAKING.items():  # the next wait is 8 s, then 16, then 20
        before = len(tried)
        await until(tab.state, lambda state: state["connection"] == "waiting")
        await tab.page.evaluate(f"() => {target}.dispatchEvent(new Event('{event}'))")
        await until(_length(tried), lambda count, before=before: count > before, 4)


async def test_offline(visitor, cluster):
    """Without a network the page says so and shows what it has; what is read meanwhile is sent on return."""
    user = new_user("alice")
    tab = await visitor.visit(user)
    await tab.open()
    await cluster.publish(user, "One")
    await cluster.publish(user, "Two")
    await tab.until(unread=2)
    await tab.page.context.set_offline(True)
    await expect(tab.page.get_by_text("You are offline.")).to_be_visible()
    await tab.entry("One").get_by_role("button", name="Mark as read").click()
    await expect(tab.entry("One").get_by_role("button", name="Mark as unread")).to_be_attached()
    await expect(tab.page.get_by_text("1 change is sent when you are back.")).to_be_visible()
    assert (await inbox(cluster, user))["unread"] == 2
    assert (await tab.state())["unread"] == 2, "the count is the hub's"
    await cluster.publish(user, "Three")
    await tab.page.context.set_offline(False)
    await tab.until(connection="live", unread=2, queued=0)
    await tab.until_titles("Three", "Two", "One")
    assert (await inbox(cluster, user))["unread"] == 2
    await expect(tab.page.get_by_text("You are offline.")).to_be_hidden()


async def test_token(visitor, cluster):
    """A token that runs out is renewed inside the connection."""
    user = new_user("alice")
    tab = await visitor.load(user, ttl="6")
    asked = []
    tab.page.on("request", lambda request: "/token" in request.url and asked.append(request.url))
    await tab.until(connection="live")
    await until(_length(asked), lambda count: count >= 2, 20)
    await cluster.publish(user, "Still here")
    await tab.until(unread=1, connection="live")
    assert len(tab.sockets) == 1


def _length(items):
    async def ask():
        return len(items)

    return ask


async def test_disconnected(visitor, cluster):
    """A user whom the application disconnects stays so, is told why, and can come back by hand."""
    user = new_user("alice")
    tab = await visitor.visit(user)
    await tab.open()
    async with cluster.service() as service:
        assert (await service.post(f"/v1/users/{user}/disconnect")).is_success
    state = await tab.until(connection="stopped")
    assert state["code"] == 4009
    await expect(tab.page.get_by_text(re.compile("^Disconnected: disconnected by the application"))).to_be_visible()
    await cluster.publish(user, "Meanwhile")
    await tab.button("Reconnect").click()
    await tab.until(connection="live", unread=1)
    await tab.until_titles("Meanwhile")
