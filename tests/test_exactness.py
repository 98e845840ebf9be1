"""The promise, whatever happens in whatever order: a client's state is the inbox's state.

A stale snapshot plus the frames that follow equals a fresh snapshot equals the counts over the rows equals a model that
knows nothing of watermarks, Postgres, replays or repairs. Hypothesis invents the order of events, and what is lost,
repeated or late between two nodes; tests/test_turmoil.py has real nodes behind Nginx and clients that come and go.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as exploring
from hypothesis import strategies as st

from hub.errors import NotFound
from hub.identity import UserKey
from hub.store.publications import Publication
from tests.hub_nodes import new_user
from tests.model import Model
from tests.nodes_inside import Client, Network

EXAMPLES, STEPS = 50, 30
TOMORROW = datetime.now(UTC) + timedelta(days=1)
FILTERS = ("all", "unread", "archived", "snoozed")
COUNTED = """
select i.last_seq, i.unread, i.unseen,
    count(n.id) filter (where n.active and n.read_at is null and n.read_seq > i.read_seq),
    count(n.id) filter (where n.active and not n.seen and n.created_seq > i.seen_seq)
from inboxes i left join notifications n using (tenant, user_id)
where i.tenant = $1 and i.user_id = $2 group by i.tenant, i.user_id
"""

NODE, WHO, CLIENTS = st.integers(0, 1), st.integers(0, 1), st.sets(st.integers(0, 5), min_size=1, max_size=3)
VERBS = ("read", "unread", "archived", "unarchived", "snoozed", "unsnoozed")


def step(name, **arguments):
    return st.tuples(st.just(name), st.fixed_dictionaries(arguments))


PUBLISH = step(
    "publish",
    node=NODE,
    who=st.sampled_from([[0], [1], [0, 1], [1, 0]]),
    keys=st.lists(st.sampled_from([None, "a"]), min_size=1, max_size=3),
)
CHANGE = step(
    "change",
    node=NODE,
    who=WHO,
    which=st.lists(st.integers(0, 3), min_size=1, max_size=2),
    verbs=st.lists(st.sampled_from(VERBS), min_size=1, max_size=4),
)
CHANGE_ALL = step(
    "change_all", node=NODE, who=WHO, verb=st.sampled_from(["read_all", "seen"]), back=st.none() | st.integers(-2, 8)
)
STEPS_POSSIBLE = st.one_of(
    PUBLISH,
    PUBLISH,
    CHANGE,
    CHANGE,
    CHANGE,
    step("change", node=NODE, who=WHO, which=st.just([0]), verbs=st.just(["deleted"])),
    CHANGE_ALL,
    CHANGE_ALL,
    step("leave", clients=CLIENTS),
    step("come_back", clients=CLIENTS, node=NODE, fresh=st.sampled_from([False, False, True])),
    step("trouble", fate=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=6)),
    step("settle"),
)


class Story:
    """Two users, two nodes, six clients; each step is a change, a reconnect or a fault of the way between nodes."""

    def __init__(self, network, run):
        self.network = network
        self.run = run
        self.keys = [UserKey("default", new_user()) for _ in range(2)]
        self.models = [Model() for _ in self.keys]
        self.ids = [[] for _ in self.keys]
        self.titles = 0
        self.publish(node=0, who=[0, 1], keys=[None, "a"])
        transports = ("websocket", "sse", "websocket")
        self.clients = [Client(key, transport) for key in self.keys for transport in transports]
        self.come_back(clients=range(3), node=0, fresh=True)
        self.come_back(clients=range(3, 6), node=1, fresh=True)

    def publish(self, node, who, keys):
        """Publish together; those without a collapse key are numbered first."""
        batch = [self._publication(who, key) for key in keys]
        outcomes = self.run(self.network.nodes[node].publish(batch))
        done = sorted(zip(batch, outcomes, strict=True), key=lambda one: bool(one[0].collapse_key))
        for publication, outcome in done:
            for one, receipt in zip(who, outcome.receipts, strict=True):
                known = self.models[one].publish(receipt.id, publication.tags[0], publication.collapse_key)
                assert (receipt.user, receipt.id, receipt.seq) == (self.keys[one].user, known, self.models[one].seq)
                if known not in self.ids[one]:
                    self.ids[one].append(known)

    def _publication(self, who, key):
        self.titles += 1
        title, users = f"t{self.titles}", [self.keys[one].user for one in who]
        content = b'{"category":"test","title":"%s"}' % title.encode()
        return Publication("default", "tests", "test", content, users, tags=[title], collapse_key=key)

    def change(self, node, who, which, verbs):
        """Do several things to some of the newest notifications; what was deleted is not found."""
        ids = [self.ids[who][-1 - one % len(self.ids[who])] for one in which]
        for verb in verbs:
            until = TOMORROW if verb == "snoozed" else None
            try:
                counts = self.run(self.network.nodes[node].change(self.keys[who], ids, verb, until))
            except NotFound:
                assert not self.models[who].change(ids, verb, until)
            else:
                assert self.models[who].change(ids, verb, until)
                assert (counts.seq, counts.unread, counts.unseen) == self._expected(who)

    def change_all(self, node, who, verb, back):
        """Mark everything up to so far back from the last seq."""
        up_to = None if back is None else max(0, self.models[who].seq - back)
        counts = self.run(self.network.nodes[node].change_all(self.keys[who], verb, up_to))
        self.models[who].change_all(verb, up_to)
        assert (counts.seq, counts.unread, counts.unseen) == self._expected(who)

    def leave(self, clients):
        """Hang up."""
        for client in clients:
            self.clients[client].leave()

    def come_back(self, clients, node, fresh):
        """Connect again, from the cursor or anew."""
        self.leave(clients)
        for client in clients:
            self.run(self.clients[client].join(self.network.nodes[node], fresh=fresh))

    def trouble(self, fate):
        """Decide what happens to the next frames between the nodes: how often each arrives, and how late."""
        self.network.fate = fate

    def settle(self):
        """Let all that is under way arrive and be repaired; then nobody may be behind or wrong."""
        self.run(self.network.settle(self.clients))
        for client in self.clients:
            self._check_client(client)

    def end(self):
        """Bring everybody back, compare everything, and leave nothing behind."""
        self.settle()
        self.come_back([n for n, client in enumerate(self.clients) if not client.connection], node=0, fresh=False)
        self.settle()
        for who in range(2):
            self._check_rows(who)

    def close(self):
        """Go, whatever happened."""
        self.leave(range(6))
        for hub in self.network.nodes:
            assert not hub.live.propagator.subscribed
            assert len(hub.live.roster) == 0

    def _expected(self, who):
        model = self.models[who]
        return model.seq, model.unread, model.unseen

    def _check_client(self, client):
        """What a client has heard so far is consistent; if it is connected, it is complete."""
        inbox, model = client.inbox, self.models[self.keys.index(client.key)]
        assert (inbox.unread, inbox.unseen) == model.history[inbox.seq]
        if client.connection is None:
            return
        assert inbox.seq == model.seq
        shown = [(item["id"], item["seq"], item["read"], item["seen"]) for item in inbox.listed]
        assert shown == [(f"ntf_{id.hex}", *rest) for id, *rest in model.listed()]
        contents = {f"ntf_{item.id.hex}": (item.title, item.repeat_count) for item in model.items.values()}
        assert all((item["title"], item["repeat_count"]) == contents[item["id"]] for item in inbox.listed)

    def _check_rows(self, who):
        """The inbox row's counts are those over the rows, and every list shows what the model does."""
        key, model = self.keys[who], self.models[who]
        ((seq, unread, unseen, *counted),) = self.run(self.network.fetch(COUNTED, *key))
        assert (seq, unread, unseen) == self._expected(who)
        assert counted == [unread, unseen]
        for filter in FILTERS:
            page = self.run(self.network.nodes[0].inboxes.page(key, filter=filter, limit=100))
            assert [(item.id, item.seq, item.read, item.seen) for item in page.items] == model.listed(filter)
        counts, by_category = self.run(self.network.nodes[0].inboxes.unread_by_category(key))
        assert by_category == ({"test": unread} if unread else {})
        assert counts.seq == seq


@pytest.fixture
def inside(cluster, settings, monkeypatch):
    """Two nodes inside this process, and what runs a coroutine beside them."""
    inner = settings.model_copy(update={"replay_limit": 8, "max_connections_per_user": 100})
    with asyncio.Runner() as runner:
        network = runner.run(Network(inner, monkeypatch).open())
        try:
            yield network, runner.run
        finally:
            runner.run(network.close())


ONE = {"node": 0, "who": [0], "keys": ["a"]}
A_KEY_TAKEN_MEANWHILE = [
    ("publish", ONE),
    ("change", {"node": 0, "who": 0, "which": [0], "verbs": ["read", "archived"]}),
    ("publish", ONE),
    ("change", {"node": 1, "who": 0, "which": [1], "verbs": ["unarchived", "unread"]}),
    ("publish", ONE),
]
LOOKING_BACK = [
    ("publish", ONE | {"keys": [None, None, None]}),
    *(
        ("change_all", {"node": 0, "who": 0, "verb": verb, "back": back})
        for verb in ("seen", "read_all")
        for back in (0, 2)
    ),
]


@example(steps=A_KEY_TAKEN_MEANWHILE)
@example(steps=LOOKING_BACK)
@exploring(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(steps=st.lists(STEPS_POSSIBLE, min_size=STEPS, max_size=STEPS))
def test_every_client_knows_exactly_what_the_inbox_knows(inside, steps):
    """For any order of changes, reconnects and faults between two nodes, all states of an inbox are one."""
    story = Story(*inside)
    try:
        for name, arguments in steps:
            getattr(story, name)(**arguments)
        story.end()
    finally:
        story.close()
