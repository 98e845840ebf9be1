"""The nodes the contract is checked on: every test over both transports, and on streams in and out of ASGI.

`lean` streams leave ASGI after the handshake, the others stay in it; what a client can see is the same. Besides the
usual cluster there are two with settings that let a test see in a second what takes a minute or a day in production.
"""

import pytest

from tests.hub_nodes import TRANSPORTS, Cluster, Listener

REPLAY_LIMIT = 1000


@pytest.fixture(scope="session", params=["lean", "asgi"])
def path(request):
    """Where streams run."""
    return request.param


@pytest.fixture(scope="session")
def cluster(cluster, services, path):
    """Two nodes with the usual settings: the session's, or some whose streams stay in ASGI."""
    if path == "lean":
        yield cluster
        return
    with Cluster(services.database_url, services.redis_url, api_key=cluster.api_key, lean="false") as running:
        yield running


@pytest.fixture(scope="session")
def brisk(services, path, cluster):
    """A node that is quick to ping, to warn and to refuse, and that replays far."""
    with Cluster(
        services.database_url,
        services.redis_url,
        nodes=1,
        api_key=cluster.api_key,
        lean=str(path == "lean"),
        ping_seconds="1",
        auth_seconds="0.5",
        jwt_leeway_seconds="30",
        cookie_name="hub_token",
        replay_limit=str(REPLAY_LIMIT),
        max_connections_per_user="3",
        max_frame_bytes="4096",
        rate_limit_frames="10",
        rate_limit_publish="100000/second",
    ) as running:
        yield running


@pytest.fixture(scope="session")
def narrow(services, path, cluster):
    """A node with room for four, where nobody stays longer than two seconds."""
    with Cluster(
        services.database_url,
        services.redis_url,
        nodes=1,
        api_key=cluster.api_key,
        lean=str(path == "lean"),
        max_connections="4",
        lifetime_seconds="2",
        drain_seconds="0.2",
    ) as running:
        yield running


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    """How a client listens."""
    return request.param


@pytest.fixture
def listen(cluster, transport):
    """Make listeners of the usual cluster over this transport."""

    def made(user, node=0, **more):
        return Listener(cluster, user, transport, node, **more)

    return made
