"""Any ASGI server: the same application under Hypercorn, which offers no way out of ASGI."""

import sys

import pytest

from tests.hub_nodes import TRANSPORTS, Cluster, new_user
from tests.listener import Listener, Refused

COMMAND = [sys.executable, "-m", "hypercorn", "tests.portable_node:app", "--log-level", "warning", "--bind"]
TO = {"category": "tests", "title": "Portable"}


@pytest.fixture(scope="module")
def portable(services, cluster, path):
    """A node of another server, which may be asked to leave ASGI and cannot."""
    lean = str(path == "lean")
    running = Cluster(services.database_url, services.redis_url, nodes=1, api_key=cluster.api_key, lean=lean)
    (node,) = running.nodes
    node.command = [*COMMAND, f"127.0.0.1:{node.port}"]
    with running:
        yield running


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_stream_goes_on_where_it_was_left(portable, transport):
    """Live, exact, and without a gap after an absence."""
    user = new_user()
    async with portable.service() as service:
        async with Listener(portable, user, transport) as listener:
            assert (await service.post("/v1/notifications", json=TO | {"to": user})).status_code == 201
            await listener.until_seq(1)
        assert (await service.post("/v1/notifications", json=TO | {"to": user})).status_code == 201
    async with Listener(portable, user, transport, inbox=listener.inbox) as listener:
        resumed = await listener.until_frame("resumed")
    assert (resumed["from"], resumed["to"], resumed["count"], resumed["unread"]) == (1, 2, 1, 2)
    assert [item["seq"] for item in listener.inbox.listed] == [2, 1]


async def test_a_client_is_heard(portable):
    """Commands take effect and are answered."""
    user = new_user()
    async with Listener(portable, user, "websocket") as listener, portable.service() as service:
        await service.post("/v1/notifications", json=TO | {"to": user})
        await listener.until_seq(1)
        (told,) = listener.of("notification")
        assert (await listener.ask(t="read", ids=[told["notification"]["id"]]))["t"] == "ok"
        await listener.until_seq(2)
    assert (listener.inbox.unread, listener.inbox.listed[0]["read"]) == (0, True)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_bad_token_is_refused(portable, transport):
    """With the problem that any server answers."""
    with pytest.raises(Refused) as refused:
        async with Listener(portable, new_user(), transport, token="nonsense"):
            pass
    assert (refused.value.status, b"/problems/unauthorized" in refused.value.body) == (401, True)
