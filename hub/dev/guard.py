"""A tiny process that outlives a killed launcher and stops what the launcher started.

The launcher holds the writing end of a pipe; the guard reads. Each child writes its own line into the pipe before it
becomes the program it is to run, so there is no moment in which a child exists that the guard does not know. When the
pipe closes without `done`, the launcher was killed: the guard stops the children in the order of their ranks.
`PR_SET_PDEATHSIG` was rejected: Linux only, tied to a thread, not inherited.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence

from hub.dev import session

GRACE_SECONDS = 3.0
POLL_SECONDS = 0.02
DONE = "done"
# `sh` tells the guard its pid, which `exec` keeps, then lets go of the pipe.
REGISTER = ("/bin/sh", "-c", 'echo "+ $$ $0" >&0; exec "$@" </dev/null')


class Guard:
    """The launcher's end: a guard process and the pipe to it."""

    def __init__(self, *, keep_open: Sequence[int] = ()) -> None:
        """Start the guard; the descriptors in `keep_open` stay open until it ends, locks held on them included."""
        reader, self.pipe = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hub.dev.guard"],
                stdin=reader,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=keep_open,
                start_new_session=True,
            )
        finally:
            os.close(reader)

    def registering(self, command: Sequence[str], *, rank: int, stop_signal: int) -> list[str]:
        """Wrap a command so that it registers first; it must get the pipe as its standard input."""
        return [*REGISTER, f"{rank} {int(stop_signal)}", *command]

    def forget(self, pid: int) -> None:
        """Tell the guard that a child has ended: its pid may soon be somebody else's."""
        self._tell(f"- {pid}")

    def dismiss(self) -> None:
        """End the guard: everything was stopped."""
        self._tell(DONE)
        os.close(self.pipe)
        self._process.wait()

    def _tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # somebody killed the guard; there is nobody to tell
            os.write(self.pipe, f"{line}\n".encode())


def read(lines: Iterable[str]) -> dict[int, tuple[int, int]] | None:
    """Follow the launcher until the pipe closes: rank and stop signal by session, or None when all is done."""
    children: dict[int, tuple[int, int]] = {}
    for line in lines:
        match line.split():
            case ["+", pid, rank, number]:
                children[int(pid)] = (int(rank), int(number))
            case ["-", pid]:
                children.pop(int(pid), None)
            case [word] if word == DONE:
                return None
    return children


def stop(children: dict[int, tuple[int, int]]) -> None:
    """Stop the children, rank by rank: politely at first, then by force."""
    for rank in sorted({rank for rank, _ in children.values()}):
        sessions = {pid: number for pid, (of, number) in children.items() if of == rank}
        for pid, number in sessions.items():
            if pid in session.members(pid):
                os.kill(pid, number)
        deadline = time.monotonic() + GRACE_SECONDS
        while any(session.members(pid) for pid in sessions) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        for pid in sessions:
            session.kill(pid)


def main() -> None:
    """Guard the launcher on the other end of standard input."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    stop(read(sys.stdin) or {})


if __name__ == "__main__":
    main()
