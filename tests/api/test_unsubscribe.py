"""The one-click link of an e-mail: signed, without a login, and good for one thing."""

import asyncpg
import pytest

from delivery.unsubscribe import Subscription, sign
from tests.hub_nodes import new_user


@pytest.fixture
async def connection(services):
    opened = await asyncpg.connect(services.database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def link(connection):
    """A user's link, as an e-mail of theirs carries it."""
    key = await connection.fetchval("select value from secrets where name = 'unsubscribe'")
    subscription = Subscription("default", new_user(), "order.<b>shipped", "email")
    return subscription, f"/v1/unsubscribe/{sign(subscription, key)}"


async def choices(connection, subscription):
    rows = await connection.fetch(
        "select category, channel, enabled from preferences where tenant = $1 and user_id = $2", *subscription[:2]
    )
    return [tuple(row) for row in rows]


async def test_one_click_switches_the_category_off(api, connection, link):
    """A mailbox posts what RFC 8058 says, without credentials, as often as it likes."""
    subscription, path = link
    async with api.client() as client:
        for _ in range(2):
            assert (await client.post(path, data={"List-Unsubscribe": "One-Click"})).status_code == 200
    assert await choices(connection, subscription) == [("order.<b>shipped", "email", False)]


async def test_looking_changes_nothing(api, connection, link):
    """GET shows a page with a button and no more: mail scanners follow links. Its words are escaped."""
    subscription, path = link
    async with api.client() as client:
        page = await client.get(path)
    assert page.status_code == 200
    assert page.headers["referrer-policy"] == "no-referrer"
    assert '<form method="post">' in page.text
    assert "order.&lt;b&gt;shipped" in page.text
    assert await choices(connection, subscription) == []


async def test_the_page_uses_the_categorys_title(api, connection, link):
    """A registered category is named as its people know it."""
    subscription, path = link
    await connection.execute(
        "insert into categories (tenant, name, title) values ('default', $1, 'Deliveries') on conflict do nothing",
        subscription.category,
    )
    async with api.client() as client:
        assert "“Deliveries”" in (await client.get(path)).text
    await connection.execute("delete from categories where name = $1", subscription.category)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: "x",
        lambda token: token[:-4],
        lambda token: token[:10] + ("A" if token[10] != "A" else "B") + token[11:],
        lambda token: sign(Subscription("default", "victim", "c", "email"), "another key"),
        lambda token: "%ff%C3%A4",
    ],
)
async def test_a_link_of_somebody_elses_making_is_nothing(api, connection, link, spoil):
    """Cut, changed or signed by another key: 404 for both methods."""
    subscription, path = link
    spoiled = "/v1/unsubscribe/" + spoil(path.rpartition("/")[2])
    async with api.client() as client:
        assert (await client.get(spoiled)).status_code == 404
        assert (await client.post(spoiled)).status_code == 404
    assert await choices(connection, subscription) == []
