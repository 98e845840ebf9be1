"""What an orchestrator and a monitoring system ask."""

import re

from tests.api.calls import OPERATIONS, publication
from tests.hub_nodes import TRANSPORTS, Listener, new_user

NAMES = {  # the instruments the operating guide speaks of
    "hub_commit_batch_size",
    "hub_connections",
    "hub_connects",
    "hub_closes",
    "hub_frames_written",
    "hub_gap_repairs",
    "hub_notifications",
    "hub_propagator_rebuilds",
    "hub_publishes",
    "hub_request_seconds",
    "hub_resyncs",
    "hub_users",
}


async def test_a_node_that_runs_is_alive_and_ready(api):
    """/livez says that the process runs, /readyz what it depends on; neither asks who wants to know."""
    async with api.client() as client:
        assert (await client.get("/livez")).status_code == 204
        assert (await client.get("/readyz")).json() == {"status": "ready", "redis": True}


async def metrics(api, node=0):
    """Read a node's metrics: value by name and labels."""
    async with api.client(node) as client:
        answer = await client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.text


def value(text, name):
    """Find one value; 0 if it was never counted."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def test_the_instruments_are_there(api):
    """Every instrument is exposed with its type, also before it has counted anything."""
    exposed = set(re.findall(r"^# TYPE (\w+?)(?:_total)? \w+$", await metrics(api, node=1), re.MULTILINE))
    assert exposed >= NAMES


async def test_a_publish_and_its_listeners_are_counted(api):
    """Publications by outcome, notifications, connections by transport and the frames written to them."""
    user, key = new_user(), {"Idempotency-Key": new_user("key")}
    before = await metrics(api)
    async with (
        api.service() as service,
        Listener(api, user, "sse") as sse,
        Listener(api, user, "websocket") as websocket,
    ):
        during = await metrics(api)
        for title in ("a", "a", "b"):
            await service.post("/v1/notifications", json=publication(to=user, title=title), headers=key)
        await sse.until_seq(1)
        await websocket.until_seq(1)
        after = await metrics(api)
    counted = {
        'hub_publishes_total{outcome="stored"}': 1,
        'hub_publishes_total{outcome="replayed"}': 1,
        'hub_publishes_total{outcome="mismatch"}': 1,
        "hub_notifications_total": 1,
    }
    assert {name: value(after, name) - value(before, name) for name in counted} == counted
    for transport in TRANSPORTS:
        open_now = f'hub_connections{{transport="{transport}"}}'
        assert value(during, open_now) - value(before, open_now) == 1
        written = f'hub_frames_written_total{{transport="{transport}"}}'
        assert value(after, written) > value(before, written)


async def test_labels_are_bounded_and_name_nobody(api):
    """Requests of a hundred users to a hundred paths add no label but routes, and no user, id or token is exposed."""
    users = [new_user("metered") for _ in range(100)]
    published = [await api.publish(users[0]) for _ in range(3)]
    async with api.user(users[0]) as client, api.service() as service:
        for user in users:
            await client.get(f"/v1/inbox/ntf_{user}/read")
            await client.get(f"/{user}")
            await service.get(f"/v1/users/{user}/presence")
    text = await metrics(api)
    assert "metered" not in text
    assert published[0]["id"].removeprefix("pub_") not in text
    routes = set(re.findall(r'hub_request_seconds_count\{route="([^"]*)"', text))
    known = {operation.path for operation in OPERATIONS} | {"/v1/stream", "/v1/ws", "/openapi.json", "/docs"}
    assert routes <= known | {"/client", "/static", "unknown"}
    labels = set(re.findall(r'(\w+)="', text))
    assert labels <= {"route", "status", "le", "transport", "code", "outcome", "reason", "stage", "channel"}
