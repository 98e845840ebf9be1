"""Visits: a user's pages in a browser profile, and what a test wants to know of them.

A page may not use `eval` under its own policy, and neither may a test that waits in it: `Page.until` asks from outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from playwright.async_api import Browser, BrowserContext, Locator, Request
from playwright.async_api import Error as BrowserError
from playwright.async_api import Page as BrowserPage

from tests.e2e.site import Site
from tests.hub_nodes import Cluster

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# What a browser says of a connection that was refused or cut; the tests do both on purpose.
EXPECTED = ("WebSocket connection to", "Failed to load resource", "net::ERR_")
SECONDS = 10.0
# Chromium drops what is on its way when any network device comes or goes, those that a test of networks makes included.
CHANGED = "net::ERR_NETWORK_CHANGED"
TRIES = 5


async def until(ask: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool], seconds: float = SECONDS) -> Any:
    """Ask until the answer is as wanted; fail with the last one."""
    deadline = time.monotonic() + seconds
    while not wanted(answer := await ask()):
        assert time.monotonic() < deadline, f"still {answer!r}"
        await asyncio.sleep(0.02)
    return answer


async def go(page: BrowserPage, url: str) -> None:
    """Open an address, as often as it takes for the network to hold still while the page loads."""
    for _ in range(TRIES):
        lost: list[Request] = []

        def note(request: Request, lost: list[Request] = lost) -> None:
            lost.append(request)

        page.on("requestfailed", note)
        try:
            await page.goto(url)
        except BrowserError as error:
            if CHANGED not in str(error):
                raise
        page.remove_listener("requestfailed", note)
        if page.url == url and not any(request.failure == CHANGED for request in lost):
            return
    raise AssertionError(f"{url} does not load: {lost}")


@contextlib.asynccontextmanager
async def asleep(browser: Browser) -> AsyncIterator[None]:
    """Suspend the whole browser, as closing a laptop does."""
    session = await browser.new_browser_cdp_session()
    processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
    for process in processes:
        os.kill(process["id"], signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process["id"], signal.SIGCONT)


class Page:
    """One tab of the application."""

    def __init__(self, page: BrowserPage) -> None:
        self.page = page
        self.sockets: list[str] = []
        page.on("websocket", lambda socket: self.sockets.append(socket.url))

    @property
    def bell(self) -> Locator:
        """The bell, whose name carries the count."""
        return self.page.locator("hub-bell").get_by_role("button").first

    @property
    def entries(self) -> Locator:
        """The notifications listed."""
        return self.page.get_by_role("article")

    def entry(self, title: str) -> Locator:
        """One of them."""
        return self.page.get_by_role("article").filter(has_text=title)

    def button(self, name: str) -> Locator:
        """A button by its accessible name."""
        return self.page.get_by_role("button", name=name, exact=True)

    async def open(self) -> None:
        """Open the inbox."""
        await self.bell.click()
        await self.page.get_by_role("heading", name="Notifications").wait_for()

    async def state(self) -> dict[str, Any]:
        """The hub's state as the page sees it."""
        state: dict[str, Any] = await self.page.evaluate("() => seen.hub.state")
        return state

    async def seen(self, what: str) -> list[Any]:
        """What the page has kept: `events`, `states` or `violations`."""
        kept: list[Any] = await self.page.evaluate(f"() => seen.{what}")
        return kept

    async def until(self, seconds: float = SECONDS, **wanted: Any) -> dict[str, Any]:
        """Wait for a state: `until(connection="live", unread=2)`."""
        state: dict[str, Any] = await until(self.state, lambda state: wanted.items() <= state.items(), seconds)
        return state

    async def until_titles(self, *titles: str, seconds: float = SECONDS) -> None:
        """Wait until exactly these are listed, in this order."""
        listed = self.entries.locator("h3 bdi")
        await until(listed.all_text_contents, lambda shown: shown == list(titles), seconds)

    async def pause(self) -> Callable[[], Awaitable[Any]]:
        """Stop its scripts as a browser does with a frozen tab: what arrives waits. Return how to let it go on."""
        session = await self.page.context.new_cdp_session(self.page)
        await session.send("Debugger.enable")
        await session.send("Debugger.pause")
        return lambda: session.send("Debugger.disable")


class Visitor:
    """Opens pages. Each user has a browser profile of their own unless a test shares one."""

    def __init__(self, browser: Browser, cluster: Cluster, site: Site) -> None:
        self.cluster = cluster
        self.site = site
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._problems: list[str] = []

    async def profile(self, **options: Any) -> BrowserContext:
        """Make a browser profile: storage, locks and channels of its own."""
        context = await self._browser.new_context(**{"viewport": {"width": 900, "height": 760}, **options})
        context.set_default_timeout(SECONDS * 1000)
        self._contexts.append(context)
        return context

    async def visit(self, user: str, node: int = 0, profile: BrowserContext | None = None, **asked: str) -> Page:
        """Open the application as a user, on one node or the `hub` given, and wait until it is live."""
        page = await self.load(user, node, profile, **asked)
        await page.until(connection="live")
        return page

    async def load(self, user: str, node: int = 0, profile: BrowserContext | None = None, **asked: str) -> Page:
        """Open the application without waiting for its connection."""
        context = profile or await self.profile()
        page = Page(await context.new_page())
        page.page.on("console", lambda said: said.type in ("error", "warning") and self._note(said.text))
        page.page.on("pageerror", lambda error: self._note(str(error)))
        query = urlencode({"user": user, "hub": self.cluster.url(node), **asked})
        await go(page.page, f"{self.site.origin}/?{query}")
        return page

    def _note(self, text: str) -> None:
        if not any(expected in text for expected in EXPECTED):
            self._problems.append(text)

    async def close(self) -> list[str]:
        """Close everything and return what went wrong in the pages."""
        for context in self._contexts:
            await context.close()
        return self._problems
