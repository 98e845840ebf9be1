"""Looking after a deployment: `hub fsck` proves the counts, `hub doctor` says what is wrong with the surroundings."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import click
from redis.asyncio import Redis
from redis.exceptions import RedisError

from hub import config
from hub.auth import TokenVerifier
from hub.errors import HubError
from hub.store import Database
from hub.store.audit import Audit
from hub.store.migration import recorded_version, schema


@click.command()
@click.option("--repair", is_flag=True, help="count wrong inboxes anew")
def fsck(repair: bool) -> None:
    """Prove that every count equals the rows it counts; end with 1 if one does not."""
    wrong = asyncio.run(_fsck(repair=repair))
    if wrong and not repair:
        raise SystemExit(1)


async def _fsck(*, repair: bool) -> int:
    database = await Database(config.load()).open()
    wrong = 0
    try:
        audit = Audit(database)
        async with aclosing(audit.mismatches()) as mismatches:
            async for mismatch in mismatches:
                wrong += 1
                click.echo(str(mismatch))
                if repair:
                    await audit.repair(mismatch.key)
    finally:
        await database.close()
    click.echo(f"{audit.inboxes} inboxes, {wrong} wrong" + (", repaired" if wrong and repair else ""))
    return wrong


@click.command()
def doctor() -> None:
    """Check the settings, the database, its schema and Redis; end with 1 if something keeps a node from working."""
    settings = config.load()
    findings = asyncio.run(_examine(settings))
    for good, text in findings:
        click.echo(f"{'ok  ' if good else 'BAD '} {text}")
    if not all(good for good, _ in findings):
        raise SystemExit(1)


async def _examine(settings: config.Settings) -> list[tuple[bool, str]]:
    TokenVerifier(settings)  # raises InvalidSettings for a weak key
    findings = [(True, "settings and keys are valid")]
    wanted, _ = schema()
    try:
        found = await recorded_version(settings.database_url)
    except HubError as error:
        findings.append((False, f"Postgres: {error.detail}"))
    else:
        findings.append((found == wanted, f"Postgres answers; schema {found}, this release brings {wanted}"))
    redis = Redis.from_url(settings.redis_url, socket_timeout=2, socket_connect_timeout=2)
    try:
        policy = (await redis.config_get("maxmemory-policy")).get("maxmemory-policy", "unknown")
        findings.append((policy in ("noeviction", "unknown"), f"Redis answers; maxmemory-policy {policy}"))
    except (RedisError, OSError) as error:
        findings.append((False, f"Redis: {error}"))
    finally:
        await redis.aclose()
    if not settings.allowed_origins:
        findings.append((True, f"browsers are allowed from {settings.public_url} only (HUB_ALLOWED_ORIGINS is empty)"))
    return findings
