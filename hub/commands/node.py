"""A web node: `hub serve` runs one, `hub openapi` prints what it promises."""

from __future__ import annotations

import asyncio

import click
import orjson

from hub import auth, config, logs
from hub.api.documentation import document
from hub.app import create_app
from hub.app import operations as all_operations
from hub.server import fit
from hub.server import serve as run
from hub.store import Database, Inboxes


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
def openapi() -> None:
    """Print the OpenAPI document."""
    click.echo(orjson.dumps(document(all_operations()), option=orjson.OPT_INDENT_2))
