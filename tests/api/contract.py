"""The OpenAPI document as a judge: every answer a test gets is compared with what the document promises.

`Contract.judge` is the response hook of every client in this package. It knows no operation by name: a route that is
not in the document, a status, header or field that it does not mention, and one that it promises and that is missing,
all fail the test that happened to see them.
"""

import re
from functools import cache

import orjson
from jsonschema import Draft202012Validator, FormatChecker

from hub.api.documentation import document
from hub.app import operations

# Said by the server or by HTTP itself, on any answer.
ANYWHERE = {"connection", "content-length", "content-type", "date", "keep-alive", "transfer-encoding", "vary"}
EVERYWHERE = {"x-content-type-options"}
CORS = "access-control-"
PAGES = ("/client/", "/docs", "/openapi.json", "/static/")  # for people and browsers; no part of the API

formats = FormatChecker(formats=[])


@formats.checks("date-time")
def _is_utc(value):
    """Times are RFC 3339 in UTC, with `Z`."""
    return not isinstance(value, str) or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", value) is not None


class Contract:
    """What the document promises."""

    def __init__(self):
        self.document = document(operations())
        paths = sorted(self.document["paths"].items(), key=lambda item: "{" in item[0])
        self._paths = [(re.compile(_pattern(path)), methods) for path, methods in paths]

    def judge(self, answer):
        """Raise `AssertionError` unless the document promises this answer."""
        request = answer.request
        path = request.url.raw_path.decode().partition("?")[0]
        if path.startswith(PAGES) or "access-control-request-method" in request.headers:
            return
        assert re.fullmatch(r"[A-Za-z0-9_.:-]{1,128}", answer.headers["x-request-id"])
        methods = self.methods(path)
        if methods is None:
            assert answer.status_code == 404, f"{path} is not in the document"
            self._judge_problem(answer)
        elif request.method not in methods:
            assert answer.status_code == 405, f"{request.method} {path} is not in the document"
            assert {name.strip() for name in answer.headers["allow"].split(",")} == methods
            self._judge_problem(answer)
        else:
            self._judge(answer, self._promised(path, request.method, answer.status_code))

    def methods(self, path):
        """Name the methods that the document has for a path; None if it does not know the path."""
        found = [methods for pattern, methods in self._paths if pattern.fullmatch(path)]
        names = {method.upper() for methods in found[:1] for method in methods}
        return (names | {"HEAD"} if "GET" in names else names) if found else None

    def _promised(self, path, method, status):
        methods = next(methods for pattern, methods in self._paths if pattern.fullmatch(path))
        operation = methods["get" if method == "HEAD" else method.lower()]
        assert str(status) in operation["responses"], f"{method} {path}: {status} is not in the document"
        return operation["responses"][str(status)]

    def _judge(self, answer, promised):
        headers = {name.lower(): header for name, header in promised.get("headers", {}).items()}
        said = {name for name in answer.headers if not name.startswith(CORS)} - ANYWHERE - EVERYWHERE
        assert said <= headers.keys(), f"not in the document: {said - headers.keys()}"
        missing = {name for name, header in headers.items() if header.get("required")} - said
        assert not missing, f"promised, but missing: {missing}"
        for name in said:
            self._judge_value(_header(answer.headers[name], headers[name]["schema"]), headers[name]["schema"])
        self._judge_body(answer, promised.get("content", {}))
        if answer.status_code >= 400:
            self._judge_problem(answer)

    def _judge_body(self, answer, content):
        if not content:
            assert answer.content == b"", f"the document promises no body: {answer.content[:200]}"
        elif answer.request.method != "HEAD":
            media_type = answer.headers["content-type"].partition(";")[0]
            assert media_type in content, f"{media_type} is not in the document"
            if media_type.endswith("json"):
                self._judge_value(orjson.loads(answer.content), content[media_type]["schema"])

    def _judge_problem(self, answer):
        assert answer.headers["content-type"] == "application/problem+json"
        if answer.request.method != "HEAD":
            problem = orjson.loads(answer.content)
            self._judge_value(problem, {"$ref": "#/components/schemas/Problem"})
            assert problem["status"] == answer.status_code
            assert problem["instance"] == f"urn:request:{answer.headers['x-request-id']}"

    def _judge_value(self, value, schema):
        self._validator(orjson.dumps(schema)).validate(value)

    @cache  # noqa: B019 - one contract a session
    def _validator(self, schema):
        components = {name: _closed(model) for name, model in self.document["components"]["schemas"].items()}
        return Draft202012Validator(
            {**orjson.loads(schema), "components": {"schemas": components}}, format_checker=formats
        )


def _pattern(path):
    return re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))


def _header(text, schema):
    """Read a header's value as its schema has it: numbers are sent as text."""
    return int(text) if schema["type"] == "integer" else text


def _closed(schema):
    """Allow no field that a model does not name."""
    if "properties" in schema:
        return {"additionalProperties": False, **schema}
    return schema
