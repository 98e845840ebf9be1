"""Who a row, a credential or a connection belongs to: a user within a tenant.

Owns the rules for both names; auth checks claims with them, notification.py checks recipients, so that nobody can be
addressed who could not sign in. Pure: no settings, no I/O. Names are compared as they are: neither case nor Unicode
form is folded, because a user id is the application's own key and two different keys must stay two users.
"""

from __future__ import annotations

import re
from typing import NamedTuple

DEFAULT_TENANT = "default"

# Control characters break logs and headers; a lone surrogate is no text at all: UTF-8 and Postgres refuse it.
_USER_ID = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}")
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class UserKey(NamedTuple):
    """A user, unique over all tenants."""

    tenant: str
    user: str


def is_user_id(text: str) -> bool:
    """Tell whether it may name a user: 1–255 characters, none of them a control character."""
    return _USER_ID.fullmatch(text) is not None


def is_tenant(text: str) -> bool:
    """Tell whether it may name a tenant: 1–63 lower-case letters, digits, ``_`` and ``-``, not starting with a sign."""
    return _TENANT.fullmatch(text) is not None
