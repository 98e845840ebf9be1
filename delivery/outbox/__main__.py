"""`python -m delivery.outbox --port N`: the recording providers as a process, for `hub dev`."""

from __future__ import annotations

import asyncio

import click

from delivery.outbox import Outbox, Script, Server, create_app


@click.command()
@click.option("--port", type=int, default=0, help="Port on loopback; 0 takes a free one.")
def main(port: int) -> None:
    """Run the recording providers until interrupted."""

    async def run() -> None:
        server = Server(create_app(Outbox(), Script()), port=port)
        click.echo(f"recording providers on {server.url}")
        await server.run()

    asyncio.run(run())


if __name__ == "__main__":
    main()
