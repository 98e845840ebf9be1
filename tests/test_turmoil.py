"""Everything at once: two publishing processes, two nodes behind Nginx, and clients that come and go at random."""

import asyncio
import random
import sys

import pytest

from tests import edge
from tests.hub_nodes import TRANSPORTS, Cluster, new_user
from tests.listener import Inbox, Listener

SECONDS = 30
USERS = 50
EACH = 1000


async def restless(cluster, url, user, transport, settled):
    """Come, stay a while, leave without a word, resume, until all is published.

    Returns its inbox, the seq it began from and those it was told of. It may come when something was published
    already, so it asks for the list that goes with the seq of its first `hello`.
    """
    random_ = random.Random(user)
    inbox: Inbox | None = None
    began = 0
    told: list[int] = []
    await asyncio.sleep(random_.uniform(0, 5))
    while True:
        first = {"inbox": inbox} if inbox else {"snapshot": 100}
        async with Listener(cluster, user, transport, url=url, **first) as listener:
            if inbox is None:
                inbox, began = listener.inbox, listener.of("hello")[0]["seq"]
            stay = asyncio.create_task(settled.wait())
            await asyncio.wait({stay}, timeout=random_.uniform(0.05, 3))
            stay.cancel()
            if settled.is_set():
                last = (await inbox_of(cluster, user))["seq"]
                await listener.until_seq(last, timeout=20)
        told += [frame["seq"] for frame in listener.of("notification")]
        if settled.is_set():
            return inbox, began, told
        await asyncio.sleep(random_.uniform(0, 0.5))


async def inbox_of(cluster, user):
    """Read a user's whole inbox over HTTP."""
    async with cluster.user(user) as client:
        return (await client.get("/v1/inbox", params={"limit": 100})).json()


@pytest.mark.timeout(120)
async def test_every_client_believes_what_the_inbox_says(services):
    """2,000 notifications to 50 users in 30 s by two processes, while 50 clients reconnect at random: all agree."""
    users = [new_user("turmoil") for _ in range(USERS)]
    with (
        Cluster(services.database_url, services.redis_url) as cluster,
        edge.Edge(edge.binary("installed"), [node.url.removeprefix("http://") for node in cluster.nodes]) as nginx,
    ):
        settled = asyncio.Event()
        clients = [
            asyncio.create_task(restless(cluster, nginx.url, user, TRANSPORTS[number % 2], settled))
            for number, user in enumerate(users)
        ]
        command = (sys.executable, "-m", "tests.publisher", nginx.url, cluster.api_key, str(EACH), str(SECONDS))
        publishers = [await asyncio.create_subprocess_exec(*command, *users) for _ in range(2)]
        assert [await publisher.wait() for publisher in publishers] == [0, 0]
        settled.set()
        for user, client in zip(users, clients, strict=True):
            inbox, began, told = await client
            truth = await inbox_of(cluster, user)
            assert (inbox.seq, inbox.unread, inbox.unseen) == (truth["seq"], truth["unread"], truth["unseen"])
            assert inbox.listed == truth["items"]
            assert len(truth["items"]) == 2 * EACH // USERS == truth["seq"]
            assert told == list(range(began + 1, truth["seq"] + 1)), "a change was told twice, late or not at all"
