"""A publishing process: `python -m tests.publisher URL KEY COUNT SECONDS USER…` publishes evenly, to users in turn."""

import itertools
import sys
import time

import httpx2


def main(url: str, key: str, count: str, seconds: str, *users: str) -> None:
    """Publish `count` notifications over `seconds`; end with an error if one is not accepted."""
    began, total = time.monotonic(), int(count)
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=20) as client:
        for number, user in zip(range(total), itertools.cycle(users), strict=False):
            time.sleep(max(0.0, began + float(seconds) * number / total - time.monotonic()))
            body = {"to": user, "category": "turmoil", "title": f"{number}"}
            answer = client.post("/v1/notifications", json=body)
            assert answer.status_code == 201, answer.text


if __name__ == "__main__":
    main(*sys.argv[1:])
