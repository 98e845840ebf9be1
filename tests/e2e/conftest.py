"""Chromium in front of real nodes: an application's site of its own origin, and visits to it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser, async_playwright

from tests.e2e.site import Site
from tests.e2e.visit import FLAGS, Visitor
from tests.hub_nodes import Cluster, free_port

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")


@pytest.fixture(scope="session")
def site_port() -> int:
    """The port of the application's site, known before the nodes start, because they must allow its origin."""
    return free_port()


@pytest.fixture(scope="session")
def cluster(services, site_port) -> Iterator[Cluster]:
    """Two nodes that ping every second, so that a test sees in seconds what takes half a minute in life."""
    settings = {"allowed_origins": f"http://127.0.0.1:{site_port}", "ping_seconds": "1", "position_check_seconds": "1"}
    with Cluster(services.database_url, services.redis_url, nodes=2, **settings) as running:
        yield running


@pytest.fixture(scope="session")
def site(cluster, site_port) -> Iterator[Site]:
    with Site(cluster.token, site_port) as running:
        yield running


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs chromium on the PATH")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def visitor(browser, cluster, site) -> AsyncIterator[Visitor]:
    """Opens pages as users; at the end nothing may have gone wrong in any of them."""
    visitor = Visitor(browser, cluster, site)
    yield visitor
    problems = await visitor.close()
    assert problems == []
