"""What the launcher shows on a terminal, in a file, and to nobody."""

from __future__ import annotations

import io
import os

import pytest

from hub.dev.console import Console


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def shown(stream: io.StringIO) -> str:
    """Let a console show one of everything."""
    console = Console(stream)
    console.progress("starting")
    console.line("node-0", "hello")
    console.event("node-0 ended")
    console.say("ready")
    return stream.getvalue()


def test_file_gets_plain_lines():
    """In a file there are no codes, and the progress stays as a line."""
    assert shown(io.StringIO()) == "starting …\nnode-0    | hello\nhub dev   | node-0 ended\nready\n"


def test_terminal_gets_colours_and_a_moving_line():
    """On a terminal names are coloured and the next line takes the place of the progress."""
    assert shown(Terminal()) == (
        "starting …\r\x1b[K\x1b[32mnode-0   \x1b[0m | hello\n"
        "\x1b[1mhub dev  \x1b[0m | \x1b[1mnode-0 ended\x1b[0m\n"
        "ready\n"
    )


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_declined(monkeypatch, name, value):
    """NO_COLOR and a dumb terminal get no colours."""
    monkeypatch.setenv(name, value)
    assert "\x1b[3" not in shown(Terminal())


def test_nodes_differ_in_colour():
    """Neighbouring nodes have different colours, and any name has one."""
    stream = Terminal()
    console = Console(stream)
    for name in ("node-0", "node-1", "worker-0", "postgres"):
        console.line(name, "")
    colours = [line.split("m")[0] for line in stream.getvalue().splitlines()]
    assert len(set(colours)) == 4


def test_nobody_looking_is_no_error():
    """A pipe whose reader has left does not stop the system."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", closefd=False) as stream:
        Console(stream).say("hello")
        Console(stream).say("still there?")
    os.close(writer)
