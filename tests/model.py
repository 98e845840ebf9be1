"""An inbox as its rules say, in memory: plain flags, no watermarks, no SQL. What the hub keeps is compared with this.

Every change takes the next seq; the counts after each seq are kept in `history`, so that a client that is still behind
can be compared too. Ids are whatever the hub gave.
"""

from dataclasses import dataclass, field


@dataclass
class Item:
    """One notification. `touched` is the seq of its last change between read and unread made on itself."""

    id: object
    title: str
    created_seq: int
    seq: int
    touched: int
    key: str | None = None
    read: bool = False
    seen: bool = False
    archived: bool = False
    snoozed: bool = False
    removed: bool = False
    repeat_count: int = 1

    @property
    def active(self):
        return not (self.archived or self.snoozed or self.removed)


@dataclass
class Model:
    """One user's inbox."""

    seq: int = 0
    items: dict = field(default_factory=dict)
    history: dict = field(default_factory=lambda: {0: (0, 0)})

    @property
    def unread(self):
        return sum(item.active and not item.read for item in self.items.values())

    @property
    def unseen(self):
        return sum(item.active and not item.seen for item in self.items.values())

    def listed(self, filter="all"):
        """List what a filter shows, newest first, as (id, seq, read, seen)."""
        wanted = {
            "all": lambda item: item.active,
            "unread": lambda item: item.active and not item.read,
            "archived": lambda item: item.archived and not item.removed,
            "snoozed": lambda item: item.snoozed and not item.removed,
        }[filter]
        shown = sorted((item for item in self.items.values() if wanted(item)), key=lambda item: -item.created_seq)
        return [(item.id, item.seq, item.read, item.seen) for item in shown]

    def publish(self, id, title, key=None):
        """Add a notification, or renew the active one with the same key; return its id."""
        self._count_up()
        old = next((item for item in self.items.values() if key and item.key == key and item.active), None)
        if old is None:
            self.items[id] = Item(id, title, self.seq, self.seq, self.seq, key)
        else:
            id, old.title, old.repeat_count = old.id, title, old.repeat_count + 1
            old.created_seq = old.seq = old.touched = self.seq
            old.read = old.seen = False
        self._note()
        return id

    def change(self, ids, change, until=None):
        """Change those that exist and are not so already, each under its own seq; tell whether any exists."""
        known = [self.items[id] for id in dict.fromkeys(ids) if id in self.items and not self.items[id].removed]
        for item in known:
            if getattr(self, f"_{change}")(item, until):
                self._count_up()
                item.seq = self.seq
                if change in ("read", "unread", "unsnoozed"):
                    item.touched = self.seq
                self._note()
        return bool(known)

    def change_all(self, change, up_to=None):
        """Mark everything up to a seq; it is no change unless a count changes."""
        up_to = self.seq if up_to is None else min(up_to, self.seq)
        after = [
            (
                item,
                item.read or (change == "read_all" and item.touched <= up_to),
                item.seen or item.created_seq <= up_to,
            )
            for item in self.items.values()
        ]
        unread = sum(item.active and not read for item, read, _ in after)
        unseen = sum(item.active and not seen for item, _, seen in after)
        if (unread, unseen) == (self.unread, self.unseen):
            return
        self._count_up()
        for item, read, seen in after:
            item.read, item.seen = read, seen
        self._note()

    def _read(self, item, until):
        changes, item.read, item.seen = not item.read, True, item.seen or not item.read
        return changes

    def _unread(self, item, until):
        changes, item.read = item.read, False
        return changes

    def _archived(self, item, until):
        changes = not item.archived
        item.archived, item.snoozed, item.seen = True, False, item.seen or changes
        return changes

    def _unarchived(self, item, until):
        changes, item.archived = item.archived, False
        return changes and self._give_up_key(item)

    def _snoozed(self, item, until):
        changes = item.archived or item.snoozed != until
        item.archived, item.snoozed = False, until
        return changes

    def _unsnoozed(self, item, until):
        changes, item.snoozed = bool(item.snoozed), False
        item.read = item.read and not changes
        return changes and self._give_up_key(item)

    def _deleted(self, item, until):
        item.removed = True
        return True

    def _give_up_key(self, item):
        """One that comes back leaves its key to a newer one that took its place meanwhile."""
        others = (other for other in self.items.values() if other is not item)
        if item.key and any(other.key == item.key and other.active for other in others):
            item.key = None
        return True

    def _count_up(self):
        self.seq += 1

    def _note(self):
        self.history[self.seq] = (self.unread, self.unseen)
