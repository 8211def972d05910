"""What clients receive when the log changes: topics recreated, extended or missing, and offsets lost."""

import contextlib
import logging
from collections.abc import AsyncIterator

import pytest

from edge.logs import TOPIC, ScriptedLog, ScriptedRecord
from support.log_lines import log_lines
from support.node_fixture import RunningNode, running_node
from support.waiting import eventually
from touchline_protocol import codes
from touchline_protocol.messages import Error, Event, RoomRequest, Subscribe, Subscribed
from touchline_server.config.tables import FeedSettings
from touchline_server.core.log import (
    CaughtUp,
    Entry,
    LogEvent,
    OffsetsLost,
    PartitionsAdded,
    Records,
    TopicMissing,
    TopicOpened,
    Truncated,
)


def record(offset: int, room: str = "1", key: str | None = None, timestamp: int = 1_000) -> ScriptedRecord:
    headers = [("key", key.encode())] if key else []
    return ScriptedRecord(offset, room.encode(), str(offset).encode(), headers, timestamp)


@contextlib.asynccontextmanager
async def scripted_node(partitions: int = 1) -> AsyncIterator[tuple[ScriptedLog, RunningNode]]:
    log = ScriptedLog(TopicOpened(TOPIC, "e1", dict.fromkeys(range(partitions), 0)))
    log.emit_records(0, record(0, key="k"), record(1))
    log.emit(CaughtUp(TOPIC))
    async with running_node(log, feeds={"score": FeedSettings(topic=TOPIC)}) as node:
        yield log, node


async def test_a_recreated_topic_starts_all_clients_over() -> None:
    async with scripted_node() as (log, node), node.client() as client, node.client() as newcomer:
        assert [event.data for event in (await client.join("score:1")).state] == [0]
        log.emit(TopicOpened(TOPIC, "e2", {0: 0}))
        joined = await client.expect(Subscribed)
        assert (joined.epoch, joined.head, joined.recovered, joined.state, joined.id) == ("e2-0-0", -1, False, [], None)
        log.emit_records(0, record(0))
        assert [(event.offset, event.prev) for event in await client.events(1)] == [(0, None)]
        log.emit(CaughtUp(TOPIC))
        log.emit_records(0, record(1))
        await client.events(1)
        joined = await newcomer.join("score:1", epoch="e1-0-0", after=1)
        assert (joined.recovered, joined.epoch, joined.head) == (False, "e2-0-0", 1)


async def test_rooms_of_a_new_topic_are_unavailable_until_it_is_read() -> None:
    async with scripted_node() as (log, node), node.client() as client:
        log.emit(TopicOpened(TOPIC, "e2", {0: 0}))
        log.emit_records(0, record(0))
        await client.send(Subscribe(rooms=[RoomRequest(room="score:1")]))
        answer = await client.next()
        while isinstance(answer, Subscribed):  # the edge has not read the event yet
            await client.leave("score:1")
            await client.send(Subscribe(rooms=[RoomRequest(room="score:1")]))
            answer = await client.next()
        assert isinstance(answer, Error)
        assert answer.code == codes.UNAVAILABLE.code
        log.emit(CaughtUp(TOPIC))
        log.emit_records(0, record(1))


async def test_after_partitions_were_added_only_rooms_that_move_start_over() -> None:
    async with scripted_node() as (log, node), node.client() as client:
        await client.join("score:1")
        await client.join("score:2")
        log.emit(PartitionsAdded(TOPIC, {1: 0}))
        log.emit_records(0, record(2, room="2", timestamp=2_000))
        assert (await client.expect(Event)).room == "score:2"
        log.emit_records(1, record(5, room="1", timestamp=2_000))
        joined = await client.expect(Subscribed)
        assert (joined.room, joined.epoch, joined.recovered, joined.head) == ("score:1", "e1-1-0", False, 4)
        assert [event.key for event in joined.state] == ["k"]  # the state from before the move is kept
        assert (await client.expect(Event)).offset == 5
        log.emit_records(0, record(3, room="2"))
        assert (await client.expect(Event)).room == "score:2"


async def test_all_records_of_a_moved_room_are_delivered_whatever_their_time() -> None:
    async with scripted_node() as (log, node), node.client() as client:
        await client.join("score:1")
        log.emit(PartitionsAdded(TOPIC, {1: 0}))
        log.emit_records(1, record(0, timestamp=999))
        assert (await client.expect(Subscribed)).epoch == "e1-1-0"
        assert (await client.expect(Event)).offset == 0
        log.emit_records(1, record(1, timestamp=1))
        assert (await client.expect(Event)).offset == 1


async def test_a_record_in_the_partition_that_its_room_has_left_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    async with scripted_node() as (log, node), node.client() as client:
        await client.join("score:1")
        log.emit(PartitionsAdded(TOPIC, {1: 0}))
        log.emit_records(1, record(0, key=None))
        log.emit_records(0, record(2, key=None))
        log.emit_records(1, record(1, key=None))
        assert (await client.expect(Subscribed)).epoch == "e1-1-0"
        assert [event.offset for event in await client.events(2)] == [0, 1]
        [line] = log_lines(caplog, "record_skipped")
        assert (line["record"], line["reason"]) == ("score-events[0]@2", "misplaced")


async def test_rooms_of_a_missing_topic_are_still_served() -> None:
    async with scripted_node() as (log, node), node.client() as client, node.client() as newcomer:
        await client.join("score:1")
        log.emit(TopicMissing(TOPIC))
        log.emit_records(0, record(2))
        await client.events(1)
        assert [event.data for event in (await newcomer.join("score:1")).state] == [0]


async def test_a_node_starts_without_its_topic_and_serves_it_once_it_exists() -> None:
    log = ScriptedLog(TopicMissing(TOPIC))
    async with running_node(log, feeds={"score": FeedSettings(topic=TOPIC)}) as node, node.client() as client:
        await client.send(Subscribe(rooms=[RoomRequest(room="score:1")]))
        assert (await client.expect(Error)).code == codes.UNAVAILABLE.code
        assert TOPIC in node.node.problems()
        log.emit(TopicOpened(TOPIC, "e", {0: 0}))
        log.emit(CaughtUp(TOPIC))
        while True:
            await client.send(Subscribe(rooms=[RoomRequest(room="score:1")]))
            if isinstance(await client.next(), Subscribed):
                break
        assert not node.node.problems()


async def test_lost_offsets_start_rooms_over_without_state() -> None:
    async with scripted_node(partitions=2) as (log, node), node.client() as client:
        await client.join("score:1")
        log.emit(OffsetsLost(TOPIC, 0, 100))
        log.emit_records(0, record(100))
        joined = await client.expect(Subscribed)
        assert (joined.recovered, joined.epoch, joined.head) == (False, "e1-0-0", 99)
        assert joined.state == []  # the lost records may have changed it
        assert (await client.expect(Event)).offset == 100
        await client.leave("score:1")
        assert not (await client.join("score:1", epoch="e1-0-0", after=1)).recovered


async def test_a_log_that_was_cut_back_is_a_warning_and_starts_rooms_over(caplog: pytest.LogCaptureFixture) -> None:
    async with scripted_node() as (log, node), node.client() as client:
        await client.join("score:1")
        log.emit(Truncated(TOPIC, 0, 1, 0))
        joined = await client.expect(Subscribed)
        assert (joined.recovered, joined.head) == (False, 0)
        [line] = log_lines(caplog, "log_truncated", level=logging.WARNING)
        assert (line["topic"], line["partition"], line["end_offset"]) == (TOPIC, 0, 1)


async def test_topics_for_observers_are_read_but_are_not_feeds() -> None:
    seen: list[tuple[str, bytes | None]] = []

    def observe(event: LogEvent) -> None:
        if isinstance(event, Records):
            seen.extend((event.topic, record.value) for record in event.records)

    async with running_node(observe=("player-actions", observe)) as node, node.client() as client:
        await client.join("score:1")
        await node.node.log.append("player-actions", [Entry(b"1", b"{}")])
        await node.publish("score:1", "kick-off")
        assert (await client.expect(Event)).data == "kick-off"
        await eventually(lambda: len(seen) == 2)
        assert sorted(seen) == [("player-actions", b"{}"), ("score-events", b'"kick-off"')]
        assert node.node.skipped_records == 0
