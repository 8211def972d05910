"""Actions at the edge: when they are appended to the log, and how each is answered."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from edge.logs import ACTIONS, BreakableLog
from edge.players import AUTH, RETRY_MS, acks, act, answer, answers, logged_ids, loose_limits, player, refusal, token
from support.log_lines import log_lines
from support.node_fixture import Client, RunningNode, running_node
from support.waiting import DEADLINE_S, eventually
from touchline_protocol.codecs import JSON, MSGPACK, Codec
from touchline_protocol.messages import Ack, Error, Nack
from touchline_server.config.tables import FeedSettings
from touchline_server.core.log import AppendFailed


@pytest.fixture
async def node(log: BreakableLog) -> AsyncIterator[RunningNode]:
    async with running_node(log, auth=AUTH, actions=loose_limits()) as running:
        yield running


async def test_an_action_is_acknowledged_only_after_the_log_has_it(node: RunningNode, log: BreakableLog) -> None:
    async with player(node) as (client, welcome):
        assert welcome.last_action == 0
        with log.appends_waiting():
            await act(client, 1, 2)
            await eventually(lambda: log.appends)
            await client.join("score:1")  # answered before the actions
            assert await log.records() == []
        assert await answers(client, 2) == acks([1, 2])
        assert await logged_ids(log) == [1, 2]


@pytest.mark.parametrize("codec", [JSON, MSGPACK])
async def test_an_action_becomes_the_specified_record(node: RunningNode, log: BreakableLog, codec: Codec) -> None:
    data = {"x": 0.25, "name": "Zoë", "deep": [1, None, True, {"big": 2**53 + 1}]}
    before_ms = time.time_ns() // 1_000_000
    async with player(node, "adá", session="My-session_1", codec=codec) as (client, welcome):
        raw = msgspec.Raw(msgspec.json.encode(data) if codec is JSON else msgspec.msgpack.encode(data))
        await act(client, 1, room="match:Münster", kind="tap.left-1", data=raw)
        await act(client, 2)
        assert await answers(client, 2) == acks([1, 2])
        assert (welcome.session, welcome.player) == ("My-session_1", "adá")
    first, second = await log.records()
    assert first.key == "adá".encode()
    assert list(first.headers) == [
        ("room", "match:Münster".encode()),
        ("kind", b"tap.left-1"),
        ("session", b"My-session_1"),
        ("id", b"1"),
    ]
    assert before_ms <= first.timestamp <= time.time_ns() // 1_000_000
    assert first.value is not None
    assert json.loads(first.value) == {
        "player": "adá",
        "room": "match:Münster",
        "kind": "tap.left-1",
        "data": data,
        "session": "My-session_1",
        "id": 1,
        "received_ms": first.timestamp,
        "edge": "edge-1",
        "clock": node.node.core.access.actions._clock.name,
    }
    assert json.loads(second.value or b"")["data"] is None


async def test_json_data_is_stored_byte_for_byte(node: RunningNode, log: BreakableLog) -> None:
    odd = b'{ "n" : 18446744073709551615, "f":1.0, "f":1e308, "s":"\\u00e9" }'
    async with player(node) as (client, _):
        await client.send_bytes(b'{"type":"action","id":1,"room":"score:1","kind":"tap","data":' + odd + b"}")
        assert await answer(client) == (1, "ack")
    (record,) = await log.records()
    assert odd in (record.value or b"")


async def test_numbers_that_some_readers_could_not_represent_are_refused(node: RunningNode) -> None:
    async with player(node) as (client, _):
        for number, data in enumerate((b"123456789012345678901234567890", b"[1e400]"), start=1):
            await act(client, number, data=msgspec.Raw(data))
            assert await answer(client) == (number, "action_bad_data")


async def test_msgpack_that_json_cannot_represent_is_refused(node: RunningNode, log: BreakableLog) -> None:
    deep = b"\x91" * 257 + b"\xc0"
    odd = [
        b"\xc4\x01x",  # bin
        msgspec.msgpack.encode(msgspec.msgpack.Ext(5, b"x")),
        b"\xd6\xff\x00\x00\x00\x00",  # a timestamp
        msgspec.msgpack.encode(float("nan")),
        msgspec.msgpack.encode([float("-inf")]),
        b"\xa1\xff",  # not UTF-8
        b"\x81\x01\x02",  # a key that is not a string
        deep,
    ]
    async with player(node, codec=MSGPACK) as (client, _):
        for number, data in enumerate(odd, start=1):
            await act(client, number, data=msgspec.Raw(data))
        assert await answers(client, len(odd)) == [(number, "action_bad_data") for number in range(1, len(odd) + 1)]
        await act(client, len(odd) + 1, data=msgspec.Raw(deep[1:]))
        assert await answer(client) == (len(odd) + 1, "ack")
    assert await logged_ids(log) == [len(odd) + 1]


async def test_each_refusal_has_a_code_uses_up_its_id_and_is_not_a_protocol_error(
    node: RunningNode, log: BreakableLog
) -> None:
    jwt = token(act=["score:*"])
    deep = msgspec.Raw(b"[" * 257 + b"]" * 257)
    async with player(node, jwt=jwt) as (client, _):
        await act(client, 1, room="match:1")
        await act(client, 2, room="score")
        await act(client, 3, room="chat:1")
        await act(client, 4, data=msgspec.Raw(b'"' + b"x" * 4095 + b'"'))
        await act(client, 5, data=deep)
        await client.send_bytes(b'{"type":"action","id":6,"room":"score:1","kind":"not a kind"}')
        await client.send_bytes(b'{"type":"action","id":7,"room":"score:1"}')
        await client.send_bytes(b'{"type":"action","id":8,"room":7,"kind":"tap"}')
        await act(client, 9, data=msgspec.Raw(b'"' + b"x" * 4094 + b'"'))
        nacks = [await refusal(client) for _ in range(8)]
        assert [(nack.id, nack.code) for nack in nacks] == [
            (1, "action_forbidden"),
            (2, "action_bad_room"),
            (3, "action_bad_room"),
            (4, "action_too_large"),
            (5, "action_bad_data"),
            (6, "action_malformed"),
            (7, "action_malformed"),
            (8, "action_malformed"),
        ]
        assert all(nack.retry_ms is None and nack.message for nack in nacks)
        assert await answer(client) == (9, "ack")
        await act(client, 1, 4)
        assert await answers(client, 2) == [(1, "action_forbidden"), (4, "action_too_large")]
        assert client.websocket.close_code is None
    assert await logged_ids(log) == [9]


async def test_a_hundred_refusals_do_not_close_the_connection(node: RunningNode) -> None:
    async with player(node) as (client, _):
        await act(client, *range(1, 151), room="nowhere")
        assert {code for _, code in await answers(client, 150)} == {"action_bad_room"}
        await act(client, 151)
        assert await answer(client) == (151, "ack")


@pytest.mark.parametrize(
    "payload",
    [
        b'{"type":"action","room":"score:1","kind":"tap"}',
        b'{"type":"action","id":0,"room":"score:1","kind":"tap"}',
        b'{"type":"action","id":"1","room":"score:1","kind":"tap"}',
        b'{"type":"action","id":1.5,"room":"score:1","kind":"tap"}',
        b'{"type":"action","id":9007199254740992,"room":"score:1","kind":"tap"}',
        b'{"type":"action","id":1,"room":"score:1","kind":"tap","data":}',
    ],
)
async def test_an_action_with_an_unreadable_id_is_an_error_and_uses_up_no_id(node: RunningNode, payload: bytes) -> None:
    async with player(node) as (client, _):
        await client.send_bytes(payload)
        error = await client.expect(Error)
        assert (error.code, error.id) == ("bad_message", None)
        await act(client, 1)
        assert await answer(client) == (1, "ack")


async def test_data_must_match_the_schema_of_its_feed_and_kind(tmp_path: Path, log: BreakableLog) -> None:
    tap = tmp_path / "tap.json"
    tap.write_text('{"type":"object","properties":{"x":{"type":"number"}},"required":["x"]}')
    feeds = {
        "score": FeedSettings(topic="score-events"),
        "match": FeedSettings(topic="match-events", action_schemas={"tap": tap}),
    }
    async with running_node(log, auth=AUTH, feeds=feeds) as node, player(node) as (client, _):
        await act(client, 1, room="match:1", data={"x": "left"})
        nack = await refusal(client)
        assert (nack.id, nack.code) == (1, "action_invalid")
        assert "/x" in nack.message
        await act(client, 2, room="match:1", kind="fly", data={"x": 1})
        nack = await refusal(client)
        assert (nack.id, nack.code) == (2, "action_kind_unknown")
        assert "tap" in nack.message
        await act(client, 3, room="match:1", data={"x": 1})
        await act(client, 4, room="score:1", kind="fly")
        assert await answers(client, 2) == acks([3, 4])
        assert await logged_ids(log) == [3, 4]


async def test_all_connections_of_a_player_share_one_rate_limit(log: BreakableLog) -> None:
    limits = loose_limits(burst=4, per_second_max=0.1)  # one more every 10 s
    async with (
        running_node(log, auth=AUTH, actions=limits) as node,
        player(node) as (client, _),
        player(node) as (other, _),
        player(node, "bob") as (bob, _),
    ):
        await act(client, 1, 2, 3, 4)
        assert await answers(client, 4) == acks([1, 2, 3, 4])
        await act(other, 1)
        nack = await refusal(other)
        assert (nack.id, nack.code) == (1, "rate_limited")
        assert nack.retry_ms is not None
        assert 0 < nack.retry_ms <= 10_101
        await act(bob, 1)
        assert await answer(bob) == (1, "ack")
        with node.clocks_ahead(nack.retry_ms / 1000):
            await act(other, 1)
            assert await answer(other) == (1, "ack")


async def test_actions_beyond_the_window_are_refused_and_can_be_sent_again(log: BreakableLog) -> None:
    async with (
        running_node(log, auth=AUTH, actions=loose_limits(window=4)) as node,
        player(node) as (client, welcome),
    ):
        assert (welcome.limits.actions_window, welcome.limits.action_bytes_max) == (4, 4096)
        with log.appends_waiting():
            await act(client, *range(1, 7))
            nacks = [await refusal(client) for _ in range(2)]
            assert [(nack.id, nack.code, nack.retry_ms) for nack in nacks] == [
                (5, "too_many_unacked", RETRY_MS),
                (6, "id_gap", RETRY_MS),
            ]
        assert await answers(client, 4) == acks([1, 2, 3, 4])
        await act(client, 5, 6)
        assert await answers(client, 2) == acks([5, 6])
        assert await logged_ids(log) == [1, 2, 3, 4, 5, 6]


async def test_the_actions_waiting_at_an_edge_are_bounded(log: BreakableLog) -> None:
    async with (
        running_node(log, auth=AUTH, actions=loose_limits(waiting_max=3)) as node,
        player(node) as (client, _),
        player(node, "bob") as (bob, _),
    ):
        with log.appends_waiting():
            await act(client, 1, 2, 3)
            await client.join("score:1")
            await act(bob, 1)
            assert await answer(bob) == (1, "too_many_unacked")
        assert await answers(client, 3) == acks([1, 2, 3])
        await act(bob, 1)
        assert await answer(bob) == (1, "ack")


async def test_skipped_and_reused_ids_are_refused(node: RunningNode, log: BreakableLog) -> None:
    async with player(node) as (client, _):
        await act(client, 2)
        nack = await refusal(client)
        assert (nack.id, nack.code, nack.retry_ms) == (2, "id_gap", RETRY_MS)
        await act(client, 1, 2)
        assert await answers(client, 2) == acks([1, 2])
        await act(client, 1, 2)
        nacks = [await refusal(client) for _ in range(2)]
        assert [(nack.id, nack.code, nack.retry_ms) for nack in nacks] == [
            (1, "duplicate_id", None),
            (2, "duplicate_id", None),
        ]
    assert await logged_ids(log) == [1, 2]


async def test_where_only_an_append_can_tell_whether_the_log_is_back_it_takes_one_action_at_a_time(
    node: RunningNode, log: BreakableLog, caplog: pytest.LogCaptureFixture
) -> None:
    async with player(node, "ada") as (ada, _), player(node, "bob") as (bob, _):
        with log.appends_failing(seen_by_check=False):
            await act(ada, 1)
            assert await answer(ada) == (1, "log_unavailable")
            for probes in (2, 3):
                with log.appends_waiting():
                    await eventually(lambda: node.node.core.actions._admits_probe)
                    await act(ada, 1)
                    await eventually(lambda probes=probes: log.appends == probes)  # type: ignore[misc]
                    await act(bob, 1)
                    assert await answer(bob) == (1, "log_unavailable")  # while the probe is still out
                assert await answer(ada) == (1, "log_unavailable")
            assert node.node.problems() == {ACTIONS: "the disk is full"}
            await eventually(lambda: node.node.core.actions._admits_probe)
        await act(ada, 1)
        assert await answer(ada) == (1, "ack")
        await until_taken(bob, 1)
    assert await logged_ids(log) == [1, 1]
    assert len(caplog.records) == 2


async def test_actions_are_refused_at_once_while_the_log_is_unavailable_and_accepted_afterwards(
    node: RunningNode, log: BreakableLog, caplog: pytest.LogCaptureFixture
) -> None:
    async with player(node) as (client, _):
        with log.appends_failing(taken=2):
            with log.appends_waiting():
                await act(client, 1)
                await eventually(lambda: log.appends)
                await act(client, 2, 3, 4, 5)
                await client.join("score:1")
            assert await answers(client, 3) == acks([1, 2, 3])
            nacks = [await refusal(client) for _ in range(2)]
            assert [(nack.id, nack.code, nack.message) for nack in nacks] == [
                (4, "log_unavailable", "the disk is full"),
                (5, "log_unavailable", "the disk is full"),
            ]
            assert node.node.problems() == {ACTIONS: "the disk is full"}
            appends = log.appends
            await act(client, 4, 5)
            nacks = [await refusal(client) for _ in range(2)]
            assert [(nack.id, nack.code, nack.retry_ms) for nack in nacks] == [
                (4, "log_unavailable", RETRY_MS),
                (5, "id_gap", RETRY_MS),
            ]
            assert nacks[0].message
            assert log.appends == appends  # these caused no append
        await until_taken(client, 4)
        await act(client, 5)
        assert await answer(client) == (5, "ack")
        assert not node.node.problems()
    assert await logged_ids(log) == [1, 2, 3, 4, 5]
    paused, resumed = log_lines(caplog)
    assert (paused["event"], paused["why"]) == ("actions_paused", "the disk is full")
    assert resumed["event"] == "actions_resumed"


async def test_setting_the_computers_clock_is_logged_and_makes_actions_stamps_another_clocks(
    node: RunningNode, log: BreakableLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    driver = node.edge.driver
    wall_ns = driver.wall_ns
    async with player(node) as (client, _):
        await act(client, 1)
        assert await answer(client) == (1, "ack")
        monkeypatch.setattr(driver, "wall_ns", lambda: wall_ns() - 45 * 10**9)
        await act(client, 2)
        assert await answer(client) == (2, "ack")
        await eventually(lambda: log_lines(caplog, "clock_set"))
    first, second = [json.loads(record.value or b"") for record in await log.records()]
    assert first["clock"] != second["clock"]
    assert -46_000 < second["received_ms"] - first["received_ms"] < -40_000
    (line,) = log_lines(caplog, "clock_set")
    assert line["by_s"] == pytest.approx(-45, abs=1)


async def until_taken(client: Client, action_id: int) -> None:
    """Repeat an action until the log accepts it."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            await act(client, action_id)
            message = await client.next()
            if isinstance(message, Ack):
                assert message.id == action_id
                return
            assert isinstance(message, Nack)
            assert message.retry_ms is not None
            await asyncio.sleep(message.retry_ms / 1000)  # otherwise it is closed for all the refusals
            assert (message.id, message.code) == (action_id, "log_unavailable")


async def test_nothing_is_appended_while_the_log_reports_that_it_is_unreachable(
    node: RunningNode, log: BreakableLog
) -> None:
    async with player(node) as (client, _):
        with log.unreachable_with("no broker answers"):
            await eventually(lambda: node.node.core.access.actions.unavailable)
            await act(client, 1)
            nack = await refusal(client)
            assert (nack.id, nack.code, nack.message) == (1, "log_unavailable", "no broker answers")
            assert log.appends == 0
        await until_taken(client, 1)


async def test_what_operators_and_back_ends_publish_is_refused_at_once_while_the_log_is_unreachable(
    node: RunningNode, log: BreakableLog
) -> None:
    with log.unreachable_with("no broker answers"):
        with pytest.raises(AppendFailed) as failed:
            await node.publish("match:1", "a")
        assert (str(failed.value), failed.value.written) == ("no broker answers", 0)
        with pytest.raises(AppendFailed):
            await node.node.kick("ada", 60, "")
    await node.publish("match:1", "a")


async def test_an_action_after_the_token_expired_but_before_the_close_is_refused(
    node: RunningNode, log: BreakableLog
) -> None:
    async with player(node) as (client, welcome):
        assert welcome.expires is not None
        node.edge.driver.stop()  # so that it does not close the connection
        with node.clocks_ahead(welcome.expires / 1000 - time.time() + 0.1):
            await act(client, 1)
            nack = await refusal(client)
            assert (nack.id, nack.code) == (1, "token_expired")
        node.edge.driver._tick()
        async with player(node, session=welcome.session) as (again, _):  # rates of the first one are in the future
            await act(again, 1)
            assert await answer(again) == (1, "ack")
    assert await logged_ids(log) == [1]
