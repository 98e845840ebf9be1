"""What must never be written down, and how a text is cleaned of it.

Pure; logs.py passes every field of every line through `redact`. Secrets are found by their shape, because whoever logs
a URL, a header or a library's error does not know what is in it. Better a harmless word lost than a token kept: a log
is copied to more places than any database. Rejected: a filter per logger, which misses the next library.
"""

from __future__ import annotations

import re
from typing import Any

GONE = "…"
_SECRET_FIELDS = frozenset(
    {"authorization", "cookie", "password", "secret", "ticket", "token", "api_key", "jwt_secret"}
)

_RULES: list[tuple[re.Pattern[str], str]] = [
    # The password of `scheme://user:password@host`; the name and the host help whoever reads.
    (re.compile(r"(://[^\s:/@]*:)[^\s/]*@"), rf"\1{GONE}@"),
    # Everything behind the question mark of an address, but not the quote or bracket that closes it.
    (re.compile(r"(?<=\S)\?[^\s?]\S*?(?=[\"')\]>]*(?:\s|$))"), f"?{GONE}"),
    (re.compile(r"\b(bearer)(\s+|\.)[^\s\"',;]+", re.IGNORECASE), rf"\1\2{GONE}"),
    (re.compile(r"\b(basic\s+)[A-Za-z0-9+/]{8,}={0,2}", re.IGNORECASE), rf"\1{GONE}"),
    (re.compile(r"\beyJ[\w-]{4,}[\w.-]*"), f"eyJ{GONE}"),
    (re.compile(r"\bhub_\w{32,}"), f"hub_{GONE}"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END|\Z)", re.DOTALL), GONE),
    # `name=value`, and a member of a dictionary or of JSON, however its name is prefixed.
    (
        re.compile(
            r"((?:ticket|token|jwt|password|secret|api_?key|signature)(?:=|[\"']\s*:\s*b?[\"'])[\"']?)[^\s&\"',;)}]+",
            re.IGNORECASE,
        ),
        rf"\1{GONE}",
    ),
]


def redact(text: str) -> str:
    """Return the text without query strings, tokens, keys, tickets and passwords."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def redact_value(value: Any) -> Any:
    """Clean a field of any type; what is neither text, number nor container becomes its cleaned `repr`."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return redact_fields(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value(item) for item in value]
    return redact(repr(value))


def redact_fields(fields: dict[Any, Any]) -> dict[str, Any]:
    """Clean every field, and drop the value of one that is named like a secret."""
    return {
        redact(str(name)): GONE if str(name).lower() in _SECRET_FIELDS else redact_value(value)
        for name, value in fields.items()
    }
