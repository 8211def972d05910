"""What clients are told when the log is not the one that it was: made anew, extended, gone, or read too late."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from edge.logs import TOPIC, ScriptedLog, ScriptedRecord
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
)


def record(offset: int, room: str = "1", key: str | None = None, timestamp: int = 1_000) -> ScriptedRecord:
    headers = [("key", key.encode())] if key else []
    return ScriptedRecord(offset, room.encode(), str(offset).encode(), headers, timestamp)


@contextlib.asynccontextmanager
async def scripted_node(partitions: int = 1) -> AsyncIterator[tuple[ScriptedLog, RunningNode]]:
    log = ScriptedLog(TopicOpened(TOPIC, "e1", dict.fromkeys(range(partitions), 0)))
    log.tell_records(0, record(0, key="k"), record(1))
    log.tell(CaughtUp(TOPIC))
    async with running_node(log, feeds={"score": FeedSettings(topic=TOPIC)}) as node:
        yield log, node


async def test_a_topic_made_anew_starts_everybody_over() -> None:
    async with scripted_node() as (log, node), node.client() as client, node.client() as newcomer:
        assert [event.data for event in (await client.join("score:1")).state] == [0]
        log.tell(TopicOpened(TOPIC, "e2", {0: 0}))
        told = await client.expect(Subscribed)
        assert (told.epoch, told.head, told.recovered, told.state, told.id) == ("e2-0", -1, False, [], None)
        log.tell_records(0, record(0))
        assert [(event.offset, event.prev) for event in await client.events(1)] == [(0, None)]
        log.tell(CaughtUp(TOPIC))
        log.tell_records(0, record(1))
        await client.events(1)
        joined = await newcomer.join("score:1", epoch="e1-0", after=1)
        assert (joined.recovered, joined.epoch, joined.head) == (False, "e2-0", 1)


async def test_until_a_new_topic_is_read_its_rooms_are_unavailable_to_newcomers() -> None:
    async with scripted_node() as (log, node), node.client() as client:
        log.tell(TopicOpened(TOPIC, "e2", {0: 0}))
        log.tell_records(0, record(0))
        await client.send(Subscribe(rooms=[RoomRequest(room="score:1")]))
        answer = await client.next()
        while isinstance(answer, Subscribed):  # the edge had not come there yet
            await client.leave("score:1")
            await client.send(Subscribe(rooms=[RoomRequest(room="score:1")]))
            answer = await client.next()
        assert isinstance(answer, Error)
        assert answer.code == codes.UNAVAILABLE.code
        log.tell(CaughtUp(TOPIC))
        log.tell_records(0, record(1))


async def test_with_partitions_added_the_rooms_that_move_are_told_and_the_others_go_on() -> None:
    async with scripted_node() as (log, node), node.client() as client:
        await client.join("score:1")
        await client.join("score:2")
        log.tell(PartitionsAdded(TOPIC, {1: 0}))
        log.tell_records(0, record(2, room="2", timestamp=2_000))
        assert (await client.expect(Event)).room == "score:2"
        log.tell_records(1, record(5, room="1", timestamp=2_000))
        told = await client.expect(Subscribed)
        assert (told.room, told.epoch, told.recovered, told.head) == ("score:1", "e1-1", False, 4)
        assert [event.key for event in told.state] == ["k"]  # what was true before the move still is
        assert (await client.expect(Event)).offset == 5
        log.tell_records(0, record(3, room="2"))
        assert (await client.expect(Event)).room == "score:2"


async def test_an_older_record_in_another_partition_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    async with scripted_node(partitions=2) as (log, node), node.client() as client:
        await client.join("score:1")
        log.tell_records(1, record(0, timestamp=999))
        log.tell_records(0, record(2))
        assert (await client.expect(Event)).offset == 2
        assert "score-events[1]@0 left out, misplaced" in caplog.records[0].getMessage()


async def test_a_topic_that_is_gone_is_served_on_as_it_was() -> None:
    async with scripted_node() as (log, node), node.client() as client, node.client() as newcomer:
        await client.join("score:1")
        log.tell(TopicMissing(TOPIC))
        log.tell_records(0, record(2))
        await client.events(1)
        assert [event.data for event in (await newcomer.join("score:1")).state] == [0]


async def test_a_node_starts_without_its_topic_and_serves_it_when_it_comes() -> None:
    log = ScriptedLog(TopicMissing(TOPIC))
    async with running_node(log, feeds={"score": FeedSettings(topic=TOPIC)}) as node, node.client() as client:
        await client.send(Subscribe(rooms=[RoomRequest(room="score:1")]))
        assert (await client.expect(Error)).code == codes.UNAVAILABLE.code
        assert TOPIC in node.node.problems()
        log.tell(TopicOpened(TOPIC, "e", {0: 0}))
        log.tell(CaughtUp(TOPIC))
        while True:
            await client.send(Subscribe(rooms=[RoomRequest(room="score:1")]))
            if isinstance(await client.next(), Subscribed):
                break
        assert not node.node.problems()


async def test_records_lost_before_they_were_read_start_their_rooms_over_with_the_state_as_known() -> None:
    async with scripted_node(partitions=2) as (log, node), node.client() as client:
        await client.join("score:1")
        log.tell(OffsetsLost(TOPIC, 0, 100))
        log.tell_records(0, record(100))
        told = await client.expect(Subscribed)
        assert (told.recovered, told.epoch, told.head) == (False, "e1-0", 99)
        assert [event.key for event in told.state] == ["k"]
        assert (await client.expect(Event)).offset == 100
        await client.leave("score:1")
        assert not (await client.join("score:1", epoch="e1-0", after=1)).recovered


async def test_topics_for_observers_are_read_and_are_not_feeds() -> None:
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
