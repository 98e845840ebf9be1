"""The garbage collector: when it looks at what is old, and what it never looks at."""

import gc
import weakref

import pytest

from hub.collector import FEW_CONNECTIONS, ROUNDS, Collector


@pytest.fixture
def collector():
    """A collector; afterwards the process has its own again."""
    thresholds = gc.get_threshold()
    yield Collector()
    gc.unfreeze()
    gc.set_threshold(*thresholds)


class Knot:
    """Garbage that only the collector can free."""

    def __init__(self):
        self.self = self


def old_garbage():
    """Tie a knot, let it grow old, and let it go."""
    knot = Knot()
    gc.collect(1)
    return weakref.ref(knot)


def test_with_few_connections_everything_is_collected(collector):
    """Nothing is set aside for good while looking through it is cheap."""
    knot = old_garbage()
    assert knot() is not None
    collector.tidy(FEW_CONNECTIONS)
    assert knot() is None


def test_with_many_connections_what_is_old_is_set_aside_and_collected_later(collector):
    """A cycle among what is old waits until few are connected."""
    knot = old_garbage()
    collector.tidy(FEW_CONNECTIONS + 1)
    assert knot() is not None
    collector.tidy(FEW_CONNECTIONS)
    assert knot() is None


def test_what_was_set_aside_is_looked_through_once_an_hour(collector):
    """However many stay connected, no garbage stays for ever."""
    knot = old_garbage()
    for _ in range(ROUNDS):
        collector.tidy(FEW_CONNECTIONS + 1)
        assert knot() is not None
    collector.tidy(FEW_CONNECTIONS + 1)
    assert knot() is None


def test_connections_are_not_looked_at_while_they_are_many(collector):
    """After a round nothing that was there is left to the collector's next full look."""
    kept = [Knot() for _ in range(1000)]
    collector.tidy(FEW_CONNECTIONS + 1)
    assert not any(isinstance(seen, Knot) for seen in gc.get_objects())
    assert len(kept) == 1000
