"""`hub`, the command line: `python -m hub` and the installed script. Every command is in a module of hub.commands.

Which is imported only when the command is wanted: most need a fraction of the hub, and would wait longer for the rest
than they run.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module

import click

from hub import __version__
from hub.config import InvalidSettings
from hub.errors import HubError

COMMANDS: Mapping[str, str] = {
    "serve": "hub.commands.node",
    "openapi": "hub.commands.node",
    "migrate": "hub.commands.migration",
    "settings": "hub.commands.settings",
    "token": "hub.commands.credentials",
    "keys": "hub.commands.credentials",
    "send": "hub.commands.client",
    "tail": "hub.commands.client",
    "dlq": "hub.commands.letters",
    "explain": "hub.commands.letters",
    "fsck": "hub.commands.audit",
    "doctor": "hub.commands.audit",
    "dev": "hub.dev.command",
}


class Commands(click.Group):
    """The commands, each found in its module."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all commands (click)."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command (click)."""
        module = COMMANDS.get(cmd_name)
        return None if module is None else getattr(import_module(module), cmd_name)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hub")
def hub() -> None:
    """Tell users something, now, everywhere, exactly once, and remember whether they read it."""


def main() -> None:
    """Run the command line; what is wrong with the settings or the hub is said in one line, without a traceback."""
    try:
        hub()
    except InvalidSettings as error:
        sys.exit(f"hub: the settings are not valid\n{error}")
    except HubError as error:
        sys.exit(f"hub: {error.detail}" + (f" ({error.__cause__})" if error.__cause__ else ""))


if __name__ == "__main__":
    main()
