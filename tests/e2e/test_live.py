"""Two tabs on two nodes: what happens in one place is seen in the other."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.hub_nodes import new_user


async def two_tabs(visitor, **asked):
    """One user in two browsers, each on a node of its own, the inbox open in both."""
    user = new_user("alice")
    tabs = [await visitor.visit(user, node, **asked) for node in (0, 1)]
    for tab in tabs:
        await tab.open()
    return user, *tabs


@pytest.mark.parametrize("transport", ["websocket", "sse"])
async def test_badge_and_list(visitor, cluster, transport):
    """A notification appears in the badges and lists of both tabs without anybody reloading."""
    user, one, other = await two_tabs(visitor, transport=transport)
    await cluster.publish(user, "Your order is on its way")
    await cluster.publish(user, "Your order has arrived", node=1)
    for tab in (one, other):
        await tab.until_titles("Your order has arrived", "Your order is on its way")
        await expect(tab.bell).to_have_accessible_name("Notifications, 2 unread")
        await expect(tab.page.locator("hub-bell .badge")).to_have_text("2")
        assert (await tab.state())["transport"] == transport


async def test_read(visitor, cluster):
    """What is marked as read in one tab is read in the other, and the badge goes."""
    user, one, other = await two_tabs(visitor)
    await cluster.publish(user, "Hello")
    await one.entry("Hello").get_by_role("button", name="Mark as read").click()
    for tab in (one, other):
        await expect(tab.bell).to_have_accessible_name("Notifications")
        await expect(tab.page.locator("hub-bell .badge")).to_be_hidden()
        await expect(tab.entry("Hello").get_by_role("button", name="Mark as unread")).to_be_attached()


async def test_read_all(visitor, cluster):
    """Marking all as read reaches the other tab, and does not touch what comes after."""
    user, one, other = await two_tabs(visitor)
    for number in range(3):
        await cluster.publish(user, f"Number {number}")
    await other.until(unread=3)
    await one.button("Mark all as read").click()
    await other.until(unread=0)
    await cluster.publish(user, "After")
    for tab in (one, other):
        await tab.until(unread=1)
        await expect(tab.entry("After").get_by_role("button", name="Mark as read")).to_be_attached()
        await expect(tab.page.get_by_role("button", name="Mark as unread")).to_have_count(3)


async def test_archive(visitor, cluster):
    """What is archived in one tab leaves the other's list, is found under Archived, and can be taken back."""
    user, one, other = await two_tabs(visitor)
    await cluster.publish(user, "Put me away")
    await one.entry("Put me away").get_by_role("button", name="Archive").click()
    await other.until_titles()
    await other.page.get_by_role("tab", name="Archived").click()
    await other.until_titles("Put me away")
    await one.button("Undo").click()
    await one.until_titles("Put me away")
    await other.until_titles()


async def test_seen(visitor, cluster):
    """Opening the bell marks what is there as seen, on every device; reading is another matter."""
    user = new_user("alice")
    one = await visitor.visit(user, 0, count="unseen")
    other = await visitor.visit(user, 1, count="unseen")
    await cluster.publish(user, "Look")
    await other.until(unseen=1, unread=1)
    await one.open()
    await other.until(unseen=0, unread=1)
    await expect(other.bell).to_have_accessible_name("Notifications")


async def test_served_by_the_node(visitor, cluster):
    """Each node serves the client itself, as modules that a page of an allowed origin can import."""
    user = new_user("alice")
    page = await visitor.load(user, profile=await visitor.profile(bypass_csp=True))
    script = """async ([url, token]) => {
      const { connect } = await import(`${url}/client/hub.js`);
      const { HubBell } = await import(`${url}/client/hub-inbox.js`);
      const hub = connect({ url, getToken: () => token });
      await new Promise((resolve) => hub.subscribe(({ connection }) => connection === "live" && resolve()));
      return HubBell.name;
    }"""
    for node in (0, 1):
        assert await page.page.evaluate(script, [cluster.url(node), cluster.token(user)]) == "HubBell"
