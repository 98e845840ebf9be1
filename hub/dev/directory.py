"""The data directory of `hub dev`: who holds it, its secrets, and dev.json.

One launcher at a time holds a directory, by `flock`. The guard inherits the locked descriptor, so the lock of a
killed launcher lasts until what it started has ended. The secrets are made once and kept: a browser tab and a `curl`
from yesterday still work today.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hub.dev.program import StartError
from hub.dev.session import is_zombie
from hub.keys import new_key

HANDOVER_SECONDS = 15.0
POLL_SECONDS = 0.05


class Secrets(NamedTuple):
    """What the development system signs tokens with, and the API key of its publishers."""

    jwt_secret: str
    api_key: str


class DataDirectory:
    """A directory and its lock, held from `lock` to the end of this process and its guard."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._secrets = self.path / "secrets.json"
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The locked descriptor, for a process that is to share the lock."""
        assert self._descriptor is not None, "not locked"
        return self._descriptor

    @property
    def summary(self) -> Path:
        """Where the running system is described; there is no such file while it is not ready."""
        return self.path / "dev.json"

    def lock(self) -> None:
        """Take the directory; raise `StartError` when another launcher runs on it."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + HANDOVER_SECONDS
        while not self._try_lock():
            holder = self._holder()
            # A holder that is gone was killed; its guard still stops what it had started.
            if holder is None or _lives(holder) or time.monotonic() > deadline:
                raise StartError(f"already running on {self.path}" + (f", pid {holder}" if holder else ""))
            time.sleep(POLL_SECONDS)
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, str(os.getpid()).encode(), 0)
        self.summary.unlink(missing_ok=True)

    def unlock(self) -> None:
        """Give the directory back."""
        os.close(self.descriptor)

    def secrets(self) -> Secrets:
        """Read the secrets, or make them at the first start."""
        if not self._secrets.exists():
            self._write(self._secrets, Secrets(secrets.token_urlsafe(48), new_key().text)._asdict())
        return Secrets(**json.loads(self._secrets.read_text()))

    def forget_secrets(self) -> None:
        """Have new ones made."""
        self._secrets.unlink(missing_ok=True)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write dev.json: a reader finds it whole or not at all."""
        self._write(self.summary, summary)

    def remove_summary(self) -> None:
        """Remove dev.json: the system is no longer there."""
        self.summary.unlink(missing_ok=True)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> int | None:
        text = os.pread(self.descriptor, 20, 0)
        return int(text) if text.isdigit() else None

    def _write(self, path: Path, content: Mapping[str, Any]) -> None:
        aside = path.with_suffix(".new")
        aside.unlink(missing_ok=True)
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(content, file, indent=2)
        aside.replace(path)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not is_zombie(pid)
