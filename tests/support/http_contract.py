"""Holds responses of the control plane to its OpenAPI document: status, headers, type, body, and the error's code."""

import http
import json
from collections.abc import Mapping
from typing import Any

import httpx
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from touchline_server.control.openapi import document
from touchline_server.control.operations import EVENTS_PATH, ROOM_PATH

DOCUMENT = document()
PATHS: dict[str, Any] = DOCUMENT["paths"]
CONTROL_PATHS = {
    path: {method: each for method, each in item.items() if method != "parameters" and "servers" not in each}
    for path, item in PATHS.items()
}
"""The operations of the control port, by path and method."""

ANYWHERE = {403: {"origin_refused", "host_refused"}, 404: {"not_found"}, 405: {"method_not_allowed"}}
"""The errors outside of every operation."""


def schema_validator(schema: Any) -> Draft202012Validator:
    """A validator for a schema of the document, which may refer to others."""
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def operation_of(method: str, raw_path: str) -> dict[str, Any] | None:
    """What the document says about a request; None if it describes no such operation."""
    path = raw_path.partition("?")[0]
    if path.startswith("/v1/rooms/"):
        path = EVENTS_PATH if path.endswith("/events") else ROOM_PATH
    item: dict[str, Any] = CONTROL_PATHS.get(path, {})
    return item.get("get" if method == "HEAD" else method.lower())


def check(method: str, raw_path: str, status: int, headers: Mapping[str, str], body: bytes) -> str | None:
    """Assert that a response is one that the document has; returns the error's code, if it is an error with a body."""
    operation = operation_of(method, raw_path)
    if operation is None:
        return _check_outside(method, status, headers, body)
    response = operation["responses"].get(str(status))
    assert response is not None, f"{method} {raw_path} answered {status}, which is not documented: {body[:200]!r}"
    for name, header in response.get("headers", {}).items():
        assert name.lower() in headers or not header["required"], f"{status} without {name}"
    ((content_type, content),) = response["content"].items()
    assert headers["content-type"].partition(";")[0] == content_type
    if method == "HEAD":
        assert body == b""
        return None
    found = json.loads(body) if content_type == "application/json" else body.decode()
    schema_validator(content["schema"]).validate(found)
    return code_in(found)


def _check_outside(method: str, status: int, headers: Mapping[str, str], body: bytes) -> str | None:
    if status == http.HTTPStatus.TEMPORARY_REDIRECT:  # from the root, and from the page's folder without its slash
        assert method in ("GET", "HEAD")
        assert headers["location"].endswith("ui/")
        return None
    assert status in ANYWHERE, f"{method} answered {status}: {body[:200]!r}"
    assert status != 405 or headers["allow"]
    if method == "HEAD":
        return None
    error = json.loads(body)
    schema_validator({"$ref": "#/components/schemas/ErrorBody"}).validate(error)
    assert error["error"]["code"] in ANYWHERE[status]
    return code_in(error)


def code_in(body: Any) -> str | None:
    """The code of an error's body; None if it is not an error."""
    return body["error"]["code"] if isinstance(body, dict) and "error" in body else None


class Contract:
    """Checks every response of an httpx client, and keeps which errors there were: (operation, status, code)."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int, str | None]] = set()

    async def hook(self, response: httpx.Response) -> None:
        """An event hook for responses."""
        request = response.request
        body = await response.aread()
        raw_path = request.url.raw_path.decode("ascii")
        code = check(request.method, raw_path, response.status_code, response.headers, body)
        if (operation := operation_of(request.method, raw_path)) is not None:
            self.seen.add((operation["operationId"], response.status_code, code))
