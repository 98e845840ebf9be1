"""Pictures of the inbox as the README shows them: behind its bell and on a telephone, light and dark."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.hub_nodes import new_user

TOLD = [
    {"category": "report.weekly", "title": "Your weekly report is ready", "body": "Revenue is up 4 %, churn is down."},
    {"category": "billing.invoice", "title": "Invoice 2026-1187 was paid", "body": "1,240.00 € from Lumen Ltd."},
    {"category": "team.invite", "title": "Jonas invited you to Atlas", "actions": [{"id": "join", "label": "Join"}]},
    {"category": "security.login", "title": "New sign-in from Tallinn", "body": "Was it you?", "priority": "critical"},
    {"category": "mention", "title": "Maya mentioned you", "collapse_key": "thread"},
    {
        "category": "mention",
        "title": "Maya mentioned you in Launch plan",
        "body": "“Could you look at this before noon?”",
        "collapse_key": "thread",
    },
    {
        "category": "order.shipped",
        "title": "Your order is on its way",
        "body": "It left our Hamburg warehouse and arrives tomorrow before noon.",
        "actions": [{"id": "track", "label": "Track parcel"}, {"id": "return", "label": "Return it"}],
    },
]
SCREENS = {
    "light": ({"viewport": {"width": 760, "height": 680}}, {"x": 280, "y": 0, "width": 480, "height": 680}),
    "dark": (
        {"viewport": {"width": 360, "height": 680}, "has_touch": True, "is_mobile": True},
        {"x": 0, "y": 0, "width": 360, "height": 680},
    ),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pictures_for_the_readme(visitor, cluster, scheme, tmp_path):
    """The inbox can be shown on a desk and on a telephone; `make pictures` keeps what is taken here."""
    user = new_user("alice")
    for said in TOLD:
        await cluster.publish(user, **said)
    screen, clip = SCREENS[scheme]
    profile = await visitor.profile(color_scheme=scheme, reduced_motion="reduce", **screen)
    tab = await visitor.visit(user, profile=profile)
    await tab.open()
    await tab.entry("New sign-in").get_by_role("button", name="Mark as read").click()
    await tab.until(unread=len(TOLD) - 2)
    await tab.page.mouse.move(5, 300)
    picture = Path(os.environ.get("HUB_PICTURES", tmp_path)) / f"inbox-{scheme}.png"
    await tab.page.screenshot(path=picture, clip=clip, animations="disabled")
    assert 10_000 < picture.stat().st_size <= 150_000
