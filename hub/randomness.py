"""Random bytes of the operating system, fetched a page at a time: a publish takes five ids, each a system call.

For ids only; secrets ask the system themselves. A process that forks throws its page away, so that two never name
different things alike.
"""

from __future__ import annotations

import os

PAGE_BYTES = 4096


class Randomness:
    """Hands out bytes, each once."""

    def __init__(self) -> None:
        self._page = b""
        self._at = 0
        os.register_at_fork(after_in_child=self.forget)

    def take(self, size: int) -> bytes:
        """Return `size` bytes, at most a page."""
        if self._at + size > len(self._page):
            self._page, self._at = os.urandom(PAGE_BYTES), 0
        taken = self._page[self._at : self._at + size]
        self._at += size
        return taken

    def forget(self) -> None:
        """Hand out nothing more of what was fetched."""
        self._page = b""


random_bytes = Randomness().take
