"""`python -m hub.conformance server URL` checks a server, `… client` plays one for a client to be checked against."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import click
import uvicorn

from hub import auth
from hub.config import Settings
from hub.conformance.rules import RULES
from hub.conformance.scripted import create_app
from hub.conformance.subject import Subject, Transport


@click.group()
def main() -> None:
    """Does it speak hub.v1?"""


@main.command()
@click.argument("url", required=False)
@click.option("--dev", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="a dev.json that says it all")
@click.option("--api-key", envvar="HUB_API_KEY", help="[env: HUB_API_KEY]")
@click.option("--jwt-secret", envvar="HUB_JWT_SECRET", help="signs tokens [env: HUB_JWT_SECRET]")
@click.option("--jwt-audience", envvar="HUB_JWT_AUDIENCE", default="hub", show_default=True)
@click.option("--jwt-issuer", envvar="HUB_JWT_ISSUER", default="hub", show_default=True)
@click.option("--only", default="", help="check rules with this in their sentence")
def server(url: str | None, dev: Path | None, only: str, **given: str | None) -> None:
    """Check a server, rule by rule; end with 1 if one does not hold."""
    said = json.loads(dev.read_text()) if dev else {}
    known = {name: value or said.get(name) for name, value in given.items()}
    if dev:
        known |= {name: said[name] for name in known if name in said}
    address = url or next(iter(said.get("nodes", ())), None)
    if not address or not known["api_key"] or not known["jwt_secret"]:
        raise click.UsageError("needs a URL, --api-key and --jwt-secret, or --dev")
    subject = Subject(address, api_key=str(known.pop("api_key")), token=_signer(known))
    failed = asyncio.run(_check(subject, only))
    raise SystemExit(1 if failed else 0)


def _signer(known: dict[str, str | None]) -> Callable[[str], str]:
    settings = Settings.model_validate({"database_url": "postgresql://", "redis_url": "redis://", **known})
    return lambda user: auth.sign(settings, user=user)


async def _check(subject: Subject, only: str) -> int:
    passed = failed = 0
    for rule in RULES:
        for transport in rule.transports if only in rule.sentence else ():
            problem = await _try(rule.check, subject, transport)
            passed, failed = passed + (problem is None), failed + (problem is not None)
            click.echo(f"{'ok  ' if problem is None else 'FAIL'} {transport:9} {rule.sentence}")
            if problem is not None:
                click.echo(f"               {problem}")
    click.echo(f"{passed} passed, {failed} failed")
    return failed


async def _try(check: Callable[[Subject, Transport], object], subject: Subject, transport: Transport) -> str | None:
    """Run one check; None if the rule holds, else what was seen. Whatever goes wrong is a rule that does not hold."""
    try:
        await check(subject, transport)  # type: ignore[misc]
    except Exception as error:  # noqa: BLE001 - the server under test may fail in any way
        return f"{type(error).__name__}: {error}"
    return None


@main.command()
@click.option("--port", default=9000, show_default=True, type=click.IntRange(1, 65535))
def client(port: int) -> None:
    """Play a server that misbehaves by script; point a client at one scenario, then read /report."""
    click.echo(f"scenarios at http://127.0.0.1:{port}/")
    uvicorn.run(create_app(), host="127.0.0.1", port=port, log_level="warning", ws="websockets-sansio")


if __name__ == "__main__":
    main()
