"""Running and preparing a node: `hub serve`, `hub migrate`, `hub openapi`."""

from __future__ import annotations

import asyncio
import os

import click
import orjson

from hub import auth, config, logs
from hub.api.documentation import document
from hub.app import create_app
from hub.app import operations as all_operations
from hub.config import SCHEMES, InvalidSettings
from hub.server import fit
from hub.server import serve as run
from hub.store import Database, Inboxes
from hub.store.migration import NewerSchema
from hub.store.migration import migrate as apply


@click.command()
def serve() -> None:
    """Run one web node, configured by HUB_… variables."""
    settings = config.load()
    auth.check_keys(settings)
    asyncio.run(_look_at_database(settings))
    logs.configure(settings)
    settings = fit(settings)
    run(create_app(settings), settings)


async def _look_at_database(settings: config.Settings) -> None:
    """Raise `Unavailable`, for a message in one line, if the database does not answer or was not migrated."""
    database = await Database(settings).open()
    try:
        await Inboxes(database).check()
    finally:
        await database.close()


@click.command()
def migrate() -> None:
    """Bring the database at HUB_DATABASE_URL to this release's schema."""
    url = os.environ.get("HUB_DATABASE_URL")
    if not url:
        raise InvalidSettings("HUB_DATABASE_URL: Field required")
    if not url.startswith(SCHEMES["database_url"]):
        raise InvalidSettings(f"HUB_DATABASE_URL: must begin with {' or '.join(SCHEMES['database_url'])}")
    try:
        before, after = asyncio.run(apply(url))
    except NewerSchema as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"schema {after}" + (" is up to date" if before == after else f", was {before or 'empty'}"))


@click.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    click.echo(orjson.dumps(document(all_operations()), option=orjson.OPT_INDENT_2))
