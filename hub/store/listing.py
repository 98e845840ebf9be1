"""The statements that list an inbox: flat whatever it holds, because each walks an index that holds no other rows.

Used by inboxes.py. A list is walked downwards from a `created_seq`, so the depth of a page costs nothing. A category or
a tag has no index of its own, which every publish would pay for; instead a page looks at a bounded number of rows, and
one that is rare in a large inbox costs several short requests rather than a long one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from hub.store.rows import INBOX, ITEM

Filter = Literal["all", "unread", "archived", "snoozed"]

MAX_LOOKED_AT = 10_000

_OF_USER = "from notifications n where n.tenant = $1 and n.user_id = $2"
_UNREAD = "n.active and n.read_at is null"
_LISTED: dict[Filter, Sequence[str]] = {
    "all": ["n.active"],
    # Unread rows are above the watermark, or below it but marked as unread after it had passed. Rows that were read
    # one by one are in neither index, rows read by the watermark are outside of both ranges.
    "unread": [
        f"{_UNREAD} and n.created_seq > i.read_seq",
        f"{_UNREAD} and n.read_seq > n.created_seq and n.read_seq > i.read_seq and n.created_seq <= i.read_seq",
    ],
    "archived": ["n.archived_at is not null and not n.removed"],
    "snoozed": ["n.snoozed_until is not null and not n.removed"],
}


def _newest(columns: str, kinds: Sequence[str]) -> str:
    """Select the newest rows of some kinds below `$3`, not more than may be looked at of each.

    The first kind is walked in the order of its index. Of a second one there are few: `+ 0` keeps the planner from
    walking the first one's index for them, for the sake of its order.
    """
    parts = " union all ".join(
        f"(select {columns} {_OF_USER} and {kind} and n.created_seq < $3"
        f" order by n.created_seq{order} desc limit {MAX_LOOKED_AT})"
        for kind, order in zip(kinds, ("", " + 0"), strict=False)
    )
    return f"select n.* from ({parts}) n order by n.created_seq desc"


def _page(kinds: Sequence[str]) -> str:
    """Write the statement for a page of rows of some kinds; how far it looked is asked only if the page is not full."""
    return f"""
with i as materialized (
    select * from inboxes where tenant = $1 and user_id = $2
), page as materialized (
    select n.* from i cross join lateral (
        select n.* from ({_newest("n.*", kinds)} limit {MAX_LOOKED_AT}) n
        where ($4::text is null or n.category = $4) and ($5::text is null or n.tags @> array[$5])
        order by n.created_seq desc limit $6
    ) n
)
select {INBOX}, {ITEM}, case when (select count(*) from page) < $6 then (
    select n.created_seq
    from i cross join lateral ({_newest("n.created_seq", kinds)} offset {MAX_LOOKED_AT - 1} limit 1) n
) end as below
from i left join page n on true
order by n.created_seq desc
"""


PAGE = {filter: _page(kinds) for filter, kinds in _LISTED.items()}
# Only the category is selected, so that the index alone is read.
UNREAD_BY_CATEGORY = f"""
select {INBOX}, u.category, u.unread as of_category
from inboxes i
left join lateral (
    select n.category, count(*) as unread
    from ({" union all ".join(f"(select n.category {_OF_USER} and {kind})" for kind in _LISTED["unread"])}) n
    group by n.category
) u on true
where i.tenant = $1 and i.user_id = $2
"""
