"""Many tabs, one connection: who leads, who listens, and what happens when the leader goes."""

from __future__ import annotations

import asyncio
import time

from tests.e2e.visit import until
from tests.hub_nodes import new_user


async def tabs_of(visitor, count, user=None, profile=None):
    """Open a user's tabs in one browser."""
    user, profile = user or new_user("alice"), profile or await visitor.profile()
    return user, [await visitor.visit(user, profile=profile) for _ in range(count)]


async def leaders(tabs):
    """The tabs that hold a connection."""
    states = await asyncio.gather(*(tab.state() for tab in tabs))
    return [tab for tab, state in zip(tabs, states, strict=True) if state["leader"]]


async def test_one_connection(visitor, cluster):
    """Five tabs open one connection, and all of them see what it brings."""
    user, tabs = await tabs_of(visitor, 5)
    await cluster.publish(user, "For all")
    for tab in tabs:
        await tab.until(unread=1, connection="live")
    assert sum(len(tab.sockets) for tab in tabs) == 1
    assert len(await leaders(tabs)) == 1


async def test_a_reading_follower(visitor, cluster):
    """What a following tab reads is read in the leading one."""
    user, tabs = await tabs_of(visitor, 2)
    (leader,) = await leaders(tabs)
    (follower,) = (tab for tab in tabs if tab is not leader)
    await cluster.publish(user, "Hello")
    await follower.open()
    await follower.entry("Hello").get_by_role("button", name="Mark as read").click()
    await leader.until(unread=0, seq=3)


async def test_a_late_tab(visitor, cluster):
    """A tab that comes later gets the inbox from the leading one, without a request of its own."""
    user = new_user("alice")
    for number in range(3):
        await cluster.publish(user, f"Number {number}")
    _, (first,) = await tabs_of(visitor, 1, user)
    late = await visitor.load(user, profile=first.page.context)
    asked = []
    late.page.on("request", lambda request: "/v1/inbox?" in request.url and asked.append(request.url))
    await late.until(connection="live", unread=3)
    await late.open()
    await late.until_titles("Number 2", "Number 1", "Number 0")
    assert asked == []


async def test_takeover(visitor, cluster):
    """When the leading tab is closed another one leads within three seconds, and nothing in between is lost."""
    user, tabs = await tabs_of(visitor, 3)
    (leader,) = await leaders(tabs)
    rest = [tab for tab in tabs if tab is not leader]
    await cluster.publish(user, "Before")
    await asyncio.gather(*(tab.until(unread=1) for tab in rest))
    begun = time.monotonic()
    await leader.page.close()
    await cluster.publish(user, "Meanwhile")
    for tab in rest:
        await tab.until(unread=2, connection="live", seconds=3)
    assert time.monotonic() - begun < 3
    assert len(await leaders(rest)) == 1
    await rest[0].open()
    await rest[0].until_titles("Meanwhile", "Before")


async def test_a_frozen_leader(visitor, cluster):
    """A leader that is suspended is replaced by a tab that is looked at, and follows when it wakes."""
    user, tabs = await tabs_of(visitor, 2)
    (leader,) = await leaders(tabs)
    (other,) = (tab for tab in tabs if tab is not leader)
    await other.page.bring_to_front()
    go_on = await leader.pause()
    await other.until(leader=True, connection="live")
    await cluster.publish(user, "Meanwhile")
    await other.until(unread=1)
    await go_on()
    await leader.until(leader=False, unread=1, connection="live")


async def test_two_users(visitor, cluster):
    """Two users in one browser each have their own connection, and see nothing of each other."""
    profile = await visitor.profile()
    alice, (hers,) = await tabs_of(visitor, 1, profile=profile)
    _, (his,) = await tabs_of(visitor, 1, new_user("bob"), profile)
    assert len(await leaders([hers, his])) == 2
    await cluster.publish(alice, "For Alice only")
    await hers.until(unread=1)
    assert (await his.state())["unread"] == 0
    assert await his.seen("events") == []


async def test_the_cursor_outlives_the_browser(visitor, cluster):
    """A browser that comes back goes on where it was: what it missed is told once, as missed."""
    user, (first,) = await tabs_of(visitor, 1)
    await cluster.publish(user, "Before")
    await first.until(unread=1)
    profile = first.page.context
    await first.page.close()
    await cluster.publish(user, "Meanwhile")
    again = await visitor.visit(user, profile=profile)
    await until(lambda: again.seen("events"), bool)  # it is live as soon as it is greeted; what it missed follows
    await again.open()
    await again.until_titles("Meanwhile", "Before")
    events = await again.seen("events")
    assert [(event["notification"]["title"], event["replayed"]) for event in events] == [("Meanwhile", True)]
