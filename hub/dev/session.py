"""All processes of one session, found by asking the kernel.

Every child of the launcher leads a session of its own, so its descendants can be ended even after it died and even
when they left its process group. Standard library only: the guard imports it and must be small.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

PROC = Path("/proc")
POLL_SECONDS = 0.01
KILL_SECONDS = 5.0
"""A killed process ends when the kernel lets it; one that hangs in the kernel is not waited for."""


def members(session: int) -> list[int]:
    """Return the live processes of a session; a zombie is not alive."""
    found = []
    for pid in _all_pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == session and not is_zombie(pid):
                found.append(pid)
    return found


def send(session: int, number: int) -> None:
    """Send a signal to every process of a session; those that are gone are passed over."""
    for pid in members(session):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill(session: int) -> None:
    """Kill every process of a session, those included that are born meanwhile."""
    deadline = time.monotonic() + KILL_SECONDS
    while members(session) and time.monotonic() < deadline:
        send(session, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def is_zombie(pid: int) -> bool:
    """Say whether a process has ended and only waits for its parent to notice."""
    try:
        return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _all_pids() -> list[int]:
    if (PROC / "self").exists():
        return [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]
    listing = subprocess.run(["ps", "-axo", "pid="], capture_output=True, text=True, check=True).stdout
    return [int(word) for word in listing.split()]
