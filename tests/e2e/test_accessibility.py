"""No serious or critical finding of axe, in any state, light or dark, wide or narrow."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.e2e.test_inbox import PREFERENCES
from tests.hub_nodes import new_user

AXE = Path(__file__).parent.parent / "client" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => {
  const { violations } = await axe.run("hub-bell", { resultTypes: ["violations"] });
  return violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`);
}"""
KINDS = [
    {"category": "security.login", "title": "New sign-in", "priority": "critical", "body": "Was it you?"},
    {
        "category": "order.shipped",
        "title": "On its way",
        "action_url": "/orders/1",
        "actions": [{"id": "a", "label": "Track"}],
    },
    {"category": "mention", "title": "Maya mentioned you", "collapse_key": "thread"},
    {"category": "billing.invoice", "title": "Your invoice", "priority": "high"},
    {"category": "team.invite", "title": "Jonas invited you"},
    {"category": "calendar", "title": "Design review"},
    {"category": "other", "title": "Something else"},
]


async def nothing(tab):
    """The list as it opens."""


async def hover(tab):
    """An entry under the pointer, and one read."""
    await tab.entry("Your invoice").get_by_role("button", name="Mark as read").click()
    await tab.entry("On its way").hover()


async def snooze(tab):
    """The dialog that asks when."""
    await tab.entry("On its way").get_by_role("button", name="Snooze").click()
    await expect(tab.page.get_by_role("dialog", name="Remind me")).to_be_visible()


async def undo(tab):
    """A snackbar."""
    await tab.entry("On its way").get_by_role("button", name="Archive").click()
    await expect(tab.button("Undo")).to_be_visible()


async def empty(tab):
    """Nothing there."""
    await tab.page.get_by_role("tab", name="Archived").click()
    await expect(tab.page.get_by_text("Nothing archived")).to_be_visible()


async def narrowed(tab):
    """One category."""
    await tab.page.get_by_label("Category").select_option("mention")
    await tab.until_titles("Maya mentioned you")


async def offline(tab):
    """No network."""
    await tab.page.context.set_offline(True)
    await expect(tab.page.get_by_text("You are offline.")).to_be_visible()


async def loading(tab):
    """A list that has not come yet."""
    await tab.page.route("**/v1/inbox?**", lambda route: None)  # never answered
    await tab.page.get_by_role("tab", name="Archived").click()
    await expect(tab.page.locator("hub-bell .skeleton").first).to_be_visible()


async def failed(tab):
    """A list that cannot be loaded."""
    await tab.page.route("**/v1/inbox?**", lambda route: route.fulfill(status=503, json={"detail": "back soon"}))
    await tab.page.get_by_role("tab", name="Archived").click()
    await expect(tab.button("Try again")).to_be_visible()


async def preferences(tab):
    """The grid and quiet hours."""
    hours = {"start": "22:00", "end": "07:00", "timezone": "Europe/Berlin"}
    await tab.page.route("**/v1/preferences", lambda route: route.fulfill(json=PREFERENCES | {"quiet_hours": hours}))
    await tab.button("Preferences").click()
    await expect(tab.page.get_by_label("From")).to_be_visible()


STATES = [nothing, hover, snooze, undo, empty, narrowed, loading, failed, offline, preferences]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("reach", STATES, ids=[state.__name__ for state in STATES])
async def test_axe(visitor, cluster, theme, reach):
    """Everything has a name, a role, and text that can be read."""
    if not AXE.exists():
        pytest.skip("needs `npm ci` in tests/client")
    user = new_user("alice")
    for kind in KINDS:
        await cluster.publish(user, **kind)
    profile = await visitor.profile(color_scheme=theme, reduced_motion="reduce")
    await profile.add_init_script(path=AXE)
    tab = await visitor.visit(user, profile=profile)
    if reach is nothing:
        assert await tab.page.evaluate(RUN) == [], "closed"
    await tab.open()
    await tab.until(unread=len(KINDS))
    await reach(tab)
    assert await tab.page.evaluate(RUN) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_on_a_telephone(visitor, cluster, theme):
    """The same on a small screen with touch."""
    if not AXE.exists():
        pytest.skip("needs `npm ci` in tests/client")
    user = new_user("alice")
    for kind in KINDS:
        await cluster.publish(user, **kind)
    size = {"width": 360, "height": 700}
    profile = await visitor.profile(
        color_scheme=theme, reduced_motion="reduce", viewport=size, has_touch=True, is_mobile=True
    )
    await profile.add_init_script(path=AXE)
    tab = await visitor.visit(user, profile=profile)
    await tab.bell.tap()
    await tab.until(unread=len(KINDS))
    assert await tab.page.evaluate(RUN) == []


async def test_what_arrives_is_said(visitor, cluster):
    """A notification that arrives while the inbox is open is said to those who cannot see it."""
    user = new_user("alice")
    profile = await visitor.profile()
    await profile.add_init_script("Element.prototype.ariaNotify = undefined")  # as where it does not exist
    tab = await visitor.visit(user, profile=profile)
    await tab.open()
    await cluster.publish(user, "Hear me")
    await expect(tab.page.get_by_role("status").filter(has_text="New: Hear me")).to_be_attached()
