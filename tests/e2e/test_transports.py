"""Other ways to listen: SSE where WebSocket is blocked, the browser's own EventSource, npm's packages, and curl."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.visit import until
from tests.hub_nodes import new_user

NODE_TESTS = Path(__file__).parent.parent / "client"


async def test_blocked_websockets(visitor, cluster):
    """Where a proxy swallows WebSockets the page listens by SSE, and the next visit does not try them again."""
    user, tried = new_user("alice"), []
    profile = await visitor.profile()

    async def swallow(socket):
        tried.append(socket.url)
        await socket.close()

    await profile.route_web_socket("**/v1/ws**", swallow)
    tab = await visitor.visit(user, profile=profile)
    await cluster.publish(user, "By SSE")
    await tab.until(unread=1, transport="sse")
    assert len(tried) == 1
    await tab.page.close()
    again = await visitor.visit(user, profile=profile)
    await again.until(unread=1, transport="sse")
    assert len(tried) == 1


NATIVE = """async ([hub, token]) => {
  const headers = { Authorization: `Bearer ${token}` };
  const { ticket } = await (await fetch(`${hub}/v1/tickets`, { method: "POST", headers })).json();
  const source = new EventSource(`${hub}/v1/stream?snapshot=5&ticket=${ticket}`);
  globalThis.heard = [];
  for (const type of ["hello", "notification"]) {
    source.addEventListener(type, (event) => heard.push([type, event.lastEventId, JSON.parse(event.data)]));
  }
  await new Promise((resolve) => source.addEventListener("hello", resolve));
}"""


async def test_native_event_source(visitor, cluster):
    """The browser's own EventSource opens the stream with a ticket and understands every event."""
    user = new_user("alice")
    await cluster.publish(user, "Before")
    tab = await visitor.visit(new_user("bob"))
    await tab.page.evaluate(NATIVE, [cluster.url(1), cluster.token(user)])
    await cluster.publish(user, "Live")

    async def heard():
        return await tab.page.evaluate("() => heard")

    (_, first_id, greeting), (_, last_id, frame) = await until(heard, lambda events: len(events) == 2)
    assert [item["title"] for item in greeting["items"]] == ["Before"]
    assert frame["notification"]["title"] == "Live"
    assert first_id == f"{greeting['epoch']}:{greeting['seq']}"
    assert last_id == f"{greeting['epoch']}:{frame['seq']}"


async def lines_of(process):
    """Read a process's lines as JSON."""
    assert process.stdout is not None
    async for line in process.stdout:
        yield json.loads(line)


@pytest.mark.parametrize("package", ["ws", "eventsource"])
async def test_npm_packages(cluster, package):
    """The packages `ws` and `eventsource` of Node follow an inbox."""
    node = shutil.which("node") or pytest.skip("needs Node")
    if not (NODE_TESTS / "node_modules" / package).exists():
        pytest.skip("needs `npm ci` in tests/client")
    user = new_user("alice")
    await cluster.publish(user, "Before")
    script = str(NODE_TESTS / "follow.js")
    process = await asyncio.create_subprocess_exec(
        node, script, package, cluster.url(), cluster.token(user), stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(20):
            frames = lines_of(process)
            greeting = await anext(frames)
            await cluster.publish(user, "Live", node=1)
            frame = await anext(frames)
    finally:
        process.kill()
        await process.wait()
    assert (greeting["t"], greeting["items"][0]["title"]) == ("hello", "Before")
    assert (frame["t"], frame["notification"]["title"]) == ("notification", "Live")


async def test_curl(cluster):
    """`curl -N` with a token in a header prints the events as they happen."""
    curl = shutil.which("curl") or pytest.skip("needs curl")
    user = new_user("alice")
    header = f"Authorization: Bearer {cluster.token(user)}"
    process = await asyncio.create_subprocess_exec(
        curl, "-sN", "-H", header, f"{cluster.url()}/v1/stream", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            await process.stdout.readuntil(b"event: hello\n")
            await cluster.publish(user, "Live", node=1)
            await process.stdout.readuntil(b"event: notification\n")
            data = await process.stdout.readuntil(b"\n\n")
    finally:
        process.kill()
        await process.wait()
    assert b'"title":"Live"' in data
