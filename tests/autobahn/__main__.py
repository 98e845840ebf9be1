"""Run Autobahn's cases against a node's protocols on both paths: `python -m tests.autobahn WSTEST`.

`wstest` is the command of the package autobahntestsuite, which needs Python 2.7. Left out is what does not apply:
compression (12, 13), which nodes do not offer, and messages above the limit of a node (most of 9). A case passes if it
is OK, or informational; where a violation follows something valid at once, it may also be what Autobahn calls
non-strict: closed with the right code, but before what came first was echoed. test_cases.py asks much of this, too.
"""

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.hub_nodes import ROOT, free_port

PATHS = ("lean", "asgi")
LEFT_OUT = [
    *("12.*", "13.*"),  # compression
    *(f"9.{kind}.{size}" for kind in (1, 2) for size in range(2, 7)),  # messages of 256 KiB and more
    *("9.3.*", "9.4.*", "9.5.*", "9.6.*"),  # messages of 1 MiB and more, in parts
]
STRICTLY = {"OK", "INFORMATIONAL"}
HURRIED = {"3.2", "3.3", "3.4", "4.1.3", "4.1.4", "4.1.5", "4.2.3", "4.2.4", "4.2.5", "5.15"}
UTF8_LATE = {"6.4.1", "6.4.2", "6.4.3", "6.4.4"}  # bad text is found when the message is whole, not in its first part
LENIENT = {"lean": UTF8_LATE, "asgi": UTF8_LATE | HURRIED}
START_SECONDS = 15


def main(wstest):
    with contextlib.ExitStack() as stack:
        ports = {path: stack.enter_context(echoing(path)) for path in PATHS}
        with tempfile.TemporaryDirectory(prefix="hub-autobahn-") as directory:
            results = run(wstest, ports, Path(directory))
    return sum([judge(path, results[path]) for path in PATHS])


@contextlib.contextmanager
def echoing(path):
    """Run an echo server whose streams take one of the paths; a context manager of its port."""
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "tests.autobahn.echo", str(port), path], cwd=ROOT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert time.monotonic() < deadline, "the echo server does not start"
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait(10)


def run(wstest, ports, directory):
    """Let Autobahn do its work; return what it found for each path and case."""
    servers = [
        {"agent": path, "url": f"ws://127.0.0.1:{port}", "options": {"version": 18}} for path, port in ports.items()
    ]
    spec = {"outdir": str(directory / "reports"), "servers": servers, "cases": ["*"], "exclude-cases": LEFT_OUT}
    (directory / "spec.json").write_text(json.dumps(spec | {"exclude-agent-cases": {}}))
    log = directory / "log"
    with log.open("w") as output:
        mode = [wstest, "-m", "fuzzingclient", "-s", "spec.json"]
        done = subprocess.run(mode, cwd=directory, stdout=output, stderr=output, timeout=600, check=False)
    assert done.returncode == 0, log.read_text()[-2000:]
    return json.loads((directory / "reports/index.json").read_text())


def judge(path, cases):
    """Say how a path fared, and return how many cases failed."""
    failed = 0
    for case, result in sorted(cases.items()):
        found = {result["behavior"], result["behaviorClose"]} - STRICTLY
        if found - ({"NON-STRICT"} if case in LENIENT[path] else set()):
            failed += 1
            print(f"{path}: case {case}: {', '.join(sorted(found))}")
    told = ", ".join(f"{count} {name}" for name, count in Counter(r["behavior"] for r in cases.values()).most_common())
    print(f"{path}: {len(cases)} cases: {told}; {failed} failed")
    return failed + (not cases)


if __name__ == "__main__":
    sys.exit(1 if main(*sys.argv[1:]) else 0)
