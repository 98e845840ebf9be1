"""The demo page of `hub dev`: what it shows, what its buttons do, and the pictures the README has of it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

import httpx2
import pytest
from playwright.async_api import expect

from hub.dev.postgres import Postgres
from hub.dev.redis import Redis
from tests.dev.running import Dev
from tests.e2e.test_accessibility import AXE, RUN
from tests.e2e.visit import go, until

PATIENCE_MS = 30_000
WIDE = {"width": 1440, "height": 940}


@pytest.fixture(scope="module")
def demo():
    """A whole system, with delivery, as `make run` starts it."""
    root = Path(tempfile.mkdtemp(prefix="hub-demo-", dir="/tmp"))
    root.chmod(0o755)
    directory = root / "data"
    try:
        with Dev(directory, nodes=2, delivery=True) as running:
            yield running
    finally:
        Postgres(directory).erase()
        Redis(directory).erase()
        shutil.rmtree(root)


class Visit:
    """The page as somebody sees it; `problems` collects what the browser complained about."""

    def __init__(self, page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message) -> None:
        if message.type == "error" and not re.search(r"net::ERR_|WebSocket connection to", message.text):
            self.problems.append(message.text)

    def pane(self, user: str, node: int):
        return self.page.locator(f'.pane[data-user="{user}"][data-node="{node}"]')

    def alice(self):
        """Both of alice's panes."""
        return [self.pane("alice", node) for node in (0, 1)]

    def listed(self, pane, title: str):
        """The entries of a pane's list with a title; the inbox behind its bell is another one."""
        return pane.locator(":scope > hub-inbox").get_by_role("article").filter(has_text=title)

    async def publish(self, preset: str, title: str) -> None:
        await self.page.get_by_role("radio", name=preset).check()
        await self.page.get_by_label("Title").fill(title)
        await self.page.get_by_role("button", name="Publish").click()
        await expect(self.page.locator("#chronicle")).to_contain_text(f"published “{title}”", timeout=PATIENCE_MS)

    async def number(self, name: str) -> int:
        """One of the counters."""
        return int((await self.page.locator(f"#number-{name}").inner_text()).replace(",", ""))

    async def live(self) -> None:
        """Wait until every pane is live."""
        await expect(self.page.locator('.pane[data-connection="live"]')).to_have_count(4, timeout=PATIENCE_MS)

    async def badges(self, text: str) -> None:
        for pane in self.alice():
            await expect(pane.locator("hub-bell .badge")).to_have_text(text, timeout=PATIENCE_MS)

    async def clear(self) -> None:
        """Read everything of alice's."""
        everything = self.pane("alice", 0).get_by_role("button", name="Mark all as read").first
        if await everything.is_enabled():
            await everything.click()
        for pane in self.alice():
            await expect(pane.locator("hub-bell .badge")).to_be_hidden(timeout=PATIENCE_MS)


@pytest.fixture
async def visit(demo, browser):
    """The page, opened on node 0, with nothing unread for alice."""
    context = await browser.new_context(viewport=WIDE, color_scheme="light")
    page = Visit(await context.new_page())
    await go(page.page, demo.described()["nodes"][0] + "/")
    await page.live()
    await page.clear()
    yield page
    await context.close()
    assert page.problems == []


async def test_publish_reaches_both_panes_and_badges(visit):
    """What is published appears in alice's panes on both nodes and in their badges, and is counted and timed."""
    await visit.publish("Mention", "Seen on both nodes")
    for pane in visit.alice():
        await expect(visit.listed(pane, "Seen on both nodes")).to_be_visible(timeout=PATIENCE_MS)
    await visit.badges("1")
    await expect(visit.page.locator("#number-published")).to_have_text("1")
    await expect(visit.page.locator("#number-delivered")).to_have_text("2")
    await expect(visit.page.locator("#number-p50")).to_have_text(re.compile(r"\d m?s$"))
    await expect(visit.page.locator("#number-connections")).to_have_text("4", timeout=PATIENCE_MS)


async def test_three_users(visit):
    """Alice, bob and carol are there, alice on two nodes; what is for bob alone reaches nobody else."""
    panes = visit.page.locator(".pane")
    placed = await panes.evaluate_all("(all) => all.map(({ dataset: { user, node } }) => `${user} ${node}`)")
    assert placed == ["alice 0", "alice 1", "bob 1", "carol 0"]
    await visit.page.get_by_role("checkbox", name="alice").uncheck()
    await visit.page.get_by_role("checkbox", name="bob").check()
    await visit.publish("Mention", "For bob alone")
    await expect(visit.listed(visit.pane("bob", 1), "For bob alone")).to_be_visible(timeout=PATIENCE_MS)
    await visit.page.get_by_role("checkbox", name="alice").check()
    await visit.publish("Mention", "For alice too")
    for pane in visit.alice():
        await expect(visit.listed(pane, "For alice too")).to_be_visible(timeout=PATIENCE_MS)
        await expect(visit.listed(pane, "For bob alone")).to_have_count(0)


PRESETS = {
    "Order shipped": ("Parcel", ["Inbox", "E-mail"]),
    "Mention": ("mentioned you", ["Inbox", "Push"]),
    "Security alert": ("New sign-in", ["Inbox", "E-mail", "SMS", "Push"]),
}


async def test_presets(visit):
    """A preset writes something worth telling and chooses what it goes over."""
    over = visit.page.get_by_role("group", name="Over").locator("label:has(:checked)")
    for preset, (title, channels) in PRESETS.items():
        await visit.page.get_by_role("radio", name=preset).check()
        await expect(visit.page.get_by_label("Title")).to_have_value(re.compile(title))
        assert await over.all_inner_texts() == channels


async def test_links(visit, demo):
    """The page leads to the API's reference, the metrics and the dashboard, and each is there."""
    links = visit.page.get_by_role("navigation", name="More").get_by_role("link")
    hrefs = dict(await links.evaluate_all("(all) => all.map(({ textContent, href }) => [textContent, href])"))
    assert set(hrefs) == {"API reference", "Metrics", "RQ dashboard"}
    key = ("hub", demo.described()["api_key"])
    for name, url in hrefs.items():
        answer = httpx2.get(url, auth=key if name == "RQ dashboard" else None, follow_redirects=True)
        assert answer.status_code == 200, name


CUT_OFF = "(all) => all.filter((one) => one.scrollWidth > one.clientWidth).map(({ textContent }) => textContent)"


async def test_every_width(visit):
    """Nothing sticks out of the page or is cut off in its counters, on a telephone or on a desk."""
    for width in (320, 375, 768, 1024, 1440):
        await visit.page.set_viewport_size({"width": width, "height": 800})
        assert await visit.page.evaluate("() => document.documentElement.scrollWidth") <= width
        assert await visit.page.locator("#numbers :is(dt, dd)").evaluate_all(CUT_OFF) == [], width


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe(demo, browser, scheme):
    """The page itself has no serious or critical finding either."""
    if not AXE.exists():
        pytest.skip("needs `npm ci` in tests/client")
    context = await browser.new_context(viewport=WIDE, color_scheme=scheme, reduced_motion="reduce")
    await context.add_init_script(path=AXE)
    visit = Visit(await context.new_page())
    await go(visit.page, demo.described()["nodes"][0] + "/")
    await visit.live()
    await visit.publish("Security alert", "Look at this")
    await expect(visit.listed(visit.pane("alice", 0), "Look at this").first).to_be_visible(timeout=PATIENCE_MS)
    assert await visit.page.evaluate(RUN.replace('"hub-bell"', "document")) == []
    await context.close()


async def test_read_in_one_clears_the_other(visit):
    """Marking as read in the pane on node 0 clears the badge of the pane on node 1."""
    await visit.publish("Mention", "Read me once")
    await visit.badges("1")
    await visit.clear()


async def test_outbox_shows_what_left_the_building(visit):
    """A security alert leaves as e-mail, SMS and push, and the e-mail can be read in a frame that runs nothing."""
    await visit.publish("Security alert", "Somebody signed in")
    outbox = visit.page.locator("#outbox")
    for channel in ("email", "sms", "push"):
        entry = outbox.locator(f'article[data-channel="{channel}"]', has_text="Somebody signed in")
        await expect(entry).to_have_count(1, timeout=PATIENCE_MS)
    mail = outbox.locator('article[data-channel="email"]', has_text="Somebody signed in")
    await mail.get_by_text("Read it").click()
    await expect(mail.locator("iframe")).to_have_attribute("sandbox", "")
    await expect(mail.frame_locator("iframe").get_by_text("Somebody signed in").first).to_be_visible(
        timeout=PATIENCE_MS
    )


async def test_killed_node_comes_back_and_nothing_is_lost(visit, demo):
    """A node killed by its button comes back under another pid, and its panes catch up by themselves."""
    victim, pid = visit.pane("alice", 1), demo.described()["pids"]["node-1"]
    await visit.publish("Order shipped", "Before the kill")
    await visit.badges("1")
    await visit.page.locator('[data-kill="1"]').click()
    await expect(victim).not_to_have_attribute("data-connection", "live", timeout=PATIENCE_MS)
    await visit.publish("Order shipped", "During the outage")
    await visit.live()
    for title in ("Before the kill", "During the outage"):
        await expect(visit.listed(victim, title)).to_have_count(1, timeout=PATIENCE_MS)
    await visit.badges("2")
    await expect(visit.page.locator("#chronicle")).to_contain_text("alice on node 1: live again", timeout=PATIENCE_MS)
    await expect(visit.page.locator('#nodes [data-node="1"]')).to_have_attribute(
        "data-state", "up", timeout=PATIENCE_MS
    )
    demo.pids = demo.described()["pids"]
    assert demo.pids["node-1"] != pid


async def test_page_survives_the_node_it_came_from(visit, demo):
    """The page's own node dies while it publishes non-stop: nothing is refused, and both panes get every single one."""
    non_stop = visit.page.get_by_role("button", name="Non-stop")
    await non_stop.click()
    await expect(visit.page.locator("#number-delivered")).not_to_have_text("0", timeout=PATIENCE_MS)
    await visit.page.locator('[data-kill="0"]').click()
    await expect(visit.pane("alice", 0)).not_to_have_attribute("data-connection", "live", timeout=PATIENCE_MS)
    during = await visit.number("published")
    await visit.live()
    await non_stop.click()
    await expect(non_stop).to_have_attribute("aria-pressed", "false")
    await expect(visit.page.locator("#chronicle")).to_contain_text("one after the other in", timeout=PATIENCE_MS)
    published = await visit.number("published")
    assert published > during, "it went on while the node was dead"
    await visit.badges(str(published) if published < 100 else "99+")
    await expect(visit.page.locator("#number-delivered")).to_have_text(str(2 * published), timeout=PATIENCE_MS)
    await expect(visit.page.locator("#chronicle")).not_to_contain_text("no node answers")
    await expect(visit.page.locator('#nodes [data-node="0"]')).to_have_attribute(
        "data-state", "up", timeout=PATIENCE_MS
    )
    demo.pids = demo.described()["pids"]


def test_other_sites_are_refused(demo):
    """Neither a foreign page nor a name that was rebound to this machine gets tokens, mail or a kill."""
    node = demo.described()["nodes"][0]
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        assert httpx2.post(f"{node}/demo/session", headers=headers).status_code == 403
        assert httpx2.post(f"{node}/demo/nodes/1/kill", headers=headers).status_code == 403
        assert httpx2.get(f"{node}/demo/outbox", headers=headers).status_code == 403


def test_policy_allows_nothing_inline(demo):
    """The page's CSP names files and nodes, nothing inline and nobody else."""
    described = demo.described()
    policy = httpx2.get(described["nodes"][0]).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert described["outbox"] not in policy


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pictures_for_the_readme(visit, scheme, tmp_path):
    """The page can be shown in both schemes with a bit of life in it; `make pictures` keeps what is taken here."""
    await visit.page.emulate_media(color_scheme=scheme)
    await visit.page.reload()  # so that nothing of the tidying up is in the picture
    await visit.live()
    for preset, title in (
        ("Order shipped", "Parcel 4711 is on its way"),
        ("Mention", "Dana mentioned you in Launch plan"),
    ):
        await visit.publish(preset, title)
    await visit.badges("2")
    if scheme == "dark":
        await visit.page.get_by_role("button", name="Non-stop").click()
        await until(lambda: visit.number("published"), lambda count: count >= 12, 30)
        await visit.page.locator('[data-kill="1"]').click()
        await expect(visit.pane("alice", 1)).not_to_have_attribute("data-connection", "live", timeout=PATIENCE_MS)
        await until(lambda: visit.number("published"), lambda count: count >= 16, 30)
    else:
        await visit.publish("Security alert", "New sign-in from Reykjavík")
        await visit.badges("3")
    picture = Path(os.environ.get("HUB_PICTURES", tmp_path)) / f"demo-{scheme}.png"
    await visit.page.screenshot(path=picture, animations="disabled")
    assert 20_000 < picture.stat().st_size <= 300_000
