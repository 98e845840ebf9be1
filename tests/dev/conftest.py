"""Data directories of `hub dev` that leave nothing behind."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from hub.dev.postgres import Postgres
from hub.dev.redis import Redis
from tests.dev.running import Dev


def make_directory():
    """Yield a data directory that everybody may enter, with a blank in its name."""
    root = Path(tempfile.mkdtemp(prefix="hub-dev-", dir="/tmp"))
    root.chmod(0o755)
    directory = root / "my data"
    yield directory
    Postgres(directory).erase()
    Redis(directory).erase()
    shutil.rmtree(root)


@pytest.fixture
def directory():
    """A data directory of this test's own."""
    yield from make_directory()


@pytest.fixture(scope="module")
def used():
    """A data directory of several tests, one after the other: only the first of them makes a cluster."""
    yield from make_directory()


@pytest.fixture(scope="module")
def dev():
    """A system of two nodes that the tests of a module share; what they break mends itself."""
    for directory in make_directory():
        with Dev(directory, nodes=2) as running:
            yield running
