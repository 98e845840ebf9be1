"""HTTP itself: methods, paths, request ids, browsers' preflights, connections."""

import re
import socket

import pytest

from tests.api.calls import OPERATIONS, path_of
from tests.hub_nodes import ORIGIN, new_user

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
PATHS = sorted({operation.path for operation in OPERATIONS})


@pytest.mark.parametrize("path", PATHS)
async def test_a_method_a_path_does_not_have_is_405_with_those_it_has(api, path):
    """`Allow` names exactly the methods the document has for a path; the clients of these tests compare them."""
    known = {operation.method for operation in OPERATIONS if operation.path == path}
    sample = path_of(next(operation for operation in OPERATIONS if operation.path == path))
    async with api.client() as client:
        refused = [m for m in METHODS if (await client.request(m, sample)).status_code == 405]
    assert set(refused) == set(METHODS) - known - ({"HEAD"} if "GET" in known else set())


@pytest.mark.parametrize(
    "path", ["/v1", "/v2/inbox", "/v1/inbox/", "/v1//inbox", "/V1/inbox", "/v1/inbox/x/y/z", "/livez/", "/%00", "/.env"]
)
async def test_a_path_that_does_not_exist_is_a_problem_too(api, path):
    """404 is answered as application/problem+json whatever was asked for."""
    async with api.client() as client:
        for method in ("GET", "POST", "DELETE"):
            answer = await client.request(method, path)
            assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")


@pytest.mark.parametrize(
    "path", ["/client/nothing.js", "/client/%00", "/static/..%2f..%2fapp.py", "/client/" + "x" * 300]
)
async def test_files_that_do_not_exist_are_problems_too(api, path):
    """The mounted files answer 404 and 405 like everything else."""
    async with api.client() as client:
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        answer = await client.post("/client/hub.js")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/v1/inbox", "/v1/inbox/counts", "/livez", "/readyz", "/metrics", "/openapi.json"])
async def test_head_is_get_without_a_body(api, path):
    """HEAD has the status and the headers of GET."""
    async with api.user(new_user()) as client:
        get, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    changing = {"date", "x-request-id", "ratelimit", "content-length"}
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in get.headers.items() if k not in changing
    }


async def test_head_does_not_open_a_stream(api):
    """HEAD of a stream answers at once with its headers, and leaves the connection fit for the next request."""
    user = new_user()
    async with api.user(user) as client:
        for _ in range(2):
            head = await client.head("/v1/stream")
            assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            assert (await client.get("/v1/inbox")).status_code == 200
    async with api.service() as service:
        assert (await service.get(f"/v1/users/{user}/presence")).json()["online"] is False


@pytest.mark.parametrize("given", ["abc", "req_1.2:3-4", "x" * 128])
async def test_a_request_id_that_is_sent_is_kept(api, given):
    """It comes back in the header, and in the problem if there is one."""
    async with api.client() as client:
        answer = await client.get("/v1/inbox", headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] == given
    assert answer.json()["instance"] == f"urn:request:{given}"


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "<script>", 'a"b', "é", "a\tb", "{}"])
async def test_a_request_id_that_could_do_harm_is_replaced(api, given):
    """What is too long, or no plain word, is not taken over into logs and answers."""
    async with api.client() as client:
        answer = await client.get("/livez", headers={b"X-Request-ID": given.encode("latin-1")})
    assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["x-request-id"])


async def test_every_request_has_an_id_of_its_own(api):
    """Without one sent, each answer names another."""
    async with api.client() as client:
        ids = {(await client.get("/livez")).headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}


async def test_a_preflight_of_an_allowed_origin_is_granted(api):
    """Browsers on allowed pages may call the API with the headers it knows."""
    asked = "authorization, content-type, if-none-match, idempotency-key, last-event-id, x-request-id"
    headers = {**PREFLIGHT, "Origin": ORIGIN, "Access-Control-Request-Headers": asked}
    async with api.client() as client:
        answer = await client.options("/v1/inbox/read-all", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    allowed = {name.strip() for name in answer.headers["access-control-allow-methods"].split(",")}
    assert allowed >= {operation.method for operation in OPERATIONS}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ORIGIN, "Access-Control-Request-Headers": "x-y"},
    ],
)
async def test_a_preflight_of_anybody_else_is_a_problem(api, headers):
    """A foreign page, or a header the API does not know, is refused; the answer grants no origin it does not allow."""
    async with api.client() as client:
        answer = await client.options("/v1/inbox/read-all", headers={**PREFLIGHT, **headers})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert answer.headers.get("access-control-allow-origin") in (None, ORIGIN)


async def test_answers_may_be_read_by_allowed_origins_only(api):
    """An allowed page may read an answer and the headers it needs; another gets no permission."""
    async with api.user(new_user()) as client:
        mine = await client.get("/v1/inbox", headers={"Origin": ORIGIN})
        foreign = await client.get("/v1/inbox", headers={"Origin": "https://evil.example"})
    assert mine.headers["access-control-allow-origin"] == ORIGIN
    exposed = {name.strip().lower() for name in mine.headers["access-control-expose-headers"].split(",")}
    assert exposed >= {"etag", "link", "ratelimit", "ratelimit-policy", "retry-after", "x-request-id"}
    assert "access-control-allow-origin" not in foreign.headers
    assert mine.headers["vary"] == "Origin"


async def test_answers_are_not_guessed_at(api):
    """No browser may take an answer for something else than it says."""
    async with api.client() as client:
        for path in ("/livez", "/v1/inbox", "/nothing", "/client/hub.js"):
            assert (await client.get(path)).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /livez HTTP/1.1\r\n\r\n",
        b"GET  /livez\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"BREW /v1/inbox HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_is_hardly_http_hurts_nobody(api, request_line):
    """Broken requests are answered with 4xx or an end of the connection, and the node goes on."""
    with socket.create_connection(("127.0.0.1", api.nodes[0].port), timeout=5) as raw:
        raw.sendall(request_line)
        raw.shutdown(socket.SHUT_WR)
        answer = raw.recv(1000)
    assert re.match(rb"HTTP/1.1 (2|4)\d\d |$", answer)
    async with api.client() as client:
        assert (await client.get("/livez")).status_code == 204


async def test_a_body_that_ends_early_is_left_alone(api):
    """A client that goes away in the middle of its body leaves nothing behind, not even a line of trouble."""
    head = f"POST /v1/notifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.api_key}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", api.nodes[0].port), timeout=5) as raw:
            raw.sendall(head.encode())
    async with api.client() as client:
        assert (await client.get("/livez")).status_code == 204
