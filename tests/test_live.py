"""Being connected, on nodes inside this process: gaps close by themselves, and nobody who left is left behind."""

import asyncio

import pytest

from hub.identity import UserKey
from hub.store.publications import Publication
from tests.hub_nodes import new_user
from tests.nodes_inside import Client, Network

LOST = (0, 0)  # arrives no times


@pytest.fixture
async def network(cluster, settings, monkeypatch):
    """Two nodes and a way between them that does as it is told."""
    opened = await Network(settings, monkeypatch).open()
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def far(network):
    """A client on the second node, of a user who is written to on the first."""
    client = Client(UserKey("default", new_user()), "websocket")
    await client.join(network.nodes[1])
    yield client
    client.leave()


async def publish(network, key, count=1):
    for _ in range(count):
        publication = Publication("default", "tests", "test", b'{"category":"test"}', [key.user])
        (outcome,) = await network.nodes[0].publish([publication])
    return outcome.receipts[0].id


async def until(happened):
    async with asyncio.timeout(5):
        while not happened():
            await asyncio.sleep(0.002)


def repairs(hub):
    return hub._metrics.registry.get_sample_value("hub_gap_repairs_total")


async def test_a_lost_frame_is_read_as_soon_as_the_next_one_shows_it(network, far):
    """A gap closes by itself, long before positions are compared, with one read and in order."""
    network.fate = [(1, 0), LOST]  # taken from the end
    await publish(network, far.key, 2)
    await until(lambda: far.inbox.seq == 2)
    assert [frame["seq"] for frame in far.frames] == [0, 1, 2]
    assert repairs(network.nodes[1]) == 1


async def test_frames_that_overtook_each_other_cost_no_read(network, far):
    """What is only late is waited for a moment, and the database is left alone."""
    network.fate = [(1, 0), (1, 1)]
    await publish(network, far.key, 2)
    await until(lambda: far.inbox.seq == 2)
    assert repairs(network.nodes[1]) == 0


async def test_a_loss_that_nothing_shows_is_found_by_comparing_positions(network, far):
    """When the last frame is lost, the check that follows an interruption finds it."""
    network.fate = [LOST]
    await publish(network, far.key)
    assert far.inbox.seq == 0
    await network.settle([far])
    assert far.inbox.seq == 1


async def test_very_many_changes_at_once_reach_the_other_node_by_one_read(network, far):
    """Of more than a hundred only the last is told, and each node reads the rest once."""
    for _ in range(3):
        publications = [
            Publication("default", "tests", "test", b'{"category":"test"}', [far.key.user]) for _ in range(50)
        ]
        outcomes = await network.nodes[0].publish(publications)
    ids = [item.id for item in (await network.nodes[0].inboxes.page(far.key, filter="all", limit=150)).items]
    assert len(ids) == 150
    assert outcomes
    before = repairs(network.nodes[1])
    counts = await network.nodes[0].change(far.key, ids, "read")
    await until(lambda: far.inbox.seq == counts.seq)
    assert (far.inbox.unread, far.inbox.unseen) == (0, 0)
    assert repairs(network.nodes[1]) == before + 1


async def test_a_client_that_left_before_its_turn_is_not_let_in(network):
    """A connection that is gone when its join begins takes up no room and no subscription."""
    client = Client(UserKey("default", new_user()), "websocket")
    await client.join(network.nodes[0])
    connection, hub = client.connection, network.nodes[0]
    client.leave()
    await hub.live.join(connection, None, None)
    assert len(hub.live.roster) == 0
    assert not hub.live.propagator.subscribed


async def test_a_user_is_subscribed_to_while_anybody_of_theirs_is_here(network):
    """The last connection takes the subscription with it, not an earlier one."""
    key = UserKey("default", new_user())
    one, two = Client(key, "websocket"), Client(key, "sse")
    way = network.nodes[0].live.propagator
    for client in (one, two):
        await client.join(network.nodes[0])
    one.leave()
    assert way.subscribed == {key}
    two.leave()
    assert way.subscribed == set()
