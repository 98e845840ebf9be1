"""Bringing a database to this release's schema: `hub migrate`.

schema.sql states the whole model and is safe to apply again; its first line carries its version. An advisory lock makes
any number of nodes that migrate at once take turns. A database of a newer release is left alone: an old node must not
turn functions back under a new one.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import asyncpg

from hub.store.database import translated

ADVISORY_LOCK = 0x687562  # "hub"


class NewerSchema(Exception):
    """The database was migrated by a newer release."""


def schema() -> tuple[int, str]:
    """Read schema.sql: packaged beside the hub, or at the root of a checkout."""
    packaged = files("hub") / "schema.sql"
    text = (packaged if packaged.is_file() else Path(__file__).parents[2] / "schema.sql").read_text()
    match = re.match(r"-- schema version: (\d+)\n", text)
    assert match is not None, "expected the schema's version in its first line"
    return int(match[1]), text


async def migrate(database_url: str) -> tuple[int, int]:
    """Apply the schema if it is newer; return the version before (0: none) and after."""
    version, text = schema()
    with translated():
        connection = await asyncpg.connect(database_url, timeout=10)
        try:
            async with connection.transaction():
                await connection.execute("select pg_advisory_xact_lock($1)", ADVISORY_LOCK)
                before = await _version(connection)
                if before > version:
                    raise NewerSchema(f"the database has schema {before}, this release brings {version}")
                if before < version:
                    await connection.execute(text)
                    await connection.execute("insert into schema_version (version) values ($1)", version)
        finally:
            await connection.close()
    return before, version


async def recorded_version(database_url: str) -> int:
    """Look up the version of a database's schema; 0 if it has none. Raises `Unavailable`."""
    with translated():
        connection = await asyncpg.connect(database_url, timeout=10)
        try:
            return await _version(connection)
        finally:
            await connection.close()


async def _version(connection: asyncpg.Connection[asyncpg.Record]) -> int:
    known = await connection.fetchval("select to_regclass('schema_version') is not null")
    return await connection.fetchval("select coalesce(max(version), 0) from schema_version") if known else 0
