"""`python -m delivery relay` and `python -m delivery worker`: the two processes of delivery."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

import click
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from delivery.bell import QUEUES, Doorbell
from delivery.config import DeliverySettings
from delivery.housekeeping import Housekeeper
from delivery.relay import Relay
from delivery.store.retention import Retention, Terms
from delivery.store.ringing import Ringing
from delivery.store.timers import Timers
from delivery.timekeeper import Timekeeper
from hub import logs
from hub.config import InvalidSettings, read
from hub.errors import HubError
from hub.store import Database


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def delivery() -> None:
    """Send what has to leave the building: e-mail, SMS, push."""


@delivery.command()
def relay() -> None:
    """Ring for what is due; run any number."""
    asyncio.run(_relay(_settings()))


@delivery.command()
@click.option(
    "--queues", default=",".join(QUEUES), show_default=True, help="in which order to listen; reverse it for one worker"
)
def worker(queues: str) -> None:
    """Deliver what is rung for; run as many as needed."""
    names = [name.strip() for name in queues.split(",")]
    if unknown := set(names) - set(QUEUES):
        raise click.BadParameter(f"unknown: {', '.join(sorted(unknown))}", param_hint="--queues")
    from delivery.worker import run  # the vendors' SDKs take half a second and 70 MiB

    run(_settings(), names)


async def _relay(settings: DeliverySettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    database = await Database(settings).open()
    redis = Redis.from_url(settings.redis_url, socket_timeout=2, socket_connect_timeout=1)
    blocking = BlockingRedis.from_url(settings.redis_url, socket_timeout=2, socket_connect_timeout=1)
    doorbell = Doorbell(
        blocking, job_timeout_seconds=settings.job_timeout_seconds, ttl_seconds=int(settings.queue_lease_seconds) + 1
    )
    terms = Terms(settings.idempotency_hours, settings.tombstone_days, settings.delivery_days)
    housekeeper = Housekeeper(Retention(database, terms))
    timekeeper = Timekeeper(Timers(database), redis, housekeeper, prefix=settings.redis_prefix)
    name = f"{socket.gethostname()}:{os.getpid()}"
    try:
        await Relay(settings, Ringing(database), doorbell, timekeeper, name).run(stop)
    finally:
        await redis.aclose()
        blocking.close()
        await database.close()


def _settings() -> DeliverySettings:
    settings = read(DeliverySettings)
    logs.configure(settings)
    return settings


def main() -> None:
    """Run the command line; what is wrong with the settings is said in one line, without a traceback."""
    try:
        delivery()
    except InvalidSettings as error:
        sys.exit(f"delivery: the settings are not valid\n{error}")
    except HubError as error:
        sys.exit(f"delivery: {error.detail}")


if __name__ == "__main__":
    main()
