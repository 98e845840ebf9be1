"""Recording providers, the real edges that speak to them, and an office in which a test does the work itself."""

from urllib.parse import urlsplit

import asyncpg
import pytest

from delivery.channel import Message
from delivery.config import DeliverySettings
from delivery.edges import Edges
from delivery.email import Resend
from delivery.http import Http
from delivery.outbox import Outbox, Script, Server, create_app
from delivery.push import Fcm
from delivery.sms import Twilio
from delivery.webhook import Webhooks
from hub.store import Database
from hub.store.migration import migrate
from tests.delivery.office import TABLES, Office

ACCOUNT = "AC" + "0123456789abcdef" * 2
TIMEOUT_SECONDS = 1.0


class Providers:
    """The three recording providers and one edge for each."""

    def __init__(self, url, outbox, script):
        self.url, self.outbox, self.script = url, outbox, script
        self.resend = Resend(Http(total_seconds=TIMEOUT_SECONDS), api_key="re_test", base_url=url)
        self.twilio = Twilio(
            Http(total_seconds=TIMEOUT_SECONDS), account_sid=ACCOUNT, auth_token="secret", base_url=url
        )
        self.fcm = Fcm(base_url=url, timeout_seconds=TIMEOUT_SECONDS)

    def edge(self, name):
        return getattr(self, name)

    def requests(self, method="POST"):
        return [seen for seen in self.outbox.seen if seen.method == method]

    async def close(self):
        for edge in (self.resend, self.twilio, self.fcm):
            await edge.close()


@pytest.fixture(scope="session")
async def recording():
    outbox, script = Outbox(), Script()
    async with Server(create_app(outbox, script)) as server:
        yield server.url, outbox, script


@pytest.fixture
async def providers(recording):
    """Return edges to the recording providers, which are empty and well-behaved."""
    url, outbox, script = recording
    outbox.clear()
    script.reset()
    opened = Providers(url, outbox, script)
    yield opened
    await opened.close()


@pytest.fixture
def message():
    """Return a builder of messages to the address that suits a provider."""
    addresses = {
        "resend": "ada@example.com",
        "twilio": "+4915112345678",
        "fcm": "device-token",
        "smtp": "ada@example.com",
    }

    def build(provider, **changes):
        fields = {
            "delivery_id": "dlv_0123",
            "key": "dlv_0123-1",
            "sender": "+15005550006" if provider == "twilio" else "Shop <shop@example.com>",
            "address": addresses.get(provider, "ada@example.com"),
            "title": "Your order is on its way",
            "text": "It left the warehouse. ✓",
        }
        return Message(**(fields | changes))

    return build


@pytest.fixture(scope="session")
async def delivery_url(services):
    """A database of delivery's own: a relay works on everything it finds."""
    parts = urlsplit(services.database_url)
    admin = await asyncpg.connect(services.database_url)
    await admin.execute("drop database if exists delivery_tests")
    await admin.execute("create database delivery_tests")
    await admin.close()
    url = parts._replace(path="/delivery_tests").geturl()
    await migrate(url)
    return url


@pytest.fixture
def delivery_settings(delivery_url, services):
    return DeliverySettings(
        database_url=delivery_url,
        redis_url=services.redis_url,
        provider_timeout_seconds=TIMEOUT_SECONDS,
        retry_base_seconds=10,
        retry_max_attempts=4,
        breaker_failures=1000,
        webhook_private=True,
    )


@pytest.fixture
async def office(delivery_settings, providers):
    database = await Database(delivery_settings).open()
    await database.fetch(f"truncate {', '.join(TABLES.split())}")
    await database.fetch("update sweeps set reached = '00000000-0000-0000-0000-000000000000', rests_until = now()")
    known = {"email": [providers.resend], "sms": [providers.twilio], "push": [providers.fcm]}
    webhooks = Webhooks(delivery_settings)
    edges = Edges(known, webhooks)
    yield Office(database, delivery_settings, edges)
    await webhooks.close()
    await database.close()
