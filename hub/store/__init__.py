"""Every SQL statement of the hub, by noun. Nothing outside this package imports asyncpg."""

from hub.store.api_keys import ApiKeys
from hub.store.database import Database
from hub.store.inboxes import Inboxes
from hub.store.publications import Publications

__all__ = ["ApiKeys", "Database", "Inboxes", "Publications"]
