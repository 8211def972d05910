"""The reference of the control plane: valid, current, complete, and true of a server's real responses."""

import asyncio
import json
import re
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
from openapi_spec_validator import validate

from control.rooms import Rooms
from support.http_contract import CONTROL_PATHS, DOCUMENT, Contract, schema_validator
from support.node_fixture import running_node
from touchline_protocol import limits
from touchline_protocol.errors import OperatorError, RecordRefusal, RecordsRefused, TopicRefused
from touchline_protocol.limits import EVENT_VALUE_BYTES_MAX
from touchline_server.config.settings import Settings
from touchline_server.control import bodies, connection
from touchline_server.control.app import ControlApp
from touchline_server.control.backend import ImpossibleRequest, RoomState, StateEvent
from touchline_server.control.openapi import STREAM_REFUSALS
from touchline_server.control.operations import DRAIN_PATH, KICK_PATH, OPERATIONS
from touchline_server.control.refusals import REFUSALS
from touchline_server.control.server import ControlServer
from touchline_server.node.sockets import bind

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "http-api.md").read_text("utf-8")
EVENTS = "/v1/rooms/match:1/events"
JSON = {"Content-Type": "application/json"}


def test_the_document_follows_openapi() -> None:
    validate(DOCUMENT)


def test_the_copy_among_the_documents_is_current() -> None:
    copy = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
    assert copy == DOCUMENT, "make openapi writes it again"


def table(title: str) -> list[list[str]]:
    """The rows of the table under a heading of docs/http-api.md."""
    section = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert section
    rows = [row.strip("|").split(" | ") for row in section[1].splitlines() if row.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_the_readable_reference_has_every_operation() -> None:
    assert table("Requests") == [
        [f"`{each.method} {each.path}`", each.summary, ", ".join(str(answer.status) for answer in each.answers)]
        for each in OPERATIONS
    ]


def test_the_readable_reference_shows_a_rooms_state_with_each_member() -> None:
    (example,) = re.findall(r'^{"room":.*$', REFERENCE, re.MULTILINE)
    shown = msgspec.json.decode(example, type=bodies.RoomBody)
    members = [name for row in table("The state of a room") for name in re.findall(r"`(\w+)`", row[0])]
    assert {"room", *members} == set(shown.__struct_fields__) == msgspec.json.decode(example).keys()


async def test_the_commands_of_the_readable_reference_work() -> None:
    commands = re.findall(r"^```sh\n(.*?)\n^```", REFERENCE, re.MULTILINE | re.DOTALL)
    async with running_node() as node:
        await node.publish("score:15946", {"home": 1, "away": 0}, key="score")
        answers = []
        for command in commands:
            here = command.replace("127.0.0.1:8081", f"{node.host}:{node.node.control_port}")
            process = await asyncio.create_subprocess_shell(f"{here} --silent --noproxy '*'", stdout=PIPE)
            answers.append(json.loads((await process.communicate())[0]))
    assert [answer.keys() for answer in answers] == [
        {"partition", "offsets"},
        {"room", "epoch", "head", "viewers", "viewers_complete", "state_complete", "state"},
    ]


def test_the_readable_reference_has_every_error() -> None:
    assert table("Errors") == [[str(int(each.status)), f"`{each.code}`", each.meaning, each.then] for each in REFUSALS]


def test_the_readable_reference_has_the_limits() -> None:
    named = {
        name: value for module in (bodies, connection, limits) for name, value in vars(module).items() if name.isupper()
    }
    rows = table("Limits")
    assert rows
    for name, value, _ in rows:
        assert str(named[name.strip("`")]) == value


def test_the_errors_of_a_stream_are_those_of_the_specification() -> None:
    text = (ROOT / "protocol" / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)`[^|]*\|", text[text.index("## Server-sent events") :], re.MULTILINE)
    documented = {(int(status), code) for status, code in rows if status != "405"}
    described = {(status, code) for status, of_status in STREAM_REFUSALS.items() for code in of_status}
    tokens = {(401, code) for status, code in described if code.startswith("token_")}
    assert documented - tokens == described - tokens


REFUSED = RecordRefusal(is_too_large=False, why="it is too old")
EXAMPLES: list[tuple[int, str, str, bytes, dict[str, str], Exception | None]] = [
    (400, "bad_room", "/v1/rooms/match/events", b'{"data":1}', JSON, None),
    (400, "bad_body", EVENTS, b"{", JSON, None),
    (400, "bad_event_key", EVENTS, b'{"data":1,"key":""}', JSON, None),
    (400, "null_without_key", EVENTS, b'{"data":null}', JSON, None),
    (400, "not_json", EVENTS, b'{"data":"\xff"}', JSON, None),
    (400, "too_deep", EVENTS, b'{"data":' + b"[" * 300 + b"]" * 300 + b"}", JSON, None),
    (401, "key_missing", EVENTS, b'{"data":1}', JSON | {"Authorization": ""}, None),
    (403, "key_wrong", EVENTS, b'{"data":1}', JSON | {"Authorization": "Bearer wrong"}, None),
    (403, "origin_refused", EVENTS, b'{"data":1}', JSON | {"Origin": "https://evil.example"}, None),
    (
        403,
        "host_refused",
        EVENTS,
        b'{"data":1}',
        JSON | {"Host": "evil.example", "Origin": "http://evil.example"},
        None,
    ),
    (404, "unknown_feed", "/v1/rooms/goals:1/events", b'{"data":1}', JSON, None),
    (413, "too_large", EVENTS, b'{"data":"' + b"x" * EVENT_VALUE_BYTES_MAX + b'"}', JSON, None),
    (415, "not_json_type", EVENTS, b'{"data":1}', {"Content-Type": "text/plain"}, None),
    (422, "event_refused", EVENTS, b'{"data":1}', JSON, RecordsRefused("t", {0: REFUSED}, written=0)),
    (500, "internal_error", EVENTS, b'{"data":1}', JSON, RuntimeError("a bug")),
    (503, "unavailable", EVENTS, b'{"data":1}', JSON, OperatorError("away")),
    (503, "topic_refused", EVENTS, b'{"data":1}', JSON, TopicRefused("no")),
]
"""A request, or a failure of the log, for every error of publishing: status, code, path, body, headers, failure."""


class Server:
    """A control plane on a real socket, whose responses are held to the document."""

    def __init__(self, rooms: Rooms, contract: Contract, client: httpx.AsyncClient) -> None:
        self.rooms = rooms
        self.contract = contract
        self.client = client


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    rooms, contract = Rooms(), Contract()
    app = ControlApp(rooms, Settings(api_keys=["key"]))
    control = ControlServer(app, bind("the control plane", "127.0.0.1", 0))
    await control.start()
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{control.port}",
        headers={"Authorization": "Bearer key"},
        event_hooks={"response": [contract.hook]},
    ) as client:
        yield Server(rooms, contract, client)
    await control.stop()


async def test_publishing_has_each_of_its_errors(server: Server) -> None:
    for status, code, path, body, headers, failure in EXAMPLES:
        server.contract.seen.clear()
        server.rooms.failure = failure
        await server.client.post(path, content=body, headers=headers)
        assert server.contract.seen == {("publish", status, code)}
    assert server.rooms.published == []


def test_every_error_of_publishing_has_an_example() -> None:
    publish = next(each for each in OPERATIONS if each.name == "publish")
    elsewhere = {"incomplete", "body_timeout"}  # other tests have them
    documented = {(each.status, each.code) for each in publish.refusals if each.code not in elsewhere}
    assert {(status, code) for status, code, *_ in EXAMPLES} == documented


async def test_every_other_operation_answers_as_documented(server: Server) -> None:
    rooms, client = server.rooms, server.client
    state = [StateEvent("score", 7, 1_700_000_000_000, b'{"home": 1.0}')]
    rooms.rooms["match:1"] = RoomState("Kx3-0-4", 9, state, 3, state_complete=False)
    for path in (
        "/healthz",
        "/readyz",
        "/readyz/strict",
        "/metrics",
        "/v1/status",
        "/v1/openapi.json",
        "/v1/rooms/match:1",
    ):
        for method in ("GET", "HEAD"):
            assert (await client.request(method, path)).status_code == 200
    assert (await client.get("/v1/openapi.json")).json() == DOCUMENT
    await client.post(EVENTS, json={"events": [{"data": 1}, {"data": None, "key": "k"}]})
    rooms.problems, rooms.degraded = {"edge": "it drains"}, {"kafka": "away"}
    for path in ("/readyz", "/readyz/strict"):
        assert (await client.get(path)).status_code == 503
    for path in ("/v1/rooms/match", "/v1/rooms/goals:1", "/v1/rooms/match:2"):
        await client.get(path)
    for status, query, key in ((200, "?by=worker", "key"), (400, "?by=room", "key"), (401, "", ""), (403, "", "wrong")):
        response = await client.get(f"/metrics{query}", headers={"Authorization": key and f"Bearer {key}"})
        assert response.status_code == status
    for status, key in ((401, ""), (403, "wrong")):
        assert (
            await client.get("/v1/status", headers={"Authorization": key and f"Bearer {key}"})
        ).status_code == status
    for path in ("/readyz", "/readyz/strict", "/metrics", "/v1/status", "/v1/openapi.json", "/v1/rooms/match:1"):
        assert (await client.get(path, headers={"Host": "evil.example"})).status_code == 403
    for failure in (OperatorError("away"), RuntimeError("a bug")):
        rooms.failure = failure
        await client.get("/v1/rooms/match:1")
    documented = {
        (each.name, status)
        for each in OPERATIONS
        for status in (*(answer.status for answer in each.answers), *(refusal.status for refusal in each.refusals))
        if each.name not in {"publish", "kick", "drain"}
    }
    of_a_bug = {(name, 500) for name in ("readiness", "strictReadiness", "metrics", "status")}
    seen = {(name, status) for name, status, _ in server.contract.seen}
    assert seen == (documented - of_a_bug) | {("publish", 200)}


OPERATORS: list[tuple[int, str, bytes, dict[str, str], Exception | None]] = [
    (200, "", b'{"player":"ada","seconds":5,"reason":"why"}', JSON, None),
    (202, "", b'{"worker":"edge/1"}', JSON, None),
    (400, "bad_body", b'{"name":"ada"}', JSON, None),
    (401, "key_missing", b"{}", JSON | {"Authorization": ""}, None),
    (403, "key_wrong", b"{}", JSON | {"Authorization": "Bearer other"}, None),
    (403, "origin_refused", b"{}", JSON | {"Origin": "https://evil.example"}, None),
    (403, "host_refused", b"{}", JSON | {"Host": "evil.example", "Origin": "http://evil.example"}, None),
    (404, "worker_unknown", b'{"worker":"edge/9"}', JSON, ImpossibleRequest("worker_unknown", "no")),
    (409, "players_unknown", b'{"player":"ada"}', JSON, ImpossibleRequest("players_unknown", "no")),
    (409, "verdict_stands", b'{"player":"ada"}', JSON, ImpossibleRequest("verdict_stands", "no")),
    (409, "single_process", b'{"worker":"edge/1"}', JSON, ImpossibleRequest("single_process", "no")),
    (409, "worker_not_serving", b'{"worker":"edge/1"}', JSON, ImpossibleRequest("worker_not_serving", "no")),
    (409, "last_worker", b'{"worker":"edge/1"}', JSON, ImpossibleRequest("last_worker", "no")),
    (413, "too_large", b'{"player":"' + b"x" * bodies.BODY_BYTES_MAX + b'"}', JSON, None),
    (415, "not_json_type", b"{}", {"Content-Type": "text/plain"}, None),
    (500, "internal_error", b'{"player":"ada"}', JSON, RuntimeError("a bug")),
    (500, "internal_error", b'{"worker":"edge/1"}', JSON, RuntimeError("a bug")),
    (503, "unavailable", b'{"player":"ada"}', JSON, OperatorError("away")),
    (503, "topic_refused", b'{"player":"ada"}', JSON, TopicRefused("no")),
]
"""A request of an operator for every answer. Those without a player or a worker apply to kicking and to draining."""


async def test_kicking_and_draining_answer_as_documented(server: Server) -> None:
    for status, code, body, headers, failure in OPERATORS:
        server.rooms.failure = failure
        for name, path, subject in (("kick", KICK_PATH, b"player"), ("drain", DRAIN_PATH, b"worker")):
            if subject in body or not (b"player" in body or b"worker" in body):
                server.contract.seen.clear()
                response = await server.client.post(path, content=body, headers=headers)
                assert server.contract.seen == {(name, status, code or None)}, response.text
    assert server.rooms.kicks == [("ada", 5, "why")]
    assert server.rooms.drained == ["edge/1"]


def test_every_answer_to_an_operator_has_an_example() -> None:
    documented = {
        (each.status, each.code) for one in OPERATIONS if one.name in {"kick", "drain"} for each in one.refusals
    }
    elsewhere = {(400, "incomplete"), (408, "body_timeout")}  # as for publishing
    assert {(status, code) for status, code, *_ in OPERATORS if code} == documented - elsewhere


async def test_a_player_has_a_name_and_a_kick_an_end(server: Server) -> None:
    for kick in (
        {"player": ""},
        {"player": "x" * 200},
        {"player": "ada", "seconds": 0},
        {"player": "ada", "seconds": 86_401},
    ):
        response = await server.client.post(KICK_PATH, json=kick)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_body")
    assert server.rooms.kicks == []


async def test_a_stream_begins_as_documented() -> None:
    described = DOCUMENT["paths"]["/v1/rooms/{room}/events"]["get"]["responses"]
    async with running_node() as node, httpx.AsyncClient(base_url=f"http://{node.host}:{node.port}") as client:
        for status, path, headers in (
            (200, "/v1/rooms/score:1/events", {}),
            (400, "/v1/rooms/score/events", {}),
            (400, "/v1/rooms/score:1/events?last=x", {}),
            (404, "/v1/rooms/goals:1/events", {}),
            (403, "/v1/rooms/score:1/events", {"Origin": "https://evil.example"}),
            (403, "/v1/rooms/score:1/events", {"Host": "evil.example"}),
        ):
            async with client.stream("GET", path, headers=headers) as response:
                assert response.status_code == status
                assert response.headers["content-type"] in described[str(status)]["content"]
                if status != 200:
                    schema = described[str(status)]["content"]["application/json"]["schema"]
                    schema_validator(schema).validate(json.loads(await response.aread()))


def test_no_path_of_the_control_port_has_an_operation_that_is_not_described() -> None:
    assert {(method.upper(), path) for path, item in CONTROL_PATHS.items() for method in item} == {
        (each.method, each.path) for each in OPERATIONS
    }
