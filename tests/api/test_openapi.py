"""The OpenAPI document: valid, complete in both directions, and no looser than the code."""

import json
import re

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Mount, Route, WebSocketRoute

from hub.api.operation import ANYBODY, USER
from hub.api.route import paths
from hub.app import operations, routes
from tests.api.calls import DOCUMENT, OPERATIONS, path_of, pointers
from tests.api.contract import PAGES
from tests.api.instances import instances
from tests.hub_nodes import NO_TLS

# Fields with rules between them that a schema cannot say; they are left out of what is drawn from the document.
RULES = {"send_at", "delay_seconds", "template", "variables", "overrides", "escalate", "channels"}
RULED = {
    "post_notifications": RULES,
    "post_notifications_batch": RULES,
    "patch_preferences": {"quiet_hours"},
    "patch_users_id_preferences": {"quiet_hours"},
    "put_users_id": {"email", "phone", "timezone"},
}
DESCRIBED = [
    (path, method, described) for path, methods in DOCUMENT["paths"].items() for method, described in methods.items()
]
every_operation = pytest.mark.parametrize(
    ("path", "method", "described"), DESCRIBED, ids=[f"{method} {path}" for path, method, _ in DESCRIBED]
)


def test_the_document_is_valid():
    """It is OpenAPI 3.1 by the official schema, references included."""
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


async def test_a_node_serves_the_document_and_a_page_that_reads_it(api):
    """/openapi.json is what the routes were declared with; /docs loads nothing from elsewhere."""
    async with api.client() as client:
        assert (await client.get("/openapi.json")).json() == DOCUMENT
        page = await client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert set(re.findall(r'(?:src|href)="(?!/(?!/))([^"]*)"', page.text)) == set()


def test_every_route_is_in_the_document_and_every_path_is_a_route(settings):
    """What the application mounts and what is promised are the same methods on the same paths."""
    mounted = {path.path: path.methods - {"HEAD"} for path in paths(operations())}
    for route in routes(settings):
        if isinstance(route, Mount):
            assert route.path + "/" in PAGES
        elif isinstance(route, WebSocketRoute):
            mounted.setdefault(route.path, set()).add("GET")
        elif isinstance(route, Route) and route.path not in PAGES:
            mounted.setdefault(route.path, set()).update(route.methods - {"HEAD"})
    assert mounted == {path: {method.upper() for method in methods} for path, methods in DOCUMENT["paths"].items()}


@every_operation
def test_an_operation_is_described(path, method, described):
    """Each has a summary, a tag, a name, and its path's parameters; each answer says what it is."""
    assert described["summary"].endswith(".")
    assert described["tags"]
    assert re.findall(r"\{(\w+)\}", path) == [p["name"] for p in described["parameters"] if p["in"] == "path"]
    assert all(answer["description"] for answer in described["responses"].values())
    assert any(status[0] in "123" for status in described["responses"])


def test_names_are_unique():
    """No two operations share an id: generated clients make functions of them."""
    names = [described["operationId"] for _, _, described in DESCRIBED]
    assert len(set(names)) == len(names)


@every_operation
def test_errors_are_complete(path, method, described):
    """Guarded operations promise 401, 403, 422, 429 and 503, those with a body 400, 413 and 415; all as problems."""
    promised = described["responses"]
    if "security" in described and not path.startswith(("/v1/ws", "/v1/stream")):
        assert promised.keys() >= {"401", "403", "422", "429", "503"}
    if "requestBody" in described:
        assert promised.keys() >= {"400", "413", "415", "422"}
    for status, answer in promised.items():
        if status >= "400":
            assert list(answer["content"]) == ["application/problem+json"]
        if status != "101":
            assert answer["headers"]["X-Request-ID"]["required"]


@every_operation
def test_credentials_are_named(path, method, described):
    """Each operation names the kind of credentials it takes; the open ones name none."""
    known = {op.path: op for op in OPERATIONS if op.method.lower() == method}.get(path)
    if known is None:
        assert {"token": []} in described["security"]
    else:
        expected = None if known.access == ANYBODY else [{"token": []}] if known.access == USER else [{"key": []}]
        assert described.get("security") == expected


def test_request_bodies_are_closed():
    """No body of ours takes fields it does not name, so a client sees its typo in the document already."""
    for name in ("Publish", "Items", "PlainEvent", "UpTo", "Action"):
        assert DOCUMENT["components"]["schemas"][name]["additionalProperties"] is False


with_body = [
    operation
    for operation in OPERATIONS
    if operation.body is not None
    and operation.access != ANYBODY
    # a template's text has a syntax of its own; which address an endpoint may have, and how many, test_endpoints says
    and not operation.path.startswith(("/v1/templates/", "/v1/webhook-endpoints"))
]


@pytest.mark.parametrize("operation", with_body, ids=lambda operation: operation.name)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_the_document_allows_is_accepted(api, operation, data):
    """A body drawn from the document is never refused: the validation asks for nothing that is not written down."""
    content = DOCUMENT["paths"][operation.path][operation.method.lower()]["requestBody"]["content"]
    schema = next(iter(content.values()))["schema"]
    body = data.draw(instances(schema, DOCUMENT["components"]["schemas"], RULED.get(operation.name, ())))
    credentials = api.token("drawn") if operation.access == USER else api.api_key
    with httpx2.Client(base_url=api.url(), verify=NO_TLS) as client:
        answer = client.request(
            operation.method,
            path_of(operation),
            content=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {credentials}", "Content-Type": "application/json"},
        )
    api.contract.judge(answer)
    repeated = answer.status_code == 422 and not pointers(answer)  # an event's id that was drawn before
    nobodys = answer.status_code == 404 and "/inbox/{id}" in operation.path  # the body was fine, there is none
    assert repeated or nobodys or answer.status_code in operation.answers, answer.text
    for result in answer.json().get("results", []):
        assert result["status"] == 201, result
