"""The hub's client for Python services: publish, and follow a user's stream. Typed, synchronous and asynchronous.

    with Client("https://hub.example.com", api_key=KEY) as hub:
        hub.publish(to="alice", category="order.shipped", title="Your order is on its way")

Imports nothing of the server. Every publish carries an idempotency key, so that it can be sent again without happening
twice; it is, with growing pauses, while the hub says that it accepted nothing.
"""

from hub.client.asynchronous import AsyncClient
from hub.client.exchange import BatchResult, HubProblem, Published, Recipient
from hub.client.stream import StreamEnded, follow
from hub.client.synchronous import Client

__all__ = [
    "AsyncClient",
    "BatchResult",
    "Client",
    "HubProblem",
    "Published",
    "Recipient",
    "StreamEnded",
    "follow",
]
