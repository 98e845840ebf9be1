"""A stranger's text stays text: hostile notifications under a policy that allows nothing inline."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import expect

from tests.hub_nodes import new_user

HOSTILE = [
    "<script>globalThis.pwned = 1</script>",
    "<img src=x onerror='globalThis.pwned = 1'>",
    "<svg onload='globalThis.pwned = 1'><animate onbegin='globalThis.pwned = 1'/></svg>",
    '"><iframe srcdoc="<script>parent.pwned = 1</script>">',
    "</bdi></h3></article><style>* { display: none }</style>",
    "{{constructor.constructor('globalThis.pwned = 1')()}} ${globalThis.pwned = 1}",
    "javascript:globalThis.pwned=1",
    "\u202egnp.exe\u202c\u2066\u200b\ufeff",
]
ADDRESSES = [
    "javascript:globalThis.pwned=1",
    " \tjava\nscript:globalThis.pwned=1",
    "data:text/html,<script>opener.pwned=1</script>",
    "vbscript:pwned",
    "blob:http://127.0.0.1/1",
    "file:///etc/passwd",
    "https://good.example@evil.example/",
]


async def assert_harmless(tab):
    """Nothing ran, nothing was refused by the policy, and no element was made of text."""
    assert await tab.page.evaluate("() => globalThis.pwned") is None
    assert await tab.seen("violations") == []
    made = "script, img, iframe, style, object, embed, form, [onerror], [onload], [style]"
    assert await tab.page.locator(f"hub-bell article :is({made})").count() == 0


async def test_hostile_text(visitor, cluster):
    """Markup, script and control characters in every field are shown as they are written."""
    user = new_user("alice")
    tab = await visitor.visit(user)
    await tab.open()
    for text in HOSTILE:
        actions = [{"id": "go", "label": text[:100]}]
        await cluster.publish(user, text, body=text, data={"html": text}, actions=actions)
    await tab.until_titles(*reversed(HOSTILE))
    await expect(tab.entries.first.locator("p bdi").first).to_have_text(HOSTILE[-1])
    await tab.entries.nth(3).get_by_role("button", name="Mark as read").click()
    await assert_harmless(tab)


@pytest.mark.parametrize("address", ADDRESSES)
async def test_hostile_addresses(visitor, cluster, address):
    """Whatever a hub would pass on, an address that is not of the web is neither linked nor fetched nor followed."""
    user = new_user("alice")
    profile = await visitor.profile()

    def poison(socket):
        hub = socket.connect_to_server()

        def pass_on(text):
            frame = json.loads(text)
            if frame["t"] == "notification":
                actions = [{"id": "go", "label": "Go", "url": address}]
                frame["notification"] |= {"action_url": address, "icon": address, "actions": actions}
            socket.send(json.dumps(frame))

        hub.on_message(pass_on)

    await profile.route_web_socket("**/v1/ws**", poison)
    tab = await visitor.visit(user, profile=profile)
    await tab.open()
    await cluster.publish(user, "Click me")
    await expect(tab.entry("Click me")).to_be_visible()
    assert await tab.entry("Click me").locator("a").count() == 0
    before = tab.page.url
    await tab.page.get_by_text("Click me").click()
    await tab.entry("Click me").get_by_role("button", name="Go").click()
    await tab.until(unread=0)
    assert tab.page.url == before
    assert len(profile.pages) == 1
    await assert_harmless(tab)


async def test_links(visitor, cluster):
    """A link home opens here, one elsewhere in a tab that cannot reach back; with origins named, no others are linked."""
    user = new_user("alice")
    tab = await visitor.visit(user, **{"link-origins": "https://shop.example"})
    await tab.open()
    for number, address in enumerate(["/orders/7", "https://shop.example/7", "https://elsewhere.example/7"]):
        await cluster.publish(user, f"Number {number}", action_url=address)
    await tab.until(unread=3)
    home, shop = tab.entry("Number 0").locator("a"), tab.entry("Number 1").locator("a")
    await expect(home).to_have_attribute("href", f"{visitor.site.origin}/orders/7")
    await expect(home).not_to_have_attribute("target", "_blank")
    await expect(shop).to_have_attribute("rel", "noopener noreferrer")
    assert await tab.entry("Number 2").locator("a").count() == 0


async def test_a_click_reads_and_leaves(visitor, cluster):
    """A link that leaves the page still marks its notification as read."""
    user = new_user("alice")
    tab = await visitor.visit(user)
    await tab.open()
    await cluster.publish(user, "Leave", action_url="/site.css")
    await tab.entry("Leave").get_by_role("link").click()
    await tab.page.wait_for_url("**/site.css")
    back = await visitor.visit(user)
    await back.until(unread=0)


async def test_pictures(visitor, cluster):
    """A picture is fetched from the page's own origin only, and a broken one gives way to the category's icon."""
    user = new_user("alice")
    tab = await visitor.visit(user)
    await tab.open()
    asked = []
    tab.page.on("request", lambda request: asked.append(request.url))
    await cluster.publish(user, "Spy", icon="https://spy.example/pixel.gif?alice")
    await cluster.publish(user, "Broken", icon="/no-such-picture.png")
    await tab.until_titles("Broken", "Spy")
    await expect(tab.entry("Broken").locator("img")).to_have_count(0)
    await expect(tab.entry("Broken").locator("svg").first).to_be_visible()
    assert not any("spy.example" in url for url in asked)
    assert any("no-such-picture" in url for url in asked)
