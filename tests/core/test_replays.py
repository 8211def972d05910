"""Catch-ups that only the log can serve: reads are shared by partition, and connections take turns."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.old_events import OLDER_TERM, TERM, OldEvents, in_turn
from support.client_model import RoomView
from support.core_edge import HUB, TOPIC, CoreClient, CoreEdge, record
from touchline_protocol.messages import Error, Event, RoomRequest, Subscribe, Subscribed
from touchline_server.core.effects import AskLogEnd, LoadRoom, ReadLog
from touchline_server.core.log import (
    CaughtUp,
    History,
    HistoryBegan,
    HistoryRead,
    Records,
    TermBegan,
    TopicOpened,
    Truncated,
)
from touchline_server.core.replays.partition_reads import CHUNK_RECORDS
from touchline_server.core.replays.replay_queue import CHUNK_KEPT_MS
from touchline_server.core.replays.room_loads import LOADS_MAX
from touchline_server.core.room_store import StoredRoom
from touchline_server.core.subscription import Phase
from touchline_server.core.write_scheduler import Budget

ROOMS = [f"r{number}" for number in range(20)]
NOBODYS = [f"never{number}" for number in range(20)]
HOGS = 5


def offsets(client: CoreClient, room: str) -> list[int]:
    """The offsets of a room's events that a client was given, in this order."""
    return [each.offset for each in client.received if isinstance(each, Event) and each.room == f"score:{room}"]


def expected(log: OldEvents, room: str, after: int) -> list[int]:
    return [each.offset for each in log.records if each.key == room.encode() and each.offset > after]


def assert_has_all(log: OldEvents, client: CoreClient, rooms: Sequence[str], after: int | Sequence[int]) -> None:
    cursors = [after] * len(rooms) if isinstance(after, int) else after
    answers = [each for each in client.received if isinstance(each, Subscribed)]
    assert {each.room for each in answers} == {f"score:{room}" for room in rooms}
    assert all(each.recovered for each in answers)
    for room, cursor in zip(rooms, cursors, strict=True):
        assert offsets(client, room) == expected(log, room, cursor), room


def test_a_client_with_many_rooms_has_the_partition_read_once() -> None:
    log = OldEvents(in_turn(ROOMS, 3_000))
    cursors = [number * 20 for number in range(len(ROOMS))]
    client = log.client(ROOMS, cursors)
    log.answer_all()
    assert_has_all(log, client, ROOMS, cursors)
    assert log.records_read <= 3_000
    assert len(log.answered) <= 3_000 / CHUNK_RECORDS + 1


def test_clients_share_the_reads_of_a_partition_whatever_their_rooms() -> None:
    log = OldEvents(in_turn(ROOMS, 3_000))
    clients = [log.client([room], after=number) for number, room in enumerate(ROOMS)]
    log.answer_all()
    for number, client in enumerate(clients):
        assert_has_all(log, client, [ROOMS[number]], number)
    # Up to four reads begin before any is answered; from then on they go on together.
    assert log.records_read <= 3_000 + 4 * CHUNK_RECORDS


def test_a_client_joins_a_read_that_is_under_way_and_one_that_is_over() -> None:
    log = OldEvents(in_turn(ROOMS, 400))
    first = log.client(ROOMS[:2], after=0)
    joined = log.client(ROOMS[2:4], after=50)
    log.answer_all()
    late = log.client(ROOMS[4:6], after=100)
    assert len(log.answered) == 1
    assert not log.edge.requests
    assert_has_all(log, first, ROOMS[:2], 0)
    assert_has_all(log, joined, ROOMS[2:4], 50)
    assert_has_all(log, late, ROOMS[4:6], 100)


def test_what_was_read_is_not_kept_for_long() -> None:
    log = OldEvents(in_turn(ROOMS, 400))
    log.client(ROOMS[:2], after=0)
    log.answer_all()
    log.edge.loop_ms += CHUNK_KEPT_MS + 1
    log.edge.tick()
    late = log.client(ROOMS[4:6], after=100)
    log.answer_all()
    assert len(log.answered) == 2
    assert_has_all(log, late, ROOMS[4:6], 100)


@pytest.mark.parametrize("term", [TERM, TERM - 1])
def test_an_honest_client_waits_for_one_read_of_each_other_connection(term: int) -> None:
    """Hogs have as many rooms as they may, and nothing of what is read for them is of use to others."""
    log = OldEvents(in_turn(ROOMS, 20_000))
    for hog in range(HOGS):
        cursors = [600 * number + hog * 37 for number in range(len(ROOMS))]
        terms = [term if term == TERM else TERM + 1 + hog * 100 + number for number in range(len(ROOMS))]
        log.client(ROOMS, cursors, term=terms)
    honest = log.client(["r7"], after=19_000)
    asked = len(log.answered)
    slices = 0
    while offsets(honest, "r7") != expected(log, "r7", 19_000):
        log.answer()
        slices += 1
    own = 1_000 / CHUNK_RECORDS
    assert slices <= (own + 1) * (HOGS + 1)
    assert len(log.answered) - asked == slices


def test_a_connection_has_one_read_under_way() -> None:
    log = OldEvents(in_turn(ROOMS, 20_000))
    log.client(ROOMS, [900 * number for number in range(len(ROOMS))])
    assert len(log.edge.requests) == 1


def test_two_checks_prove_all_cursors_of_a_term_that_the_edge_does_not_know() -> None:
    log = OldEvents(in_turn(ROOMS, 3_000), unread=2_900)
    cursors = [number * 20 for number in range(len(ROOMS))]
    client = log.client(ROOMS, cursors, term=OLDER_TERM)
    log.answer_all()
    assert_has_all(log, client, ROOMS, cursors)
    assert log.records_read <= 3_000 + 2 * CHUNK_RECORDS
    # One for the rooms whose turn came first, and one for those that came while it was under way.
    assert [each.range.is_proven for each in log.answered if isinstance(each, ReadLog)].count(False) <= 2


def test_a_proof_does_not_outlive_a_loss_of_records() -> None:
    log = OldEvents(in_turn(ROOMS, 3_000), unread=2_900)
    log.client(["r1"], after=2_000, term=OLDER_TERM)
    log.answer()
    log.client(["r2"], after=100, term=OLDER_TERM)  # proven by the first, and it keeps the partition's reads alive
    log.edge.apply(Truncated(TOPIC, 0, 1_500, OLDER_TERM - 1))
    log.edge.apply(TermBegan(TOPIC, 0, 1_500, TERM + 1))
    log.edge.apply(Records(TOPIC, 0, [record(offset, room="r1") for offset in range(1_500, 3_000)], 3_000))
    log.edge.flush()
    log.edge.requests.clear()
    log.client(["r3"], after=1_400, term=OLDER_TERM)
    (read,) = log.edge.requests
    assert isinstance(read, ReadLog)
    assert not read.range.is_proven


def test_questions_about_a_terms_end_are_asked_once_for_all_who_wait() -> None:
    log = OldEvents(in_turn(ROOMS, 100), concurrency=1)
    hogs = [log.client(ROOMS, after=500) for _ in range(HOGS)]
    log.answer_all()
    assert [type(each) for each in log.answered] == [AskLogEnd] * len(log.answered)
    assert len(log.answered) <= 2
    for hog in hogs:
        answers = [each for each in hog.received if isinstance(each, Subscribed)]
        assert len(answers) == len(ROOMS)
        assert not any(each.recovered for each in answers)


def test_a_log_that_does_not_answer_refuses_those_who_join_and_reads_on_for_others() -> None:
    log = OldEvents(in_turn(ROOMS, 3_000))
    client = log.client(ROOMS, after=0)
    log.answer()
    joining = log.client(["r1"], after=CHUNK_RECORDS)
    log.answer(unreachable=True)
    assert [each.code for each in joining.received if isinstance(each, Error)] == ["unavailable"]
    assert not log.edge.requests
    log.edge.loop_ms += 1_000
    log.edge.tick()
    log.answer_all()
    assert_has_all(log, client, ROOMS, 0)


def test_the_store_is_asked_for_rooms_in_turns_and_for_none_that_nobody_waits_for() -> None:
    edge = CoreEdge(stored=True)
    hogs = [edge.client() for _ in range(HOGS)]
    for number, hog in enumerate(hogs):
        hog.send(Subscribe(rooms=[RoomRequest(room=f"score:{number}-{room}") for room in range(20)]))
    edge.run()
    honest = edge.client()
    honest.subscribe("score:1")
    hogs[0].leave()
    asked: list[str] = []
    while edge.requests:
        load = edge.requests.pop(0)
        assert isinstance(load, LoadRoom)
        asked.append(load.key.room_id)
        edge.perform(edge.core.room_loaded(load.number, None, edge.now).effects)
        edge.run()
    assert asked.index("1") < LOADS_MAX + HOGS + 1
    assert len(asked) <= 20 * (HOGS - 1) + LOADS_MAX + 1
    for client in (*hogs[1:], honest):
        assert all(each.phase is Phase.LIVE for each in client.client.subscriptions.values())


def test_a_chunk_that_many_wait_for_is_handed_out_within_the_budget_of_each_turn() -> None:
    log = OldEvents(in_turn(ROOMS, 400))
    clients = [log.client([ROOMS[number % len(ROOMS)]], after=number) for number in range(100)]
    request = log.edge.requests.pop()
    assert isinstance(request, ReadLog)
    assert not log.edge.requests
    log.edge.perform(log.edge.core.log_read(request.number, log.read(request), log.edge.now))
    turns, served = 0, 0
    while log.edge.core.wants_turn:
        log.edge.turn(Budget(catch_up_steps=10))
        turns += 1
        served_now = sum(any(isinstance(each, Event) for each in client.received) for client in clients)
        assert served_now - served <= 10
        served = served_now
    assert served == len(clients)
    log.answer_all()
    for number, client in enumerate(clients):
        assert offsets(client, ROOMS[number % len(ROOMS)]) == expected(log, ROOMS[number % len(ROOMS)], number)


# Rooms that had nothing since the cursor.


def test_rooms_that_never_existed_need_no_read() -> None:
    log = OldEvents(in_turn(ROOMS, 3_000))
    client = log.client(NOBODYS, after=5)
    assert not log.edge.requests
    assert_has_all(log, client, NOBODYS, 5)


def test_rooms_that_had_nothing_since_the_cursor_need_no_read() -> None:
    records = [*in_turn(ROOMS, 200), *(record(offset, room="busy") for offset in range(200, 3_000))]
    log = OldEvents(records)
    client = log.client(ROOMS, after=200)
    assert not log.edge.requests
    assert_has_all(log, client, ROOMS, 200)


def test_rooms_that_never_existed_are_read_for_where_the_edge_has_not_read_the_log() -> None:
    log = OldEvents(in_turn(ROOMS, 3_000), unread=2_500)
    client = log.client(NOBODYS, after=2_000)
    log.answer_all()
    assert log.records_read == CHUNK_RECORDS
    assert_has_all(log, client, NOBODYS, 2_000)


def test_rooms_that_never_existed_need_no_read_of_what_was_read_back() -> None:
    edge = CoreEdge(hub=HUB._replace(window_bytes_max=500))
    records = in_turn(ROOMS, 300)
    edge.apply(TopicOpened(TOPIC, "e1", {0: 200}))
    edge.apply(HistoryBegan(TOPIC, 0))
    edge.apply(Records(TOPIC, 0, records[200:], 300))
    edge.apply(History(TOPIC, 0, records[100:200], 100))
    edge.apply(HistoryRead(TOPIC, 0, complete=False, since_ms=1))
    edge.apply(CaughtUp(TOPIC))
    edge.flush()
    client = edge.client()
    assert client.join("score:never", epoch="e1-0-0", after=99).recovered
    assert not edge.requests
    client.subscribe("score:never2", epoch="e1-0-0", after=98)
    (read,) = edge.requests
    assert isinstance(read, ReadLog)


def test_a_room_that_was_forgotten_may_have_had_events() -> None:
    edge = CoreEdge(hub=HUB._replace(window_bytes_max=500, room_idle_ms=1_000))
    edge.ingest(*in_turn(ROOMS, 100), *(record(offset, room="busy") for offset in range(100, 200)))
    edge.flush()
    edge.loop_ms += 20_000
    edge.tick()
    assert "score:r7" not in edge.hub.rooms
    client = edge.client()
    client.subscribe("score:r7", epoch="e1-0-0", after=50)
    assert [type(each) for each in edge.requests] == [ReadLog]
    assert client.join("score:never", epoch="e1-0-0", after=100).recovered
    assert len(edge.requests) == 1


def test_a_room_that_the_store_does_not_know_needs_no_read() -> None:
    edge = CoreEdge(hub=HUB._replace(window_bytes_max=500), stored=True)
    edge.ingest(*in_turn(ROOMS, 100))
    edge.flush()
    client = edge.client()
    client.take()
    client.subscribe("score:never", epoch="e1-0-0", after=5)
    load = edge.requests.pop()
    assert isinstance(load, LoadRoom)
    edge.perform(edge.core.room_loaded(load.number, None, edge.now).effects)
    edge.run()
    assert not edge.requests
    (joined,) = client.take()
    assert isinstance(joined, Subscribed)
    assert joined.recovered
    edge.ingest(record(100, room="never"))
    edge.flush()
    assert offsets(client, "never") == [100]


def test_a_room_that_the_store_knows_is_read_for() -> None:
    edge = CoreEdge(hub=HUB._replace(window_bytes_max=500), stored=True)
    edge.ingest(*in_turn(ROOMS, 100))
    edge.flush()
    client = edge.client()
    client.subscribe("score:old", epoch="e1-0-0", after=-1)
    load = edge.requests.pop()
    edge.perform(edge.core.room_loaded(load.number, StoredRoom(0, []), edge.now).effects)
    edge.run()
    assert [type(each) for each in edge.requests] == [ReadLog]


def test_a_rooms_position_stays_just_before_its_first_event_while_that_waits() -> None:
    """A room that never had an event has no floor that a cursor could come from."""
    edge = CoreEdge()
    edge.ingest(*in_turn(ROOMS, 100))
    edge.client().join("score:new")
    edge.ingest(record(100, room="new"), record(101))
    contents = edge.hub.rooms["score:new"].contents
    assert contents.position == 99
    edge.flush()
    assert contents.position == 101


# Any order of events.

CURSORS = st.dictionaries(st.sampled_from(("r0", "r1", "r2", "quiet", "never")), st.integers(0, 79), min_size=1)


class Returning(CoreClient):
    """A client that comes back with cursors, and checks all that it is sent. It takes no more after some writes."""

    def __init__(self, log: OldEvents, cursors: dict[str, int], pauses: list[int]) -> None:
        super().__init__(log.edge)
        self.views: dict[str, RoomView] = {}
        self.pauses = pauses
        self.writes = 0
        self.greet()
        for room, after in cursors.items():
            epoch = f"e1-0-{OLDER_TERM if after < log.first_read else TERM}"
            self.views[f"score:{room}"] = RoomView(after, epoch)
        requests = [RoomRequest(room=room, epoch=view.epoch, after=view.last) for room, view in self.views.items()]
        self.send(Subscribe(rooms=requests))

    @property
    def is_paused(self) -> bool:
        return self.client.paused_ms is not None

    def write(self, data: bytes) -> None:
        super().write(data)
        for message in self.take():
            assert not isinstance(message, Error), message
            view = self.views.get(getattr(message, "room", ""))
            if view is not None:
                view.take(message)
        self.writes += 1
        if self.writes in self.pauses:
            self.pause()


@given(data=st.data(), rooms=st.permutations([*["r0"] * 40, *["r1"] * 30, *["r2"] * 20, *["quiet"] * 10]))
def test_each_client_gets_its_events_in_order_whatever_the_interleaving(data: st.DataObject, rooms: list[str]) -> None:
    records = [record(number, value=b"%d" % number, room=room) for number, room in enumerate(rooms)]
    log = OldEvents(records, unread=data.draw(st.integers(0, 90)), concurrency=2)
    to_come = data.draw(st.lists(CURSORS, max_size=6))
    clients: list[Returning] = []
    while True:
        paused = [client for client in clients if client.is_paused]
        possible = {"come": to_come, "answer": log.edge.requests, "go on": paused}
        steps = [step for step, what in possible.items() if what]
        if not steps:
            break
        match data.draw(st.sampled_from(steps)):
            case "come":
                clients.append(Returning(log, to_come.pop(), data.draw(st.lists(st.integers(2, 12), max_size=3))))
            case "answer":
                index = data.draw(st.integers(0, len(log.edge.requests) - 1))
                log.answer(index, records_max=data.draw(st.sampled_from((3, 10, 100))))
            case _:
                data.draw(st.sampled_from(paused)).resume()
        log.edge.run()
    for client in clients:
        for name, view in client.views.items():
            assert view.joined
            assert not view.starts
            assert [event.offset for event in view.events] == expected(log, name.removeprefix("score:"), view.first)
