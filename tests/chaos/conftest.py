"""Servers that may be broken, providers that misbehave, and a seed that says how: `make chaos CHAOS_SEED=…`."""

import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest

from delivery.config import DeliverySettings
from delivery.edges import Edges
from hub.store import Database
from hub.store.migration import migrate
from tests.chaos.gang import Gang
from tests.conftest import start_services
from tests.delivery.conftest import providers, recording  # noqa: F401 - fixtures
from tests.delivery.crew import Crew
from tests.delivery.office import Office

SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(10**6))
PATIENCE = {  # short, so that what waits for a time does not take all day
    "retry_base_seconds": "0.2",
    "retry_cap_seconds": "2",
    "retry_max_attempts": "60",
    "probe_after_seconds": "1",
    "provider_timeout_seconds": "1",
    "job_timeout_seconds": "6",
    "send_lease_seconds": "8",
    "queue_lease_seconds": "3",
    "job_deliveries": "3",
    "breaker_failures": "20",
    "breaker_seconds": "1",
    "webhook_private": "true",
    "log_level": "ERROR",
}


def pytest_report_header():
    return f"chaos: seed {SEED} (repeat it with CHAOS_SEED={SEED})"


@pytest.fixture
def rng():
    """The one source of chance."""
    print(f"CHAOS_SEED={SEED}")
    return random.Random(SEED)


@pytest.fixture(scope="session")
def breakable():
    """A Postgres that survives a crash, and a Redis that remembers nothing after one."""
    directory = Path(tempfile.mkdtemp(prefix="hub-chaos-", dir="/tmp"))
    try:
        yield from start_services(directory, durable=True)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def office(breakable):
    """An office that publishes and counts; the work is the gang's."""
    await migrate(breakable.database_url)
    settings = DeliverySettings(database_url=breakable.database_url, redis_url=breakable.redis_url)
    database = await Database(settings).open()
    yield Office(database, settings, Edges({}))
    await database.close()


@pytest.fixture
def gang(breakable, providers, rng, tmp_path):  # noqa: F811
    """Nobody yet; whoever is started speaks to the misbehaving providers."""
    providers.script.reset(SEED)
    bases = {f"{name}_base_url": providers.url for name in ("resend", "twilio", "fcm")}
    with Crew(database_url=breakable.database_url, redis_url=breakable.redis_url, **bases, **PATIENCE) as crew:
        yield Gang(crew, tmp_path / "points", rng)
