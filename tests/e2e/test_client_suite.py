"""The client's own suite, in Node: its parts by tables, the whole against a scripted hub, and the package."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

CLIENT_TESTS = Path(__file__).parent.parent / "client"


@pytest.mark.timeout(300)
async def test_client_suite():
    """Every test of `node --test` in tests/client passes."""
    node = shutil.which("node") or pytest.skip("needs Node")
    if not (CLIENT_TESTS / "node_modules").exists():
        pytest.skip("needs `npm ci` in tests/client")
    process = await asyncio.create_subprocess_exec(
        node, "--test", cwd=CLIENT_TESTS, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
