"""Two nodes whose every answer is held against the OpenAPI document, and whose log must stay silent."""

import tempfile
from base64 import b64encode
from pathlib import Path

import pytest

from hub import keys
from hub.store import ApiKeys, Database
from tests.api.contract import Contract
from tests.hub_nodes import Cluster

NO_LIMIT = "1000000/second"
SIGNED = {  # what providers sign their callbacks with
    "resend_webhook_secret": "whsec_" + b64encode(b"resend-secret-of-the-tests").decode(),
    "twilio_auth_token": "twilio-token-of-the-tests",
    "public_url": "https://hub.example.com",
}


class Api(Cluster):
    """A cluster for tests of the HTTP API; its clients raise `AssertionError` for an answer that was not promised."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.contract = Contract()

    def client(self, node=0, **headers):
        """Make a client of one node that is nobody, or whoever the headers say."""
        client = super().client(node, **headers)
        client.event_hooks = {"response": [self._judge]}
        return client

    def service(self, node=0, key=None):
        """Make a client with an API key: by default one that may do everything."""
        return self.client(node, Authorization=f"Bearer {key or self.api_key}")

    def user(self, user, node=0, tenant="default"):
        """Make a client with a user's token."""
        return self.client(node, Authorization=f"Bearer {self.token(user, tenant=tenant)}")

    async def key(self, *, tenant="default", name="tests", scopes=("publish", "admin"), expires_at=None):
        """Make an API key."""
        key = keys.new_key()
        database = await Database(self.settings).open()
        try:
            await ApiKeys(database).create(
                key.id, key.hash, tenant=tenant, name=name, scopes=scopes, expires_at=expires_at
            )
        finally:
            await database.close()
        return key.text

    async def inbox(self, user, tenant="default", **query):
        """List a user's inbox."""
        async with self.user(user, tenant=tenant) as client:
            answer = await client.get("/v1/inbox", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def _judge(self, answer):
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            await answer.aread()
            self.contract.judge(answer)


@pytest.fixture(scope="session")
def api_log():
    """The file that the nodes of `api` log into."""
    with tempfile.NamedTemporaryFile(prefix="hub-api-", suffix=".log") as log:
        yield Path(log.name)


@pytest.fixture(scope="session")
def api(services, api_log):
    """Two nodes, shared by this package; tests keep apart by users and keys of their own."""
    rates = {"rate_limit_publish": NO_LIMIT, "rate_limit_user": NO_LIMIT}  # they have tests of their own
    with (
        api_log.open("ab") as log,
        Api(services.database_url, services.redis_url, log=log, cookie_name="session", **rates, **SIGNED) as running,
    ):
        yield running


@pytest.fixture(autouse=True)
def silence(api_log):
    """Fail the test during which a node logged a failure of its own code."""
    before = api_log.stat().st_size
    yield
    with api_log.open() as log:
        log.seek(before)
        logged = log.read()
    print(logged)
    assert "Traceback" not in logged
