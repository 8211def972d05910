"""Examples of the core at work that generated histories hardly reach: things that have to happen in an exact order."""

from collections.abc import Iterable

import pytest

from support.core_edge import HUB, TOPIC, CoreEdge, record
from touchline_protocol import codes
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Error, Event, ServerMessage, Subscribed, Unsubscribe
from touchline_server.core.effects import AskLogEnd, LoadRoom, ReadLog, Unreachable
from touchline_server.core.log import CaughtUp, TermBegan, TopicOpened, Truncated
from touchline_server.core.room_store import RoomKey, StoredRoom
from touchline_server.core.rooms.hub_limits import FORGET_EVERY_MS
from touchline_server.core.write_scheduler import Budget

ONE_WRITE = Budget(small_writes=1, slice_min=1, slice_max=1, catch_up_steps=0)
"""A flush takes a turn for each of its clients, and nobody catches up."""


def offsets(messages: Iterable[ServerMessage]) -> list[int]:
    return [message.offset for message in messages if isinstance(message, Event)]


def half_written_flush(edge: CoreEdge) -> None:
    """A flush that has been written to the first of its clients."""
    edge.ingest(record(0), record(1))
    edge.turn(ONE_WRITE)


def test_a_client_that_starts_over_gets_nothing_of_the_flush_that_began_before() -> None:
    edge = CoreEdge()
    others, client = [edge.client(), edge.client()], edge.client()
    for each in (*others, client):
        each.join()
    half_written_flush(edge)
    assert [offsets(each.take()) for each in (*others, client)] == [[0, 1], [], []]
    edge.open("e2")
    client.pause()
    client.resume()
    edge.turn(ONE_WRITE._replace(catch_up_steps=10))
    assert offsets(others[1].take()) == [0, 1]
    (restart,) = client.take()
    assert isinstance(restart, Subscribed)
    assert (restart.epoch, restart.recovered, restart.head) == ("e2-0-0", False, -1)
    edge.run()
    assert client.take() == []
    edge.ingest(record(0))
    edge.run()
    assert offsets(client.take()) == [0]


def test_a_live_client_gets_the_flush_that_began_before_and_then_starts_over_once() -> None:
    edge = CoreEdge()
    other, client = edge.client(), edge.client()
    other.join()
    client.join()
    half_written_flush(edge)
    edge.open("e2")
    edge.run()
    *events, restart = client.take()
    assert offsets(events) == [0, 1]
    assert isinstance(restart, Subscribed)
    assert restart.epoch == "e2-0-0"


def test_a_client_that_leaves_in_the_middle_of_a_flush_gets_no_more_of_it() -> None:
    edge = CoreEdge()
    other, client = edge.client(), edge.client()
    other.join()
    client.join()
    half_written_flush(edge)
    client.leave()
    edge.run()
    assert client.take() == []


def test_a_client_ahead_of_a_room_that_starts_over_is_told_so_at_once() -> None:
    edge = CoreEdge()
    edge.ingest(record(0))
    client = edge.client()
    client.take()
    client.subscribe(epoch="e1-0-0", after=7)
    (ask,) = edge.requests
    assert isinstance(ask, AskLogEnd)
    edge.perform(edge.core.log_end(ask.number, 10, edge.now))
    assert [message.recovered for message in client.take() if isinstance(message, Subscribed)] == [True]
    edge.open("e2")
    edge.run()
    (restart,) = client.take()
    assert isinstance(restart, Subscribed)
    assert (restart.epoch, restart.recovered) == ("e2-0-0", False)
    edge.ingest(record(0))
    edge.run()
    assert offsets(client.take()) == [0]


def test_a_cursor_that_the_room_reached_while_the_log_was_asked_is_caught_up_at_once() -> None:
    edge = CoreEdge()
    edge.ingest(record(0))
    client = edge.client()
    client.take()
    client.subscribe(epoch="e1-0-0", after=2)
    (ask,) = edge.requests
    edge.ingest(record(1), record(2), record(3))
    edge.perform(edge.core.log_end(ask.number, 3, edge.now))  # from before 3 was written
    edge.run()
    joined, event = client.take()
    assert isinstance(joined, Subscribed)
    assert joined.recovered
    assert offsets([event]) == [3]


def test_state_that_does_not_fit_is_delivered_and_its_key_not_kept() -> None:
    edge = CoreEdge(hub=HUB._replace(state_bytes_max=4_096))
    large = b'"' + b"x" * 3_000 + b'"'
    client = edge.client()
    client.join()
    edge.ingest(record(0, "a", value=large), record(1, "b", value=b"1"), record(2, "b", value=large))
    edge.run()
    assert offsets(client.take()) == [0, 1, 2]
    assert edge.hub.rooms["score:1"].contents.state_full
    state = edge.client().join().state
    assert [event.key for event in state] == ["a"]  # and not the old value of b, which no longer holds
    edge.ingest(record(3, "a", value=b"null"), record(4, "b", value=large))
    edge.run()
    assert [event.key for event in edge.client().join().state] == ["b"]
    edge.ingest(record(5, "b", value=b"2"), *[record(6 + n, f"k{n}", value=b"3") for n in range(30)])
    edge.run()
    state = edge.client().join().state
    assert sum(len(JSON.encode(event)) for event in state) < 4_096
    assert len(state) > 4_096 // 201


def test_an_idle_room_is_forgotten_and_comes_back_right() -> None:
    edge = CoreEdge(hub=HUB._replace(window_ms=100))
    client = edge.client()
    edge.loop_ms = 1
    edge.ingest(record(0, "k"), record(1))
    before = client.join()
    edge.loop_ms = 5_000
    edge.tick()
    assert "score:1" in edge.hub.rooms  # somebody is in it
    client.send(Unsubscribe(rooms=["score:1"]))
    edge.loop_ms += FORGET_EVERY_MS
    edge.tick()
    assert "score:1" not in edge.hub.rooms
    after = client.join(epoch=before.epoch, after=before.head)
    assert (after.recovered, after.head) == (True, 1)
    edge.ingest(record(2, room="2"), record(3))
    edge.run()
    (event,) = client.take()
    assert isinstance(event, Event)
    assert (event.offset, event.prev) == (3, None)


def test_a_room_with_events_in_the_window_is_not_idle() -> None:
    edge = CoreEdge(hub=HUB._replace(window_ms=10_000))
    edge.loop_ms = 1
    edge.ingest(record(0))
    edge.loop_ms = 5_000
    edge.tick()
    assert "score:1" in edge.hub.rooms
    edge.loop_ms = 50_000
    edge.tick()
    assert not edge.hub.rooms


def test_the_window_releases_the_oldest_events_of_all_rooms_beyond_its_bytes() -> None:
    edge = CoreEdge(hub=HUB._replace(window_bytes_max=5_000))
    for offset in range(20):
        edge.ingest(record(offset, value=b"1" * 600, room=str(offset % 2)))
    window = edge.hub.feeds["score"].windows[0]
    assert window.bytes <= 5_000
    assert [event.offset for event in window.events] == [15, 16, 17, 18, 19]
    contents = edge.hub.rooms["score:0"].contents
    assert [event.offset for event in contents.events] == [16, 18]
    assert contents.floor == 14
    client = edge.client()
    assert client.take()
    client.subscribe("score:0", epoch="e1-0-0", after=14)
    assert offsets(client.take()) == [16, 18]
    client.subscribe("score:1", epoch="e1-0-0", after=12)
    (read,) = edge.requests
    assert isinstance(read, ReadLog)
    assert (read.range.after, read.range.up_to) == (12, 13)


def test_frames_count_as_bytes_of_the_window() -> None:
    edge = CoreEdge()
    edge.ingest(record(0, value=b"1" * 600))
    window = edge.hub.feeds["score"].windows[0]
    before = window.bytes
    edge.client().join(last=1)
    assert window.bytes > before + 600


def test_the_window_releases_what_was_read_long_ago() -> None:
    edge = CoreEdge(hub=HUB._replace(window_ms=100))
    contents = []
    for now_ms, what in ((1_000, record(0)), (1_090, record(1)), (1_100, None), (1_101, None), (1_500, record(2))):
        edge.loop_ms = now_ms
        if what is None:
            edge.tick()
        else:
            edge.ingest(what)
        contents.append([event.offset for event in edge.hub.rooms["score:1"].contents.events])
    assert contents == [[0], [0, 1], [0, 1], [1], [2]]


# The room store.


def stored(edge: CoreEdge, answer: StoredRoom | None) -> LoadRoom:
    """Answer the one request for a room."""
    (load,) = edge.requests
    edge.requests.clear()
    assert isinstance(load, LoadRoom)
    outcome = edge.core.room_loaded(load.number, answer, edge.now)
    edge.perform(outcome.effects)
    edge.run()
    return load


def test_a_room_is_loaded_once_for_all_who_join_and_together_with_what_came_since() -> None:
    edge = CoreEdge(stored=True)
    edge.apply(TopicOpened(TOPIC, "e9", {0: 100}))
    edge.apply(CaughtUp(TOPIC))
    edge.ingest(record(110, "b", value=b"2"), record(111, "c", value=b"null"))
    clients = [edge.client(), edge.client()]
    for client in clients:
        client.take()
        client.subscribe()
    edge.ingest(record(112, "d", value=b"4"))
    older = StoredRoom(90, [record(70, "a", value=b"1"), record(80, "b", value=b"9"), record(90, "c", value=b"9")])
    load = stored(edge, older)
    assert (load.key, load.before) == (RoomKey(TOPIC, "e9", 0, "1"), 100)
    for client in clients:
        (joined,) = client.take()
        assert isinstance(joined, Subscribed)
        assert {event.key: event.data for event in joined.state} == {"a": 1, "b": 2, "d": 4}
        assert joined.head == 112
    edge.client().join()
    assert edge.requests == []


def test_an_event_after_a_load_names_the_stored_one_before_it() -> None:
    edge = CoreEdge(stored=True)
    client = edge.client()
    client.take()
    client.subscribe(epoch="e1-0-0", after=-1)
    stored(edge, None)
    edge.open("e2")
    edge.run()
    stored(edge, None)
    client.take()
    other = edge.client()
    other.take()
    other.subscribe("score:2")
    edge.requests.clear()
    edge.ingest(record(5))
    edge.run()
    (event,) = client.take()
    assert isinstance(event, Event)
    assert event.prev is None


def test_a_client_does_not_wait_for_a_store_whose_answer_is_of_another_log() -> None:
    edge = CoreEdge(stored=True)
    client = edge.client()
    client.take()
    client.subscribe()
    (load,) = edge.requests
    edge.requests.clear()
    edge.open("e2")
    assert isinstance(load, LoadRoom)
    edge.perform(edge.core.room_loaded(load.number, StoredRoom(3, [record(3, "old")]), edge.now).effects)
    edge.run()
    assert client.take() == []
    load = stored(edge, None)
    assert load.key.epoch == "e2"
    (joined,) = client.take()
    assert isinstance(joined, Subscribed)
    assert (joined.epoch, joined.state) == ("e2-0-0", [])


@pytest.mark.parametrize("live", [True, False])
def test_a_client_that_starts_over_in_a_new_log_gets_what_the_store_knows_of_it(live: bool) -> None:
    edge = CoreEdge(stored=True)
    client = edge.client()
    client.subscribe()
    stored(edge, None)
    client.take()
    if not live:
        client.pause()
    edge.apply(TopicOpened(TOPIC, "e2", {0: 10}))
    edge.apply(CaughtUp(TOPIC))
    edge.ingest(record(10, "b", value=b"2"))
    edge.flush()
    if not live:
        client.resume()
    edge.run()
    load = stored(edge, StoredRoom(4, [record(4, "a", value=b"1")]))
    assert (load.key.epoch, load.before) == ("e2", 10)
    edge.ingest(record(11, "c", value=b"3"))
    edge.run()
    joined, event = client.take()
    assert isinstance(joined, Subscribed)
    assert (joined.recovered, joined.head) == (False, 10)
    assert {event.key: event.data for event in joined.state} == {"a": 1, "b": 2}
    assert isinstance(event, Event)
    assert (event.offset, event.prev) == (11, 10)


def test_a_room_that_is_made_again_while_it_loads_is_loaded_again() -> None:
    """A client subscribes, leaves, and subscribes again before the store has answered."""
    edge = CoreEdge(stored=True)
    edge.apply(TopicOpened(TOPIC, "e9", {0: 100}))
    edge.apply(CaughtUp(TOPIC))
    client = edge.client()
    client.subscribe()
    client.send(Unsubscribe(rooms=["score:1"]))
    client.subscribe()
    client.take()
    older = StoredRoom(50, [record(50, "score", value=b"2")])
    for load in edge.requests:
        assert isinstance(load, LoadRoom)
        edge.perform(edge.core.room_loaded(load.number, older, edge.now).effects)
    edge.run()
    (joined,) = client.take()
    assert isinstance(joined, Subscribed)
    assert {event.key: event.data for event in joined.state} == {"score": 2}


def test_a_client_that_joins_while_the_store_does_not_answer_is_refused_for_now() -> None:
    edge = CoreEdge(stored=True)
    client = edge.client()
    client.take()
    client.subscribe()
    (load,) = edge.requests
    edge.requests.clear()
    assert isinstance(load, LoadRoom)
    edge.perform(edge.core.room_loaded(load.number, Unreachable("the disk is away"), edge.now).effects)
    (refusal,) = client.take()
    assert isinstance(refusal, Error)
    assert (refusal.code, refusal.room) == (codes.UNAVAILABLE.code, "score:1")
    client.subscribe()
    stored(edge, None)
    assert isinstance(client.take()[0], Subscribed)


def test_a_clean_election_costs_nobody_a_start_over_and_is_announced_once() -> None:
    edge = CoreEdge()
    edge.apply(TermBegan(TOPIC, 0, 0, 1))
    edge.ingest(record(0))
    client = edge.client()
    joined = client.join()
    edge.apply(TermBegan(TOPIC, 0, 1, 2))
    edge.ingest(record(1), record(2))
    edge.run()
    assert joined.epoch == "e1-0-1"
    assert [event.epoch for event in client.take() if isinstance(event, Event)] == ["e1-0-2", None]
    for cursor in (("e1-0-1", 0), ("e1-0-2", 0), ("e1-0-2", 2)):
        again = edge.client().join(epoch=cursor[0], after=cursor[1])
        assert (again.recovered, again.epoch) == (True, "e1-0-2")


def test_a_cursor_in_the_lost_part_starts_over_however_far_the_log_has_grown() -> None:
    edge = CoreEdge()
    edge.apply(TermBegan(TOPIC, 0, 0, 1))
    edge.ingest(*[record(offset, "k") for offset in range(10)])
    client = edge.client()
    client.join()
    edge.apply(Truncated(TOPIC, 0, 6, 1))
    edge.run()
    (restart,) = client.take()
    assert isinstance(restart, Subscribed)
    assert (restart.recovered, restart.head, restart.state) == (False, 5, [])
    edge.apply(TermBegan(TOPIC, 0, 6, 2))
    edge.ingest(*[record(offset) for offset in range(6, 30)])
    edge.run()
    assert not edge.client().join(epoch="e1-0-1", after=9).recovered
    assert edge.client().join(epoch="e1-0-1", after=5).recovered
    assert edge.client().join(epoch="e1-0-2", after=9).recovered


def test_a_client_that_waits_for_offsets_of_a_lost_term_starts_over_when_a_newer_term_takes_them_over() -> None:
    """It came from an edge that had read more, and the log was cut back before this edge got there."""
    edge = CoreEdge()
    edge.apply(TermBegan(TOPIC, 0, 0, 1))
    edge.ingest(record(0))
    client = edge.client()
    client.take()
    client.subscribe(epoch="e1-0-1", after=9)
    (ask,) = edge.requests
    assert isinstance(ask, AskLogEnd)
    edge.perform(edge.core.log_end(ask.number, None, edge.now))  # the log is away
    assert [message.recovered for message in client.take() if isinstance(message, Subscribed)] == [True]
    edge.apply(TermBegan(TOPIC, 0, 1, 2))
    edge.run()
    (restart,) = client.take()
    assert isinstance(restart, Subscribed)
    assert (restart.epoch, restart.recovered) == ("e1-0-2", False)
    edge.ingest(record(1))
    edge.run()
    assert offsets(client.take()) == [1]


@pytest.mark.parametrize("term", [7, 2**31 - 1, 2**31, 10**10 - 1, 10**10, -1])
def test_a_made_up_term_costs_only_the_client_that_sent_it(term: int) -> None:
    edge = CoreEdge()
    edge.apply(TermBegan(TOPIC, 0, 0, 1))
    edge.ingest(record(0))
    client = edge.client()
    client.take()
    client.subscribe(epoch=f"e1-0-{term}", after=-1)
    for ask in edge.requests:
        assert isinstance(ask, AskLogEnd)
        assert ask.term < 2**31
        edge.perform(edge.core.log_end(ask.number, 0, edge.now))
    (joined,) = [message for message in client.take() if isinstance(message, Subscribed)]
    assert not joined.recovered
