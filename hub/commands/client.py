"""The hub's clients on the command line: `hub send` publishes, `hub tail` follows a user's stream.

Both find a hub started by `hub dev` in this directory by its dev.json; elsewhere they are told by options or variables.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

import click
import httpx2

from hub import auth
from hub.client import Client, HubProblem, StreamEnded, follow
from hub.commands import nearby


def _url(given: str | None) -> str:
    if given:
        return given.rstrip("/")
    nodes = nearby.dev().get("nodes")
    if not nodes:
        raise click.UsageError("give --url, set HUB_URL, or start `hub dev` in this directory")
    return str(nodes[0])


@click.command()
@click.option("--to", "users", required=True, multiple=True, help="user id; may be repeated")
@click.option("--title", required=True)
@click.option("--body")
@click.option("--category", default="general", show_default=True)
@click.option("--data", help="a JSON object")
@click.option("--action-url")
@click.option("--priority", type=click.Choice(["low", "normal", "high", "critical"]))
@click.option("--url", envvar="HUB_URL", help="of a node or the edge [env: HUB_URL]")
@click.option("--api-key", envvar="HUB_API_KEY", help="[env: HUB_API_KEY]")
def send(users: tuple[str, ...], url: str | None, api_key: str | None, data: str | None, **fields: str | None) -> None:
    """Publish a notification."""
    key = api_key or nearby.dev().get("api_key")
    if not key:
        raise click.UsageError("give --api-key or set HUB_API_KEY")
    body: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    body["to"] = users[0] if len(users) == 1 else list(users)
    if data is not None:
        try:
            body["data"] = json.loads(data)
        except ValueError as error:
            raise click.BadParameter(f"is not JSON: {error}", param_hint="--data") from None
    try:
        with Client(_url(url), api_key=key) as hub:
            published = hub.publish(**body)
    except (HubProblem, httpx2.TransportError) as error:
        raise click.ClickException(str(error)) from None
    for recipient in published.notifications:
        click.echo(f"{recipient.user_id}  {recipient.id}  seq {recipient.seq}")


@click.command()
@click.option("--user", required=True)
@click.option("--url", envvar="HUB_URL", help="of a node or the edge [env: HUB_URL]")
@click.option("--token", envvar="HUB_TOKEN", help="the user's token; by default signed with the hub's secret")
@click.option("--tenant", default="default", show_default=True)
@click.option("--after", help="a cursor, <epoch>:<seq>: begin with what came after it")
def tail(user: str, url: str | None, token: str | None, tenant: str, after: str | None) -> None:
    """Follow a user's stream, a frame a line; reconnects and resumes by itself."""
    asyncio.run(_follow(_url(url), (lambda: token or _token(user, tenant)), after))


async def _follow(url: str, token: Callable[[], str], after: str | None) -> None:
    try:
        async for frame in follow(url, token=token, cursor=after):
            click.echo(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))
    except (StreamEnded, HubProblem) as error:
        raise click.ClickException(str(error)) from None


def _token(user: str, tenant: str) -> str:
    if "HUB_JWT_SECRET" not in os.environ and not nearby.dev():
        raise click.UsageError("give --token, or set HUB_JWT_SECRET to sign one")
    return auth.sign(nearby.signing(), user=user, ttl_seconds=3600, tenant=tenant)
