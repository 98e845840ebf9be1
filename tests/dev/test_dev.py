"""`hub dev`: one command, the whole system, and nothing of it afterwards."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import stat
import sys

import asyncpg
import httpx2
import pytest

from hub import auth
from hub.config import Settings
from hub.dev import session
from tests.dev.running import Dev, until
from tests.hub_nodes import new_user

KEYS = {
    *("nodes", "api_key", "jwt_secret", "jwt_audience", "jwt_issuer"),
    *("database_url", "redis_url", "dashboard", "outbox", "pids"),
}


def user_headers(dev: Dev, user: str) -> dict[str, str]:
    """Sign a token with what dev.json says, and nothing else."""
    known = {key: value for key, value in dev.described().items() if key.startswith(("jwt_", "database", "redis"))}
    return {"Authorization": f"Bearer {auth.sign(Settings(**known), user=user, ttl_seconds=60, tenant='default')}"}


def publish(dev: Dev, user: str, title: str) -> None:
    """Publish with the development key."""
    answer = httpx2.post(
        dev.described()["nodes"][0] + "/v1/notifications",
        headers={"Authorization": f"Bearer {dev.described()['api_key']}"},
        json={"to": user, "category": "test", "title": title},
    )
    assert answer.status_code == 201, answer.text


def titles(dev: Dev, user: str, node: int = -1) -> list[str]:
    """Read a user's inbox, by default on the last node."""
    answer = httpx2.get(dev.described()["nodes"][node] + "/v1/inbox", headers=user_headers(dev, user))
    assert answer.status_code == 200, answer.text
    return [item["title"] for item in answer.json()["items"]]


def test_says_where_everything_is(dev):
    """dev.json names the nodes, the servers, the secrets and the process ids, and only its owner may read it."""
    described = dev.described()
    assert described.keys() == KEYS
    assert described["pids"].keys() == {"postgres", "redis", "node-0", "node-1"}
    assert described["dashboard"] is None
    assert all(session.members(pid) for pid in described["pids"].values())
    assert [httpx2.get(f"{node}/readyz").status_code for node in described["nodes"]] == [200, 200]
    assert stat.S_IMODE((dev.directory / "dev.json").stat().st_mode) == 0o600


def test_command_to_paste_works(dev):
    """The printed `curl` publishes to alice, and the other node shows it to her."""
    words = shlex.split(dev.output().partition("Tell Alice something:")[2].partition("Ctrl-C")[0])
    assert words[0] == "curl"
    headers = dict(word.split(": ", 1) for word, before in zip(words[1:], words, strict=False) if before == "-H")
    answer = httpx2.post(words[1], headers=headers, content=words[words.index("-d") + 1])
    assert answer.status_code == 201, answer.text
    assert titles(dev, "alice") == ["Hello Alice"]


def test_output_in_a_file_is_plain(dev):
    """Lines carry the name of their process, and no colours where nobody sees them."""
    lines = dev.output().splitlines()
    assert any(line.startswith("node-1    | ") for line in lines)
    assert any(line.startswith("postgres  | ") for line in lines)
    assert "\x1b" not in dev.output()


def test_second_launcher_is_refused(dev):
    """A data directory belongs to one launcher; the second one says who has it and touches nothing."""
    second = Dev(dev.directory)
    second.log = dev.directory.with_suffix(".second")
    assert second.start().process.wait(30) == 1
    assert f"already running on {dev.directory}, pid {dev.process.pid}" in second.output()
    assert not dev.described()["pids"].items() ^ dev.pids.items()


@pytest.mark.parametrize("name", ["node-0", "redis", "postgres"])
def test_killed_child_is_started_again(dev, name):
    """A child that dies comes back under a new pid, which is said and written down, and the system works on."""
    user, old = new_user(), dev.described()["pids"][name]
    publish(dev, user, "before")
    os.kill(old, signal.SIGKILL)
    new = until(lambda: (pid := dev.described()["pids"][name]) != old and pid, f"{name} is back")
    assert f"{name} was killed by SIGKILL; starting it again" in dev.output()
    assert f"{name} runs again, pid {new}" in dev.output()
    dev.pids = dev.described()["pids"]
    until(lambda: all(httpx2.get(f"{node}/readyz").status_code == 200 for node in dev.described()["nodes"]), "ready")
    publish(dev, user, "after")
    assert titles(dev, user) == ["after", "before"]


def test_ctrl_c_stops_everything_and_keeps_the_data(directory):
    """Ctrl-C ends all processes with status 0; the next start has the same data and secrets, unless it is `--fresh`."""
    with Dev(directory) as first:
        publish(first, "alice", "kept")
        secrets = first.described()["api_key"], first.described()["jwt_secret"]
        assert first.interrupt() == 0
        assert first.left() == []
        assert not (directory / "dev.json").exists()
        assert "Traceback" not in first.output()
    with Dev(directory) as second:
        assert (second.described()["api_key"], second.described()["jwt_secret"]) == secrets
        assert titles(second, "alice") == ["kept"]
        second.interrupt()
    with Dev(directory, "--fresh") as third:
        assert third.described()["jwt_secret"] != secrets[1]
        assert titles(third, "alice") == []


def test_killed_launcher_leaves_nothing_behind(directory):
    """SIGKILL of the launcher ends its children too, a frozen one included; the next start waits for that."""
    first = Dev(directory, nodes=2).start().ready()
    os.kill(first.pids["node-1"], signal.SIGSTOP)
    first.process.kill()
    first.process.wait()
    with Dev(directory) as second:
        assert first.left() == []
        assert second.interrupt() == 0


def test_killed_make_leaves_nothing_behind(used):
    """Whoever typed `make run` and kills that `make` has ended the system."""
    dev = Dev(used, MAKELEVEL="1")
    dev.start(sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])").ready()
    dev.process.kill()
    dev.process.wait()
    dev.gone()


def test_second_ctrl_c_forces(used):
    """A child that does not end is waited for, until Ctrl-C is pressed again."""
    with Dev(used) as dev:
        os.kill(dev.pids["node-0"], signal.SIGSTOP)
        dev.process.send_signal(signal.SIGINT)
        until(lambda: "stopping" in dev.output(), "it stops")
        dev.process.send_signal(signal.SIGINT)  # an impatient finger: too soon to mean it
        until(lambda: dev.process.send_signal(signal.SIGINT) or "by force" in dev.output(), "it is forced")
        assert dev.process.wait(5) == 0
        assert dev.left() == []


def test_ctrl_c_while_starting(used):
    """Ctrl-C is heard before everything runs, and stops what runs already."""
    dev = Dev(used).start()
    until(lambda: "starting the nodes" in dev.output(), "it starts the nodes")
    assert dev.interrupt() == 0
    assert "Ready in" not in dev.output()
    assert "Traceback" not in dev.output()
    assert not (used / "dev.json").exists()


def test_taken_port_is_named(used):
    """A port that somebody else listens on is refused before anything starts."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        dev = Dev(used, "--port", str(port)).start()
        assert dev.process.wait(30) == 1
    assert f"port {port} is taken" in dev.output()
    assert "Postgres" not in dev.output()


def test_failed_start_says_why_and_stops(used):
    """A setting that is not valid ends the start with its name and the reason, and the servers with it."""
    dev = Dev(used, HUB_PING_SECONDS="often").start()
    assert dev.process.wait(60) == 1
    assert "HUB_PING_SECONDS: Input should be a valid number" in dev.output()
    until(lambda: "postgres" not in _commands(used), "Postgres is gone")


async def test_given_servers_are_used(directory, services):
    """With HUB_DATABASE_URL and HUB_REDIS_URL set nothing is embedded."""
    connection = await asyncpg.connect(services.database_url)
    await connection.execute("create database dev_given")
    given = services.database_url.replace("/hub?", "/dev_given?")
    try:
        with Dev(directory, HUB_DATABASE_URL=given, HUB_REDIS_URL=services.redis_url) as dev:
            assert dev.pids.keys() == {"node-0"}
            assert dev.described()["database_url"] == given
            publish(dev, "alice", "given")
    finally:
        await connection.execute("drop database dev_given with (force)")
        await connection.close()
    assert not (directory / "postgres").exists()


def _commands(directory) -> str:
    """Return the command lines that mention a directory."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                found.append(file.read().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(command for command in found if str(directory) in command)
