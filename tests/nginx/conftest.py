"""Every Nginx at hand, with a recording node behind it."""

import httpx2
import pytest

from tests import edge
from tests.nginx import certificate as certificates
from tests.nginx.recorder import OUTSIDE, Recorder


@pytest.fixture(params=edge.BINARIES)
def binary(request):
    return edge.binary(request.param)


@pytest.fixture(scope="module")
async def running_node():
    async with Recorder() as node:
        yield node


@pytest.fixture
def node(running_node):
    """A node that has seen nothing yet; one process serves the whole module."""
    running_node.forget()
    return running_node


@pytest.fixture
def nginx(binary, node):
    with edge.Edge(binary, [node.address]) as running:
        yield running


@pytest.fixture
def limiting(binary, node):
    changes = [
        *OUTSIDE,
        ("limit_conn streams 500", "limit_conn streams 2"),
        ("rate=50r/s", "rate=1r/m"),
        ("burst=200", "burst=4"),
    ]
    with edge.Edge(binary, [node.address], changes=changes) as running:
        yield running


@pytest.fixture
async def client():
    async with httpx2.AsyncClient(timeout=10) as client:
        yield client


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp("tls"))
