"""The locks: what a fresh machine gets is what pyproject.toml asks for, checked by hash, from no particular place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ASKED = {
    "requirements.lock": [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]],
    "requirements/node.lock": PROJECT["project"]["dependencies"],
    "requirements/dashboard.lock": PROJECT["project"]["optional-dependencies"]["dashboard"],
    "requirements/test.lock": [*PROJECT["dependency-groups"]["test"], *PROJECT["dependency-groups"]["check"]],
    "requirements/e2e.lock": PROJECT["dependency-groups"]["e2e"],
    "requirements/build.lock": PROJECT["dependency-groups"]["build"],
}
ENTRY = re.compile(
    r"^([\w.-]+)==([\w.+]+)(?: ; [^\n\\]+)? \\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)


def pins(lock: str) -> dict[str, set[str]]:
    """Read a lock: the versions by package (several where the platform decides)."""
    found: dict[str, set[str]] = {}
    for name, version, _hashes in ENTRY.findall((ROOT / lock).read_text()):
        found.setdefault(name, set()).add(version)
    return found


@pytest.mark.parametrize("lock", ASKED)
def test_lock_satisfies_what_is_asked(lock):
    """Every dependency is pinned to a version that pyproject.toml accepts; if not, `make lock` was forgotten."""
    pinned = pins(lock)
    for text in ASKED[lock]:
        wanted = Requirement(text)
        if wanted.name != PROJECT["project"]["name"]:
            versions = pinned.get(canonicalize_name(wanted.name), set())
            assert versions, f"{wanted.name} is not in {lock}: make lock"
            assert all(version in wanted.specifier for version in versions), f"{wanted} in {lock}: make lock"


@pytest.mark.parametrize("lock", ASKED)
def test_lock_is_hashes_and_nothing_else(lock):
    """A lock consists of pins with hashes: no address, no option, no place to fetch from."""
    assert ENTRY.sub("", (ROOT / lock).read_text()) == ""


@pytest.mark.parametrize("lock", ASKED)
def test_locks_agree(lock):
    """No two locks pin different versions of one package, so they can be installed together."""
    main = pins("requirements.lock")
    assert {name: versions for name, versions in pins(lock).items() if versions != main.get(name, versions)} == {}
