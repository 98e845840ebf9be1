"""`hub settings`: every variable with its default and its meaning, as the table that stands in the README.

The classes of settings are the only source; a test compares the README with what is printed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from pydantic.fields import FieldInfo

from delivery.config import DeliverySettings
from hub.config import Settings, Shared

BEGIN, END = "<!-- settings -->\n", "<!-- /settings -->"
READERS: dict[str, type[Shared]] = {"all": Shared, "node": Settings, "delivery": DeliverySettings}


@click.command()
@click.option("--into", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="replace a file's table")
def settings(into: Path | None) -> None:
    """Print every setting with its default, as a Markdown table."""
    if into is None:
        click.echo(table(), nl=False)
        return
    before, begin, rest = into.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise click.BadParameter(f"has no {BEGIN.strip()} … {END}", param_hint="--into")
    into.write_text(before + BEGIN + table() + END + after)


def table() -> str:
    """Write the table: what all processes read first, then web nodes, then relay and workers."""
    rows = [(f"`HUB_{name.upper()}`", _default(field), field.description, by) for by, name, field in _fields()]
    rows = [("variable", "default", "meaning", "read by"), ("---",) * 4, *rows]
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)


def _fields() -> Iterator[tuple[str, str, FieldInfo]]:
    for reader, kind in READERS.items():
        for name, field in kind.model_fields.items():
            if reader == "all" or name not in Shared.model_fields:
                yield reader, name, field


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    match field.default:
        case None | []:
            return "–"
        case bool() as value:
            return f"`{str(value).lower()}`"
        case value:
            return f"`{value}`"
