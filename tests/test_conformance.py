"""The conformance kit: our server holds every rule, a client of ours passes every scenario, and the checks can fail."""

import asyncio
import contextlib
import socket

import httpx2
import pytest
import uvicorn

from hub.client import StreamEnded, follow
from hub.conformance import rules, scripted
from hub.conformance.rules import RULES
from hub.conformance.scenarios import SCENARIOS
from hub.conformance.subject import Broken, Subject

CASES = [pytest.param(rule, way, id=f"{rule.check.__name__}-{way}") for rule in RULES for way in rule.transports]


@pytest.fixture
def subject(cluster):
    return Subject(cluster.url(1), api_key=cluster.api_key, token=cluster.token)


@pytest.mark.parametrize(("rule", "transport"), CASES)
async def test_our_server_conforms(subject, rule, transport):
    """Every rule of the kit holds for a node, on every transport it is for."""
    await rule.check(subject, transport)


async def test_a_server_that_breaks_a_rule_is_caught(subject, monkeypatch):
    """The rule on repetition fails on a server where reading twice takes two numbers."""

    async def always_changing(user, method, path, body=None):
        await subject.published(user)
        return await Subject.as_user(subject, user, method, path, body)

    monkeypatch.setattr(subject, "as_user", always_changing)
    with pytest.raises(Broken):
        await rules._repetition(subject, "sse")


@contextlib.asynccontextmanager
async def playing():
    """Run the scripted server; yields its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(scripted.create_app(), log_level="warning", ws="websockets-sansio", lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            await serving


async def visit(url, name):
    """Let the Python client loose on a scenario for a moment; it reloads on `resync`, as a client must."""
    seqs = []
    async with asyncio.timeout(3):
        async with httpx2.AsyncClient() as http:
            with contextlib.suppress(StreamEnded):
                async for frame in follow(f"{url}/{name}/", token="any"):
                    if frame["t"] == "resync":
                        await http.get(f"{url}/{name}/v1/inbox")
                    if frame["t"] == "resumed":
                        return seqs
    return seqs


@pytest.mark.parametrize("name", SCENARIOS)
async def test_our_python_client_passes(name):
    """The Python client's stream passes the scenarios that are about connections and cursors."""
    async with playing() as url:
        with contextlib.suppress(TimeoutError):
            await visit(url, name)
        async with httpx2.AsyncClient() as http:
            report = (await http.get(f"{url}/report")).json()[name]
    assert report["passed"], report
