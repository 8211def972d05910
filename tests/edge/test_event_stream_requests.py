"""Requests for server-sent events: which forms are accepted, and how others are refused."""

import asyncio
from typing import Any

import pytest

from edge.logs import TOPIC, ScriptedLog
from edge.streams import ROOM, Response, Stream, request, response_to, stream, target_of
from support.node_fixture import RunningNode, running_node
from support.waiting import eventually
from touchline_protocol import codes
from touchline_protocol.messages import Error, Event, Subscribed
from touchline_server.core.log import TopicMissing


@pytest.mark.parametrize("room_id", ["a/b", "a/../b", "..", "x:y.z", "é✓", "%41+?#&=", "a/events"])
async def test_any_room_name_works_when_percent_encoded(node: RunningNode, room_id: str) -> None:
    room = f"match:{room_id}"
    async with stream(node, room) as watching:
        assert (await watching.expect(Subscribed)).room == room
        await node.publish(room, 1)
        assert (await watching.expect(Event)).room == room


@pytest.mark.parametrize("target", ["/v1/rooms/score:1/events", "http://live.example/v1/rooms/score:1/events?x=y"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_request_may_have_a_whole_url_use_http_1_0_and_arrive_byte_by_byte(
    node: RunningNode, target: str, version: str
) -> None:
    async with node.raw() as client:
        for byte in request(target, version=version):
            await client.send_bytes(bytes([byte]))
            await asyncio.sleep(0)  # so that the edge reads each byte separately
        assert await client.status() == 200
        await Stream(client).expect(Subscribed)


async def test_bytes_after_the_request_are_ignored(node: RunningNode) -> None:
    async with node.raw() as client:
        await client.send_bytes(request(target_of()) + request("/v1/rooms/score:2/events") + b"\x81\x85abc")
        assert await client.status() == 200
        watching = Stream(client)
        assert (await watching.expect(Subscribed)).room == ROOM
        await client.send_bytes(b'{"type":"unsubscribe","rooms":["score:1"]}' * 1_000)
        await node.publish(ROOM, 1)
        assert (await watching.expect(Event)).data == 1
    await eventually(lambda: node.node.core.connections == 0)


async def refusal(node: RunningNode, target: str, **headers: str) -> Response:
    return await response_to(node, request(target, {name.replace("_", "-"): value for name, value in headers.items()}))


@pytest.mark.parametrize(
    ("target", "headers", "status", "code"),
    [
        ("/v1/rooms/score/events", {}, 400, "bad_room"),
        ("/v1/rooms/events", {}, 400, "bad_room"),
        ("/v1/rooms//events", {}, 400, "bad_room"),
        ("/v1/rooms/score:a%20b/events", {}, 400, "bad_room"),
        ("/v1/rooms/score:%0Adata/events", {}, 400, "bad_room"),
        ("/v1/rooms/score:%ff/events", {}, 400, "bad_message"),
        ("/v1/rooms/chat:1/events", {}, 404, "unknown_feed"),
        (target_of(query="last=x"), {}, 400, "bad_message"),
        (target_of(query="last=-1"), {}, 400, "bad_message"),
        (target_of(query="last=1001"), {}, 400, "bad_message"),
        (target_of(query="last=1&last=2"), {}, 400, "bad_message"),
        (target_of(query="last=%2B1"), {}, 400, "bad_message"),
        (target_of(query="last=null"), {}, 400, "bad_message"),
        (target_of(query="occupancy=TRUE"), {}, 400, "bad_message"),
        (target_of(query="occupancy=1"), {}, 400, "bad_message"),
        (target_of(query="members="), {}, 400, "bad_message"),
        (target_of(query="deliver=null"), {}, 400, "bad_message"),
        (target_of(query="deliver=newest"), {}, 400, "bad_message"),
        (target_of(query="after=7"), {}, 400, "bad_message"),
        (target_of(query="after=%ff"), {}, 400, "bad_message"),
        (target_of(), {"Origin": "https://other.example"}, 403, "origin_refused"),
        (target_of(), {"Host": "evil.example:8080"}, 403, "host_refused"),
        (target_of(), {"Host": "evil.example", "Origin": "http://evil.example:8080"}, 403, "host_refused"),
    ],
)
async def test_an_invalid_request_is_refused_with_a_status_and_a_code(
    node: RunningNode, target: str, headers: dict[str, Any], status: int, code: str
) -> None:
    answer = await refusal(node, target, **headers)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.headers["content-length"] == str(len(answer.body))
    assert node.node.core.hub.rooms == {} or all(room.members == 0 for room in node.node.core.hub.rooms.values())
    await eventually(lambda: node.node.core.connections == 0)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_other_methods_are_not_allowed(node: RunningNode, method: str) -> None:
    answer = await response_to(node, request(target_of(), method=method))
    assert (answer.status, answer.headers["allow"]) == (405, "get, options")
    assert answer.error["code"] == "method_not_allowed"


@pytest.mark.parametrize("target", [target_of(), target_of("chat:1"), "/ws", "/nothing"])
async def test_the_response_to_head_has_no_body(node: RunningNode, target: str) -> None:
    answer = await response_to(node, request(target, method="HEAD"))
    assert answer.status >= 400
    assert answer.body == b""


@pytest.mark.parametrize(
    "sent",
    [
        request(target_of(), {"Content-Length": "12"}, "POST") + b'{"data": 12}',
        request(target_of(), {"Transfer-Encoding": "chunked"}, "POST") + b"2\r\n{}\r\n0\r\n\r\n",
        b"GET /v1/rooms/match:\xc3\xa9/events HTTP/1.1\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET /ws\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /ws HTTP/1.1\nHost: x\n\n",
    ],
    ids=["body", "chunks", "not ascii", "http/2", "http/0.9", "header", "line feeds"],
)
async def test_malformed_http_gets_a_response_in_plain_text(node: RunningNode, sent: bytes) -> None:
    for pieces in ([sent], [*(bytes([byte]) for byte in sent[:20]), sent[20:]]):
        answer = await response_to(node, *pieces)
        assert answer.status == 400
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.body.endswith(b"\n")
        assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\r\n", b"hello\r\n\r\n", b"EHLO\r\n"])
async def test_bytes_that_are_not_http_get_no_response(node: RunningNode, sent: bytes) -> None:
    assert (await response_to(node, sent)).status == 0


FOREIGN_IDS = [
    "42",
    "5f0c8b1e-8c1f-4a55-9c7e-0b9e0f6f3a11",
    '[{"topic":"eqiad.mediawiki","partition":0,"offset":-1}]',
    "nonsense.",
    "a.1\r\nLast-Event-ID: a.2",
    "a.99999999999999999999",
    "\u00e9.1",
    "b.7",
]
"""Ids that a browser sends because another server had the address before: all of these, the last in our own form."""


@pytest.mark.parametrize("last_event_id", FOREIGN_IDS)
@pytest.mark.parametrize("query", ["", "last=1&after="])
async def test_an_event_source_with_an_id_of_another_server_starts_over(
    node: RunningNode, last_event_id: str, query: str
) -> None:
    await node.publish(ROOM, "old", key="k")
    async with stream(node, query=query, last_event_id=last_event_id) as watching:
        begun = await watching.expect(Subscribed)
        assert (begun.recovered, [event.data for event in begun.state]) == (False, ["old"])
        told = [comment for comment in watching.parser.comments if "Last-Event-ID" in comment]
        assert len(told) == (0 if last_event_id == "b.7" else 1)
        assert watching.last_event_id == f"{begun.epoch}.{begun.head}.{begun.state[0].ts}"


async def test_a_cursor_that_the_page_itself_wrote_must_be_one(node: RunningNode) -> None:
    assert (await refusal(node, target_of(query="after=42"))).error["code"] == codes.BAD_MESSAGE.code


async def test_a_full_edge_refuses_browsers_with_a_stream_that_ends_at_once() -> None:
    async with running_node(connections_max=1) as node, stream(node):
        answer = await refusal(node, target_of())
        assert (answer.status, answer.error["code"]) == (503, codes.UNAVAILABLE.code)
        assert int(answer.headers["retry-after"]) >= 1
        async with node.raw() as client:  # EventSource gives up for good at any status but 200
            await client.send_bytes(request(target_of(), {"Accept": "text/event-stream"}))
            assert await client.status() == 200
            watching = Stream(client)
            assert (await watching.expect(Error)).code == codes.UNAVAILABLE.code
            assert (watching.parser.retry_ms or 0) >= 5_000
            assert await watching.rest() == []


async def test_a_feed_whose_topic_is_missing_is_unavailable() -> None:
    async with running_node(ScriptedLog(TopicMissing(TOPIC)), feeds={"score": {"topic": TOPIC}}) as node:
        answer = await refusal(node, target_of())
        assert (answer.status, answer.error["code"]) == (503, codes.UNAVAILABLE.code)


async def test_pages_from_a_listed_origin_may_read_the_stream() -> None:
    async with running_node(origins=["https://listed.example"]) as node:
        for origin, allowed in {
            "https://listed.example": True,
            f"http://{node.host}:3000": True,
            "https://other.example": False,
            "null": False,
        }.items():
            fields = {"Host": f"{node.host}:{node.port}", "Origin": origin}
            async with node.raw() as client:
                await client.send_bytes(request(target_of(), fields))
                assert await client.status() == (200 if allowed else 403)
                head = client.response_head.lower()
                assert (f"access-control-allow-origin: {origin}\r\n" in head + "\r\n") == allowed
                assert "vary: origin" in head
            asked = fields | {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "last-event-id"}
            preflight = await response_to(node, request(target_of(), asked, "OPTIONS"))
            assert (preflight.status, preflight.body) == (204, b"")
            assert (preflight.headers.get("access-control-allow-origin") == origin) == allowed
            assert "last-event-id" in preflight.headers["access-control-allow-headers"]
        several = request(target_of(), {"Origin": "https://listed.example\r\nOrigin: https://other.example"})
        assert (await response_to(node, several)).status == 403
