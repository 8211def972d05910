"""Rooms whose partition changes: the state is right, whatever the order in which an edge reads the partitions."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from support.core_edge import TOPIC, CoreEdge, LogRecord, record
from touchline_protocol.messages import Event, Skipped
from touchline_server.core.effects import ReadLog
from touchline_server.core.log import CaughtUp, Chunk, PartitionsAdded, Records, TopicOpened

KEYS = ("a", "b", "c")


def keyed(offset: int, key: str | None, value: int | None, ts: int) -> LogRecord:
    headers = [("key", key.encode())] if key is not None else []
    return LogRecord(offset, b"null" if value is None else b"%d" % value, headers, b"1", ts)


EVENTS = st.lists(st.tuples(st.sampled_from((*KEYS, None)), st.booleans()), max_size=8)


@given(before=EVENTS, after=EVENTS.filter(bool), data=st.data())
def test_an_edge_that_starts_after_partitions_were_added_has_the_right_state(
    before: Sequence[tuple[str | None, bool]], after: Sequence[tuple[str | None, bool]], data: st.DataObject
) -> None:
    """The room moved from partition 0 to 1; the edge gets the two in any order, in batches of any size."""
    state: dict[str, int] = {}
    logs: tuple[list[LogRecord], list[LogRecord]] = ([], [])
    for ts, (partition, (key, removes)) in enumerate([*((0, one) for one in before), *((1, one) for one in after)]):
        if key is not None:
            if removes:
                state.pop(key, None)
            else:
                state[key] = ts
        value = None if removes and key is not None else ts
        logs[partition].append(keyed(len(logs[partition]), key, value, ts))
    edge = CoreEdge()
    edge.apply(TopicOpened(TOPIC, "e", {0: 0, 1: 0}))
    left = [list(log) for log in logs]
    while any(left):
        partition = data.draw(st.sampled_from([number for number in (0, 1) if left[number]]))
        count = data.draw(st.integers(1, len(left[partition])))
        batch, left[partition] = left[partition][:count], left[partition][count:]
        edge.apply(Records(TOPIC, partition, batch, batch[-1].offset + 1))
    edge.apply(CaughtUp(TOPIC))
    joined = edge.client().join()
    assert {event.key: event.data for event in joined.state} == state
    assert joined.epoch == "e-1"
    assert edge.skips == []


def test_state_from_before_a_move_has_an_offset_that_can_be_resumed_from() -> None:
    edge = CoreEdge()
    edge.ingest(*[record(offset, "k") for offset in range(30)])
    client = edge.client()
    client.join()
    edge.apply(PartitionsAdded(TOPIC, {1: 0}))
    edge.ingest(*[LogRecord(offset, b"1", (), b"1", 2) for offset in range(5)], partition=1)
    edge.run()
    joined = edge.client().join()
    (state,) = joined.state
    assert (joined.epoch, joined.head, state.offset) == ("e1-1", 4, -1)
    again = edge.client()
    again.take()
    again.subscribe(epoch=joined.epoch, after=state.offset)
    assert [event.offset for event in again.take() if isinstance(event, Event)] == [0, 1, 2, 3, 4]


def test_a_client_hears_of_events_that_compaction_removed_behind_the_window() -> None:
    edge = CoreEdge()
    edge.ingest(*[record(offset, "k") for offset in range(6)])
    window = edge.hub.feeds["score"].windows[0]
    window.trim(bytes_max=-1, read_before_ms=0)
    edge.ingest(record(6, "k"))
    for later in ([], [record(7, "k")]):
        if later:
            window.trim(bytes_max=-1, read_before_ms=0)
        client = edge.client()
        client.take()
        client.subscribe(epoch="e1-0", after=2)
        (read,) = edge.requests
        edge.requests.clear()
        assert isinstance(read, ReadLog)
        found = [record(6, "k")] if later else []
        edge.perform(edge.core.log_read(read.number, Chunk(found, read.range.up_to), edge.now))
        edge.run()
        if later:
            edge.ingest(*later)
            edge.run()
        told = [message for message in client.take() if isinstance(message, Event | Skipped)]
        if later:
            assert [message.offset for message in told if isinstance(message, Event)] == [6, 7]
        else:
            skipped, event = told
            assert isinstance(skipped, Skipped)
            assert (skipped.from_, skipped.to, skipped.count) == (3, 5, 0)
            assert isinstance(event, Event)
            assert (event.offset, event.prev) == (6, 5)
