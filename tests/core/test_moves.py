"""A client moves from one log to a mirror of it.

The mirror has the records of the source at other offsets, in their order, and may lack the newest. Producers' clocks
differ by less than the margin. Whatever the history, a client that does not start over has each event of the mirror
that follows the last one that it had, once and in order, and its state is the mirror's.
"""

from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from support.core_edge import MOVE_MARGIN_MS, TOPIC, CoreEdge, LogRecord, record
from support.moving_client import MovingClient, Site
from support.thoroughness import examples
from touchline.session.items import Event as ReceivedEvent
from touchline.session.items import Joined
from touchline.session.room import Input, Room
from touchline.session.seen import SEEN_EVENTS_MAX
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Deliver, Error, Event, Replayed, Subscribed
from touchline_server.config.settings import Settings
from touchline_server.core.effects import FindOffset, Unreachable
from touchline_server.core.log import PartitionsAdded

START_MS = 1_000_000
STEP_MS = 100
KEYS = (None, "score", "clock")


class Made(NamedTuple):
    """An event that a producer makes: in which room, with which key, how far its clock is behind, and the offsets that
    the mirror leaves out before it."""

    room: str
    key: str | None
    behind_ms: int
    hole: int


MADE = st.builds(
    Made,
    room=st.sampled_from(("1", "1", "1", "2")),
    key=st.sampled_from(KEYS),
    behind_ms=st.integers(0, MOVE_MARGIN_MS - 1),
    hole=st.integers(0, 2),
)


def made_record(number: int, made: Made, offset: int, *, time: int | None = None) -> LogRecord:
    timestamp = START_MS + STEP_MS * (number if time is None else time) - made.behind_ms
    return record(offset, made.key, value=str(number).encode(), room=made.room)._replace(timestamp=timestamp)


def copies(made: list[Made], first: int, offset: int, *, time: int = 0) -> list[LogRecord]:
    """Records for a mirror: at offsets from ``offset`` on, with holes. The first is made at a ``time``, in steps."""
    records = []
    for number, each in enumerate(made):
        offset += each.hole
        records.append(made_record(first + number, each, offset, time=time + number))
        offset += 1
    return records


OLD = record(700, value=b"-1", room="2")
"""What shows that the mirror reaches back far enough."""


@settings(max_examples=examples(4))
@given(
    made=st.lists(MADE, min_size=1, max_size=30),
    later=st.lists(MADE, max_size=8),
    coming=st.lists(MADE, max_size=6),
    live=st.lists(MADE, max_size=3),
    deliver=st.sampled_from(("all", "latest")),
    window_bytes_max=st.sampled_from((1_000_000, 1_300)),
    data=st.data(),
)
def test_a_client_that_moves_has_all_events_of_the_mirror_once(
    made: list[Made],
    later: list[Made],
    coming: list[Made],
    live: list[Made],
    deliver: Deliver,
    window_bytes_max: int,
    data: st.DataObject,
) -> None:
    joins_at = data.draw(st.integers(0, len(made)))
    away_from = data.draw(st.integers(joins_at, len(made)))
    leaves_at = data.draw(st.integers(away_from, len(made)))
    copied = data.draw(st.integers(0, len(made)))
    source, mirror = Site("source"), Site("mirror", window_bytes_max=window_bytes_max)
    client = MovingClient(deliver=deliver)
    records = [made_record(number, each, number) for number, each in enumerate(made)]
    source.append(records[:joins_at])
    client.go_to(source)
    source.append(records[joins_at:away_from])
    client.run(source)
    client.leave()
    source.append(records[away_from:leaves_at])
    client.go_to(source)
    client.leave()
    mirror.append([OLD])
    mirror.append(copies(made[:copied], 0, 701))
    now = len(made)
    mirror.append(copies(later, 1_000, mirror.records[-1].offset + 1, time=now))
    mirror.coming = copies(coming, 2_000, mirror.records[-1].offset + 1, time=now + len(later))
    had, known, restarts = len(client.events), {int(str(value)) for value in client.known}, client.view.restarts

    client.go_to(mirror)
    mirror.append([mirror.coming.pop(0) for _ in list(mirror.coming)])
    mirror.append(copies(live, 3_000, mirror.records[-1].offset + 1, time=now + len(later) + len(coming)))
    client.run(mirror)

    in_room = [int(each.value or b"0") for each in mirror.records if each.key == b"1"]
    got = [int(str(event.data)) for event in client.events[had:]]
    assert client.view.state.keys() == {str(each.headers[0][1], "utf8") for each in mirror.records if has_key(each)}
    newest = {key: [each for each in mirror.records if has_key(each, key)][-1] for key in client.view.state}
    assert {key: str(event.data) for key, event in client.view.state.items()} == {
        key: (each.value or b"").decode() for key, each in newest.items()
    }
    if client.view.restarts > restarts or not known:
        newest_known = max(known, default=-1)
        assert newest_known not in in_room, "it started over, although the mirror has its newest event"
        assert got == in_room[len(in_room) - len(got) :]
        return
    assert client.view.moves == 1
    place = max((in_room.index(each) for each in known if each in in_room), default=-1)
    assert got == in_room[len(in_room) - len(got) :]
    assert not known.intersection(got)
    left_out = in_room[place + 1 : len(in_room) - len(got)]
    assert all(number < joins_at for number in left_out), "an event from after it joined is missing"


def has_key(each: LogRecord, key: str | None = None) -> bool:
    return each.key == b"1" and bool(each.headers) and (key is None or each.headers[0][1] == key.encode())


def filled(epoch: str, records: list[LogRecord]) -> Site:
    site = Site(epoch)
    site.append(records)
    return site


def at(offset: int, time_ms: int, value: str, key: str | None = None, room: str = "1") -> LogRecord:
    return record(offset, key, value=value.encode(), room=room)._replace(timestamp=time_ms)


def test_clients_of_one_moment_share_a_lookup() -> None:
    source = filled("source", [at(n, START_MS + 100 * n, str(n)) for n in range(8)])
    clients = [MovingClient() for _ in range(20)]
    for client in clients:
        client.go_to(source)
    source.append([at(n, START_MS + 100 * n, str(n)) for n in range(8, 10)])
    mirror = filled("mirror", [OLD, *(at(701 + n, START_MS + 100 * n, str(n)) for n in range(11))])
    for client in clients:
        client.run(source)
        client.go_to(mirror)
    assert mirror.lookups == 1
    assert all([event.data for event in client.events] == [8, 9, 10] for client in clients)


def test_of_equal_events_each_is_recognised_once() -> None:
    goals = [at(n, START_MS, '"goal"') for n in range(2)]
    source = filled("source", [])
    client = MovingClient()
    client.go_to(source)
    source.append(goals)
    client.run(source)
    copied = [goal._replace(offset=701 + n) for n, goal in enumerate(goals)]
    mirror = filled("mirror", [OLD, *copied, copied[0]._replace(offset=703), at(704, START_MS, '"end"')])
    client.go_to(mirror)
    assert [event.data for event in client.events] == ["goal", "goal", "goal", "end"]
    assert client.view.restarts == 0


def test_what_is_recognised_behind_the_state_is_part_of_the_state() -> None:
    """The mirror is still being filled, so events that the client has come after the state that it receives."""
    room = Room("score:1", after=None, last=0, deliver="all", occupancy=False, members=False)
    room.request_sent(1)
    room.subscribed(Subscribed(room="score:1", epoch="source", head=-1, recovered=False, id=1))
    for offset, (key, data) in enumerate((("score", 0), ("clock", 1), ("score", 1), (None, "lost"))):
        room.event(Event(room="score:1", offset=offset, prev=None, ts=START_MS + offset, data=data, key=key))
    room.move(Input.LOST)
    room.request_sent(2)
    mirrored = [
        Event(room="score:1", offset=701 + n, prev=None, ts=START_MS + n, data=data, key=key)
        for n, (key, data) in enumerate((("score", 0), ("clock", 1), ("score", 1)))
    ]
    answer = Subscribed(
        room="score:1", epoch="m", head=701, recovered=False, state=mirrored[:1], after=700, by_time=True
    )
    room.subscribed(structs.replace(answer, id=2))
    for event in mirrored:
        assert room.event(event) == []
    joined, *rest = room.replayed(Replayed(room="score:1", to=703))
    assert isinstance(joined, Joined)
    assert not [each for each in rest if isinstance(each, ReceivedEvent)]
    assert {event.key: event.data for event in joined.state} == {"score": 1, "clock": 1}
    assert room.cursor is not None
    assert room.cursor[:2] == ("m", 703)


def test_a_client_holds_back_as_many_events_as_servers_replay() -> None:
    room = Room("score:1", after=None, last=0, deliver="all", occupancy=False, members=False)
    room.request_sent(1)
    room.subscribed(Subscribed(room="score:1", epoch="source", head=-1, recovered=False, id=1))
    room.event(Event(room="score:1", offset=0, prev=None, ts=START_MS, data="mine"))
    room.move(Input.LOST)
    room.request_sent(2)
    head = Settings.model_fields["replay_records_max"].default
    room.subscribed(Subscribed(room="score:1", epoch="m", head=head, recovered=False, id=2, after=-1, by_time=True))
    for offset in range(head):
        assert room.event(Event(room="score:1", offset=offset, prev=None, ts=START_MS - 1, data=0)) == []
    (joined,) = room.event(Event(room="score:1", offset=head, prev=None, ts=START_MS, data="mine"))
    assert isinstance(joined, Joined)
    assert not joined.restarted


def test_a_mirror_that_lacks_the_newest_event_gives_its_state_and_what_slower_clocks_wrote_instead() -> None:
    times = [START_MS + MOVE_MARGIN_MS * n for n in range(4)]
    source = filled("source", [at(0, times[0], "0", "score")])
    client = MovingClient()
    client.go_to(source)
    source.append([at(n, times[n], str(n), "score") for n in (1, 2, 3)])
    client.run(source)
    assert client.view.state["score"].data == 3
    copied = [at(701 + n, times[n], str(n), "score") for n in range(3)]
    slower = at(704, times[3] - MOVE_MARGIN_MS // 2, "10")
    mirror = filled("mirror", [OLD, *copied, slower, at(705, times[3] + MOVE_MARGIN_MS, "11")])
    client.go_to(mirror)
    assert [event.data for event in client.events] == [1, 2, 3, 10, 11]
    assert (client.view.restarts, client.view.moves, client.view.state["score"].data) == (0, 1, 2)


def test_a_client_with_only_a_cursor_goes_on_behind_the_first_event_of_its_time() -> None:
    mirror = filled("mirror", [OLD, *(at(701 + n, START_MS + n // 2, str(n)) for n in range(6))])
    client = MovingClient(after=Cursor("source-0-0", 7, START_MS + 1))
    client.go_to(mirror)
    assert [event.data for event in client.events] == [3, 4, 5], "3 may be its own event"
    assert (client.view.restarts, client.view.moves) == (0, 1)


def test_a_client_that_has_received_no_event_moves_by_the_newest_one_of_the_state() -> None:
    made = [at(n, START_MS + STEP_MS * n, str(n), "score" if n == 5 else None) for n in range(10)]
    source = filled("source", made[:8])
    client = MovingClient()
    client.go_to(source)
    assert client.room.cursor is not None
    assert client.room.cursor[1:] == (7, START_MS + STEP_MS * 5)
    client.go_to(filled("mirror", [OLD, *(each._replace(offset=701 + each.offset) for each in made)]))
    assert [event.data for event in client.events] == [6, 7, 8, 9], "two are from shortly before it joined"
    assert (client.view.restarts, client.view.moves) == (0, 1)


def test_a_start_has_the_time_of_the_newest_event_that_the_client_receives_with_it() -> None:
    records = [at(n, START_MS + n, str(n), "score" if n == 3 else None) for n in range(8)]
    site = filled("source", [*records, at(8, START_MS + 100, "8", room="2"), at(9, -5, "9", "score", room="3")])
    joins = [site.edge.client().join(f"score:{room}", last=last) for room, last in (("1", 0), ("1", 2), ("2", 1))]
    assert [joined.ts for joined in joins] == [START_MS + 3, START_MS + 7, START_MS + 100]
    for room in ("2", "3", "4"):  # an event that it does not receive, a time that no cursor has, and no event
        assert site.edge.client().join(f"score:{room}").ts is None


def test_a_log_that_does_not_reach_back_makes_clients_start_over() -> None:
    source = filled("source", [at(n, START_MS + 100 * n, str(n), "score") for n in range(8)])
    client = MovingClient()
    client.go_to(source)
    mirror = filled("mirror", [at(n, START_MS + 100 * n, str(n), "score") for n in range(12)])
    client.go_to(mirror)
    assert (client.view.restarts, client.view.moves, client.view.state["score"].data) == (1, 0, 11)


def test_too_many_missing_events_make_a_client_start_over() -> None:
    source = filled("source", [at(0, START_MS, "0")])
    client = MovingClient()
    client.go_to(source)
    source.append([at(1, START_MS, "1")])
    client.run(source)
    mirror = Site("mirror", window_bytes_max=1_300, replay_records_max=50)
    mirror.append([OLD, *(at(701 + n, START_MS + n, str(n)) for n in range(100))])
    client.go_to(mirror)
    assert (client.view.restarts, client.view.moves) == (1, 0)


def test_a_client_that_sends_no_time_starts_over_as_before() -> None:
    mirror = filled("mirror", [OLD, at(701, START_MS, "1", "score")])
    joined = mirror.edge.client().join(epoch="source-0-0", after=7)
    assert (joined.recovered, joined.after, joined.by_time, mirror.lookups) == (False, None, False, 0)


def test_a_client_that_does_not_know_the_answer_may_take_it_for_a_start_over() -> None:
    mirror = filled("mirror", [OLD, *(at(701 + n, START_MS + n, str(n), "score") for n in range(3))])
    client = mirror.edge.client()
    client.take()
    client.subscribe(epoch="source-0-0", after=7, ts=START_MS)
    mirror.settle()
    joined, *events, end = client.take()
    assert isinstance(joined, Subscribed)
    assert (joined.recovered, joined.head, joined.after, joined.by_time) == (False, 703, 700, True)
    assert [event.data for event in joined.state] == [2]
    assert max(event.offset for event in events if isinstance(event, Event)) == joined.head
    assert end == Replayed(room="score:1", to=703, ts=START_MS + 2)


def test_a_time_without_a_cursor_is_refused() -> None:
    client = filled("mirror", [OLD]).edge.client()
    client.take()
    client.subscribe(ts=START_MS)
    (error,) = client.take()
    assert isinstance(error, Error)
    assert error.code == "bad_message"


def test_a_log_that_does_not_answer_makes_clients_come_again() -> None:
    mirror = filled("mirror", [OLD, at(701, START_MS, "1")])
    client = mirror.edge.client()
    client.take()
    client.subscribe(epoch="source-0-0", after=7, ts=START_MS)
    (asked,) = mirror.edge.requests
    assert isinstance(asked, FindOffset)
    mirror.edge.perform(mirror.edge.core.offset_found(asked.number, Unreachable("away"), mirror.edge.now))
    (error,) = client.take()
    assert isinstance(error, Error)
    assert error.code == "unavailable"


def test_when_partitions_are_added_clients_that_had_all_events_do_not_start_over() -> None:
    edge = CoreEdge(partitioner=lambda _key, partitions: partitions - 1)
    edge.open("e2")
    site = Site.__new__(Site)
    site.edge, site.coming, site.records, site.start, site.lookups = edge, [], [], 0, 0
    client, late = MovingClient(), MovingClient()
    for each in (client, late):
        each.go_to(site)
    edge.ingest(at(0, START_MS, "0"))
    late.run(site)
    late.leave()
    edge.ingest(at(1, START_MS, "1"))
    client.run(site)
    edge.apply(PartitionsAdded(TOPIC, {1: 0}))
    edge.ingest(at(0, START_MS + 1, "2"), at(1, START_MS + 2, "3"), partition=1)
    client.run(site)
    late.go_to(site)
    assert [event.data for event in client.events] == [0, 1, 2, 3]
    assert (client.view.restarts, client.view.moves) == (0, 1)
    assert (late.view.restarts, late.view.moves) == (1, 0), "it had missed an event of the partition that the room left"


def test_a_client_finds_its_place_in_a_mirror_that_lags_by_many_events_and_starts_over_beyond() -> None:
    for lost, restarts in ((SEEN_EVENTS_MAX - 1, 0), (SEEN_EVENTS_MAX, 1)):
        source = filled("source", [])
        client = MovingClient()
        client.go_to(source)
        made = [at(n, START_MS + n // 2, str(n)) for n in range(600)]
        source.append(made)
        client.run(source)
        copied = [each._replace(offset=701 + each.offset) for each in made[: len(made) - lost]]
        client.go_to(filled("mirror", [OLD, *copied, at(1_500, START_MS + 600, '"new"')]))
        assert client.view.restarts == restarts
        assert [event.data for event in client.events[600:]] == ([] if restarts else ["new"])


def test_an_event_of_a_slower_clock_in_place_of_one_that_the_mirror_lacks_is_not_missed() -> None:
    source = filled("source", [])
    client = MovingClient()
    client.go_to(source)
    source.append([at(0, START_MS, "0"), at(1, START_MS + 500, '"lost"', "score")])
    client.run(source)
    slower_ms = START_MS + 500 - MOVE_MARGIN_MS + 1
    client.go_to(filled("mirror", [OLD, at(701, START_MS, "0"), at(702, slower_ms, "2", "score")]))
    assert [event.data for event in client.events] == [0, "lost", 2]
    assert client.view.state["score"].data == 2, "the state is that of the mirror"
    assert (client.view.restarts, client.view.moves) == (0, 1)
