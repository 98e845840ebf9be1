"""Every Nginx at hand, with a recording node behind it."""

import certificate as certificates
import edge
import httpx2
import pytest
from recorder import OUTSIDE, Recorder


@pytest.fixture(params=["installed", "packaged"])
def binary(request):
    path = getattr(edge, request.param)()
    if path is None:
        pytest.skip(f"no Nginx is {request.param}")
    return path


@pytest.fixture
async def node():
    async with Recorder() as node:
        yield node


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
