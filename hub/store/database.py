"""The connection pool, and the one place where a driver's error becomes the hub's.

Postgres away, overloaded or locked is `Unavailable`: nothing was accepted, the caller may try again. Every statement is
bounded in time, by the server and by the client, because a publish that hangs is worse than one that is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol, Self

import asyncpg

from hub.config import Shared
from hub.errors import InFlight, Unavailable

ACQUIRE_SECONDS = 2.0
COMMAND_SECONDS = 5.0
TIMEOUTS = {
    "statement_timeout": "5s",
    "lock_timeout": "1s",
    "idle_in_transaction_session_timeout": "10s",
    "application_name": "hub",
}

REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
BEHIND = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError)
LOCKED = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, asyncpg.DeadlockDetectedError)


class Refused(Exception):
    """The database understood and refused: the fault lies in what was sent, not in the moment."""


class Locked(Unavailable):
    """A row was locked by somebody else for too long; other rows are fine."""


class KeyLocked(InFlight, Locked):
    """Somebody else is storing under the same idempotency key, and has been for too long to wait."""


class Fetches(Protocol):
    """What runs one statement: the pool, or one of its connections within a transaction."""

    async def fetch(self, sql: str, /, *arguments: object) -> list[Any]:
        """Run it and return its rows."""


class Database:
    """A pool of connections to Postgres; open it in the lifespan, close it last.

    A `standing` one opens all its connections at once: a node whose clients use up its file descriptors could not open
    one any more, and the pool would then fail although others are idle. What was lent once and comes back sound is kept
    at hand, and lent first: the driver's own taking and giving back costs three times as much as a small statement.
    """

    def __init__(self, settings: Shared, *, standing: bool = False, planning: Mapping[str, str] | None = None) -> None:
        self._settings = settings
        self._standing = standing
        self._server_settings = {**TIMEOUTS, **(planning or {})}
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._places: asyncio.LifoQueue[Any] = asyncio.LifoQueue()  # at hand; None: the pool has it

    async def open(self) -> Self:
        """Connect; raise `Unavailable` if Postgres does not answer."""
        with translated():
            self._pool = await asyncpg.create_pool(
                self._settings.database_url,
                min_size=self._settings.database_pool if self._standing else 2,
                max_size=self._settings.database_pool,
                command_timeout=COMMAND_SECONDS,
                statement_cache_size=256 if self._settings.statement_cache else 0,
                server_settings=self._server_settings,
                init=_prepare,
                reset=_leave_as_it_is,
                timeout=ACQUIRE_SECONDS,
            )
        for _ in range(self._settings.database_pool):
            self._places.put_nowait(None)
        return self

    async def close(self) -> None:
        """Give running statements a moment, then disconnect."""
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                for _ in range(self._settings.database_pool):
                    if (connection := await self._places.get()) is not None:
                        await self._pool.release(connection)
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()
        self._pool = None

    async def fetch(self, sql: str, *arguments: object) -> list[Any]:
        """Run one statement and return its rows; raise `Unavailable` or `Refused`."""
        async with self.connection() as connection:
            rows: list[Any] = await connection.fetch(sql, *arguments)
            return rows

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Lend a connection, for as short as can be: never hold it while awaiting a socket or Redis."""
        with translated():
            connection = await self._take()
            try:
                yield connection
            except BaseException:  # it may be in the middle of something: the driver looks after it
                await self._put_back(connection)
                raise
            self._places.put_nowait(connection)

    async def _take(self) -> Any:
        """Take a connection at hand, or one of the pool's."""
        assert self._pool is not None, "expected an open pool"
        if self._places.empty():
            async with asyncio.timeout(ACQUIRE_SECONDS):
                connection = await self._places.get()
        else:
            connection = self._places.get_nowait()
        if connection is not None and _is_open(connection):
            return connection
        try:
            if connection is not None:
                await self._pool.release(connection)
            return await self._pool.acquire(timeout=ACQUIRE_SECONDS)
        except BaseException:
            self._places.put_nowait(None)
            raise

    async def _put_back(self, connection: Any) -> None:
        try:
            if self._pool is not None:  # else it was closed by force meanwhile
                await self._pool.release(connection)
        finally:
            self._places.put_nowait(None)


def _is_open(connection: Any) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # it was lost, and the driver has taken it back
        return False


async def _prepare(connection: Any) -> None:
    """Hand JSON through as bytes: it is stored to be sent on, not to be looked into. In an array, as text, every
    character of it would be escaped."""
    await connection.set_type_codec("json", encoder=bytes, decoder=bytes, schema="pg_catalog", format="binary")


async def _leave_as_it_is(connection: Any) -> None:
    """Give a connection back as it is: nothing of ours outlives its transaction, and asking costs a round trip."""


@contextmanager
def translated() -> Iterator[None]:
    """Wrap whatever the driver raises, once."""
    try:
        yield
    except REFUSED as error:
        raise Refused(str(error)) from error
    except BEHIND as error:
        raise Unavailable("the database has not the schema of this release: run `hub migrate`") from error
    except LOCKED as error:
        if "idempotency_keys" in str(getattr(error, "context", "")):  # the statement that waited
            raise KeyLocked("a request with this Idempotency-Key is still in flight", retry_after_seconds=1) from error
        raise Locked("somebody else is changing this, try again", retry_after_seconds=1) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise Unavailable("the database is not available", retry_after_seconds=1) from error
