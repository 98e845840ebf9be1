"""The inbox as its user meets it: tabs, filters, paging, keys, menus, preferences, languages, and states of trouble."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import expect

from tests.e2e.visit import until
from tests.hub_nodes import new_user


async def fill(cluster, user, count, **fields):
    """Publish some notifications, oldest first."""
    for number in range(count):
        await cluster.publish(user, f"Number {number}", **fields)


async def test_an_empty_inbox(visitor):
    """Who has nothing is told so, on every tab in its own words."""
    tab = await visitor.visit(new_user("alice"))
    await tab.open()
    for name, text in {
        "All": "You are all caught up",
        "Unread": "Nothing unread",
        "Archived": "Nothing archived",
    }.items():
        await tab.page.get_by_role("tab", name=name).click()
        await expect(tab.page.get_by_text(text)).to_be_visible()


async def test_the_badge_stops_at_99(visitor, cluster):
    """More than 99 are shown as 99+, and said in full."""
    user = new_user("alice")
    async with cluster.service() as service:
        items = [{"to": user, "category": "test", "title": f"Number {number}"} for number in range(120)]
        assert (await service.post("/v1/notifications/batch", json={"items": items})).status_code == 207
    tab = await visitor.visit(user)
    await expect(tab.page.locator("hub-bell .badge")).to_have_text("99+")
    await expect(tab.bell).to_have_accessible_name("Notifications, 120 unread")


async def test_scrolling_down(visitor, cluster):
    """Scrolling brings page after page until the end, without gap or duplicate."""
    user = new_user("alice")
    await fill(cluster, user, 55)
    tab = await visitor.visit(user)
    await tab.open()
    shown = 20
    while shown < 55:
        await tab.entries.last.scroll_into_view_if_needed()
        shown = await until(tab.entries.count, lambda count, before=shown: count > before)
    await tab.until_titles(*(f"Number {number}" for number in reversed(range(55))))


async def test_the_pill(visitor, cluster):
    """What arrives while the user reads further down moves nothing, and is offered as a pill that leads to it."""
    user = new_user("alice")
    await fill(cluster, user, 20)
    tab = await visitor.visit(user)
    await tab.open()
    scroller = tab.page.locator("hub-bell .scroller")
    await scroller.evaluate("(element) => element.scrollTo(0, 600)")
    place = await tab.entry("Number 10").bounding_box()
    await fill(cluster, user, 3)
    await expect(tab.button("3 new")).to_be_visible()
    moved = (await tab.entry("Number 10").bounding_box())["y"] - place["y"]
    assert abs(moved) < 1
    await tab.button("3 new").click()
    await expect(tab.button("3 new")).to_be_hidden()
    await until(lambda: scroller.evaluate("(element) => element.scrollTop"), lambda top: top == 0)


async def test_the_unread_tab(visitor, cluster):
    """Under Unread an entry leaves as it is read, the focus goes to the next, and the tab counts the rest."""
    user = new_user("alice")
    await fill(cluster, user, 3)
    tab = await visitor.visit(user)
    await tab.open()
    unread = tab.page.get_by_role("tab", name="Unread")
    await unread.click()
    await expect(unread).to_have_accessible_name("Unread 3")
    button = tab.entry("Number 2").get_by_role("button", name="Mark as read")
    await button.focus()
    await button.press("Enter")
    await tab.until_titles("Number 1", "Number 0")
    await expect(tab.entry("Number 1")).to_be_focused()
    await expect(unread).to_have_accessible_name("Unread 2")


async def test_categories(visitor, cluster):
    """With more than one category the list can be narrowed to one, and widened again."""
    user = new_user("alice")
    await cluster.publish(user, "Shipped", category="order.shipped")
    tab = await visitor.visit(user)
    await tab.open()
    choice = tab.page.get_by_label("Category")
    await expect(choice).to_be_hidden()
    await cluster.publish(user, "Mentioned", category="mention")
    await choice.select_option("Order shipped")
    await tab.until_titles("Shipped")
    await cluster.publish(user, "Shipped again", category="order.shipped")
    await cluster.publish(user, "Mentioned again", category="mention")
    await tab.until_titles("Shipped again", "Shipped")
    await tab.page.get_by_role("button", name="Show all categories").click()
    await tab.until_titles("Mentioned again", "Shipped again", "Mentioned", "Shipped")


async def test_keys(visitor, cluster):
    """The whole inbox works by keyboard: open, walk, act, switch tabs, close, and the focus is given back."""
    user = new_user("alice")
    await fill(cluster, user, 4)
    tab = await visitor.visit(user)
    keyboard = tab.page.keyboard
    await tab.bell.focus()
    await keyboard.press("Enter")
    await expect(tab.page.get_by_role("dialog", name="Notifications")).to_be_visible()
    await tab.entry("Number 3").focus()
    await keyboard.press("ArrowDown")
    await expect(tab.entry("Number 2")).to_be_focused()
    await keyboard.press("End")
    await expect(tab.entry("Number 0")).to_be_focused()
    await keyboard.press("Enter")
    await tab.until(unread=3)
    await keyboard.press("Tab")
    await expect(tab.entry("Number 0").get_by_role("button", name="Mark as unread")).to_be_focused()
    await tab.page.get_by_role("tab", name="All").focus()
    await keyboard.press("ArrowRight")
    await expect(tab.page.get_by_role("tab", name="Unread")).to_be_focused()
    await tab.until_titles("Number 3", "Number 2", "Number 1")
    await keyboard.press("Escape")
    await expect(tab.page.get_by_role("dialog", name="Notifications")).to_be_hidden()
    await expect(tab.bell).to_be_focused()


async def test_events(visitor, cluster):
    """A page hears of what is opened and pressed, and can take it over."""
    user = new_user("alice")
    tab = await visitor.visit(user)
    await tab.open()
    await tab.page.evaluate(
        """() => {
          globalThis.heard = [];
          document.addEventListener("hub-open", (event) => (event.preventDefault(), heard.push(event.detail.notification.title)));
          document.addEventListener("hub-action", (event) => heard.push(event.detail.action.id));
        }"""
    )
    await cluster.publish(user, "Ask", action_url="/elsewhere", actions=[{"id": "accept", "label": "Accept"}])
    before = tab.page.url
    await tab.entry("Ask").get_by_role("link").click()
    await tab.entry("Ask").get_by_role("button", name="Accept").click()
    assert await tab.page.evaluate("() => heard") == ["Ask", "accept"]
    assert tab.page.url == before
    await tab.until(unread=0)


async def test_a_collapsed_notification(visitor, cluster):
    """Repetitions under one collapse key are one entry that says how often, and the badge stays at one."""
    user = new_user("alice")
    tab = await visitor.visit(user)
    await tab.open()
    for title in ("One reply", "Two replies", "Three replies"):
        await cluster.publish(user, title, collapse_key="thread")
    await tab.until_titles("Three replies")
    await expect(tab.entry("Three replies").get_by_text("×3")).to_be_visible()
    await tab.until(unread=1)


async def test_refusal(visitor, cluster):
    """A change that the hub refuses is taken back, and the user is told why."""
    user = new_user("alice")
    await cluster.publish(user, "Locked")
    tab = await visitor.visit(user)
    await tab.page.route("**/archive", lambda route: route.fulfill(status=409, json={"detail": "it is locked"}))
    await tab.open()
    await tab.entry("Locked").get_by_role("button", name="Archive").click()
    await expect(tab.page.get_by_text("taken back: it is locked")).to_be_visible()
    await tab.until_titles("Locked")


async def test_a_list_that_fails(visitor, cluster):
    """A list that cannot be loaded says so, and loads when asked again."""
    user = new_user("alice")
    tab = await visitor.visit(user)
    await tab.open()
    await tab.page.route("**/v1/inbox?**", lambda route: route.fulfill(status=503, json={"detail": "back soon"}))
    await tab.page.get_by_role("tab", name="Archived").click()
    await expect(tab.page.get_by_role("alert")).to_contain_text("back soon")
    await tab.page.unroute("**/v1/inbox?**")
    await tab.button("Try again").click()
    await expect(tab.page.get_by_text("Nothing archived")).to_be_visible()


CELL = {"enabled": True, "locked": False, "source": "default"}
LOCKED = {"enabled": True, "locked": True, "source": "mandatory"}
PREFERENCES = {
    "categories": {
        "*": {"in_app": LOCKED, "email": CELL, "push": CELL},
        "security.login": {"in_app": LOCKED, "email": LOCKED, "push": CELL},
    },
    "quiet_hours": None,
}


async def test_preferences(visitor, cluster):
    """The grid shows what holds, by its title, locks included; a switch is kept as it is flipped; so are quiet hours."""
    user = new_user("alice")
    async with cluster.service() as service, cluster.user(user) as client:
        for category, title, mandatory in [("security.login", "Signing in", True), ("order.shipped", None, False)]:
            said = {"title": title, "channels": ["email", "push"], "mandatory": mandatory}
            assert (await service.put(f"/v1/categories/{category}", json=said)).is_success
        chosen = {"categories": {"never.registered": {"push": False}}}
        assert (await client.patch("/v1/preferences", json=chosen)).is_success
    tab = await visitor.visit(user)
    await tab.open()
    await tab.button("Preferences").click()
    await expect(tab.page.get_by_role("heading", name="Preferences")).to_be_focused()
    await expect(tab.page.get_by_role("img", name="Signing in: E-mail, always on")).to_be_visible()
    await expect(tab.page.get_by_role("switch", name="Never registered: Push")).not_to_be_checked()
    push = tab.page.get_by_role("switch", name="Order shipped: Push")
    await expect(push).to_be_checked()
    await push.click()
    await tab.page.get_by_role("switch", name="Quiet hours").click()
    await tab.page.get_by_label("From").fill("23:30")

    async def kept():
        async with cluster.user(user) as client:
            return (await client.get("/v1/preferences")).json()

    holds = await until(kept, lambda said: (said["quiet_hours"] or {}).get("start") == "23:30")
    assert holds["categories"]["order.shipped"]["push"] == {"enabled": False, "locked": False, "source": "user"}
    await expect(push).not_to_be_checked()
    await tab.button("Back").click()
    await expect(tab.page.get_by_role("heading", name="Notifications")).to_be_visible()


async def test_snooze(visitor, cluster):
    """What is put off leaves every list, waits under Snoozed, and comes back as unread."""
    user = new_user("alice")
    await cluster.publish(user, "Later")
    tab, other = await visitor.visit(user), await visitor.visit(user, 1)
    await tab.open()
    await other.open()
    await tab.entry("Later").get_by_role("button", name="Snooze").click()
    await tab.page.get_by_role("dialog", name="Remind me").get_by_role("button", name="Tomorrow morning").click()
    for each in (tab, other):
        await each.until_titles()
        await each.until(unread=0)
    await other.page.get_by_role("tab", name="Snoozed").click()
    await other.until_titles("Later")
    await expect(other.entry("Later")).to_contain_text("Back")
    await other.entry("Later").get_by_role("button", name="Bring back now").click()
    await tab.until_titles("Later")
    await tab.until(unread=1)


async def test_a_refused_preference(visitor):
    """A switch that the hub refuses flips back, and the reason is shown."""
    tab = await visitor.visit(new_user("alice"))

    async def answer(route):
        refused = route.request.method == "PATCH"
        await route.fulfill(status=422 if refused else 200, json={"detail": "not that one"} if refused else PREFERENCES)

    await tab.page.route("**/v1/preferences", answer)
    await tab.open()
    await tab.button("Preferences").click()
    toggle = tab.page.get_by_role("switch", name="Everything: Push")
    await toggle.click()
    await expect(tab.page.get_by_text("not that one")).to_be_visible()
    await expect(toggle).to_be_checked()


@pytest.mark.parametrize(
    ("language", "direction", "name", "mark"),
    [
        ("de", "ltr", "Benachrichtigungen, 1 ungelesen", "Als gelesen markieren"),
        ("ar", "rtl", "الإشعارات، إشعار واحد غير مقروء", "وضع علامة مقروء"),
    ],
)
async def test_languages(visitor, cluster, language, direction, name, mark):
    """The page's language and direction are the inbox's, without a reload when they change."""
    user = new_user("alice")
    await cluster.publish(user, "Hello")
    tab = await visitor.visit(user, lang=language, dir=direction)
    await expect(tab.page.locator("hub-bell button").first).to_have_accessible_name(name)
    await tab.bell.click()
    await expect(tab.page.get_by_role("button", name=mark).first).to_be_attached()
    panel = await tab.page.locator("hub-bell .popover").bounding_box()
    bell = await tab.bell.bounding_box()
    edges = (panel["x"], bell["x"]) if direction == "rtl" else (panel["x"] + panel["width"], bell["x"] + bell["width"])
    assert abs(edges[0] - edges[1]) <= 1, "it hangs from the bell's outer edge"


async def test_a_narrow_window(visitor, cluster):
    """On a telephone the inbox is a sheet of its own, with everything in reach of a finger and a way to close it."""
    user = new_user("alice")
    await fill(cluster, user, 3)
    size = {"width": 360, "height": 640}
    profile = await visitor.profile(viewport=size, has_touch=True, is_mobile=True, reduced_motion="reduce")
    tab = await visitor.visit(user, profile=profile)
    await tab.bell.tap()
    box = await tab.page.locator("hub-bell .popover").bounding_box()
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 360, 640)
    assert await tab.page.evaluate("() => document.documentElement.scrollWidth") == 360
    await tab.entry("Number 2").get_by_role("button", name="Mark as read").tap()
    await tab.until(unread=2)
    await tab.button("Close").tap()
    await expect(tab.page.get_by_role("dialog", name="Notifications")).to_be_hidden()


async def test_a_list_that_takes_long(visitor, cluster):
    """While a list is on its way its place is held and said to be loading; then it is there."""
    user = new_user("alice")
    await cluster.publish(user, "Put away")
    tab, arrived = await visitor.visit(user), asyncio.Event()
    await tab.open()
    await tab.entry("Put away").get_by_role("button", name="Archive").click()
    await tab.until(unread=0, queued=0)

    async def wait(route):
        await arrived.wait()
        await route.continue_()

    await tab.page.route("**/v1/inbox?**", wait)
    await tab.page.get_by_role("tab", name="Archived").click()
    await expect(tab.page.get_by_text("Loading")).to_be_attached()
    await expect(tab.page.locator("hub-bell .skeleton")).to_have_count(5)
    arrived.set()
    await tab.until_titles("Put away")
    await expect(tab.page.locator("hub-bell .skeleton")).to_have_count(0)


STYLE = """(css) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  document.adoptedStyleSheets = [sheet];
}"""
COLOUR = "(element) => getComputedStyle(element).backgroundColor"


async def test_a_page_styles_it(visitor, cluster):
    """A page sets colours by custom properties, and reaches parts of bell and inbox by their names."""
    user = new_user("alice")
    await cluster.publish(user, "Hello", actions=[{"id": "go", "label": "Go"}])
    tab = await visitor.visit(user)
    css = "hub-bell { --hub-accent: rgb(1, 2, 3); } hub-bell::part(badge) { background: rgb(4, 5, 6); } "
    css += "hub-bell::part(entry) { background: rgb(7, 8, 9); }"
    await tab.page.evaluate(STYLE, css)
    await tab.open()
    await expect(tab.page.locator("hub-bell .badge")).to_have_css("background-color", "rgb(4, 5, 6)")
    await expect(tab.entry("Hello").get_by_role("button", name="Go")).to_have_css("background-color", "rgb(1, 2, 3)")
    await expect(tab.entry("Hello").locator(".row")).to_have_css("background-color", "rgb(7, 8, 9)")


async def test_light_and_dark(visitor):
    """It follows the user's preference for light or dark, and an attribute overrules that."""
    tab = await visitor.visit(new_user("alice"), profile=await visitor.profile(color_scheme="light"))
    await tab.open()
    panel = tab.page.locator("hub-bell .panel")
    light = await panel.evaluate(COLOUR)
    await tab.page.emulate_media(color_scheme="dark")
    dark = await panel.evaluate(COLOUR)
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(22, 24, 29)")
    await tab.page.evaluate("() => document.querySelector('hub-bell').setAttribute('theme', 'light')")
    assert await panel.evaluate(COLOUR) == light
    await tab.page.evaluate("() => document.querySelector('hub-bell').removeAttribute('theme')")
    assert await panel.evaluate(COLOUR) == dark


async def test_reduced_motion(visitor, cluster):
    """Who asked for less motion sees none: neither as it opens nor as something arrives or leaves."""
    user = new_user("alice")
    tab = await visitor.visit(user, profile=await visitor.profile(reduced_motion="reduce"))
    running = "(bell) => bell.shadowRoot.getAnimations().concat(bell.shadowRoot.querySelector('hub-inbox').shadowRoot.getAnimations()).length"
    bell = tab.page.locator("hub-bell")
    await tab.open()
    assert await bell.evaluate(running) == 0
    await cluster.publish(user, "Arrives")
    await expect(tab.entry("Arrives")).to_be_visible()
    assert await bell.evaluate(running) == 0
    await tab.entry("Arrives").get_by_role("button", name="Archive").click()
    assert await bell.evaluate(running) == 0
    await tab.until_titles()
