"""The guard: knows every child, and stops them in order when its launcher is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from hub.dev import guard, session
from tests.dev.running import until

SLEEPER = [  # ended by the kernel: Python would take its time over a KeyboardInterrupt
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); print(flush=True); time.sleep(60)",
]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)",
]


@pytest.mark.parametrize(
    ("lines", "children"),
    [
        ([], {}),
        (["+ 10 0 15", "+ 11 2 2"], {10: (0, 15), 11: (2, 2)}),
        (["+ 10 0 15", "- 10"], {}),
        (["- 10", "+ 10 0 15"], {10: (0, 15)}),
        (["+ 10 0 15", "done"], None),
        (["", "nonsense", "+ 10 0 15"], {10: (0, 15)}),
    ],
)
def test_follows_the_launcher(lines, children):
    """What registered and was not forgotten is stopped, unless the launcher said that all is done."""
    assert guard.read(lines) == children


def lead(command: list[str], **options) -> subprocess.Popen[bytes]:
    """Run a command at the head of a session of its own, and return when it has begun."""
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, **options)
    with process.stdout:
        process.stdout.readline()
    return process


def test_stops_by_rank_and_forces_the_stubborn(monkeypatch):
    """A lower rank has ended, by force if need be, before the next one hears anything."""
    monkeypatch.setattr(guard, "GRACE_SECONDS", 0.2)
    first, second = lead(STUBBORN), lead(SLEEPER)
    guard.stop({first.pid: (0, signal.SIGTERM), second.pid: (1, signal.SIGINT), 2**22 + 1: (0, signal.SIGTERM)})
    assert first.wait(5) == -signal.SIGKILL
    assert second.wait(5) == -signal.SIGINT


def test_child_registers_before_it_runs():
    """The wrapped command keeps its pid, which the guard reads, and gets no hold of the pipe."""
    reader, writer = os.pipe()
    keeper = guard.Guard.__new__(guard.Guard)
    child = lead(keeper.registering(SLEEPER, rank=2, stop_signal=signal.SIGINT), stdin=writer)
    os.close(writer)
    with os.fdopen(reader) as lines:
        assert lines.read() == f"+ {child.pid} 2 2\n"  # and then the end: nobody else holds it
    session.kill(child.pid)
    child.wait(5)


def test_guard_ends_with_its_launcher():
    """A guard that is dismissed leaves the children alone; one whose pipe just closes stops them."""
    dismissed, abandoned = guard.Guard(), guard.Guard()
    children = [
        lead(keeper.registering(SLEEPER, rank=0, stop_signal=signal.SIGTERM), stdin=keeper.pipe)
        for keeper in (dismissed, abandoned)
    ]
    dismissed.dismiss()
    os.close(abandoned.pipe)
    assert children[1].wait(10) == -signal.SIGTERM
    assert children[0].poll() is None
    session.kill(children[0].pid)
    children[0].wait(5)
    abandoned._process.wait(5)


def test_session_includes_descendants_that_left_their_group():
    """A grandchild in a process group of its own is still found, and killed after its parent died."""
    fork = "import os, time\nif os.fork():\n print(flush=True)\nelse:\n os.setpgid(0, 0)\ntime.sleep(60)"
    parent = lead([sys.executable, "-c", fork])
    until(lambda: len(session.members(parent.pid)) == 2, "there are two")
    parent.kill()
    parent.wait(5)
    assert len(session.members(parent.pid)) == 1
    session.kill(parent.pid)
    assert session.members(parent.pid) == []
