"""Settings: what is missing or malformed stops the start, with its name and the reason."""

import os
import socket
import subprocess
import sys

import pytest

from hub.store.migration import migrate
from tests.hub_nodes import ROOT

GOOD = {
    "HUB_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/hub",
    "HUB_REDIS_URL": "redis://127.0.0.1:1",
    "HUB_JWT_SECRET": "a secret of the tests, long enough",
}
WRONG = [
    ({"HUB_DATABASE_URL": None}, "HUB_DATABASE_URL: Field required"),
    ({"HUB_REDIS_URL": None}, "HUB_REDIS_URL: Field required"),
    ({"HUB_DATABASE_URL": "mysql://x"}, "HUB_DATABASE_URL: must begin with postgresql://"),
    ({"HUB_REDIS_URL": "localhost"}, "HUB_REDIS_URL: must begin with redis://"),
    ({"HUB_PUBLIC_URL": "hub.example"}, "HUB_PUBLIC_URL: must begin with https://"),
    ({"HUB_JWT_SECRET": None}, "HUB_JWT_SECRET, HUB_JWT_PUBLIC_KEY and HUB_JWT_JWKS_URL"),
    ({"HUB_JWT_SECRET": "short"}, "HUB_JWT_SECRET: the secret must have at least 32 bytes"),
    ({"HUB_JWT_PUBLIC_KEY": "x"}, "exactly one of"),
    ({"HUB_JWT_SECRET": None, "HUB_JWT_PUBLIC_KEY": "x"}, "HUB_JWT_PUBLIC_KEY: cannot be read as a key"),
    ({"HUB_JWT_SECRET": None, "HUB_JWT_JWKS_URL": "http://x"}, "HUB_JWT_JWKS_URL: must be an https address"),
    ({"HUB_JWT_ALGORITHMS": "HS256,RS256"}, "HUB_JWT_ALGORITHMS must be of one family"),
    ({"HUB_JWT_ALGORITHMS": "none"}, "HUB_JWT_ALGORITHMS must be of one family"),
    ({"HUB_PORT": "http"}, "HUB_PORT: Input should be a valid integer"),
    ({"HUB_PORT": "65536"}, "HUB_PORT: Input should be less than"),
    ({"HUB_PING_SECONDS": "0"}, "HUB_PING_SECONDS: Input should be greater than 0"),
    ({"HUB_PING_SECONDS": "nan"}, "HUB_PING_SECONDS: "),
    ({"HUB_DRAIN_SECONDS": "inf"}, "HUB_DRAIN_SECONDS: "),
    ({"HUB_RATE_LIMIT_PUBLISH": "1000"}, "HUB_RATE_LIMIT_PUBLISH: must look like 1000/second"),
    ({"HUB_RATE_LIMIT_USER": "0/second"}, "HUB_RATE_LIMIT_USER: must look like 1000/second"),
    ({"HUB_ALLOWED_ORIGINS": "https://a.example,*"}, "HUB_ALLOWED_ORIGINS: '*' is not an origin"),
    ({"HUB_ALLOWED_ORIGINS": "https://a.example/"}, "HUB_ALLOWED_ORIGINS: 'https://a.example/' is not an origin"),
    ({"HUB_LOG_LEVEL": "loud"}, "HUB_LOG_LEVEL: Input should be"),
    ({"HUB_DEMO": "maybe"}, "HUB_DEMO: Input should be a valid boolean"),
]


def serve(**changes):
    """Start a node with good settings, changed, and return its exit code and what it said."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    environment |= {name: value for name, value in (GOOD | changes).items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-m", "hub", "serve"], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=30
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("changes", "reason"), WRONG, ids=lambda value: "" if isinstance(value, str) else str(value)[:60]
)
def test_a_bad_setting_is_named_with_its_reason(changes, reason, monkeypatch, capsys):
    """The command line ends at once, says what is wrong in a line of its own, and shows no traceback and no secret."""
    from hub.__main__ import main

    for name in [name for name in os.environ if name.startswith("HUB_")]:
        monkeypatch.delenv(name)
    for name, value in (GOOD | changes).items():
        if value is not None:
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["hub", "serve"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = str(ended.value.code)
    assert said.startswith("hub: the settings are not valid\n")
    assert reason in said
    assert GOOD["HUB_JWT_SECRET"] not in said + "".join(capsys.readouterr())


def test_a_node_with_bad_settings_ends_with_one_message():
    """As a process it exits with 1, and every bad variable is named at once."""
    code, said = serve(HUB_PORT="x", HUB_LOG_LEVEL="loud", HUB_REDIS_URL=None)
    assert code == 1
    assert [line.split(":")[0] for line in said.splitlines()[1:]] == ["HUB_REDIS_URL", "HUB_LOG_LEVEL", "HUB_PORT"]


async def test_a_port_that_is_taken_is_named(services):
    """A node that cannot listen says which variables to look at."""
    await migrate(services.database_url)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = serve(HUB_PORT=port, HUB_DATABASE_URL=services.database_url, HUB_REDIS_URL=services.redis_url)
    assert code == 1
    assert "HUB_HOST, HUB_PORT: cannot listen on 127.0.0.1" in said
    assert "Traceback" not in said


async def test_a_database_that_is_away_or_empty_is_said_in_one_line(empty_database):
    """A node that cannot reach Postgres, or finds no schema there, ends with the reason instead of a traceback."""
    assert serve() == (1, "hub: the database is not available ([Errno 111] Connect call failed ('127.0.0.1', 1))\n")
    code, said = serve(HUB_DATABASE_URL=empty_database)
    assert (code, "run `hub migrate`" in said, said.count("\n")) == (1, True, 1)
