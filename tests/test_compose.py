"""The deployment without Docker: the commands of docker-compose.yml, in its environment, as processes of this machine.

Only addresses are changed: service names become the embedded servers, ports become free ones. What this cannot show is
what Docker itself does: building the image, networks, volumes.
"""

import asyncio
import contextlib
import http.client
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import httpx2
import pytest
import redis
import rq
from redis.exceptions import AuthenticationError
from rq.serializers import JSONSerializer

from hub.dev.binaries import find_redis
from tests import compose
from tests.hub_nodes import ROOT, free_port

SERVICES = compose.load(compose.example())["services"]


@pytest.fixture(scope="module")
def adapted(services):
    """Replace what names a container or a fixed port by what is there on this machine."""
    replacements = {
        "postgresql://hub:{POSTGRES_PASSWORD}@postgres:5432/hub": services.database_url,
        "redis://:{REDIS_PASSWORD}@redis:6379/0": services.redis_url,
        "0.0.0.0": "127.0.0.1",
        "8000": str(free_port()),
        "9181": str(free_port()),
    }
    replacements = {old.format_map(compose.example()): new for old, new in replacements.items()}

    def adapt(text):
        for old, new in replacements.items():
            text = text.replace(old, new)
        return text

    return adapt


@pytest.fixture(scope="module")
def migrated(adapted):
    """The schema is there, put by the one-shot migration."""
    done = Container("migrate", adapted).run()
    assert done.returncode == 0, done.stderr


class Container:
    """One service's processes: its command and its health check, in its environment and nothing else of ours."""

    def __init__(self, name, adapt):
        service = SERVICES[name]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        given = {name: adapt(value) for name, value in service.get("environment", {}).items()}
        self._environment = inherited | given
        self._check = [adapt(part) for part in service.get("healthcheck", {}).get("test", [])]
        self._grace_seconds = int(service.get("stop_grace_period", "10s").removesuffix("s"))
        self._command = [adapt(part) for part in service["command"]]

    def run(self, command=None):
        """Run its command, or another in its environment, to the end."""
        return subprocess.run(
            executable(command or self._command), env=self._environment, cwd=ROOT, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip

    def healthy(self):
        """Ask its health check."""
        kind, *command = self._check
        assert kind == "CMD"
        return self.run(command).returncode == 0

    @contextlib.contextmanager
    def running(self, ready):
        """Start its command, wait until `ready()`, and stop it as Docker does, within its grace."""
        process = subprocess.Popen(executable(self._command), env=self._environment, cwd=ROOT)
        self.pid = process.pid
        try:
            deadline = time.monotonic() + 60
            while not ready():
                assert process.poll() is None, "it has ended by itself"
                assert time.monotonic() < deadline, "it does not get ready"
                time.sleep(0.05)
            yield
            process.terminate()
            self.exit_code = process.wait(self._grace_seconds)
        finally:
            process.kill()
            process.wait(10)


def executable(command):
    """Find a command of the image in this environment."""
    match command:
        case ["hub", *arguments]:
            return [sys.executable, "-m", "hub", *arguments]
        case ["python", *arguments]:
            return [sys.executable, *arguments]
        case ["rq-dashboard", *arguments]:
            return [Path(sys.executable).with_name("rq-dashboard"), *arguments]
        case ["redis-server", *arguments]:
            return [find_redis().path, *arguments]
    raise AssertionError(f"unknown here: {command}")


def test_the_migration_may_be_repeated(migrated, adapted):
    """The one-shot migration succeeds also when there is nothing left to do."""
    done = Container("migrate", adapted).run()
    assert done.returncode == 0, done.stderr
    assert "up to date" in done.stdout


def test_a_node_is_healthy_until_it_stops(migrated, adapted):
    """A node runs in its environment, its health check agrees, and SIGTERM ends it in its grace with 0."""
    node = Container("hub", adapted)
    assert not node.healthy()
    with node.running(ready=node.healthy):
        created = node.run(["hub", "keys", "create", "--name", "backend", "--scopes", "publish"])
        assert created.stdout.startswith("hub_")
        headers = {"Authorization": f"Bearer {created.stdout.strip()}"}
        url = adapted("http://127.0.0.1:8000/v1/notifications")
        content = {"to": "compose", "category": "test", "title": "hello"}
        assert httpx2.post(url, json=content, headers=headers, timeout=10).status_code == 201
    assert node.exit_code == 0
    assert not node.healthy()


def test_a_node_needs_its_settings(adapted):
    """A node that was given no key to check tokens with says which variable is missing and does not start."""
    secret = compose.example()["HUB_JWT_SECRET"]
    done = Container("hub", lambda text: "" if text == secret else adapted(text)).run()
    assert done.returncode != 0
    assert "HUB_JWT_SECRET" in done.stderr


def test_a_relay_turns_until_it_is_stopped(services, migrated, adapted):
    """The relay starts in its environment, says that it turns, and ends on SIGTERM with 0."""
    relay = Container("relay", adapted)
    with relay.running(ready=lambda: relay.pid in relays(services.database_url)):
        pass
    assert relay.exit_code == 0


def relays(database_url):
    """Return the process ids of the relays that have a heartbeat."""

    async def read():
        connection = await asyncpg.connect(database_url)
        try:
            return await connection.fetch("select id from heartbeats where kind = 'relay'")
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as outside_of_the_session_loop:
        rows = outside_of_the_session_loop.submit(asyncio.run, read()).result(10)
    return {int(row["id"].rpartition(":")[2]) for row in rows}


@pytest.mark.parametrize("name", ["worker", "worker-low-first"])
def test_a_worker_listens_until_it_is_stopped(services, migrated, adapted, name):
    """A worker starts in its environment, listens to its queues in their order, and ends on SIGTERM with 0."""
    worker = Container(name, adapted)
    with redis.Redis.from_url(services.redis_url) as connection:

        def listening():
            known = {each.pid: each for each in rq.Worker.all(connection, serializer=JSONSerializer)}
            return worker.pid in known and known[worker.pid].get_state() == "idle"

        with worker.running(ready=listening):
            [known] = [each for each in rq.Worker.all(connection) if each.pid == worker.pid]
            assert ",".join(known.queue_names()) == SERVICES[name]["command"][-1]
    assert worker.exit_code == 0


def test_the_dashboard_asks_for_a_password(adapted):
    """The RQ dashboard answers under /rq, to whoever has the password."""
    dashboard = Container("rq-dashboard", adapted)
    variables = compose.example()
    credentials = variables["RQ_DASHBOARD_USERNAME"], variables["RQ_DASHBOARD_PASSWORD"]
    url = adapted("http://127.0.0.1:9181/rq/")
    with dashboard.running(ready=dashboard.healthy):
        assert httpx2.get(url).status_code == http.client.UNAUTHORIZED
        answer = httpx2.get(url, auth=credentials, follow_redirects=True)
        assert answer.status_code == http.client.OK
        assert "/rq/" in answer.text


def test_redis_is_locked_and_keeps_everything(tmp_path):
    """Redis, started with its command, refuses strangers, never evicts and keeps an append-only file."""
    port = free_port()
    service = SERVICES["redis"]
    command = [*executable(service["command"]), "--port", str(port), "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port, password=service["environment"]["REDISCLI_AUTH"], protocol=3) as known:
            deadline = time.monotonic() + 10
            while True:
                with contextlib.suppress(redis.ConnectionError):
                    assert known.ping()
                    break
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert known.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert known.config_get("appendonly") == {"appendonly": "yes"}
        with redis.Redis(port=port) as stranger, pytest.raises(AuthenticationError):
            stranger.ping()
    finally:
        process.terminate()
        process.wait(10)
