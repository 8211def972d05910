"""The reference of the control plane, as an OpenAPI 3.1 document that is made from the code.

It is served at `OPENAPI_PATH`. docs/openapi.json is a copy for readers without a server, which a test keeps current.
The stream of a room, which the edge's port serves, is described here too: it is the other half of the same path.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec

from touchline_protocol import codes
from touchline_protocol.limits import RECENT_EVENTS_MAX
from touchline_protocol.version import __version__

from .bodies import BODY_BYTES_MAX, EVENTS_PER_REQUEST_MAX, ErrorBody
from .operations import EVENTS_PATH, OPERATIONS, Answer, Operation
from .refusals import HOST_REFUSED, METHOD_NOT_ALLOWED, NOT_FOUND, ORIGIN_REFUSED, Refusal

_SCHEMA = "#/components/schemas/{name}"

_DESCRIPTION = f"""\
Health, metrics, publishing over HTTP and the state of rooms, on a port of their own (`control_port`).

Every response but those of `/healthz` and `/metrics` is JSON. An error is
`{{"error": {{"code": …, "message": …}}}}`: programs go by `code`. Besides the errors of its operation, every path
answers other methods with {METHOD_NOT_ALLOWED.status} `{METHOD_NOT_ALLOWED.code}` and the header `Allow`, and every
other path is {NOT_FOUND.status} `{NOT_FOUND.code}`.
Requests of foreign pages get {ORIGIN_REFUSED.status} `{ORIGIN_REFUSED.code}` or `{HOST_REFUSED.code}` at every path but
`/healthz`. HEAD is allowed where GET is. Bytes that are not HTTP get 400 with a sentence.

A room name in a path is percent-encoded UTF-8. A `/` in it may stay as it is, except in a room that ends in
`/events`. Paths are taken literally: a slash at the end belongs to the room's name.

A body has at most {BODY_BYTES_MAX} bytes and {EVENTS_PER_REQUEST_MAX} events. A request is checked as a whole before
anything is published. Of two members of an object with one name the last one counts."""

_ROOM_PARAMETER = {
    "name": "room",
    "in": "path",
    "required": True,
    "description": "The room's name, `<feed>:<id>`, percent-encoded.",
    "schema": {"type": "string"},
    "example": "match:15946",
}


def document() -> dict[str, Any]:
    """The whole document."""
    types = [ErrorBody, *(answer.body for each in OPERATIONS for answer in each.answers if answer.body)]
    types += [body for each in OPERATIONS for body in each.body]
    _, schemas = msgspec.json.schema_components(types, ref_template=_SCHEMA)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    paths[EVENTS_PATH]["get"] = _stream()
    for path, item in paths.items():
        if "{room}" in path:
            item["parameters"] = [_ROOM_PARAMETER]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Touchline's control plane",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "http://127.0.0.1:8081", "description": "control_host and control_port"}],
        "security": [],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "One of `api_keys`, if there are any; for metrics, one of `metrics_keys` will do.",
                },
                "token": {"type": "http", "scheme": "bearer", "description": "A player's token: docs/tokens.md."},
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": {
            **{str(answer.status): _answer(answer) for answer in operation.answers},
            **_refusals(operation.refusals),
        },
    }
    if operation.body:
        schema = {"oneOf": [_reference(body) for body in operation.body]}
        described["requestBody"] = {"required": True, "content": _json(schema)}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "schema": {"enum": list(values)}, "description": meaning}
        for name, values, meaning in operation.query
    ] + [
        {"name": name, "in": "header", "schema": {"type": "string"}, "description": meaning}
        for name, meaning in operation.headers
    ]
    if parameters:
        described["parameters"] = parameters
    if operation.needs_key:
        described["security"] = [{}, {"key": []}]
    return described


def _answer(answer: Answer) -> dict[str, Any]:
    if answer.body is None:
        always = {"const": answer.text} if answer.text else {}
        content = {"text/plain": {"schema": {"type": "string", **always}}}
    else:
        content = _json(_reference(answer.body))
    return {"description": answer.meaning, "content": content}


def _refusals(refusals: tuple[Refusal, ...]) -> dict[str, Any]:
    """The responses with an error, by status."""
    ordered = sorted(refusals, key=lambda refusal: refusal.status)
    return {
        str(int(status)): _errors(list(same)) for status, same in groupby(ordered, key=lambda refusal: refusal.status)
    }


def _errors(refusals: list[Refusal]) -> dict[str, Any]:
    """All errors with one status."""
    written = any(refusal.has_written for refusal in refusals)
    response: dict[str, Any] = {
        "description": "\n".join(
            f"- `{refusal.code}`: {refusal.meaning}. Then: {refusal.then}." for refusal in refusals
        ),
        "content": _json(_error_schema([refusal.code for refusal in refusals], written=written)),
    }
    headers = {name: value for refusal in refusals for name, value in refusal.headers}
    if headers:
        always = all(refusal.headers for refusal in refusals)
        response["headers"] = {
            name: {"required": always, "schema": {"type": "string"}, "example": value}
            for name, value in headers.items()
        }
    return response


def _error_schema(of_status: Sequence[str], *, written: bool = False) -> dict[str, Any]:
    """The body of an error that has one of these codes, and ``written`` only if it may."""
    detail: dict[str, Any] = {"code": {"enum": list(of_status)}}
    if not written:
        detail["written"] = False
    return {"allOf": [_reference(ErrorBody), {"properties": {"error": {"properties": detail}}}]}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _reference(type_: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([type_], ref_template=_SCHEMA)
    return schema


# The edge's half.

STREAM_REFUSALS: dict[int, tuple[str, ...]] = {
    400: (codes.BAD_ROOM.code, codes.BAD_MESSAGE.code),
    401: tuple(code for code in codes.ERRORS if code.startswith("token_")),
    403: (codes.FORBIDDEN.code, codes.MEMBERS_FORBIDDEN.code, ORIGIN_REFUSED.code, HOST_REFUSED.code),
    404: (codes.UNKNOWN_FEED.code,),
    429: (codes.TOO_MANY_PLAYER_CONNECTIONS.code, codes.TOO_MANY_CONNECTIONS.code),
    503: (codes.UNAVAILABLE.code,),
}
"""The errors of a request for a stream. The table in protocol/README.md, "Server-sent events", has their meanings."""


def _stream() -> dict[str, Any]:
    query = [
        (
            "after",
            {"type": "string"},
            "The cursor to resume from, `<epoch>.<offset>`. `Last-Event-ID` takes precedence.",
        ),
        ("last", {"type": "integer", "minimum": 0, "maximum": RECENT_EVENTS_MAX}, "How many recent events to return."),
        ("deliver", {"enum": ["all", "latest"]}, "Whether events with keys may be left out while catching up."),
        ("occupancy", {"type": "boolean"}, "Whether to send how many clients are in the room."),
        ("members", {"type": "boolean"}, "Whether to send which players are in the room. It needs a token for that."),
    ]
    parameters = [
        {"name": name, "in": "query", "schema": schema, "description": text} for name, schema, text in query
    ] + [{"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}, "description": "The newest id seen."}]
    errors = {
        str(status): {"description": "See `code`.", "content": _json(_error_schema(of_status))}
        for status, of_status in STREAM_REFUSALS.items()
    }
    return {
        "operationId": "watch",
        "summary": "Watch a room as server-sent events, on the port of the WebSocket",
        "description": "Served by the edge (`port`), not by the control port. protocol/README.md, Server-sent events.",
        "servers": [{"url": "http://127.0.0.1:8080", "description": "host and port"}],
        "parameters": parameters,
        "security": [{}, {"token": []}],
        "responses": {
            "200": {
                "description": "The stream. It ends with the connection.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            **errors,
        },
    }
