"""Older records that come newest first become state: never a wrong one, and the whole of it if nothing is left out."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.core_edge import HUB, TOPIC, CoreEdge, LogRecord, record
from touchline_protocol.messages import Event, Subscribed
from touchline_server.core.effects import LoadRoom
from touchline_server.core.log import (
    NOTHING_READ_MS,
    CaughtUp,
    History,
    HistoryBegan,
    HistoryRead,
    LogEvent,
    OffsetsLost,
    PartitionCaughtUp,
    PartitionOpened,
    Records,
    TopicMissing,
    TopicOpened,
)
from touchline_server.core.room_store import StoredRoom
from touchline_server.core.rooms import keyed_state

KEYS = ("a", "b", "c")
BAD = b"{"


class Written(NamedTuple):
    """An event: it sets its key, removes it, or (``bad``) is a record that makes no event."""

    key: str | None
    removes: bool
    bad: bool


WRITTEN = st.lists(
    st.builds(Written, st.sampled_from((*KEYS, None)), st.booleans(), st.sampled_from([False, False, False, True])),
    max_size=12,
)


def log_record(offset: int, written: Written, ts: int) -> LogRecord:
    headers = [("key", written.key.encode())] if written.key is not None else []
    value = BAD if written.bad else b"null" if written.removes and written.key else b"%d" % ts
    return LogRecord(offset, value, headers, b"1", ts)


def state_of(events: Sequence[tuple[int, Written]]) -> dict[str | None, int]:
    state: dict[str | None, int] = {}
    for ts, (key, removes, bad) in events:
        if key is not None and not bad:
            if removes:
                state.pop(key, None)
            else:
                state[key] = ts
    return state


def draw_chunks(data: st.DataObject, partition: int, records: Sequence[LogRecord]) -> list[LogEvent]:
    """Older records, cut anywhere, newest first, and up to anywhere."""
    events: list[LogEvent] = []
    left = list(records)
    stop = data.draw(st.sampled_from([0, 0, 0, *range(len(records))]), f"where {partition} stops")
    while len(left) > stop:
        count = data.draw(st.integers(1, len(left) - stop), f"records of {partition}")
        part, left = left[-count:], left[:-count]
        events.append(History(TOPIC, partition, part, part[0].offset))
    return [*events, HistoryRead(TOPIC, partition, not left, read_since(records[len(left) :], complete=not left))]


def read_since(records: Sequence[LogRecord], *, complete: bool) -> int:
    if complete:
        return 0
    return records[0].timestamp if records else NOTHING_READ_MS


@given(before=WRITTEN, after=WRITTEN, data=st.data())
def test_the_state_is_never_wrong_and_complete_if_marked_so(
    before: Sequence[Written], after: Sequence[Written], data: st.DataObject
) -> None:
    """A room moves from partition 0 to 1. New records begin anywhere, older ones come in chunks, in any order."""
    events = list(enumerate([*before, *after]))
    logs = (
        [log_record(offset, written, ts) for offset, (ts, written) in enumerate(events[: len(before)])],
        [log_record(offset, written, ts) for offset, (ts, written) in enumerate(events[len(before) :])],
    )
    begin = data.draw(st.integers(0, len(events)), "where new records begin")
    starts = {0: min(begin, len(before)), 1: max(0, begin - len(before))}
    edge = CoreEdge(partitioner=lambda _key, partitions: partitions - 1)
    edge.apply(TopicOpened(TOPIC, "e", starts))
    lanes: list[list[LogEvent]] = []
    for partition, start in starts.items():
        if start:
            edge.apply(HistoryBegan(TOPIC, partition))
            lanes.append(draw_chunks(data, partition, logs[partition][:start]))
        lanes.append([Records(TOPIC, partition, [one], one.offset + 1) for one in logs[partition][start:]])
    while any(lanes):
        lane = data.draw(st.sampled_from([lane for lane in lanes if lane]))
        edge.apply(lane.pop(0))
        edge.flush()
    edge.apply(CaughtUp(TOPIC))

    joined = edge.client().join()

    state, truth = {event.key: event.data for event in joined.state}, state_of(events)
    assert state.items() <= truth.items()
    if joined.state_complete:
        assert state == truth
    if any(not one.bad for one in after[starts[1] :]):
        assert joined.epoch == "e-1-0"


def opened(start: int, *, complete: bool = True, older: Sequence[LogRecord] = (), hub: object = None) -> CoreEdge:
    """An edge whose window begins at ``start``, and that was given ``older`` as one chunk."""
    edge = CoreEdge() if hub is None else CoreEdge(hub=hub)  # type: ignore[arg-type]
    edge.apply(TopicOpened(TOPIC, "e", {0: start}))
    edge.apply(HistoryBegan(TOPIC, 0))
    if older:
        edge.apply(History(TOPIC, 0, older, older[0].offset))
    edge.apply(HistoryRead(TOPIC, 0, complete, read_since(older, complete=complete)))
    edge.apply(CaughtUp(TOPIC))
    return edge


def keys_of(joined: Subscribed) -> set[str | None]:
    return {event.key for event in joined.state}


def test_the_first_new_event_of_a_quiet_room_names_the_one_before_it() -> None:
    edge = opened(100, older=[record(40, "a"), record(70, "b"), record(71, "b", value=BAD)])
    client = edge.client()
    joined = client.join()
    assert (joined.head, keys_of(joined), joined.state_complete) == (99, {"a", "b"}, True)
    edge.ingest(record(105, "c"))
    edge.flush()
    (event,) = client.take()
    assert isinstance(event, Event)
    assert (event.offset, event.prev) == (105, 70)


def test_a_client_resumes_from_before_the_window_where_nothing_came_since() -> None:
    edge = opened(100, older=[record(40, "a"), record(70, "b")])
    assert edge.client().join(epoch="e-0-0", after=70).recovered
    assert edge.requests == []


def test_older_records_are_not_sent_as_recent_ones() -> None:
    edge = opened(100, older=[record(40, "a"), record(70, "b")])
    assert edge.client().join(last=10).recent == []


def test_a_state_that_was_not_read_to_its_beginning_is_marked() -> None:
    joined = opened(100, complete=False, older=[record(40, "a")]).client().join()
    assert keys_of(joined) == {"a"}
    assert not joined.state_complete


def test_a_state_that_is_larger_than_allowed_is_marked() -> None:
    hub = HUB._replace(state_bytes_max=500)
    edge = opened(100, older=[record(offset, f"key-{offset}", value=b"1" * 50) for offset in range(4)], hub=hub)
    joined = edge.client().join()
    assert keys_of(joined) == {"key-3", "key-2"}
    assert not joined.state_complete


def test_more_removals_than_can_be_remembered_do_not_bring_an_old_value_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed_state, "REMOVED_KEYS_MAX", 3)
    removals = [record(10 + number, f"key-{number}", value=b"null") for number in range(5)]
    older = [record(number, f"key-{number}") for number in range(5)]
    joined = opened(100, older=[*older, record(9, "kept"), *removals, record(20, "last")]).client().join()
    assert keys_of(joined) == {"last"}
    assert not joined.state_complete


def test_the_control_planes_room_is_kept_while_the_log_is_read_back() -> None:
    edge = CoreEdge(hub=HUB._replace(room_idle_ms=1))
    edge.apply(TopicOpened(TOPIC, "e", {0: 100}))
    edge.apply(HistoryBegan(TOPIC, 0))
    edge.apply(History(TOPIC, 0, [record(50, "a", value=b"null")], 50))
    edge.loop_ms += 1_000_000
    edge.tick()
    edge.apply(History(TOPIC, 0, [record(40, "a")], 40))
    edge.apply(HistoryRead(TOPIC, 0, complete=True, since_ms=0))
    edge.apply(CaughtUp(TOPIC))
    assert edge.client().join().state == []


def ready_then_read_back() -> CoreEdge:
    """An edge that has served a room, and whose topic is read back once more."""
    edge = CoreEdge()
    edge.ingest(record(0, "a"), record(1, "b"))
    edge.apply(OffsetsLost(TOPIC, 0, 5))
    edge.apply(HistoryBegan(TOPIC, 0))
    return edge


def test_clients_that_join_while_the_log_is_read_back_wait_for_the_state() -> None:
    edge = ready_then_read_back()
    client = edge.client()
    client.take()
    client.subscribe()
    assert client.take() == []
    edge.apply(History(TOPIC, 0, [record(3, "c")], 2))
    assert client.take() == []
    edge.apply(HistoryRead(TOPIC, 0, complete=True, since_ms=0))
    edge.run()
    (joined,) = client.take()
    assert isinstance(joined, Subscribed)
    assert keys_of(joined) == {"c"}
    assert joined.state_complete
    assert edge.requests == []


@pytest.mark.parametrize("event", [TopicMissing(TOPIC), OffsetsLost(TOPIC, 0, 9)])
def test_clients_do_not_wait_for_what_will_not_come(event: LogEvent) -> None:
    edge = ready_then_read_back()
    client = edge.client()
    client.take()
    client.subscribe()
    edge.apply(event)
    edge.run()
    (joined,) = client.take()
    assert isinstance(joined, Subscribed)
    assert not joined.state_complete


def test_a_topic_that_is_made_again_ends_its_reading_back() -> None:
    edge = ready_then_read_back()
    client = edge.client()
    client.take()
    client.subscribe()
    edge.open("e2")
    edge.run()
    assert [message.state_complete for message in client.take() if isinstance(message, Subscribed)] == [True]


def test_live_clients_get_the_state_again_once_it_is_read() -> None:
    edge = CoreEdge()
    edge.ingest(record(0, "a"), record(1, "b"))
    client = edge.client()
    client.join()
    edge.apply(OffsetsLost(TOPIC, 0, 5))
    edge.apply(HistoryBegan(TOPIC, 0))
    edge.flush()
    edge.run()
    assert client.take() == []
    edge.apply(History(TOPIC, 0, [record(3, "c")], 2))
    edge.apply(HistoryRead(TOPIC, 0, complete=True, since_ms=0))
    edge.run()
    (joined,) = client.take()
    assert isinstance(joined, Subscribed)
    assert keys_of(joined) == {"c"}
    edge.ingest(record(6, "d"))
    edge.flush()
    assert [message.offset for message in client.take() if isinstance(message, Event)] == [6]


def test_a_room_store_knows_the_state_in_spite_of_lost_records() -> None:
    edge = CoreEdge(stored=True)
    edge.ingest(record(0, "a"))
    edge.apply(OffsetsLost(TOPIC, 0, 5))
    client = edge.client()
    client.take()
    client.subscribe()
    (load,) = edge.requests
    assert isinstance(load, LoadRoom)
    outcome = edge.core.room_loaded(load.number, StoredRoom(3, [record(3, "a")]), edge.now)
    edge.perform(outcome.effects)
    edge.run()
    (joined,) = client.take()
    assert isinstance(joined, Subscribed)
    assert keys_of(joined) == {"a"}
    assert joined.state_complete


def test_a_partition_that_is_opened_late_is_read_back_too() -> None:
    edge = CoreEdge(partitioner=lambda _key, partitions: partitions - 1)
    edge.apply(TopicOpened(TOPIC, "e", {0: 0}, [1]))
    edge.apply(CaughtUp(TOPIC))
    edge.apply(PartitionOpened(TOPIC, 1, 100))
    edge.apply(HistoryBegan(TOPIC, 1))
    edge.apply(History(TOPIC, 1, [record(40, "a"), record(70, "b")], 0))
    edge.apply(PartitionCaughtUp(TOPIC, 1))
    edge.apply(HistoryRead(TOPIC, 1, complete=True, since_ms=0))
    joined = edge.client().join()
    assert keys_of(joined) == {"a", "b"}
    assert joined.state_complete


def test_older_records_are_not_taken_in_after_records_were_lost() -> None:
    """The lost ones may have changed them."""
    edge = ready_then_read_back()
    edge.apply(OffsetsLost(TOPIC, 0, 9))
    edge.apply(History(TOPIC, 0, [record(3, "c")], 2))
    edge.apply(HistoryRead(TOPIC, 0, complete=True, since_ms=0))
    joined = edge.client().join()
    assert joined.state == []
    assert not joined.state_complete
