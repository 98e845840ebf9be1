"""Letting a crowd in: everybody, in order, a few at a time."""

import asyncio
import itertools

from hub.doorman import AT_ONCE, Doorman


async def test_a_crowd_is_let_in_in_order_a_few_in_each_turn_of_the_loop():
    """Between two groups the event loop gets round to everything else."""
    doorman, turns, let_in = Doorman(), [], []
    for number in range(3 * AT_ONCE + 1):
        doorman.call(lambda number=number: let_in.append(number))
    while len(let_in) < 3 * AT_ONCE + 1:
        turns.append(len(let_in))
        await asyncio.sleep(0)
    assert let_in == list(range(3 * AT_ONCE + 1))
    assert [after - before for before, after in itertools.pairwise(turns)] == [AT_ONCE] * (len(turns) - 1)


async def test_whoever_comes_while_others_are_let_in_waits_behind_them():
    """One who is let in may bring another one."""
    doorman, let_in = Doorman(), []

    def bring(number):
        let_in.append(number)
        if number < 3:
            doorman.call(lambda: bring(number + 10))

    for number in range(3):
        doorman.call(lambda number=number: bring(number))
    for _ in range(5):
        await asyncio.sleep(0)
    assert let_in == [0, 1, 2, 10, 11, 12]
