import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect

from hub.keys import new_key
from tests.credentials import token

TESTS = Path(__file__).parent
JWT, KEY = token(), new_key().text
SECRETS = ["q-secret-1", "q-secret-2", "t-secret", "p-secret", JWT[10:40], JWT[-20:], KEY[-20:], KEY[20:40]]
LINES = [
    '1.2.3.4:5 - "WebSocket /v1/ws?ticket=t-secret&resume=1:2" [accepted]',
    "GET http://127.0.0.1/v1/stream?x=q-secret-1 100%",
    f"Authorization: Bearer {KEY}",
    f"hub.v1, bearer.{JWT}",
    f"refused {JWT}",
    f"revoked {KEY}",
    "looked up ticket=t-secret",
    "postgresql://hub:p-secret@db/hub",
    "redis://:p-secret@cache:6379/0",
    "lone surrogate \ud800 and ticket=t-secret",
]


async def run_node(level="INFO", form="json"):
    """Run the logging server, visit it with secrets in the query, and return all it wrote to stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        TESTS / "logging_node.py",
        *(level, form, json.dumps(LINES)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
    )
    try:
        async with asyncio.timeout(30):
            stderr = asyncio.create_task(process.stderr.read())
            port = int(await process.stdout.readline() or 0)
            await visit(f"127.0.0.1:{port}")
            process.stdin.write(b"\n")
            await process.wait()
            # JSON escapes the mark of a cut; the tests read it as it is.
            return (await stderr).decode().replace("\\u2026", "…")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process._transport.close()


async def visit(address):
    async with httpx2.AsyncClient(base_url=f"http://{address}") as client:
        assert (await client.get("/plain?token=q-secret-1")).text == "ok"
        assert (await client.get("/crash?q-secret-2")).status_code == 500
    async with connect(f"ws://{address}/v1/ws?ticket=t-secret") as socket:
        await socket.wait_closed()


@pytest.mark.parametrize(("level", "form"), [("DEBUG", "json"), ("INFO", "json"), ("DEBUG", "console")])
async def test_no_secret_reaches_the_output_by_any_way(level, form):
    """Queries, tokens, keys, tickets and passwords are gone from all output: ours, uvicorn's and tracebacks."""
    output = await run_node(level, form)
    assert "/plain?…" in output
    assert "/v1/ws?…" in output
    assert output.count("as exception of a library") == len(LINES)
    assert [secret for secret in SECRETS if secret in output] == []


async def test_every_line_is_one_json_object_with_time_level_and_logger():
    """A collector can parse each line, whichever library wrote it, also when it failed to format."""
    lines = [json.loads(line) for line in (await run_node()).splitlines()]
    broken = [line for line in lines if "time" not in line]
    assert len(broken) == len(LINES)
    assert all("broken" in line["event"] and line["level"] == "error" for line in broken)
    whole = [line for line in lines if "time" in line]
    assert all(line["time"].endswith("Z") and line["level"] and line["logger"] and line["event"] for line in whole)
    assert {"uvicorn.error", "uvicorn.access", "hub.jwks", "rq.worker", "py.warnings"} <= {x["logger"] for x in whole}
    failures = [line for line in whole if line["event"] == "as exception of ours"]
    assert len(failures) == len(LINES)
    assert all(line["exception"].startswith("Traceback") for line in failures)


async def test_a_line_carries_the_request_it_belongs_to():
    """The request id bound to the context is on uvicorn's access line and on any library's."""
    lines = [json.loads(line) for line in (await run_node()).splitlines()]
    access = [line for line in lines if "/plain" in line["event"]]
    assert [line["request_id"] for line in access] == ["request-1"]
    assert [x["request_id"] for x in lines if x["event"] == "foreign line with context"] == ["request-2"]
    assert not any("request_id" in line for line in lines if "as argument" in line["event"])


async def test_the_level_is_a_setting_and_chatty_libraries_stay_quiet():
    """DEBUG shows our own details but neither frames of websockets nor those of sse_starlette."""
    debug, warning = await run_node("DEBUG"), await run_node("WARNING")
    assert "debug line of ours" in debug
    assert "too much detail" not in debug
    assert "as argument" not in warning
    assert "as exception of ours" in warning


async def test_the_console_form_is_for_people():
    """The console form is plain text with the fields behind the event, and no colour codes in a pipe."""
    output = await run_node(form="console")
    assert "field=postgresql://hub:…@db/hub" in output
    assert "\x1b[" not in output
