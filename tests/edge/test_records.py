"""Records as producers write them: invalid ones are skipped without side effects, and unusual values arrive."""

import math
from typing import Any

import pytest

from support.log_lines import log_lines
from support.node_fixture import RunningNode, running_node
from touchline_protocol.codecs import JSON, MSGPACK
from touchline_server.config.tables import FeedSettings
from touchline_server.core.log import Entry

GOOD = b'{"good":1}'


async def append(node: RunningNode, *entries: Entry) -> list[int]:
    return [position.offset for position in await node.node.log.append("score-events", entries)]


BAD = {
    "no_key": Entry(b"", GOOD),
    "bad_room_id": Entry(b"\xff", GOOD),
    "not_json": Entry(b"1", b"{'good': 1}"),
    "too_large": Entry(b"1", b'"' + b"x" * (256 * 1024) + b'"'),
    "too_deep": Entry(b"1", b"[" * 300 + b"]" * 300),
    "null_without_key": Entry(b"1", None),
    "bad_event_key": Entry(b"1", GOOD, [("key", b"\xff")]),
}


async def test_invalid_records_are_skipped_counted_and_logged(
    node: RunningNode, caplog: pytest.LogCaptureFixture
) -> None:
    entries = [entry for bad in BAD.values() for entry in (Entry(b"1", GOOD), bad)] + [Entry(b"1", GOOD)]
    async with node.client() as first, node.client(MSGPACK) as second:
        for client in (first, second):
            await client.join("score:1")
        offsets = await append(node, *entries)
        for client in (first, second):
            assert [event.offset for event in await client.events(len(BAD) + 1)] == offsets[::2]
    assert node.node.skipped_records == len(BAD)
    assert [(line["reason"], line["record"]) for line in log_lines(caplog, "record_skipped")] == [
        (reason, f"score-events[0]@{offset}") for reason, offset in zip(BAD, offsets[1::2], strict=True)
    ]


@pytest.mark.parametrize(
    ("value", "as_msgpack"),
    [
        (b"1" + b"0" * 400, math.inf),
        (b"18446744073709551616", 2.0**64),
        (b"[-9223372036854775809]", [-(2.0**63)]),
        (b"1e400", math.inf),
        (rb'{"text":"\ud83d"}', {"text": "?"}),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (b' {"a" : 1, "a" : 2} ', {"a": 2}),
    ],
)
async def test_unusual_values_arrive_through_both_codecs(node: RunningNode, value: bytes, as_msgpack: Any) -> None:
    async with node.client() as plain, node.client(MSGPACK) as other:
        for client in (plain, other):
            await client.join("score:1")
        await append(node, Entry(b"1", value, [("key", b"k")]))
        async with node.client() as late:
            await late.join("score:1")  # its state contains the value too
        payload = await plain.websocket.recv(decode=False)
        assert b'"data":' + value in payload
        JSON.decode_server(payload)
        assert [event.data for event in await other.events(1)] == [as_msgpack]


async def test_a_key_header_takes_precedence_over_the_feeds_key_field() -> None:
    feeds = {"score": FeedSettings(topic="score-events", key_field="kind")}
    async with running_node(feeds=feeds) as node, node.client() as client:
        await append(node, Entry(b"1", b'{"kind":"clock","t":1}'), Entry(b"1", b'{"kind":"clock","t":2}'))
        await append(node, Entry(b"1", b'{"kind":"clock","t":3}', [("key", b"other")]), Entry(b"1", b'{"kind":7}'))
        joined = await client.join("score:1")
        assert {event.key: event.data["t"] for event in joined.state} == {"clock": 2, "other": 3}
