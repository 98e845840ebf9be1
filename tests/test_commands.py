"""The command line: what each command does, prints and refuses. What runs a hub is run as a process."""

import asyncio
import json
import os
import queue
import re
import subprocess
import sys
import threading

import asyncpg
import pytest
from click.testing import CliRunner
from jose import jwt

from hub import __version__
from hub.__main__ import COMMANDS, hub
from hub.api.documentation import document
from hub.app import operations
from hub.store.migration import migrate, schema
from tests.hub_nodes import ROOT, SECRET, Cluster, new_user


def run(*command, **environment):
    """Run a command in this process with nothing but these variables; errors of the hub stay exceptions."""
    cleared = {name: None for name in os.environ if name.startswith("HUB_")}
    return CliRunner().invoke(hub, command, env=cleared | environment)


@pytest.fixture
def environment(services):
    """The variables of a deployment."""
    return {"HUB_DATABASE_URL": services.database_url, "HUB_REDIS_URL": services.redis_url, "HUB_JWT_SECRET": SECRET}


async def shape(url):
    """Describe everything a database is made of, besides its rows."""
    connection = await asyncpg.connect(url)
    queries = (
        "select table_name, column_name, data_type, column_default from information_schema.columns"
        " where table_schema = 'public' order by 1, 2",
        "select indexdef from pg_indexes where schemaname = 'public' order by 1",
        "select conname, pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace"
        " order by 1, 2",
        "select pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace order by 1",
    )
    found = [[tuple(row) for row in await connection.fetch(query)] for query in queries]
    await connection.close()
    return found


async def test_migrating_again_changes_nothing(empty_database):
    """The first migration builds the schema, the next finds it; one that applies every statement again is no harm."""
    version, _ = schema()
    first = await asyncio.to_thread(run, "migrate", HUB_DATABASE_URL=empty_database)
    assert (first.exit_code, first.output) == (0, f"schema {version}, was empty\n")
    built = await shape(empty_database)
    again = await asyncio.to_thread(run, "migrate", HUB_DATABASE_URL=empty_database)
    assert again.output == f"schema {version} is up to date\n"
    connection = await asyncpg.connect(empty_database)
    await connection.execute("delete from schema_version")
    assert await migrate(empty_database) == (0, version)
    assert await connection.fetchval("select count(*) from schema_version") == 1
    await connection.close()
    assert await shape(empty_database) == built


async def test_nodes_that_migrate_at_once_take_turns(empty_database):
    """Of eight at the same time one builds the schema, the others wait and find it."""
    version, _ = schema()
    results = await asyncio.gather(*[migrate(empty_database) for _ in range(8)])
    assert sorted(results) == [(0, version)] + [(version, version)] * 7


async def test_a_database_of_a_newer_release_is_left_alone(empty_database):
    """An old node refuses to migrate backwards, and says so in one line."""
    version, _ = schema()
    await migrate(empty_database)
    connection = await asyncpg.connect(empty_database)
    await connection.execute("insert into schema_version (version) values (999)")
    await connection.close()
    refused = await asyncio.to_thread(run, "migrate", HUB_DATABASE_URL=empty_database)
    assert refused.exit_code == 1
    assert refused.output == f"Error: the database has schema 999, this release brings {version}\n"


async def test_a_database_that_was_not_migrated_says_so(empty_database, environment):
    """A command on an empty database names the one to run first."""
    failed = await asyncio.to_thread(run, "keys", "list", **environment | {"HUB_DATABASE_URL": empty_database})
    assert "run `hub migrate`" in str(failed.exception)


def test_migrating_needs_the_database_only():
    """Without its address, or with a wrong one, the variable is named."""
    assert "HUB_DATABASE_URL: Field required" in str(run("migrate").exception)
    assert "HUB_DATABASE_URL: must begin with" in str(run("migrate", HUB_DATABASE_URL="sqlite://x").exception)


def test_a_key_is_shown_once_listed_and_revoked(cluster, environment):
    """`create` prints the key and nothing else; `list` never shows it; `revoke` ends it, once."""
    name = new_user("service")
    made = run("keys", "create", "--name", name, "--scopes", "publish, admin", "--days", "30", **environment)
    key = made.output.strip()
    assert re.fullmatch(r"hub_[0-9a-z]{12}_[0-9a-z]{40}", key), made.output
    id = key.split("_")[1]
    listed = run("keys", "list", **environment).output
    assert f"{id}  default  {name}  admin,publish  live" in listed.splitlines()
    assert key.split("_")[2] not in listed
    assert run("keys", "revoke", id, **environment).output == f"revoked {id}\n"
    assert re.search(rf"^{id}  .*  ended \d{{4}}-", run("keys", "list", **environment).output, re.MULTILINE)
    again = run("keys", "revoke", id, **environment)
    assert (again.exit_code, again.output) == (1, f"Error: there is no live key {id}\n")


@pytest.mark.parametrize(
    "options",
    [
        ["--name", "x", "--scopes", "publish,everything"],
        ["--name", "x", "--scopes", ""],
        ["--name", "two words"],
        ["--name", ""],
        ["--name", "x", "--tenant", "No Tenant"],
        ["--name", "x", "--days", "0"],
        [],
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(environment, options):
    """What is wrong is named, and nothing is stored."""
    before = run("keys", "list", **environment).output
    refused = run("keys", "create", *options, **environment)
    assert refused.exit_code == 2
    assert "--" in refused.output
    assert run("keys", "list", **environment).output == before


async def test_a_token_is_one_the_hub_takes(cluster, environment):
    """`hub token` prints a token that opens the inbox of the user and tenant it names."""
    user = new_user("ü/")
    printed = await asyncio.to_thread(run, "token", "--user", user, "--ttl", "60", "--tenant", "acme", **environment)
    async with cluster.client(Authorization=f"Bearer {printed.output.strip()}") as client:
        assert (await client.get("/v1/inbox")).status_code == 200


@pytest.mark.parametrize("options", [["--ttl", "0"], ["--ttl", "-5"], ["--ttl", "nan"], ["--ttl", "inf"]])
def test_a_token_lasts_for_some_time(environment, options):
    """A life that is none, or has no end, is refused."""
    assert run("token", "--user", "x", *options, **environment).exit_code == 2


def test_a_token_needs_a_user_and_a_secret(tmp_path, monkeypatch):
    """What cannot be a user, and a hub that does not sign itself, are told from each other; servers are not asked."""
    monkeypatch.chdir(tmp_path)
    assert "user id" in str(run("token", "--user", "", HUB_JWT_SECRET=SECRET).exception)
    assert "HUB_JWT_SECRET" in str(run("token", "--user", "x").exception)


def test_a_token_is_signed_with_the_secret_of_the_hub_here(tmp_path, monkeypatch):
    """Where `hub dev` runs, its dev.json is enough, unless the environment has a secret itself."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".hub-dev").mkdir()
    said = {"jwt_secret": "secret-of-dev-" * 4, "jwt_audience": "hub-dev", "jwt_issuer": "hub-dev"}
    (tmp_path / ".hub-dev/dev.json").write_text(json.dumps(said))
    for environment, secret, issuer in (
        ({}, said["jwt_secret"], "hub-dev"),
        ({"HUB_JWT_SECRET": SECRET}, SECRET, "hub"),
    ):
        token = run("token", "--user", "alice", **environment).output.strip()
        assert jwt.decode(token, secret, ["HS256"], audience=issuer, issuer=issuer)["sub"] == "alice"


async def test_send_publishes(cluster):
    """`hub send` says who got what; the notification is in the inbox as it was said."""
    users = [new_user(), new_user()]
    options = ["--title", "Hello", "--body", "there", "--category", "a.b", "--data", '{"n": 1}', "--action-url", "/x"]
    to = [part for user in users for part in ("--to", user)]
    where = {"HUB_URL": cluster.url(), "HUB_API_KEY": cluster.api_key}
    sent = await asyncio.to_thread(run, "send", *to, *options, "--priority", "high", **where)
    assert sent.exit_code == 0, sent.output
    for user, line in zip(users, sent.output.splitlines(), strict=True):
        async with cluster.user(user) as client:
            (item,) = (await client.get("/v1/inbox")).json()["items"]
        assert line == f"{user}  {item['id']}  seq 1"
    said = {
        "title": "Hello",
        "body": "there",
        "category": "a.b",
        "data": {"n": 1},
        "action_url": "/x",
        "priority": "high",
    }
    assert {name: item[name] for name in said} == said


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (["--to", "x", "--title", "t", "--data", "{"], 2, "--data"),
        (["--to", "x", "--title", ""], 1, "#/title"),
        (["--to", "x", "--title", "t", "--api-key", "hub_wrong"], 1, "not an API key"),
        (["--to", "x"], 2, "--title"),
        (["--title", "t"], 2, "--to"),
    ],
)
def test_send_says_what_is_wrong(cluster, options, code, reason):
    """A problem of the hub is told by its detail, without a traceback."""
    failed = run("send", *options, HUB_URL=cluster.url(), HUB_API_KEY=cluster.api_key)
    assert failed.exit_code == code
    assert reason in failed.output
    assert isinstance(failed.exception, SystemExit)


def test_clients_ask_for_what_they_need(tmp_path, monkeypatch):
    """Without an address, a key or a token, and without a hub of `hub dev` here, the options are named."""
    monkeypatch.chdir(tmp_path)
    for command, named in (
        (["send", "--to", "x", "--title", "t"], "--api-key"),
        (["send", "--to", "x", "--title", "t", "--api-key", "x"], "--url"),
        (["tail", "--user", "x", "--token", "x"], "--url"),
        (["tail", "--user", "x", "--url", "http://127.0.0.1:1"], "--token"),
    ):
        asked = run(*command)
        assert asked.exit_code == 2
        assert named in asked.output


def test_openapi_prints_the_document():
    """`hub openapi` needs no settings and prints what the nodes serve."""
    assert json.loads(run("openapi").output) == json.loads(json.dumps(document(operations())))


def test_help_and_version_need_nothing():
    """Every command explains itself."""
    assert run("--version").output == f"hub, version {__version__}\n"
    documented = {
        "dev",
        "serve",
        "migrate",
        "token",
        "keys",
        "send",
        "tail",
        "doctor",
        "fsck",
        "dlq",
        "explain",
        "openapi",
    }
    assert documented <= set(COMMANDS)
    for name in COMMANDS:
        command, shown = hub.get_command(None, name), run(name, "--help")
        assert command.name == name
        assert shown.exit_code == 0
        assert command.help in shown.output.replace("\n  ", " ") or command.help.split(";")[0][:40] in shown.output


class Tail:
    """A `hub tail` process, and the frames it has printed."""

    def __init__(self, cluster, user):
        command = [sys.executable, "-m", "hub", "tail", "--user", user, "--url", cluster.url()]
        environment = {**os.environ, "HUB_TOKEN": cluster.token(user)}
        self._process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(json.loads(line))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(10)
        self._process.stdout.close()

    def until(self, name, **fields):
        """Take frames up to one of a name with these fields; return them all."""
        taken = []
        while not taken or taken[-1]["t"] != name or not fields.items() <= taken[-1].items():
            taken.append(self._lines.get(timeout=30))
        return taken


async def test_tail_follows_a_stream_over_the_death_of_its_node(services):
    """`hub tail` prints a frame a line; its node is killed and comes back, and nothing is missing or printed twice."""
    user = new_user()
    with Cluster(services.database_url, services.redis_url) as cluster, Tail(cluster, user) as tail:
        await asyncio.to_thread(tail.until, "hello")
        await cluster.publish(user, title="1", node=1)
        frames = await asyncio.to_thread(tail.until, "notification", seq=1)
        cluster.nodes[0].kill()
        for number in ("2", "3"):
            await cluster.publish(user, title=number, node=1)
        cluster.nodes[0].start()
        frames += await asyncio.to_thread(tail.until, "resumed")
        await cluster.publish(user, title="4", node=0)
        frames += await asyncio.to_thread(tail.until, "notification", seq=4)
    told = [frame["notification"]["title"] for frame in frames if frame["t"] == "notification"]
    assert told == ["1", "2", "3", "4"]
