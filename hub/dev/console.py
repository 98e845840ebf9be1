"""What the launcher shows: the children's lines behind a coloured name, its own, and one line of progress.

Colour and the moving progress line are for terminals; in a file or a pipe every line is plain and stays. `NO_COLOR`
is honoured (no-color.org).
"""

from __future__ import annotations

import os
from typing import TextIO

COLOURS = {"postgres": 34, "redis": 31, "relay": 35, "dashboard": 90, "outbox": 90}
NODE_COLOURS = (32, 36, 33, 94)
NAME_WIDTH = 9
CLEAR_LINE = "\r\x1b[K"


class Console:
    """Writes to a stream that may be a terminal, a file, or gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._colour = self._terminal and not os.environ.get("NO_COLOR")
        self._in_progress = False

    def line(self, name: str, text: str) -> None:
        """Show one line of a child."""
        self._write(f"{self._paint(name.ljust(NAME_WIDTH), _colour(name))} | {text}\n")

    def say(self, text: str) -> None:
        """Show something of the launcher's own."""
        self._write(f"{text}\n")

    def event(self, text: str) -> None:
        """Show what the launcher noticed or did, among the children's lines."""
        self._write(f"{self._paint('hub dev'.ljust(NAME_WIDTH), 1)} | {self._paint(text, 1)}\n")

    def progress(self, text: str) -> None:
        """Show what is going on; on a terminal the next line of any kind takes its place."""
        self._write(f"{text} …" if self._terminal else f"{text} …\n")
        self._in_progress = self._terminal

    def _write(self, text: str) -> None:
        try:
            self._stream.write(CLEAR_LINE + text if self._in_progress else text)
            self._stream.flush()
        except OSError:
            self._write_to_nobody()
        self._in_progress = False

    def _write_to_nobody(self) -> None:
        """The reader has left. What runs goes on, and Python must not fail on the rest of the buffer at its exit."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def _paint(self, text: str, colour: int) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text


def _colour(name: str) -> int:
    kind, _, number = name.partition("-")
    return NODE_COLOURS[int(number or 0) % len(NODE_COLOURS)] if kind == "node" else COLOURS.get(kind, 33)
