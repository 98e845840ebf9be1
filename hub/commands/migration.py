"""`hub migrate`: what a deployment runs before its nodes."""

from __future__ import annotations

import asyncio
import os

import click

from hub.config import SCHEMES, InvalidSettings
from hub.store.migration import NewerSchema
from hub.store.migration import migrate as apply


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
