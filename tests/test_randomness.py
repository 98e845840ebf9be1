"""Random bytes for ids: each handed out once, in one process only."""

import os

from hub.randomness import PAGE_BYTES, Randomness


def test_no_byte_is_handed_out_twice():
    """Across the ends of pages, too, every id is another one."""
    randomness = Randomness()
    taken = [randomness.take(10) for _ in range(3 * PAGE_BYTES // 10)]
    assert {len(one) for one in taken} == {10}
    assert len(set(taken)) == len(taken)


def test_a_forked_process_takes_others():
    """Parent and child never hand out the same bytes."""
    randomness = Randomness()
    randomness.take(1)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, randomness.take(16))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 16) != randomness.take(16)
    os.close(reading)
    os.close(writing)
