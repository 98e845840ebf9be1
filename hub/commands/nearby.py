"""The hub that `hub dev` runs in this directory, as its dev.json describes it: so that its commands need no options.

HUB_DEV_JSON names another place. What is said by an option or a variable always comes first.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from hub import config
from hub.config import Settings

DEV_JSON = Path(".hub-dev/dev.json")
SIGNING = ("jwt_secret", "jwt_audience", "jwt_issuer")


def dev() -> dict[str, Any]:
    """Read dev.json; empty if no hub runs here."""
    path = Path(os.environ.get("HUB_DEV_JSON", DEV_JSON))
    return json.loads(path.read_text()) if path.is_file() else {}


def signing() -> Settings:
    """Return settings to sign a user's token with; whatever they say of servers is not asked for, nor true."""
    found = {} if "HUB_JWT_SECRET" in os.environ else dev()
    known = {name: found[name] for name in SIGNING if name in found}
    return config.load(database_url="postgresql://", redis_url="redis://", **known)
