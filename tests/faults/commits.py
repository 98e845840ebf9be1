"""Changes that are committed but told to nobody: what a node leaves behind that dies between the two."""

import contextlib

from hub import protocol
from hub.store import Database, Publications
from hub.store.publications import Publication


async def commit_silently(cluster, user, count=1):
    """Store notifications for a user as a node does, and return the frames it would have told the others."""
    async with contextlib.AsyncExitStack() as stack:
        database = await Database(cluster.settings).open()
        stack.push_async_callback(database.close)
        content = b'{"category":"test","title":"t","data":{"for":"%b"}}' % user.encode()
        publications = [Publication("default", "tests", "test", content, [user]) for _ in range(count)]
        outcomes = await Publications(database).publish(publications)
    return [
        protocol.notification(item, epoch=epoch, unread=unread, unseen=unseen)
        for outcome in outcomes
        for _, item, epoch, unread, unseen in outcome.stored
    ]
