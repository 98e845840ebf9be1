"""Letting a crowd in: everybody, in order, a few at a time."""

import asyncio
import itertools
import time

from hub.doorman import TURN_SECONDS, Doorman

AT_ONCE = 7


async def test_a_crowd_is_let_in_in_order_a_few_in_each_turn_of_the_loop():
    """Between two groups the event loop gets round to everything else, for some milliseconds."""
    doorman, turns, let_in, begun = Doorman(AT_ONCE), [], [], time.monotonic()
    for number in range(3 * AT_ONCE + 1):
        doorman.call(lambda number=number: let_in.append(number))
    while len(let_in) < 3 * AT_ONCE + 1:
        turns.append(len(let_in))
        await asyncio.sleep(0)
    assert let_in == list(range(3 * AT_ONCE + 1))
    steps = [after - before for before, after in itertools.pairwise(turns)]
    assert set(steps) == {0, AT_ONCE}
    assert time.monotonic() - begun >= 2.9 * TURN_SECONDS


async def test_whoever_comes_alone_goes_in_at_once():
    """Nobody waits for a crowd that is not there; who comes a moment later waits for less than a turn."""
    doorman, let_in = Doorman(AT_ONCE), []
    for name in ("first", "second", "third"):
        doorman.call(lambda name=name: let_in.append(name))
        await asyncio.sleep(0)
    assert let_in == ["first"]
    await asyncio.sleep(1.5 * TURN_SECONDS)
    assert let_in == ["first", "second", "third"]
    await asyncio.sleep(1.5 * TURN_SECONDS)
    doorman.call(lambda: let_in.append("much later"))
    await asyncio.sleep(0)
    assert let_in[-1] == "much later"


async def test_whoever_comes_while_others_are_let_in_waits_behind_them():
    """One who is let in may bring another one."""
    doorman, let_in = Doorman(AT_ONCE), []

    def bring(number):
        let_in.append(number)
        if number < 3:
            doorman.call(lambda: bring(number + 10))

    for number in range(3):
        doorman.call(lambda number=number: bring(number))
    await asyncio.sleep(3 * TURN_SECONDS)
    assert let_in == [0, 1, 2, 10, 11, 12]


async def test_one_that_fails_takes_nobody_with_it(caplog):
    """The others of its turn, who wait unread, would never be heard."""
    doorman, let_in = Doorman(AT_ONCE), []
    doorman.call(lambda: let_in.append(1))
    doorman.call(lambda: let_in[5])
    doorman.call(lambda: let_in.append(2))
    await asyncio.sleep(0)
    assert let_in == [1, 2]
    assert [record.exc_info[0] for record in caplog.records] == [IndexError]
