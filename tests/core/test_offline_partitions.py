"""Partitions that cannot be read when their topic is opened: the others are served, and they follow later."""

import pytest

from support.core_edge import TOPIC, VERDICTS, CoreEdge, LogRecord
from touchline_protocol import codes
from touchline_protocol.messages import Error
from touchline_server.core.log import CaughtUp, PartitionCaughtUp, PartitionOpened, Records, TopicOpened


def by_number(key: bytes, partitions: int) -> int:
    return int(key) % partitions


@pytest.fixture
def edge() -> CoreEdge:
    return CoreEdge(partitioner=by_number)


def keyed(offset: int, key: str, value: bytes, room: bytes, ts: int = 1) -> LogRecord:
    return LogRecord(offset, value, [("key", key.encode())], room, ts)


def test_rooms_of_an_offline_partition_are_refused_until_all_that_it_held_is_read(edge: CoreEdge) -> None:
    edge.apply(TopicOpened(TOPIC, "e", {0: 0}, {1}))
    edge.apply(Records(TOPIC, 0, [keyed(0, "a", b"1", b"2")], 1))
    edge.apply(CaughtUp(TOPIC))
    client = edge.client()
    assert [event.data for event in client.join("score:2").state] == [1]

    def is_refused() -> bool:
        client.take()
        client.subscribe("score:1")
        (answer,) = client.take()
        return isinstance(answer, Error) and answer.code == codes.UNAVAILABLE.code

    assert is_refused()
    edge.apply(PartitionOpened(TOPIC, 1, 5))
    edge.apply(Records(TOPIC, 1, [keyed(5, "a", b"5", b"1")], 6))
    assert is_refused()
    edge.apply(Records(TOPIC, 1, [keyed(6, "b", b"6", b"1")], 7))
    edge.apply(PartitionCaughtUp(TOPIC, 1))
    joined = client.join("score:1")
    assert (joined.epoch.split("-")[1][:1], joined.head) == ("1", 6)
    assert {event.key: event.data for event in joined.state} == {"a": 5, "b": 6}


def test_a_room_that_moved_keeps_what_is_newer_when_its_old_partition_is_read_late(edge: CoreEdge) -> None:
    edge.apply(TopicOpened(TOPIC, "e", {1: 0}, [0]))
    edge.apply(Records(TOPIC, 1, [keyed(0, "a", b"2", b"1", ts=2)], 1))
    edge.apply(CaughtUp(TOPIC))
    client = edge.client()
    before = client.join("score:1")
    edge.apply(PartitionOpened(TOPIC, 0, 0))
    edge.apply(Records(TOPIC, 0, [keyed(0, "a", b"1", b"1"), keyed(1, "b", b"1", b"1")], 2))
    edge.apply(PartitionCaughtUp(TOPIC, 0))
    assert not edge.skips
    edge.flush()
    after = edge.client().join("score:1")
    assert after.head == before.head
    assert {event.key: event.data for event in after.state} == {"a": 2, "b": 1}


def test_verdicts_that_cannot_be_read_do_not_keep_the_edge_from_its_clients(edge: CoreEdge) -> None:
    assert not edge.core.has_read_log
    edge.apply(TopicOpened(VERDICTS, "e", {}, {0}))
    edge.apply(CaughtUp(VERDICTS))
    assert edge.core.has_read_log
    assert edge.core.access.verdicts.unread == {0}
    edge.apply(PartitionOpened(VERDICTS, 0, 0))
    edge.apply(PartitionCaughtUp(VERDICTS, 0))
    assert not edge.core.access.verdicts.unread
