"""`hub fsck` proves the counts and mends them; `hub doctor` finds what keeps a node from working."""

import subprocess
import sys

import asyncpg
import pytest

from tests.hub_nodes import ROOT, Cluster, new_user


@pytest.fixture(scope="module")
def audited(services):
    """A cluster whose inboxes a test may damage."""
    with Cluster(services.database_url, services.redis_url, nodes=1) as cluster:
        yield cluster


def run(cluster, *command):
    """Run a `hub` command, whatever it ends with."""
    done = subprocess.run(
        [sys.executable, "-m", "hub", *command], env=cluster._environment, cwd=ROOT, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


async def test_fsck_finds_and_mends_a_wrong_count(audited, services):
    """An inbox whose count was changed behind the hub's back is named, mended as a change, and right afterwards."""
    user = new_user("audited")
    for title in ("one", "two"):
        await audited.publish(user, title)
    connection = await asyncpg.connect(services.database_url)
    try:
        await connection.execute("update inboxes set unread = 7 where user_id = $1", user)
    finally:
        await connection.close()
    code, said = run(audited, "fsck")
    assert code == 1
    assert f"{user}: unread 7, rows say 2" in said
    assert run(audited, "fsck", "--repair")[0] == 0
    async with audited.user(user) as client:
        counts = (await client.get("/v1/inbox/counts")).json()
    assert (counts["unread"], counts["seq"]) == (2, 3)
    code, said = run(audited, "fsck")
    assert user not in said


def test_doctor_is_content_with_a_working_hub(audited):
    """Everything is found in order on servers that work."""
    code, said = run(audited, "doctor")
    assert code == 0, said
    assert "schema" in said
    assert "BAD" not in said


def test_doctor_names_what_does_not_answer(audited):
    """A database and a Redis that are not there are each named, and the exit code says so."""
    environment = {
        **audited._environment,
        "HUB_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
        "HUB_REDIS_URL": "redis://127.0.0.1:9",
    }
    done = subprocess.run(
        [sys.executable, "-m", "hub", "doctor"], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "BAD  Postgres" in done.stdout
    assert "BAD  Redis" in done.stdout
