"""The browser client against the conformance kit's scripted server: rules written by somebody else."""

from __future__ import annotations

import asyncio
import shutil
import threading
from pathlib import Path

import httpx2
import pytest
import uvicorn

from hub.conformance.scenarios import SCENARIOS
from hub.conformance.scripted import create_app
from tests.e2e.visit import until
from tests.hub_nodes import free_port

CLIENT_TESTS = Path(__file__).parent.parent / "client"
SETTLED_SECONDS = 3  # a client that was told to stay away could still come back


@pytest.fixture
def scripted():
    """The kit's server, every scenario fresh."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create_app(), port=port, log_level="warning", ws="websockets-sansio"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{port}"
    server.should_exit = server.force_exit = True
    thread.join(10)


@pytest.mark.parametrize("transport", ["websocket", "sse"])
async def test_every_scenario(scripted, transport):
    """Replay, duplicates, disorder, resync, drain, expiry, refusal: it does what each calls for."""
    node = shutil.which("node") or pytest.skip("needs Node")
    if not (CLIENT_TESTS / "node_modules" / "ws").exists():
        pytest.skip("needs `npm ci` in tests/client")

    async def report():
        async with httpx2.AsyncClient() as client:
            try:
                return (await client.get(f"{scripted}/report")).json()
            except httpx2.TransportError:
                return {}

    await until(report, bool)
    command = [node, str(CLIENT_TESTS / "conform.js"), scripted, transport, *SCENARIOS]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        await until(report, lambda said: all(scenario["passed"] for scenario in said.values()), 20)
        await asyncio.sleep(SETTLED_SECONDS)  # nothing announces that a client does not come back
        said = await report()
        assert {name: said[name]["problems"] for name in SCENARIOS} == {name: [] for name in SCENARIOS}
    finally:
        process.kill()
        await process.wait()
