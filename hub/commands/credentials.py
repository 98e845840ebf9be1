"""Credentials: `hub token` for users, `hub keys` for services."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import click

from hub import auth, config
from hub import keys as api_keys
from hub.commands import nearby
from hub.identity import DEFAULT_TENANT, is_tenant
from hub.store import ApiKeys, Database
from hub.store.api_keys import ApiKey

SCOPES = ("publish", "admin")
TEN_YEARS_SECONDS = 10 * 365 * 86_400
Result = TypeVar("Result")


def _lifetime(context: click.Context, parameter: click.Parameter, seconds: float) -> float:
    if not 0 < seconds <= TEN_YEARS_SECONDS:  # nan too
        raise click.BadParameter(f"has to be above 0 and at most {TEN_YEARS_SECONDS}")
    return seconds


@click.command()
@click.option("--user", required=True, help="the user's id (`sub`)")
@click.option("--ttl", default=3600.0, show_default=True, callback=_lifetime, help="seconds until it expires")
@click.option("--tenant", default=DEFAULT_TENANT, show_default=True)
def token(user: str, ttl: float, tenant: str) -> None:
    """Print a user's token, signed with HUB_JWT_SECRET or that of `hub dev` here; for development and tests."""
    click.echo(auth.sign(nearby.signing(), user=user, ttl_seconds=ttl, tenant=tenant))


@click.group()
def keys() -> None:
    """Create, list and revoke the API keys of services."""


@keys.command()
@click.option("--name", required=True, help="the service; its keys share their idempotency keys")
@click.option("--scopes", default="publish", show_default=True, help=f"comma-separated: {', '.join(SCOPES)}")
@click.option("--tenant", default=DEFAULT_TENANT, show_default=True)
@click.option("--days", type=click.IntRange(1), help="days until it expires; by default never")
@click.option("--key-env", help="take the key from this variable instead of making one (development)")
def create(name: str, scopes: str, tenant: str, days: int | None, key_env: str | None) -> None:
    """Create a key and print it, this once."""
    wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
    if unknown := set(wanted) - set(SCOPES) or (not wanted and {"none"}):
        raise click.BadParameter(f"unknown: {', '.join(sorted(unknown))}", param_hint="--scopes")
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name):
        raise click.BadParameter("has 1 to 64 letters, digits, `_`, `.` and `-`", param_hint="--name")
    if not is_tenant(tenant):
        raise click.BadParameter("is not the name of a tenant", param_hint="--tenant")
    key = _given(key_env) if key_env else api_keys.new_key()
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None

    async def store(stored: ApiKeys) -> None:
        await stored.create(key.id, key.hash, tenant=tenant, name=name, scopes=wanted, expires_at=expires_at)

    _with_keys(store)
    click.echo(key.text)


def _given(variable: str) -> api_keys.NewKey:
    text = os.environ.get(variable, "")
    return api_keys.NewKey(api_keys.parse_key(text), text, api_keys.hash_key(text))


@keys.command("list")
def show() -> None:
    """List every key, newest first."""

    async def read(stored: ApiKeys) -> list[ApiKey]:
        return await stored.list()

    for key in _with_keys(read):
        ended = key.revoked_at or (key.expires_at if key.expires_at and key.expires_at < datetime.now(UTC) else None)
        state = f"ended {ended:%Y-%m-%d %H:%M}" if ended else "live"
        click.echo(f"{key.id}  {key.tenant}  {key.name}  {','.join(sorted(key.scopes))}  {state}")


@keys.command()
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """Revoke a key by its id; every node refuses it within seconds."""

    async def end(stored: ApiKeys) -> bool:
        return await stored.revoke(key_id)

    if not _with_keys(end):
        raise click.ClickException(f"there is no live key {key_id}")
    click.echo(f"revoked {key_id}")


def _with_keys(act: Callable[[ApiKeys], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        database = await Database(config.load()).open()
        try:
            return await act(ApiKeys(database))
        finally:
            await database.close()

    return asyncio.run(run())
