"""What the server's log says about clients, and what it never says."""

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import Raw

from auth.signed import SECRET
from edge.logs import BreakableLog
from edge.players import AUTH, GATED, act, bearer, player, token
from edge.streams import request, target_of
from support.log_lines import log_lines
from support.node_fixture import RunningNode, running_node
from support.waiting import eventually
from touchline_protocol import codes
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Action, Hello, Refresh, RoomRequest, Subscribe, Verdict
from touchline_protocol.verdicts import VERDICT_HEADERS, VerdictRecord, encode_verdict
from touchline_server.config.settings import Settings
from touchline_server.core.liveness import REFUSED_CONNECTIONS_MAX
from touchline_server.core.log import Entry
from touchline_server.server_log.rate_limit import LINES_PER_SECOND
from touchline_server.server_log.setup import server_log


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "touchline")


async def line(caplog: pytest.LogCaptureFixture, event: str) -> dict[str, Any]:
    """The only line of an event, as soon as it is there."""
    await eventually(lambda: bool(log_lines(caplog, event)))
    (only,) = log_lines(caplog, event)
    return dict(only)


async def test_a_client_is_logged_when_it_is_let_in_and_when_it_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    async with running_node(auth=AUTH) as node:
        async with node.client(greeted=False) as client:
            await client.send(Hello(token=token("zoe"), session="session-1", agent="app/1.0"))
            opened = await line(caplog, "connection_opened")
            address, port = client.websocket.local_address[:2]
        gone = await line(caplog, "connection_gone")
    assert (opened["player"], opened["session"], opened["agent"]) == ("zoe", "session-1", "app/1.0")
    assert opened["peer"] == f"{address}:{port}"
    assert (gone["connection"], gone["close_code"]) == (opened["connection"], 1000)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b'{"type":"subscribe","rooms":[]}', codes.HELLO_EXPECTED),
        (b'{"type":"hello","token":"x.y.z"}', codes.UNAUTHORIZED),
        (b"\xff", codes.INVALID_TEXT),
        (b'{"type":"hello","agent":"' + b"x" * 70_000 + b'"}', codes.TOO_BIG),
    ],
)
async def test_a_client_that_is_closed_is_logged_with_its_code(
    caplog: pytest.LogCaptureFixture, sent: bytes, code: codes.CloseCode
) -> None:
    async with running_node(auth=AUTH) as node, node.client(greeted=False) as client:
        await client.websocket.send(sent, text=True)
        assert await client.closed() == (code.code, client.websocket.close_reason)
        closed = await line(caplog, "connection_closed")
    assert (closed["code"], closed["close_code"]) == (code.name, code.code)
    assert not log_lines(caplog, "connection_gone")


async def test_errors_and_nacks_are_logged_with_code_room_and_player(caplog: pytest.LogCaptureFixture) -> None:
    async with running_node(auth=AUTH) as node, player(node) as (client, _):
        await client.send(Subscribe(rooms=[RoomRequest("nope:1"), RoomRequest("a-secret")]))
        await act(client, 1, room="nope:1")
        await eventually(lambda: len(log_lines(caplog, "message_refused")) == 3)
    refused = log_lines(caplog, "message_refused")
    assert [(each["code"], each["player"], each.get("room")) for each in refused] == [
        ("unknown_feed", "ada", "nope:1"),
        ("bad_room", "ada", None),
        ("action_bad_room", "ada", None),
    ]


async def test_a_message_with_many_mistakes_is_a_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    async with running_node() as node, node.client() as client:
        await client.send(Subscribe(rooms=[RoomRequest(f"nope:{number}") for number in range(50)]))
        for _ in range(50):
            await client.next()
    assert 0 < len(log_lines(caplog, "message_refused")) < LINES_PER_SECOND


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET /elsewhere HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, "not_found"),
        (b"GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n", 426, "upgrade_required"),
        (b"POST /ws HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "method_not_allowed"),
        (b"GET /ws HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431, "request_header_fields_too_large"),
        (b"GET /ws HTTP/1.1\r\nno header\r\n\r\n", 400, "bad_request"),
        (request(target_of("score:1"), {"Authorization": "Bearer x.y.z"}), 401, "token_malformed"),
        (request(target_of("score:1")), 401, "token_missing"),
        (request(target_of("nope:1"), bearer(token())), 404, "unknown_feed"),
        (request(target_of("score:1", "after=x"), bearer(token())), 400, "bad_message"),
    ],
)
async def test_a_refused_request_is_logged_once_with_status_and_code(
    caplog: pytest.LogCaptureFixture, sent: bytes, status: int, code: str
) -> None:
    async with running_node(auth=GATED) as node, node.raw() as client:
        await client.send_bytes(sent)
        assert f" {status} ".encode() in (await client.read_all()).split(b"\r\n")[0]
    refused = await line(caplog, "handshake_refused")
    assert (refused["status"], refused["code"]) == (status, code)
    assert not log_lines(caplog, "connection_gone")


async def test_a_websocket_whose_token_is_refused_in_a_header_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with running_node(auth=AUTH) as node, node.raw() as client:
        await client.request(headers=bearer(token(lasts_s=-60)))
        assert await client.status() == 401
    assert (await line(caplog, "handshake_refused"))["code"] == "token_expired"


async def test_at_the_limit_of_connections_refusals_and_the_problem_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running_node(connections_max=1) as node, node.client(), node.raw() as client:
        await client.request()
        assert await client.status() == 503
        refused = await line(caplog, "handshake_refused")
        problem = await line(caplog, "problem_began")
        full = await line(caplog, "connections_full")
    assert (refused["status"], refused["code"]) == (503, codes.UNAVAILABLE.code)
    assert problem["subject"] == "connections_max"
    assert (full["code"], full["connections"], full["connections_max"]) == ("unavailable", 2, 1)


async def test_each_connection_of_a_short_burst_beyond_the_limit_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with running_node(connections_max=1) as node, contextlib.AsyncExitStack() as stack:
        for _ in range(1 + REFUSED_CONNECTIONS_MAX):
            await stack.enter_async_context(node.raw())
        await eventually(lambda: node.node.core.connections == 1 + REFUSED_CONNECTIONS_MAX)
        async with node.raw() as cut:
            with contextlib.suppress(ConnectionError):
                assert await cut.read_all() == b""
        full = await line(caplog, "connections_full")
    assert (full["code"], full["connections"], full["connections_max"]) == ("cut", 2 + REFUSED_CONNECTIONS_MAX, 1)


async def test_tls_is_closed_at_once_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with running_node() as node, node.raw() as client:
        await client.send_bytes(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200))
        async with asyncio.timeout(Settings().handshake_timeout_s / 2):
            assert await client.read_all() == b""
        refused = await line(caplog, "tls_refused")
    assert refused["peer"]


@pytest.mark.parametrize(
    ("kind", "lines"), [("ban", ["verdict_enforced", "connection_closed"]), ("mute", ["verdict_enforced"])]
)
async def test_a_verdict_that_is_enforced_is_logged_with_its_player(
    caplog: pytest.LogCaptureFixture, kind: Any, lines: list[str]
) -> None:
    log = BreakableLog()
    async with running_node(log, auth=AUTH) as node, player(node, "zoe") as (client, _):
        await judge(node, "zoe", kind)
        assert isinstance(await client.next(), Verdict)
        for event in lines:
            await line(caplog, event)
    enforced = await line(caplog, "verdict_enforced")
    assert (enforced["player"], enforced["kind"]) == ("zoe", kind)


async def test_a_stream_is_logged_with_its_room(caplog: pytest.LogCaptureFixture) -> None:
    async with running_node() as node, node.raw() as client:
        await client.send_bytes(request(target_of("score:1")))
        assert (await line(caplog, "stream_opened"))["room"] == "score:1"


class Written:
    """What a server's log wrote to a file, with everything that it has to say."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def text(self) -> str:
        return self._path.read_text("utf-8")


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    path = tmp_path / "log"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    with server_log("console", "debug", "edge", fd=fd):
        yield Written(path)
    os.close(fd)


SECRET_TEXT = "VERY-SECRET"


@contextlib.asynccontextmanager
async def node_with_keys() -> AsyncIterator[RunningNode]:
    async with running_node(auth=AUTH, api_keys=[f"{SECRET_TEXT}-key"]) as node:
        yield node


async def test_no_token_key_or_payload_is_ever_written(written: Written) -> None:
    jwts = [token(rooms=[SECRET_TEXT]), token(lasts_s=-9), f"{SECRET_TEXT}.a.b"]
    async with node_with_keys() as node:
        for jwt in jwts:
            await try_everywhere(node, jwt)
        await try_control_plane(node)
        assert "handshake_refused" in written.text()
    text = await settled(written)
    for event in ("handshake_refused", "message_refused", "connection_opened", "connection_closed", "request_refused"):
        assert event in text
    assert SECRET_TEXT not in text
    for jwt in jwts:
        assert not [part for part in jwt.split(".") if len(part) > 5 and part in text]
    assert SECRET not in text


async def settled(written: Written) -> str:
    """The text, once the writer has caught up."""
    await eventually(lambda: "drain_finished" in written.text())
    return written.text()


async def try_everywhere(node: RunningNode, jwt: str) -> None:
    """Put a token, and other things that are nobody's business, wherever a client can put them."""
    secret = SECRET_TEXT
    head = {"Cookie": f"token={jwt}", "X-Token": jwt, "User-Agent": secret, "Referer": f"http://x/{jwt}"}
    requests = [
        request(f"/ws?token={jwt}", head),
        request(f"/{secret}/{jwt}", head),
        request(target_of("score:1", f"token={jwt}&after={secret}"), head),
        request(target_of("score:1"), head | bearer(jwt) | {"Last-Event-ID": secret}),
        request(target_of(secret), head | bearer(jwt)),
        f"GET /ws HTTP/1.1\r\n{secret} {jwt}\r\n\r\n".encode(),
        f"{secret} {jwt}\r\n\r\n".encode(),
    ]
    for sent in requests:
        async with node.raw() as client:
            await client.send_bytes(sent)
            await client.read_some()
    async with node.raw() as client:
        await client.request(headers=head | bearer(jwt) | {"Sec-WebSocket-Protocol": f"{secret}, {jwt}"})
        await client.status()
    async with node.raw() as client:
        await client.request(f"/ws?token={jwt}", head | bearer(jwt))
        await client.status()
    async with node.client(greeted=False) as client:
        await client.send(Hello(token=jwt))
        for sent in (
            JSON.encode(Refresh(token=jwt)),
            JSON.encode(Action(id=1, room="score:1", kind="tap", data=Raw(json.dumps({"x": secret}).encode()))),
            JSON.encode(Action(id=2, room=secret, kind=secret, data=Raw(json.dumps(secret).encode()))),
            JSON.encode(Subscribe(rooms=[RoomRequest(secret), RoomRequest("score:1", epoch=secret, after=1)])),
            json.dumps({"type": secret, "token": jwt}).encode(),
            json.dumps({"type": "subscribe", "rooms": secret, "x": jwt}).encode(),
            secret.encode(),
        ):
            with contextlib.suppress(Exception):
                await client.send_bytes(sent)
                await client.next()
        await client.websocket.close(reason=secret)
    async with node.client(greeted=False) as client:
        await client.websocket.send(f"{secret}{jwt}".encode(), text=False)
        await client.closed()


async def try_control_plane(node: RunningNode) -> None:
    url, key = f"http://{node.host}:{node.node.control_port}", f"{SECRET_TEXT}-key"
    async with httpx.AsyncClient(trust_env=False) as client:
        for path, headers, body in (
            ("score:1/events", {}, {"data": SECRET_TEXT}),
            ("score:1/events", {"Authorization": f"Bearer {SECRET_TEXT}-wrong"}, {"data": SECRET_TEXT}),
            ("score:1/events", {"Authorization": f"Bearer {key}"}, {"data": SECRET_TEXT}),
            ("score:1/events", {"Authorization": f"Bearer {key}"}, {SECRET_TEXT: 1}),
            ("score:1/events", {"Authorization": f"Bearer {key}"}, {"data": SECRET_TEXT, "key": SECRET_TEXT * 90}),
            (f"{SECRET_TEXT}/events?key={SECRET_TEXT}", {"Authorization": f"Bearer {key}"}, {"data": 1}),
            (f"score:1/{SECRET_TEXT}", {"Cookie": SECRET_TEXT}, {"data": 1}),
        ):
            await client.post(f"{url}/v1/rooms/{path}", headers=headers, json=body)
        await client.get(f"{url}/{SECRET_TEXT}")


async def judge(node: RunningNode, name: str, kind: Any) -> None:
    verdict = encode_verdict(VerdictRecord(kind=kind, reason="too quick"))
    await node.node.log.append("cheat-verdicts", [Entry(name.encode(), verdict, VERDICT_HEADERS)])
