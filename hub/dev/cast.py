"""The cast of the demo page: where alice, bob and carol can be reached, so that the recording providers get something.

Addresses that belong to nobody (RFC 2606; numbers reserved for fiction). What somebody changed since is left alone.
"""

from __future__ import annotations

from hub.identity import DEFAULT_TENANT
from hub.store import Database

CAST = {"alice": "+12025550101", "bob": "+12025550102", "carol": "+12025550103"}
_CONTACTS = """
insert into contacts (tenant, user_id, email, phone, locale, timezone)
select $1, name, name || '@example.com', phone, 'en', 'Europe/Lisbon'
from unnest($2::text[], $3::text[]) as c (name, phone)
on conflict do nothing
"""
_DEVICES = """
insert into devices (tenant, token, user_id, platform, kind)
select $1, name || '-demo-browser', name, 'web', 'token' from unnest($2::text[]) as c (name)
on conflict do nothing
"""


async def introduce(database: Database) -> None:
    """Give them an e-mail address, a phone and a device each."""
    await database.fetch(_CONTACTS, DEFAULT_TENANT, list(CAST), list(CAST.values()))
    await database.fetch(_DEVICES, DEFAULT_TENANT, list(CAST))
