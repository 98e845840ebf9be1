"""Ending a subscription by its signed link; what the unsubscribe page needs to know, and the one thing it does."""

from __future__ import annotations

from delivery.unsubscribe import Subscription
from hub.store import Database


class Subscriptions:
    """Reads and ends subscriptions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def key(self) -> str:
        """Read the key that signs the links."""
        rows = await self._database.fetch("select value from secrets where name = 'unsubscribe'")
        return str(rows[0][0])

    async def title(self, subscription: Subscription) -> str | None:
        """Read the category's title, if it is registered."""
        rows = await self._database.fetch(
            "select title from categories where tenant = $1 and name = $2", subscription.tenant, subscription.category
        )
        return str(rows[0][0]) if rows else None

    async def end(self, subscription: Subscription) -> None:
        """Switch the channel of the category off for the user; doing it again changes nothing."""
        await self._database.fetch(
            "insert into preferences (tenant, user_id, category, channel, enabled) values ($1, $2, $3, $4, false)"
            " on conflict (tenant, user_id, category, channel) do update set enabled = false, updated_at = now()",
            *subscription,
        )
