"""Pure: whether a webhook may go to an address. One rule, asked when an endpoint is made and again at each connection.

An endpoint is an address that somebody else chose and that our workers will call: without a rule it reaches whatever
the workers reach, a cloud's metadata service first of all (SSRF). So it is https to a public address, unless the
setting `HUB_WEBHOOK_PRIVATE` allows http and private addresses too, for development and for hubs of one's own network.
A name is judged by what it resolves to at the moment of connecting: judged earlier, it could change its mind.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")
TRANSLATED = IPv6Network("64:ff9b::/96")
"""NAT64: an IPv4 address in the last four bytes (RFC 6052)."""


class Endpoint(NamedTuple):
    """Where a producer listens; the secret signs what it is told."""

    id: UUID
    url: str
    secret: str


def check(url: str, *, private: bool) -> str:
    """Return the address, or raise `ValueError` saying why nothing may be sent there."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"is not a web address: {error}") from None
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise ValueError("must begin with http:// or https://" if private else "must begin with https://")
    if not host or not url.isascii() or not url.isprintable() or " " in url or _is_disguised(host):
        raise ValueError("is not a web address such as https://shop.example.com/hub")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("must have neither a user nor a fragment")
    if not private and not is_public(host):
        raise ValueError("is not a public address")
    return url


def _is_disguised(host: str) -> bool:
    """Tell an IP address in another spelling, which resolvers understand: 2130706433, 0x7f000001, 127.1."""
    last = host.rstrip(".").rpartition(".")[2]
    return NUMBER.fullmatch(last) is not None and not _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_public(host: str) -> bool:
    """Tell whether an IP address is reachable from anywhere; a name is judged by what it resolves to, later."""
    return not _is_address(host) or _is_public(ip_address(host))


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        if address in TRANSLATED:
            embedded = IPv4Address(address.packed[-4:])
        if embedded is not None:
            return _is_public(embedded)
    return address.is_global and not address.is_multicast and not address.is_reserved
