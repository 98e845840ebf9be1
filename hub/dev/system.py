"""What the development system consists of: one entry per process, and the environment they share.

The launcher starts what `servers` and then `processes` return; adding a process is adding an entry. A server is left
out when the environment names a running one. Everything here is decided before the first process starts.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from hub.dev.directory import DataDirectory, Secrets
from hub.dev.postgres import Postgres
from hub.dev.program import Program, StartError
from hub.dev.redis import Redis

HOST = "127.0.0.1"
DASHBOARD_PORT = 9181
DASHBOARD_USER = "hub"
"""Its password is the API key of dev.json."""
OUTBOX_PORT = 9182
# Stopped in this order: what uses the servers, then the servers, and Postgres last.
PROCESS_RANK, REDIS_RANK, POSTGRES_RANK = range(3)
AUDIENCE = ISSUER = "hub-dev"
DEFAULTS = {
    "HUB_LOG_FORMAT": "console",
    "HUB_DRAIN_SECONDS": "1",  # nobody waits for a rolling restart here
    "HUB_DEMO": "true",
    "HUB_WEBHOOK_PRIVATE": "true",  # a producer in development listens on loopback
}
"""What suits development; the caller's environment wins."""


class Part(NamedTuple):
    """A process of the system: its name, how to prepare it and when it is stopped."""

    name: str
    prepare: Callable[[], Program]
    rank: int = PROCESS_RANK


@dataclass(frozen=True, kw_only=True)
class System:
    """The whole system, as it was asked for and as the machine allows."""

    secrets: Secrets
    summary: Path
    node_ports: tuple[int, ...]
    delivery: bool
    dashboard_port: int | None
    outbox_port: int | None
    postgres: Postgres | None
    redis: Redis | None
    database_url: str
    redis_url: str

    @property
    def nodes(self) -> list[str]:
        """The nodes' addresses, in order."""
        return [_address(port) for port in self.node_ports]

    @property
    def dashboard(self) -> str | None:
        """The RQ dashboard's address, if there is one."""
        return _address(self.dashboard_port) if self.dashboard_port else None

    @property
    def outbox(self) -> str | None:
        """The recording providers' address, if there are any."""
        return _address(self.outbox_port) if self.outbox_port else None

    def describe(self, pids: Mapping[str, int]) -> dict[str, object]:
        """Return what dev.json says."""
        return {
            "nodes": self.nodes,
            "api_key": self.secrets.api_key,
            "jwt_secret": self.secrets.jwt_secret,
            "jwt_audience": AUDIENCE,
            "jwt_issuer": ISSUER,
            "database_url": self.database_url,
            "redis_url": self.redis_url,
            "dashboard": self.dashboard,
            "outbox": self.outbox,
            "pids": dict(pids),
        }

    def environment(self) -> dict[str, str]:
        """Return the settings that all processes share."""
        origins = [f"http://{host}:{port}" for port in self.node_ports for host in (HOST, "localhost")]
        shared = {
            **{name: os.environ.get(name, value) for name, value in DEFAULTS.items()},
            "PYTHONUNBUFFERED": "1",
            "HUB_DATABASE_URL": self.database_url,
            "HUB_REDIS_URL": self.redis_url,
            "HUB_HOST": HOST,
            "HUB_PUBLIC_URL": self.nodes[0],
            "HUB_ALLOWED_ORIGINS": ",".join(origins),
            "HUB_DEMO_NODES": ",".join(self.nodes),
            "HUB_DEMO_STATE": str(self.summary),
            "HUB_JWT_SECRET": self.secrets.jwt_secret,
            "HUB_JWT_AUDIENCE": AUDIENCE,
            "HUB_JWT_ISSUER": ISSUER,
        }
        if self.outbox is not None:
            shared |= {f"HUB_{name}_BASE_URL": self.outbox for name in ("RESEND", "TWILIO", "FCM")}
        return shared


def plan(directory: DataDirectory, *, nodes: int, port: int, delivery: bool) -> System:
    """Decide on everything; raise `StartError` when a node's port is taken or a server cannot be found."""
    node_ports = tuple(range(port, port + nodes))
    for taken in filter(_taken, node_ports):
        raise StartError(f"port {taken} is taken: stop what listens there, or choose another with --port")
    postgres = None if os.environ.get("HUB_DATABASE_URL") else Postgres(directory.path)
    redis = None if os.environ.get("HUB_REDIS_URL") else Redis(directory.path)
    return System(
        secrets=directory.secrets(),
        summary=directory.summary,
        node_ports=node_ports,
        delivery=delivery,
        dashboard_port=_free_port(DASHBOARD_PORT) if delivery and find_spec("rq_dashboard") else None,
        outbox_port=_free_port(OUTBOX_PORT) if delivery else None,
        postgres=postgres,
        redis=redis,
        database_url=postgres.url if postgres else os.environ["HUB_DATABASE_URL"],
        redis_url=redis.url if redis else os.environ["HUB_REDIS_URL"],
    )


def erase(directory: DataDirectory) -> None:
    """Forget everything that was stored; a server that the environment names is not ours to empty."""
    if not os.environ.get("HUB_DATABASE_URL"):
        Postgres(directory.path).erase()
    if not os.environ.get("HUB_REDIS_URL"):
        Redis(directory.path).erase()
    directory.forget_secrets()


def servers(system: System) -> list[Part]:
    """Return the servers to start, which everything else needs."""
    parts = []
    if system.postgres is not None:
        parts.append(Part("postgres", system.postgres.prepare, POSTGRES_RANK))
    if system.redis is not None:
        parts.append(Part("redis", system.redis.prepare, REDIS_RANK))
    return parts


def processes(system: System) -> list[Part]:
    """Return the hub's own processes."""
    hub, delivery = [sys.executable, "-m", "hub"], [sys.executable, "-m", "delivery"]
    parts = [
        _part(system, f"node-{number}", [*hub, "serve"], port=port, path="/readyz")
        for number, port in enumerate(system.node_ports)
    ]
    if system.delivery:
        parts += [_part(system, "relay", [*delivery, "relay"]), _part(system, "worker-0", [*delivery, "worker"])]
    if port := system.outbox_port:
        command = [sys.executable, "-m", "delivery.outbox", "--port", str(port)]
        parts.append(_part(system, "outbox", command, port=port, path="/outbox"))
    if port := system.dashboard_port:
        command = [sys.executable, "-m", "rq_dashboard", "--bind", HOST, "--port", str(port), "--disable-delete"]
        parts.append(_part(system, "dashboard", command, port=port, path="/", **_dashboard(system)))
    return parts


def _dashboard(system: System) -> dict[str, str]:
    """Return the dashboard's own settings; not as arguments, which everybody on the machine can read."""
    return {
        "RQ_DASHBOARD_REDIS_URL": system.redis_url,
        "RQ_DASHBOARD_JSON": "1",
        "RQ_DASHBOARD_USERNAME": DASHBOARD_USER,
        "RQ_DASHBOARD_PASSWORD": system.secrets.api_key,
    }


def _part(system: System, name: str, command: list[str], *, port: int = 0, path: str = "", **settings: str) -> Part:
    """Make the entry of a process: ready when `path` answers on its port, or at once if it has none."""
    program = Program(
        name=name,
        command=command,
        environment=system.environment() | ({"HUB_PORT": str(port)} if port else {}) | settings,
        ready=lambda _pid: not port or _answers(port, path),
    )
    return Part(name, lambda: program)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status in (http.HTTPStatus.OK, http.HTTPStatus.UNAUTHORIZED)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _address(port: int) -> str:
    return f"http://{HOST}:{port}"


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def _free_port(preferred: int) -> int:
    """Return the preferred port, or one the machine has free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # its last connections may linger
        probe.bind((HOST, 0 if _taken(preferred) else preferred))
        number: int = probe.getsockname()[1]
    return number
