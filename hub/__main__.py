"""`hub`, the command line: `python -m hub` and the installed script. Every command is a module of hub.commands."""

from __future__ import annotations

import sys

import click

from hub import __version__
from hub.commands import audit, client, credentials, letters, node
from hub.commands.settings import settings
from hub.config import InvalidSettings
from hub.dev.command import dev
from hub.errors import HubError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hub")
def hub() -> None:
    """Tell users something, now, everywhere, exactly once, and remember whether they read it."""


for command in (
    node.serve,
    node.migrate,
    node.openapi,
    settings,
    credentials.token,
    credentials.keys,
    client.send,
    client.tail,
    letters.dlq,
    letters.explain,
    audit.fsck,
    audit.doctor,
    dev,
):
    hub.add_command(command)


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
