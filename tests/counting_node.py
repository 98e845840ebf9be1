"""A node as `hub serve` runs it that also says what it is made of: for each line on stdin, a line on stdout with how
many objects of each type the garbage collector knows."""

import gc
import json
import sys
import threading
from collections import Counter

from hub.__main__ import main


def answer():
    for _ in sys.stdin:
        gc.unfreeze()
        gc.collect()
        counted = Counter(type(seen).__name__ for seen in gc.get_objects())
        print(json.dumps(counted), flush=True)


if __name__ == "__main__":
    threading.Thread(target=answer, daemon=True).start()
    sys.argv = ["hub", "serve"]
    main()
