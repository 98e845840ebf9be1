"""Notifications in bulk, written by Postgres itself: an inbox's history without publishing it."""

from __future__ import annotations

import json

from bench.ground import execute

CONTENT = json.dumps(
    {
        "category": "bench",
        "title": "Your order has shipped",
        "body": "the quick brown fox jumps over the lazy dog and " * 4,
        "data": {"order": 4711},
        "action_url": "/orders/4711",
        "icon": None,
        "actions": None,
        "priority": "normal",
        "collapse_key": None,
        "tags": [],
    }
)
UNREAD = 50


def fill(url: str, *, users: int, each: int, first: int = 0, at_once: int = 1000) -> None:
    """Give `users` users, from u<first> on, inboxes of so many notifications each; all but the newest 50 are read."""
    unread = min(UNREAD, each)
    for start in range(first, first + users, at_once):
        numbers = f"generate_series({start}, {min(start + at_once, first + users) - 1}) u"
        execute(
            url,
            "insert into inboxes (tenant, user_id, epoch, last_seq, unread, unseen, read_seq, seen_seq)"
            f" select 'default', 'u' || u, 'bench', {each}, {unread}, {unread}, {each - unread}, {each - unread}"
            f" from {numbers}",
            "insert into notifications"
            " (id, publication_id, tenant, user_id, created_seq, seq, read_seq, category, content)"
            " select ('0190' || lpad(to_hex(u), 4, '0') || '-0000-7000-8000-' || lpad(to_hex(s), 12, '0'))::uuid,"
            " '01900000-0000-7000-8000-000000000000', 'default', 'u' || u, s, s, s, 'bench',"
            f" '{CONTENT}' from {numbers}, generate_series(1, {each}) s",
        )
    execute(url, "vacuum analyze")
