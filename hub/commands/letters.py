"""What became of a publication, and what to do about dead letters: `hub explain`, `hub dlq`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click
import orjson

from delivery.case import delivery_name
from hub import config
from hub.api.explanations import explained
from hub.identity import DEFAULT_TENANT
from hub.notification import parse_name
from hub.store import Database, Publications
from hub.store.decisions import Decisions
from hub.store.deliveries import Deliveries

Result = TypeVar("Result")
tenant_option = click.option("--tenant", default=DEFAULT_TENANT, show_default=True)


@click.group()
def dlq() -> None:
    """List, replay and discard dead letters."""


@dlq.command("list")
@click.option("--state", type=click.Choice(["dead", "failed"]), default="dead", show_default=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@tenant_option
def show(state: str, limit: int, tenant: str) -> None:
    """List deliveries that nobody will try again by themselves, newest first."""
    rows = _run(lambda database: Deliveries(database).dead(tenant, state, before=None, limit=limit))
    for row in rows:
        click.echo(f"{delivery_name(row['id'])}  {row['channel']}  {row['user_id']}  {row['reason']}")


@dlq.command()
@click.argument("delivery")
@tenant_option
def replay(delivery: str, tenant: str) -> None:
    """Try a dead or failed delivery again, under a new idempotency key."""
    _, id = parse_name(delivery, "dlv")
    _decided(delivery, "replayed", done=_run(lambda database: Deliveries(database).replay(tenant, id)))


@dlq.command()
@click.argument("delivery")
@tenant_option
def discard(delivery: str, tenant: str) -> None:
    """End a dead or failed delivery for good."""
    _, id = parse_name(delivery, "dlv")
    _decided(delivery, "discarded", done=_run(lambda database: Deliveries(database).discard(tenant, id)))


def _decided(delivery: str, what: str, *, done: bool) -> None:
    if not done:
        raise click.ClickException(f"{delivery} is neither dead nor failed")
    click.echo(f"{what} {delivery}")


@click.command()
@click.argument("id")
@tenant_option
def explain(id: str, tenant: str) -> None:
    """Say of every delivery of a publication (`pub_…`, `ntf_…`) what was decided, and by which rule."""
    kind, number = parse_name(id, "pub", "ntf")

    async def read(database: Database) -> list[Any] | None:
        found = await Publications(database).find(tenant, kind, number)
        if found is None:
            return None
        return await Decisions(database).facts(tenant, found.id, number if kind == "ntf" else None)

    rows = _run(read)
    if rows is None:
        raise click.ClickException(f"there is no {id}")
    for row in rows:
        said = explained(row)
        reason = f" ({said['reason']})" if said["reason"] else ""
        mode = "decided" if said["decided"] else "would be"
        click.echo(f"{said['delivery_id']}  {said['channel']}  {said['user_id']}  {said['state']}")
        click.echo(f"  {mode}: {said['action']}{reason}")
        for rule in said["rules"]:
            click.echo(f"    {rule['rule']}: {rule['action']}, {orjson.dumps(rule['value']).decode()}")


def _run(act: Callable[[Database], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        database = await Database(config.load()).open()
        try:
            return await act(database)
        finally:
            await database.close()

    return asyncio.run(run())
