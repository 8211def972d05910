"""The control plane's HTTP API, as producers and operators see it."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from control.rooms import Rooms
from support.http_contract import Contract
from support.log_lines import log_lines
from touchline_protocol.errors import OperatorError, RecordRefusal, RecordsRefused, TopicRefused
from touchline_protocol.limits import EVENT_VALUE_BYTES_MAX
from touchline_server.config.settings import Settings
from touchline_server.control.app import ControlApp
from touchline_server.control.backend import RoomState, StateEvent
from touchline_server.control.bodies import BODY_BYTES_MAX, EVENTS_PER_REQUEST_MAX
from touchline_server.core.log import AppendFailed
from touchline_server.new_events import NewEvent


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


@pytest.fixture
async def client(rooms: Rooms) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(rooms) as client:
        yield client


def client_of(rooms: Rooms, **settings: Any) -> httpx.AsyncClient:
    app = ControlApp(rooms, Settings(**settings))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    hooks = {"response": [Contract().hook]}  # whatever a test is about, its responses are documented
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", event_hooks=hooks)


async def post(client: httpx.AsyncClient, room: str, body: bytes | str, **headers: str) -> httpx.Response:
    path = f"/v1/rooms/{quote(room, safe=':')}/events"
    return await client.post(path, content=body, headers={"Content-Type": "application/json"} | headers)


def error_of(response: httpx.Response) -> tuple[int, str, str]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["message"]


async def test_health_is_ok_while_the_process_runs(client: httpx.AsyncClient, rooms: Rooms) -> None:
    rooms.problems = {"log": "away"}
    response = await client.get("/healthz")
    assert (response.status_code, response.text) == (200, "ok")


async def test_readiness_reports_problems(client: httpx.AsyncClient, rooms: Rooms) -> None:
    for path in ("/readyz", "/readyz/strict"):
        rooms.problems = {}
        response = await client.get(path)
        assert (response.status_code, response.json()) == (200, {"ready": True})
        rooms.problems = {"match-events": "the topic does not exist"}
        response = await client.get(path)
        assert response.status_code == 503
        assert response.json() == {"ready": False, "problems": rooms.problems}


@pytest.mark.parametrize(("path", "ready", "status"), [("/readyz", True, 200), ("/readyz/strict", False, 503)])
async def test_a_degraded_server_is_ready_unless_it_is_asked_strictly(
    client: httpx.AsyncClient, rooms: Rooms, path: str, ready: bool, status: int
) -> None:
    rooms.degraded = {"kafka": "no broker answers"}
    response = await client.get(path)
    assert (response.status_code, response.json()) == (status, {"ready": ready, "degraded": rooms.degraded})


async def test_one_event_is_published_with_its_bytes_unchanged(client: httpx.AsyncClient, rooms: Rooms) -> None:
    response = await post(client, "match:1", '{"data": {"b": 1.50,  "a": "ü\\u00e9"} , "key": "score"}')
    assert (response.status_code, response.json()) == (200, {"partition": 0, "offsets": [0]})
    assert rooms.published == [("match:1", NewEvent('{"b": 1.50,  "a": "ü\\u00e9"}'.encode(), "score"))]


@pytest.mark.parametrize(
    ("origin", "host", "code"),
    [
        ("http://evil.example", "127.0.0.1:8081", "origin_refused"),
        ("http://203.0.113.7", "127.0.0.1:8081", "origin_refused"),
        ("null", "127.0.0.1:8081", "origin_refused"),
        ("http://[", "127.0.0.1:8081", "origin_refused"),
        ("http://evil.example:8081", "evil.example:8081", "host_refused"),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
async def test_pages_of_the_web_cannot_publish(
    client: httpx.AsyncClient, rooms: Rooms, origin: str, host: str, code: str, content_type: str
) -> None:
    headers = {"Origin": origin, "Host": host, "Content-Type": content_type}
    refused = await post(client, "match:1", '{"data": 1}', **headers)
    assert error_of(refused)[:2] == (403, code)
    assert rooms.published == []


@pytest.mark.parametrize("host", ["localhost:8081", "127.0.0.1", "[::1]:8081", "10.1.2.3"])
async def test_a_page_of_this_machine_can_publish_without_a_key(client: httpx.AsyncClient, host: str) -> None:
    headers = {"Origin": f"http://{host}", "Host": host}
    assert (await post(client, "match:1", '{"data": 1}', **headers)).status_code == 200


@pytest.mark.parametrize("path", ["/readyz", "/readyz/strict", "/v1/rooms/match:1", "/", "/nothing"])
async def test_a_page_cannot_read_under_a_foreign_name_that_leads_here(client: httpx.AsyncClient, path: str) -> None:
    refused = await client.get(path, headers={"Host": "evil.example:8081"})
    assert error_of(refused)[:2] == (403, "host_refused")


@pytest.mark.parametrize(
    "host", ["10.1.2.3:8081", "localhost", "touchline:8081", "touchline.prod.svc.cluster.local:8081"]
)
async def test_health_checks_reach_a_server_in_a_network_by_its_address_and_by_private_names(
    rooms: Rooms, host: str
) -> None:
    async with client_of(rooms, control_host="0.0.0.0", api_keys=["k"]) as client:
        assert (await client.get("/readyz", headers={"Host": host})).status_code == 200


async def test_liveness_can_be_asked_under_any_name(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz", headers={"Host": "edge-1.example.org"})).status_code == 200


async def test_producers_may_use_any_name_since_only_browsers_send_an_origin(client: httpx.AsyncClient) -> None:
    assert (await post(client, "match:1", '{"data": 1}', Host="touchline.example.org:8081")).status_code == 200


async def test_listed_hosts_are_served(rooms: Rooms) -> None:
    async with client_of(rooms, hosts=["*.Example.org"]) as client:
        assert (await client.get("/readyz", headers={"Host": "edge-1.example.org:8081"})).status_code == 200
        assert (await client.get("/readyz", headers={"Host": "example.com"})).status_code == 403


async def test_several_events_are_published_in_order(client: httpx.AsyncClient, rooms: Rooms) -> None:
    body = '{"events": [{"data": 1}, {"data": "two", "key": "k"}, {"data": null, "key": "k"}]}'
    response = await post(client, "score:1", body)
    assert response.json() == {"partition": 0, "offsets": [0, 1, 2]}
    assert [event for _, event in rooms.published] == [NewEvent(b"1"), NewEvent(b'"two"', "k"), NewEvent(None, "k")]


@pytest.mark.parametrize("room_id", ["a/b", "x/events", "50%", "Zürich", "a:b", "a?b#c", "..", "%2F", "match-1.2_3"])
async def test_room_ids_with_odd_characters_arrive_as_they_are(
    client: httpx.AsyncClient, rooms: Rooms, room_id: str
) -> None:
    room = f"match:{room_id}"
    assert (await post(client, room, '{"data": 1}')).status_code == 200
    assert rooms.published[0][0] == room
    rooms.rooms[room] = RoomState("e-0", 4, [], 0, state_complete=True)
    response = await client.get(f"/v1/rooms/{quote(room, safe='')}")
    assert response.json()["room"] == room


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    ),
    st.booleans(),
    st.sampled_from([None, 2]),
)
async def test_any_json_value_is_published_as_it_was_written(value: Any, ascii_only: bool, indent: int | None) -> None:
    rooms = Rooms()
    written = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    async with client_of(rooms) as client:
        assert (await post(client, "match:1", f'{{"key": "k", "data": {written}}}')).status_code == 200
    [(_, event)] = rooms.published
    assert event.value == (None if value is None else written.encode())


@pytest.mark.parametrize(
    ("body", "status", "code", "named"),
    [
        ("", 400, "bad_body", "JSON"),
        ('{"data": 1', 400, "bad_body", "JSON"),
        ('{"data": {"a": tru}}', 400, "bad_body", "byte 16"),
        ("[]", 400, "bad_body", "data"),
        ("{}", 400, "bad_body", "data"),
        ('{"events": []}', 400, "bad_body", "data"),
        ('{"events": [{"key": "k"}]}', 400, "bad_body", "`$.events[0]`"),
        ('{"data": 1, "events": [{"data": 1}]}', 400, "bad_body", "data"),
        ('{"data": 1, "keys": "k"}', 400, "bad_body", "`keys`"),
        ('{"data": 1, "key": 7}', 400, "bad_body", "`$.key`"),
        ('{"data": null}', 400, "null_without_key", "null"),
        ('{"events": [{"data": 1}, {"data": null}]}', 400, "null_without_key", "event 1"),
        ('{"data": 1, "key": ""}', 400, "bad_event_key", "key"),
        ('{"data": 1, "key": "' + "k" * 129 + '"}', 400, "bad_event_key", "k" * 80),
        (b'{"data": "\xff"}', 400, "not_json", "UTF-8"),
        (b"\xff\xfe{\0}\0", 400, "bad_body", "UTF-16"),
        ('{"data": ' + "[" * 257 + "]" * 257 + "}", 400, "too_deep", "256"),
        ('{"data": ' + "[" * 100_000 + "]" * 100_000 + "}", 400, "bad_body", "body"),
        ('{"data": "' + "x" * EVENT_VALUE_BYTES_MAX + '"}', 413, "too_large", str(EVENT_VALUE_BYTES_MAX)),
        (
            '{"events": [' + ",".join(['{"data": 1}'] * (EVENTS_PER_REQUEST_MAX + 1)) + "]}",
            413,
            "too_large",
            str(EVENTS_PER_REQUEST_MAX),
        ),
        (" " * BODY_BYTES_MAX + '{"data": 1}', 413, "too_large", str(BODY_BYTES_MAX)),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, str | bytes) else str(value),
)
async def test_an_invalid_body_is_refused_as_a_whole(
    client: httpx.AsyncClient, rooms: Rooms, body: bytes | str, status: int, code: str, named: str
) -> None:
    response = await post(client, "match:1", body)
    assert error_of(response)[:2] == (status, code)
    assert named in error_of(response)[2]
    assert rooms.published == []


async def test_a_body_of_unknown_length_is_not_read_beyond_the_limit(client: httpx.AsyncClient, rooms: Rooms) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65536

    response = await client.post(
        "/v1/rooms/match:1/events", content=endless(), headers={"Content-Type": "application/json"}
    )
    assert error_of(response)[:2] == (413, "too_large")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_content_types_that_foreign_pages_can_send_are_refused(
    client: httpx.AsyncClient, rooms: Rooms, content_type: str
) -> None:
    response = await post(client, "match:1", '{"data": 1}', **{"Content-Type": content_type})
    assert error_of(response)[:2] == (415, "not_json_type")
    assert "application/json" in error_of(response)[2]
    assert rooms.published == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("match", 400, "bad_room"),
        ("match:", 400, "bad_room"),
        ("Match:1", 400, "bad_room"),
        ("match:%20", 400, "bad_room"),
        ("match:%FF", 400, "bad_room"),
        ("match:" + "x" * 129, 400, "bad_room"),
        ("goals:1", 404, "unknown_feed"),
    ],
)
async def test_an_invalid_room_is_refused(
    client: httpx.AsyncClient, rooms: Rooms, path: str, status: int, code: str
) -> None:
    posted = await client.post(f"/v1/rooms/{path}/events", json={"data": 1})
    assert error_of(posted)[:2] == (status, code)
    assert error_of(await client.get(f"/v1/rooms/{path}"))[:2] == (status, code)
    assert rooms.published == []


async def test_publishing_needs_one_of_the_keys(rooms: Rooms) -> None:
    async with client_of(rooms, api_keys=["first", "sécond", "voilà"]) as client:
        missing = await post(client, "match:1", '{"data": 1}')
        assert error_of(missing)[:2] == (401, "key_missing")
        assert missing.headers["WWW-Authenticate"] == "Bearer"
        for wrong in ("Basic first", "Bearer", "first"):
            assert (await post(client, "match:1", '{"data": 1}', Authorization=wrong)).status_code == 401
        refused = await post(client, "match:1", '{"data": 1}', Authorization="Bearer firs")
        assert error_of(refused)[:2] == (403, "key_wrong")
        assert rooms.published == []
        for right in (b"Bearer first", "bearer sécond".encode(), "Bearer  voilà\t".encode()):
            headers = {b"Authorization": right, b"Content-Type": b"application/json"}
            response = await client.post("/v1/rooms/match:1/events", content=b'{"data": 1}', headers=headers)
            assert response.status_code == 200
    assert len(rooms.published) == 3


async def test_an_unavailable_log_is_a_503_with_the_number_written_and_a_retry_time(
    client: httpx.AsyncClient, rooms: Rooms
) -> None:
    rooms.failure = AppendFailed("no broker answers", written=1)
    response = await post(client, "match:1", '{"events": [{"data": 1}, {"data": 2}]}')
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert response.json()["error"] == {"code": "unavailable", "message": "no broker answers", "written": 1}


@pytest.mark.parametrize(("is_too_large", "status", "code"), [(True, 413, "too_large"), (False, 422, "event_refused")])
async def test_an_event_that_the_log_refuses_is_not_to_be_sent_again(
    client: httpx.AsyncClient, rooms: Rooms, is_too_large: bool, status: int, code: str
) -> None:
    rooms.failure = RecordsRefused("match-events", {1: RecordRefusal(is_too_large, "it is what it is")}, written=1)
    response = await post(client, "match:1", '{"events": [{"data": 1}, {"data": 2}]}')
    assert error_of(response)[:2] == (status, code)
    assert response.json()["error"]["written"] == 1
    assert "Retry-After" not in response.headers


async def test_a_topic_that_the_log_refuses_is_a_503_that_names_no_time(
    client: httpx.AsyncClient, rooms: Rooms
) -> None:
    rooms.failure = TopicRefused("this user may not use that topic")
    response = await post(client, "match:1", '{"data": 1}')
    assert error_of(response)[:2] == (503, "topic_refused")
    assert "Retry-After" not in response.headers


async def test_a_missing_topic_is_a_503_and_nothing_is_written(client: httpx.AsyncClient, rooms: Rooms) -> None:
    rooms.failure = OperatorError("the topic match-events does not exist")
    response = await post(client, "match:1", '{"data": 1}')
    assert error_of(response) == (503, "unavailable", "the topic match-events does not exist")
    assert response.json()["error"]["written"] == 0
    assert error_of(await client.get("/v1/rooms/match:1"))[0] == 503


async def test_a_rooms_state_has_the_published_bytes(client: httpx.AsyncClient, rooms: Rooms) -> None:
    rooms.rooms["score:1"] = RoomState(
        "e-0",
        9,
        [StateEvent("score", 7, 1_700_000_000_000, b'{"home": 1.0}')],
        3,
        state_complete=False,
        viewers_complete=False,
    )
    response = await client.get("/v1/rooms/score:1")
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {
        "room": "score:1",
        "epoch": "e-0",
        "head": 9,
        "viewers": 3,
        "viewers_complete": False,
        "state_complete": False,
        "state": [{"key": "score", "offset": 7, "ts": 1_700_000_000_000, "data": {"home": 1}}],
    }
    assert '"data":{"home": 1.0}' in response.text


async def test_a_room_without_events_is_not_found(client: httpx.AsyncClient) -> None:
    assert error_of(await client.get("/v1/rooms/match:1"))[:2] == (404, "room_unknown")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1/rooms", 404),
        ("POST", "/healthz", 405),
        ("PUT", "/v1/rooms/match:1", 405),
        ("POST", "/v1/rooms/match:1", 405),
        ("GET", "/v1/rooms/match:1/events", 405),
    ],
)
async def test_wrong_paths_and_methods_are_answered_in_json(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    response = await client.request(method, path)
    assert error_of(response)[0] == status
    assert status != 405 or response.headers["Allow"]


async def test_a_bug_is_answered_without_its_details(client: httpx.AsyncClient, rooms: Rooms) -> None:
    rooms.failure = RuntimeError("a secret detail")
    response = await client.get("/v1/rooms/match:1")
    assert error_of(response)[:2] == (500, "internal_error")
    assert "secret" not in response.text


async def test_the_root_leads_to_the_operators_page(rooms: Rooms) -> None:
    transport = httpx.ASGITransport(ControlApp(rooms, Settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", follow_redirects=True) as client:
        response = await client.get("/")
    assert response.status_code == 200
    assert response.url.path == "/ui/"


async def test_extra_routes_are_served_besides_the_api(rooms: Rooms) -> None:
    async def page(_: Request) -> Response:
        return PlainTextResponse("the page")

    app = ControlApp(rooms, Settings(), extra_routes=[Route("/", page)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        assert (await client.get("/")).text == "the page"
        assert (await client.get("/healthz")).text == "ok"


@pytest.mark.parametrize(
    ("path", "code", "room"), [("nope:1", "unknown_feed", "nope:1"), ("a-secret", "bad_room", None)]
)
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("POST", "/events")])
async def test_the_line_of_a_refused_request_has_a_valid_rooms_name_and_no_other(
    client: httpx.AsyncClient,
    caplog: pytest.LogCaptureFixture,
    path: str,
    code: str,
    room: str | None,
    method: str,
    rest: str,
) -> None:
    caplog.set_level("DEBUG", "touchline")
    await client.request(method, f"/v1/rooms/{path}{rest}", json={"data": 1})
    (line,) = log_lines(caplog, "request_refused")
    assert (line["code"], line["room"]) == (code, room)
