"""The command `hub dev`: options in, an exit status out. Assembles the launcher and nothing more."""

from __future__ import annotations

import asyncio
import sys
import time
import webbrowser
from pathlib import Path

import click

from hub.dev.console import Console
from hub.dev.directory import DataDirectory
from hub.dev.greeting import greeting
from hub.dev.guard import Guard
from hub.dev.launcher import Launcher
from hub.dev.program import StartError
from hub.dev.system import erase, plan

DATA = Path(".hub-dev")


@click.command()
@click.option("--nodes", default=2, show_default=True, type=click.IntRange(1, 16), help="web nodes to run")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65_520), help="port of the first node")
@click.option("--data-dir", default=DATA, show_default=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--no-delivery", is_flag=True, help="no relay, worker, dashboard and recording providers")
@click.option("--fresh", is_flag=True, help="forget what was stored before")
@click.option("--browser/--no-browser", default=False, show_default=True, help="open the demo page")
def dev(*, nodes: int, port: int, data_dir: Path, no_delivery: bool, fresh: bool, browser: bool) -> None:
    """Run the whole system on this machine, with an embedded Postgres and Redis."""
    try:
        _run(DataDirectory(data_dir), nodes=nodes, port=port, delivery=not no_delivery, fresh=fresh, browser=browser)
    except StartError as error:
        raise click.ClickException(str(error)) from None


def _run(directory: DataDirectory, *, nodes: int, port: int, delivery: bool, fresh: bool, browser: bool) -> None:
    began = time.monotonic()
    console = Console(sys.stdout)
    directory.lock()
    if fresh:
        erase(directory)
    system = plan(directory, nodes=nodes, port=port, delivery=delivery)

    def ready() -> None:
        console.say(greeting(system, data=directory.path, seconds=time.monotonic() - began))
        if browser:
            webbrowser.open(f"{system.nodes[0]}/")

    guard = Guard(keep_open=[directory.descriptor])
    try:
        launcher = Launcher(system, directory=directory, guard=guard, console=console, ready=ready)
        asyncio.run(launcher.run())
    finally:
        guard.dismiss()
        directory.unlock()
