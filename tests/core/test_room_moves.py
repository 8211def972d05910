"""Rooms whose partition changes: events and state are right, whatever producers' clocks show, and in whatever order an
edge reads the partitions."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.client_model import RoomView
from support.core_edge import TOPIC, CoreEdge, LogRecord, record
from touchline_protocol.messages import Event, Skipped, Subscribed
from touchline_server.core.effects import ReadLog
from touchline_server.core.log import (
    CaughtUp,
    Chunk,
    History,
    HistoryBegan,
    HistoryRead,
    LogEvent,
    OffsetsLost,
    PartitionsAdded,
    Records,
    TopicOpened,
)
from touchline_server.core.rooms.moves import STRAGGLERS_MS, Partitioner

KEYS = ("a", "b", "c")
HOUR_MS = 3_600_000
BEHIND_MS = st.sampled_from((0, 0, HOUR_MS))
"""How far the clock of a record's producer is behind."""

EVENTS = st.lists(st.tuples(st.sampled_from((*KEYS, None)), st.booleans(), BEHIND_MS), max_size=8)


def ours(key: bytes, partitions: int) -> int:
    """The partitioner that the edge knows. The room "1" goes from 0 to 1 to 1 to 1 as partitions are added to 1."""
    return key[0] % partitions


def newest(_key: bytes, partitions: int) -> int:
    """A partitioner that the edge does not know."""
    return partitions - 1


def keyed(offset: int, key: str | None, value: int | None, ts: int) -> LogRecord:
    headers = [("key", key.encode())] if key is not None else []
    return LogRecord(offset, b"null" if value is None else b"%d" % value, headers, b"1", ts)


class Written:
    """What producers wrote, in the order in which they did: two partitions, and the state that follows from them."""

    def __init__(self) -> None:
        self.logs: dict[int, list[LogRecord]] = {}
        self.state: dict[str, int] = {}
        self.now_ms = 2 * HOUR_MS

    def write(
        self, partition: int, events: Iterable[tuple[str | None, bool, int]], *, moved_to: int | None = None
    ) -> None:
        """Write events. ``moved_to``: the room has moved there, and the producer does not know; its keys there win."""
        home = [] if moved_to is None else self.logs[moved_to]
        taken = {value.decode() for record in home for _, value in record.headers}
        for key, removes, behind_ms in events:
            self.now_ms += 1
            value = None if removes and key is not None else self.now_ms
            log = self.logs.setdefault(partition, [])
            log.append(keyed(len(log), key, value, self.now_ms - behind_ms))
            if key is None or key in taken:
                continue
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value

    def read(self, edge: CoreEdge, draw: st.DataObject) -> None:
        """Hand the records to an edge, in batches of any size, the partitions in any order."""
        left = {partition: list(log) for partition, log in self.logs.items() if log}
        while left:
            partition = draw.draw(st.sampled_from(sorted(left)))
            count = draw.draw(st.integers(1, len(left[partition])))
            batch, left[partition] = left[partition][:count], left[partition][count:]
            edge.apply(Records(TOPIC, partition, batch, batch[-1].offset + 1))
            left = {partition: log for partition, log in left.items() if log}


def started_edge(written: Written, partitions: int, partitioner: Partitioner, draw: st.DataObject) -> CoreEdge:
    """An edge that starts when everything has been written."""
    edge = CoreEdge(partitioner=partitioner)
    edge.apply(TopicOpened(TOPIC, "e", dict.fromkeys(range(partitions), 0)))
    written.read(edge, draw)
    edge.apply(CaughtUp(TOPIC))
    return edge


def shown(edge: CoreEdge) -> tuple[str, dict[str | None, object]]:
    """The epoch and the state that a client which joins now gets."""
    joined = edge.client().join()
    return joined.epoch, {event.key: event.data for event in joined.state}


def watched(edge: CoreEdge, *events: LogEvent) -> RoomView:
    """What a client sees that is in the room while an edge reads."""
    edge.open("e", 1)
    client, view = edge.client(), RoomView()
    client.take()
    client.subscribe()
    for event in events:
        edge.apply(event)
    edge.run()
    for message in client.take():
        view.take(message)
    return view


@given(before=EVENTS, after=EVENTS.filter(bool), data=st.data())
def test_an_edge_that_starts_after_partitions_were_added_has_the_right_state(
    before: Sequence[tuple[str | None, bool, int]], after: Sequence[tuple[str | None, bool, int]], data: st.DataObject
) -> None:
    """The room moved from partition 0 to 1; the clocks of its producers differ by an hour."""
    written = Written()
    written.write(0, before)
    written.write(1, after)
    edge = started_edge(written, 2, ours, data)
    assert shown(edge) == ("e-1-0", written.state)
    assert edge.skips == []


@given(eras=st.lists(EVENTS, min_size=3, max_size=3), data=st.data())
def test_rooms_that_moved_twice_have_the_right_state_if_clocks_agree(
    eras: Sequence[Sequence[tuple[str | None, bool, int]]], data: st.DataObject
) -> None:
    """The room went from 0 to 1 to 3, as with 1, 2 and 4 partitions."""
    written = Written()
    for partition, events in zip((0, 1, 3), eras, strict=True):
        written.write(partition, [(key, removes, 0) for key, removes, _ in [*events, (None, False, 0)]])
    edge = started_edge(written, 4, lambda key, partitions: 7 % partitions, data)
    assert shown(edge) == ("e-3-0", written.state)


@given(eras=st.lists(EVENTS, min_size=3, max_size=3), data=st.data())
def test_edges_agree_on_a_room_that_moved_twice_whatever_the_clocks_show(
    eras: Sequence[Sequence[tuple[str | None, bool, int]]], data: st.DataObject
) -> None:
    written = Written()
    for partition, events in zip((0, 1, 3), eras, strict=True):
        written.write(partition, [*events, (None, False, 0)])
    one, other = (started_edge(written, 4, lambda key, partitions: 7 % partitions, data) for _ in range(2))
    assert shown(one) == shown(other)


@pytest.mark.parametrize("partitioner", [ours, newest])
@given(before=EVENTS, after=EVENTS, data=st.data())
def test_every_event_of_the_partition_that_a_room_moved_to_is_delivered_whatever_its_time(
    partitioner: Partitioner,
    before: Sequence[tuple[str | None, bool, int]],
    after: Sequence[tuple[str | None, bool, int]],
    data: st.DataObject,
) -> None:
    written = Written()
    written.write(0, before)
    edge = CoreEdge(partitioner=ours)
    client = edge.client()
    client.join()
    written.read(edge, data)
    written.logs.clear()
    edge.apply(PartitionsAdded(TOPIC, {1: 0}))
    written.write(partitioner(b"1", 2), after)
    written.read(edge, data)
    edge.run()
    events = [message for message in client.take() if isinstance(message, Event)]
    assert len(events) == len(before) + len(after)
    assert shown(edge)[1] == written.state
    assert edge.skips == []


@given(before=EVENTS.filter(bool), after=EVENTS.filter(bool), late=EVENTS.filter(bool), data=st.data())
def test_all_edges_and_clients_agree_while_a_producer_has_not_noticed_the_added_partitions(
    before: Sequence[tuple[str | None, bool, int]],
    after: Sequence[tuple[str | None, bool, int]],
    late: Sequence[tuple[str | None, bool, int]],
    data: st.DataObject,
) -> None:
    """One edge reads the late records before the room moves, one after that, and one starts when all is written."""
    written = Written()
    written.write(0, before)
    written.write(1, after)
    written.write(0, late, moved_to=1)
    moved, straggled = CoreEdge(partitioner=ours), CoreEdge(partitioner=ours)
    old, new = (Records(TOPIC, number, written.logs[number], len(written.logs[number])) for number in (0, 1))
    begun = Records(TOPIC, 0, written.logs[0][: len(before)], len(before))
    rest = old._replace(records=old.records[len(before) :])
    views = [
        watched(moved, old, PartitionsAdded(TOPIC, {1: 0}), new),
        watched(straggled, begun, PartitionsAdded(TOPIC, {1: 0}), new, rest),
    ]
    started = started_edge(written, 2, ours, data)
    assert shown(moved) == shown(straggled) == shown(started) == ("e-1-0", written.state)
    assert [skip.reason for skip in straggled.skips] == ["misplaced"] * len(late)
    assert moved.skips == started.skips == []
    assert [view.state for view in views] == [written.state] * 2


def test_a_room_returns_to_the_partition_that_is_expected_after_a_stray_record() -> None:
    edge = CoreEdge(partitioner=ours)
    edge.open("e", 3)
    edge.ingest(keyed(0, "a", 1, 5), partition=1)
    edge.ingest(keyed(0, "a", 2, 9), partition=0)
    assert shown(edge) == ("e-0-0", {"a": 2})
    edge.ingest(keyed(1, "a", 3, 1), partition=1)
    assert shown(edge) == ("e-1-0", {"a": 3})
    edge.ingest(keyed(1, "a", 4, 9), partition=0)
    assert shown(edge) == ("e-1-0", {"a": 3})
    assert [(skip.partition, skip.offset, skip.reason) for skip in edge.skips] == [(0, 1, "misplaced")]


def test_a_room_leaves_an_expected_partition_that_has_long_been_silent() -> None:
    """Producers with a partitioner of their own went to partition 0, except for one that was late."""
    edge = CoreEdge(partitioner=ours)
    edge.open("e", 2)
    for partition, offset in ((1, 0), (0, 0), (1, 1), (0, 1)):
        edge.ingest(keyed(offset, "a", 10 * partition + offset, 1), partition=partition)
    assert shown(edge) == ("e-1-0", {"a": 11})
    edge.loop_ms += STRAGGLERS_MS + 1
    edge.ingest(keyed(2, "a", 2, 1), partition=0)
    assert shown(edge) == ("e-0-0", {"a": 2})


def test_where_producers_have_a_partitioner_of_their_own_the_expected_partition_means_nothing() -> None:
    """With 4 partitions the room is expected in 1, where it was before; its producers choose 2 now."""
    edge = CoreEdge(partitioner=ours)
    edge.open("e", 4)
    edge.ingest(keyed(0, "a", 1, 1), partition=1)
    edge.ingest(keyed(0, "a", 2, 2), partition=2)
    edge.ingest(keyed(1, "a", 3, 3), partition=1)
    edge.ingest(keyed(1, "a", 4, 4), partition=2)
    assert shown(edge) == ("e-2-0", {"a": 4})
    assert edge.skips == []


OLD = Records(TOPIC, 0, [keyed(0, "a", 1, 1), keyed(1, "b", 1, 1)], 2)
LOST = OffsetsLost(TOPIC, 1, 5)
NEW = Records(TOPIC, 1, [keyed(5, "b", 2, 2)], 6)
"""The room leaves partition 0 for 1, where its first records were deleted before the edge read them."""


def assert_only_what_followed_the_loss_is_known(edge: CoreEdge) -> None:
    joined = edge.client().join()
    assert (joined.epoch, {event.key: event.data for event in joined.state}) == ("e-1-0", {"b": 2})
    assert not joined.state_complete


def test_clients_start_over_without_state_in_a_partition_that_lost_the_rooms_first_records() -> None:
    edge = CoreEdge(partitioner=ours)
    edge.open("e", 1)
    edge.apply(OLD)
    client = edge.client()
    assert len(client.join().state) == 2
    for reported in (PartitionsAdded(TOPIC, {1: 0}), LOST, NEW):
        edge.apply(reported)
    edge.run()
    joined, event = client.take()
    assert isinstance(joined, Subscribed)
    assert (joined.epoch, joined.head, joined.recovered, joined.state) == ("e-1-0", 4, False, [])
    assert not joined.state_complete
    assert isinstance(event, Event)
    assert (event.offset, event.prev, event.key) == (5, 4, "b")
    assert_only_what_followed_the_loss_is_known(edge)


READ_BACK = (HistoryBegan(TOPIC, 1), HistoryRead(TOPIC, 1, complete=True, since_ms=0))


@pytest.mark.parametrize("losses", [(), (LOST,), (LOST, *READ_BACK)])
def test_a_client_with_all_of_the_partition_before_goes_on_only_if_the_next_one_lost_nothing(
    losses: Sequence[LogEvent],
) -> None:
    """The lost records may have been this room's, so the client may not be told that it has missed nothing."""
    edge = CoreEdge(partitioner=ours)
    edge.open("e", 1)
    for event in (OLD, PartitionsAdded(TOPIC, {1: 0}), *losses, NEW):
        edge.apply(event)
        edge.run()
    joined = edge.client().join(epoch="e-0-0", after=1, ts=1)
    assert (joined.epoch, joined.head, joined.recovered) == ("e-1-0", 5, False)
    assert joined.after == (None if losses else 4)


@pytest.mark.parametrize("events", [(OLD, LOST, NEW), (LOST, OLD, NEW), (LOST, NEW, OLD)])
@pytest.mark.parametrize("is_ready", [True, False])
def test_lost_records_void_the_state_from_before_a_move_in_whatever_order_partitions_are_read(
    events: Sequence[LogEvent], is_ready: bool
) -> None:
    edge = CoreEdge(partitioner=ours)
    opened: list[LogEvent] = [TopicOpened(TOPIC, "e", {0: 0, 1: 0}), *events]
    opened.insert(1 if is_ready else len(opened), CaughtUp(TOPIC))
    for event in opened:
        edge.apply(event)
        edge.flush()
    edge.apply(NEW._replace(records=[keyed(6, "b", 2, 3)], next_offset=7))
    assert_only_what_followed_the_loss_is_known(edge)


def test_late_records_do_not_bring_back_what_lost_ones_may_have_changed() -> None:
    edge = CoreEdge(partitioner=ours)
    edge.open("e", 1)
    for event in (OLD, PartitionsAdded(TOPIC, {1: 0}), LOST, NEW):
        edge.apply(event)
    edge.ingest(keyed(2, "a", 1, 1))
    assert [skip.reason for skip in edge.skips] == ["misplaced"]
    assert_only_what_followed_the_loss_is_known(edge)


@pytest.mark.parametrize("is_moved_first", [True, False])
def test_older_records_of_the_partition_before_do_not_bring_it_back_either(is_moved_first: bool) -> None:
    edge = CoreEdge(partitioner=ours)
    edge.apply(TopicOpened(TOPIC, "e", {0: 2, 1: 0}))
    edge.apply(HistoryBegan(TOPIC, 0))
    edge.apply(HistoryBegan(TOPIC, 1))
    live: list[LogEvent] = [LOST, NEW]
    older: list[LogEvent] = [History(TOPIC, 0, OLD.records, 0), HistoryRead(TOPIC, 0, complete=True, since_ms=0)]
    for event in live + older if is_moved_first else older + live:
        edge.apply(event)
        edge.flush()
    edge.apply(HistoryRead(TOPIC, 1, complete=True, since_ms=0))
    edge.apply(CaughtUp(TOPIC))
    assert_only_what_followed_the_loss_is_known(edge)


def test_a_state_stays_incomplete_when_its_room_moves_on() -> None:
    edge = CoreEdge(partitioner=ours)
    edge.open("e", 1)
    for event in (OLD, OffsetsLost(TOPIC, 0, 9), PartitionsAdded(TOPIC, {1: 0}), NEW):
        edge.apply(event)
    assert_only_what_followed_the_loss_is_known(edge)


def test_a_state_is_incomplete_without_the_keys_of_a_partition_that_the_room_had_left() -> None:
    edge = CoreEdge(partitioner=ours)
    for event in (TopicOpened(TOPIC, "e", {0: 0, 1: 0}), NEW, OLD, OffsetsLost(TOPIC, 0, 9), CaughtUp(TOPIC)):
        edge.apply(event)
    assert_only_what_followed_the_loss_is_known(edge)


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
    assert (joined.epoch, joined.head, state.offset) == ("e1-1-0", 4, -1)
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
        client.subscribe(epoch="e1-0-0", after=2)
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
