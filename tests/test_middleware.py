"""What happens when code of ours fails in a request: the caller gets a problem, the log gets the reason."""

import logging

import pytest
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from hub import auth
from hub.app import create_app
from hub.store import Inboxes
from hub.store.migration import migrate


async def breaking_off(request):
    """Begin an answer and fail."""

    async def body():
        yield b"half of "
        raise RuntimeError("broken on purpose")

    return StreamingResponse(body())


@pytest.fixture
async def app(services, settings):
    """An application in this process, with one route more."""
    await migrate(services.database_url)
    app = create_app(settings)
    app.router.routes.append(Route("/breaking-off", breaking_off))
    return app


def test_a_failure_is_a_problem_with_the_id_that_finds_its_reason(app, settings, monkeypatch, caplog):
    """500 is answered as a problem that says nothing but the request id; the log has the traceback; a count is kept."""

    async def broken(*_):
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(Inboxes, "counts", broken)
    headers = {"Authorization": f"Bearer {auth.sign(settings, user='x')}", "X-Request-ID": "failing-1"}
    with TestClient(app) as client, caplog.at_level(logging.ERROR, "hub.access"):
        answer = client.get("/v1/inbox/counts", headers=headers)
        assert client.get("/livez").status_code == 204
        metrics = client.get("/metrics").text
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.headers["x-request-id"] == "failing-1"
    assert answer.json()["instance"] == "urn:request:failing-1"
    assert "secret" not in answer.text
    (record,) = [record for record in caplog.records if record.name == "hub.access"]
    assert "a secret detail" in str(record.exc_info[1])
    assert 'hub_request_seconds_count{route="/v1/inbox/counts",status="500"} 1.0' in metrics


def test_an_answer_that_has_begun_is_broken_off(app):
    """After the first byte there is nothing more to say: the failure goes to the server, which ends the connection."""
    with TestClient(app) as client, pytest.raises(RuntimeError, match="broken on purpose"):
        client.get("/breaking-off")
