"""Requests that nobody should send: each gets a documented answer, none is a 500, and none publishes half of itself."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import h11
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control.rooms import Rooms
from support.http_contract import Contract, check, schema_validator
from touchline_protocol.limits import EVENT_VALUE_BYTES_MAX
from touchline_server.config.settings import Settings
from touchline_server.control import requests
from touchline_server.control.app import ControlApp
from touchline_server.control.bodies import BODY_BYTES_MAX
from touchline_server.control.refusals import RECORD_REFUSALS
from touchline_server.control.server import ControlServer
from touchline_server.node.sockets import bind

BODY = schema_validator(
    {"oneOf": [{"$ref": "#/components/schemas/Event"}, {"$ref": "#/components/schemas/EventBatch"}]}
)
EVENTS = "/v1/rooms/match:1/events"

text = st.text(st.characters(codec="utf-8"), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=4,
)
members = st.sampled_from(["data", "key", "events", "keys", ""])
events = st.dictionaries(members, values, max_size=3) | st.fixed_dictionaries(
    {"data": values}, optional={"key": st.none() | text}
)
bodies = events | st.fixed_dictionaries({"events": st.lists(events | values, max_size=3)}) | values
pieces = st.sampled_from(
    [
        "/",
        "//",
        "v1",
        "rooms",
        "match:1",
        "match%3A1",
        "%2F",
        "%00",
        "%ff",
        "..",
        ".",
        "events",
        "healthz",
        "readyz",
        "?a=b",
    ]
)
paths = st.lists(pieces, max_size=6).map(lambda parts: "/" + "".join(parts)) | st.lists(pieces, max_size=3).map(
    lambda parts: "/v1/rooms/" + "/".join(parts)
)
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"])
header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12).map(str.strip)
headers = st.dictionaries(
    st.sampled_from(["Authorization", "Content-Type", "Origin", "Accept", "Range", "If-None-Match", "X-Forwarded-For"]),
    header_values | st.sampled_from(["application/json", "Bearer key", "Bearer", "null", "http://localhost", "*/*"]),
    max_size=3,
)


def client_of(rooms: Rooms, contract: Contract, **options: Any) -> httpx.AsyncClient:
    """A client of the app, whose responses are held to the document. A bug fails the test at once."""
    transport = httpx.ASGITransport(ControlApp(rooms, Settings(**options)))
    return httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1", event_hooks={"response": [contract.hook]}
    )


@given(bodies)
@settings(max_examples=150)
async def test_a_body_is_published_as_a_whole_or_refused_as_its_schema_says(body: Any) -> None:
    rooms, contract = Rooms(), Contract()
    async with client_of(rooms, contract) as client:
        await client.post(EVENTS, json=body)
    ((_, status, code),) = contract.seen
    if status == 200:
        assert BODY.is_valid(body)
        assert len(rooms.published) == len(body.get("events", [body]))
    else:
        assert not BODY.is_valid(body) or code in RECORD_REFUSALS  # a schema counts characters, and a record bytes
        assert rooms.published == []


@given(methods, paths, headers, st.binary(max_size=20) | bodies.map(lambda body: json.dumps(body).encode()))
@settings(max_examples=150)
async def test_any_request_gets_a_documented_answer(method: str, path: str, sent: dict[str, str], body: bytes) -> None:
    rooms, contract = Rooms(), Contract()
    async with client_of(rooms, contract, api_keys=["key"]) as client:
        response = await client.request(
            method, httpx.URL("http://control", raw_path=path.encode()), headers=sent, content=body
        )
    assert response.status_code < 500
    assert response.status_code == 200 or rooms.published == []


@pytest.fixture
async def served() -> AsyncIterator[tuple[Rooms, int]]:
    rooms = Rooms()
    server = ControlServer(ControlApp(rooms, Settings(api_keys=["key"])), bind("the control plane", "127.0.0.1", 0))
    await server.start()
    yield rooms, server.port
    await server.stop()


async def exchange(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes, and read the response to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    parser = h11.Connection(h11.CLIENT)
    method = request.split(b" ", 1)[0]
    parser.send(h11.Request(method=method if method.isalpha() else b"GET", target="/", headers=[("Host", "h")]))
    parser.send(h11.EndOfMessage())
    status, headers, body = 0, {}, b""
    try:
        writer.write(request)
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                parser.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Response):
                status = event.status_code
                headers = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                return status, headers, body
    finally:
        writer.close()


def request_bytes(line: str, *headers: str, body: bytes = b"") -> bytes:
    """A request as it is on the wire, with the key."""
    head = "\r\n".join((f"{line} HTTP/1.1", "Host: localhost", "Authorization: Bearer key", *headers))
    return head.encode("latin-1") + b"\r\n\r\n" + body


JSON = "Content-Type: application/json"
ONE = b'{"data": 1}'
PUBLISH = f"POST {EVENTS}"


ODD_REQUESTS: list[tuple[bytes, int, str | None]] = [
    (request_bytes(PUBLISH, JSON, f"Content-Length: {len(ONE)}", body=ONE), 200, None),
    (request_bytes(PUBLISH, JSON, f"Content-Length: {len(ONE)}", "Expect: 100-continue", body=ONE), 200, None),
    (request_bytes(PUBLISH, JSON, "Transfer-Encoding: chunked", body=b"b\r\n" + ONE + b"\r\n0\r\n\r\n"), 200, None),
    (request_bytes(PUBLISH, JSON, "Content-Length: 14", body=b"\xef\xbb\xbf" + ONE), 200, None),
    (request_bytes(PUBLISH, JSON, "Content-Length: 22", body=b'{"data": 1, "data": 2}'), 200, None),
    (request_bytes("POST /v1/rooms/match%3A1/events", JSON, "Content-Length: 11", body=ONE), 200, None),
    (request_bytes(PUBLISH, JSON), 400, "bad_body"),
    (request_bytes(PUBLISH, JSON, "Content-Length: 2", body=b"\xff\xfe"), 400, "bad_body"),
    (request_bytes(PUBLISH, JSON, f"Content-Length: {BODY_BYTES_MAX + 1}"), 413, "too_large"),
    (request_bytes(PUBLISH, JSON, f"Content-Length: {1 << 40}", "Expect: 100-continue"), 413, "too_large"),
    (request_bytes(PUBLISH, "Content-Length: 11", body=ONE), 415, "not_json_type"),
    (request_bytes(PUBLISH, "Content-Type: application/json-patch+json"), 415, "not_json_type"),
    (
        request_bytes(PUBLISH, JSON, "Content-Encoding: gzip", "Content-Length: 2", body=b"\x1f\x8b"),
        415,
        "not_json_type",
    ),
    (request_bytes(PUBLISH, JSON, "Content-Encoding: identity", "Content-Length: 11", body=ONE), 200, None),
    (request_bytes(PUBLISH, "Content-Type:application/json, text/plain"), 415, "not_json_type"),
    (request_bytes(PUBLISH + "/", JSON, "Content-Length: 11", body=ONE), 405, "method_not_allowed"),
    (request_bytes("POST /v1/rooms//events", JSON, "Content-Length: 11", body=ONE), 400, "bad_room"),
    (request_bytes("POST //v1/rooms/match:1/events", JSON, "Content-Length: 11", body=ONE), 404, "not_found"),
    (
        request_bytes("POST /v1/rooms/match:1%2Fevents", JSON, "Content-Length: 11", body=ONE),
        405,
        "method_not_allowed",
    ),
    (request_bytes("GET /v1/rooms/match:1%2Fevents"), 404, "room_unknown"),
    (request_bytes("GET /v1/rooms/match:1/"), 404, "room_unknown"),
    (request_bytes("GET /v1/rooms/match:%ff"), 400, "bad_room"),
    (request_bytes("GET /v1/rooms/match:%zz"), 404, "room_unknown"),
    (request_bytes("GET /v1/rooms/match:%00"), 400, "bad_room"),
    (request_bytes("GET /v1/rooms/match:" + "a" * 10_000), 400, "bad_room"),
    (request_bytes("GET /healthz/"), 404, "not_found"),
    (request_bytes("GET /"), 307, None),
    (request_bytes("OPTIONS /v1/rooms/match:1"), 405, "method_not_allowed"),
    (request_bytes("HEAD /v1/rooms/match:1"), 404, None),
    (request_bytes("HEAD /readyz"), 200, None),
    (request_bytes("FOO /readyz"), 405, "method_not_allowed"),
]


async def test_odd_requests_on_a_real_socket(served: tuple[Rooms, int]) -> None:
    rooms, port = served
    for sent, status, code in ODD_REQUESTS:
        rooms.published.clear()
        answered, headers, body = await exchange(port, sent)
        method, path = sent.split(b" ", 2)[:2]
        found = check(method.decode(), path.decode(), answered, headers, body)
        assert (answered, found) == (status, code), sent[:200]
        assert len(rooms.published) == (1 if method == b"POST" and status == 200 else 0)


NOT_HTTP = (
    b"nonsense\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",  # no Host
    b"POST " + EVENTS.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"POST " + EVENTS.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n1",
)


async def test_what_is_not_http_gets_400_and_a_sentence(served: tuple[Rooms, int]) -> None:
    rooms, port = served
    for head in NOT_HTTP:
        status, headers, body = await exchange(port, head)
        assert (status, headers["content-type"].partition(";")[0]) == (400, "text/plain"), head
        assert body
    assert rooms.published == []


async def test_a_body_that_stalls_is_given_up(served: tuple[Rooms, int], monkeypatch: pytest.MonkeyPatch) -> None:
    rooms, port = served
    monkeypatch.setattr(requests, "BODY_S_MAX", 0.1)
    for framing in ("Content-Length: 20", "Transfer-Encoding: chunked"):
        status, headers, body = await exchange(port, request_bytes(PUBLISH, JSON, framing))
        assert check("POST", EVENTS, status, headers, body) == "body_timeout"
        assert headers["connection"] == "close"
    assert rooms.published == []


BAD_KEYS = (
    ("", "key_missing"),
    ("Bearer", "key_missing"),
    ("Bearer  ", "key_missing"),
    ("key", "key_missing"),
    ("Basic a2V5", "key_missing"),
    ("Bearer key key", "key_wrong"),
    ("Bearer k\xe9y", "key_wrong"),
    ("Bearer " + "k" * 10_000, "key_wrong"),
)


async def test_a_bad_key_publishes_nothing(served: tuple[Rooms, int]) -> None:
    rooms, port = served
    for sent, code in BAD_KEYS:
        fields = f"Host: localhost\r\n{JSON}\r\nContent-Length: 11\r\nAuthorization: {sent}\r\n"
        head = f"POST {EVENTS} HTTP/1.1\r\n{fields}\r\n"
        status, headers, body = await exchange(port, head.encode("latin-1") + ONE)
        assert check("POST", EVENTS, status, headers, body) == code, sent[:80]
    assert rooms.published == []


async def test_a_batch_with_one_bad_event_publishes_none_of_it(served: tuple[Rooms, int]) -> None:
    rooms, port = served
    good = {"data": 1}
    bad_events: tuple[Any, ...] = (
        {"data": None},
        {"data": 1, "key": ""},
        {"data": "x" * EVENT_VALUE_BYTES_MAX},
        {"key": "k"},
        [],
        None,
    )
    for bad in bad_events:
        body = json.dumps({"events": [good, bad, good]}).encode()
        status, headers, answer = await exchange(
            port, request_bytes(PUBLISH, JSON, f"Content-Length: {len(body)}", body=body)
        )
        assert check("POST", EVENTS, status, headers, answer) is not None
    assert rooms.published == []
