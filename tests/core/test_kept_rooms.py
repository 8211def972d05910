"""Rooms of a store that another process fills: it can be away, behind, ahead, or know what the log has lost again."""

from typing import Any

import pytest

from support.core_edge import HUB, TOPIC, CoreClient, CoreEdge, record
from touchline_protocol.messages import Event, Subscribed, Unsubscribe
from touchline_server.core.effects import LoadRoom
from touchline_server.core.log import CaughtUp, PartitionsAdded, Records, TermBegan, TopicOpened, Truncated
from touchline_server.core.replays.room_loads import AHEAD_MS_MAX
from touchline_server.core.replays.unloaded_rooms import ASK_AGAIN_MS
from touchline_server.core.room_store import BuiltWith, NotYet, OtherPartition, Seen, StoredRoom

START = 100
"""Where the window begins."""
BEHIND = NotYet("behind")
AWAY = NotYet("away", away=True)


def stored(newest: int, *keys: str, term: int = 0, written: int = START, **more: Any) -> StoredRoom:
    records = [record(newest, key, value=b"1") for key in keys]
    return StoredRoom(newest if 0 <= newest < START else None, records, seen=Seen(newest, written, term), **more)


class KeptEdge(CoreEdge):
    """An edge whose topic is read from ``starts`` on, by partition. Rooms are expected in partition 0."""

    def __init__(self, *starts: int) -> None:
        super().__init__(hub=HUB, stored=True)
        self.apply(TopicOpened(TOPIC, "e1", dict(enumerate(starts or (START,)))))
        self.apply(CaughtUp(TOPIC))

    def asked(self) -> list[LoadRoom]:
        """What the store was asked for since the last call."""
        requests, self.requests = self.requests, []
        assert all(isinstance(request, LoadRoom) for request in requests)
        return requests  # type: ignore[return-value]

    def answer(self, answer: StoredRoom | NotYet | None, request: LoadRoom | None = None) -> None:
        load = self.asked()[0] if request is None else request
        outcome = self.core.room_loaded(load.number, answer, self.now)
        self.skips += outcome.skips
        self.perform(outcome.effects)
        self.run()

    def later(self, ms: int) -> None:
        self.loop_ms += ms
        self.tick()
        self.run()


def joining(edge: KeptEdge, room: str = "score:1", **request: Any) -> CoreClient:
    client = edge.client()
    client.take()
    client.subscribe(room, **request)
    edge.run()
    return client


def snapshot(client: CoreClient) -> tuple[dict[str | None, int], bool]:
    """The state of the only message that a client was given since the last look, and whether it is complete."""
    (message,) = client.take()
    assert isinstance(message, Subscribed)
    assert not message.recovered
    return {event.key: event.offset for event in message.state}, message.state_complete


def test_a_room_is_loaded_as_of_what_the_edge_knows_itself() -> None:
    edge = KeptEdge()
    edge.ingest(record(START + 5, "b"))
    edge.flush()
    client = joining(edge)
    (load,) = edge.asked()
    assert load.before == START
    edge.answer(stored(50, "a", "b"), load)
    assert snapshot(client) == ({"b": START + 5, "a": 50}, True)


def test_a_room_that_nobody_knew_is_asked_for_as_of_the_start_of_the_edge() -> None:
    """However far the window has moved on: a keeper that is away has all that came before this edge."""
    edge = KeptEdge()
    edge.hub.limits = HUB._replace(window_bytes_max=500)
    edge.ingest(*(record(offset, room="busy") for offset in range(START, START + 50)))
    edge.flush()
    joining(edge, "score:quiet")
    (load,) = edge.asked()
    assert load.before == START


def test_while_the_store_is_behind_clients_get_the_window_marked_and_the_rest_later() -> None:
    edge = KeptEdge()
    edge.ingest(record(START, "b"))
    edge.flush()
    client = joining(edge)
    edge.answer(BEHIND)
    assert snapshot(client) == ({"b": START}, False)
    assert edge.core.loads.unloaded == 1
    edge.ingest(record(START + 1, "c"))
    edge.flush()
    (event,) = client.take()
    assert isinstance(event, Event)
    edge.later(ASK_AGAIN_MS)
    edge.answer(BEHIND)
    assert client.take() == []
    edge.later(ASK_AGAIN_MS)
    edge.answer(stored(50, "a", "b"))
    assert snapshot(client) == ({"b": START, "c": START + 1, "a": 50}, True)
    assert edge.core.loads.unloaded == 0
    edge.ingest(record(START + 2, "c"))
    edge.flush()
    (event,) = client.take()
    assert isinstance(event, Event)
    assert event.prev == START + 1


def test_a_cursor_is_honoured_while_the_store_is_away() -> None:
    edge = KeptEdge()
    edge.ingest(record(START, "b"), record(START + 1, "b"))
    edge.flush()
    client = joining(edge, epoch="e1-0-0", after=START)
    edge.answer(AWAY)
    joined, event = client.take()
    assert isinstance(joined, Subscribed)
    assert joined.recovered
    assert isinstance(event, Event)


def test_a_store_that_is_away_is_asked_once_in_a_while_and_keeps_nobody_waiting() -> None:
    edge = KeptEdge()
    first = joining(edge, "score:0")
    edge.answer(AWAY)
    assert not snapshot(first)[1]
    others = [joining(edge, f"score:{room}") for room in range(1, 30)]
    assert edge.asked() == []
    assert not any(snapshot(client)[1] for client in others)
    edge.later(ASK_AGAIN_MS - 1)
    assert edge.asked() == []
    edge.later(1)
    (load,) = edge.asked()
    edge.answer(AWAY, load)
    edge.later(ASK_AGAIN_MS)
    (load,) = edge.asked()
    edge.answer(stored(-1), load)
    # It is back: the other rooms follow without another wait.
    while asked := edge.asked():
        for load in asked:
            edge.answer(stored(-1), load)
    assert edge.core.loads.unloaded == 0
    assert all(snapshot(client)[1] for client in [first, *others])


def test_a_room_that_everybody_left_is_not_asked_for_again() -> None:
    edge = KeptEdge()
    client = joining(edge)
    edge.answer(BEHIND)
    client.send(Unsubscribe(["score:1"]))
    edge.later(ASK_AGAIN_MS)
    assert edge.asked() == []
    assert edge.core.loads.unloaded == 0


def test_an_answer_from_ahead_waits_until_the_edge_has_read_as_far() -> None:
    """The store has only the newest record of a key: until this edge has read that, it would have no value."""
    edge = KeptEdge()
    edge.ingest(record(START, "b"))
    edge.flush()
    client = joining(edge)
    edge.answer(stored(START + 2, "gone", written=START + 3)._replace(state=[record(50, "a")]))
    assert client.take() == []
    edge.ingest(record(START + 1, "c"))
    edge.flush()
    edge.run()
    assert client.take() == []
    edge.ingest(record(START + 2, "d"))
    edge.flush()
    edge.run()
    first, *events = client.take()
    assert isinstance(first, Subscribed)
    assert first.state_complete
    given = [*first.state, *(event for event in events if isinstance(event, Event))]
    assert {event.key for event in given} == set("abcd")


def test_an_answer_from_far_ahead_is_not_waited_for_for_ever() -> None:
    edge = KeptEdge()
    client = joining(edge)
    edge.answer(stored(START + 1_000, written=START + 1_001))
    edge.later(AHEAD_MS_MAX + 1)
    assert snapshot(client) == ({}, False)


def test_records_that_the_log_has_lost_are_not_believed() -> None:
    edge = KeptEdge()
    edge.apply(TermBegan(TOPIC, 0, START, 1))
    edge.apply(Records(TOPIC, 0, [record(START, "b")], START + 1))
    edge.flush()
    edge.apply(Truncated(TOPIC, 0, START, 0))
    edge.apply(TermBegan(TOPIC, 0, START, 2))
    client = joining(edge)
    edge.answer(stored(START, "b", term=1, written=START + 1))
    assert client.take() == []  # this edge has yet to learn what the log has there now
    edge.ingest(record(START, "c"))
    edge.flush()
    edge.run()
    assert snapshot(client) == ({"c": START}, False)
    edge.later(ASK_AGAIN_MS)
    edge.answer(stored(-1, term=2, written=START + 1))
    assert snapshot(client) == ({"c": START}, True)


def test_a_store_that_ends_where_the_window_begins_in_a_newer_term_is_not_believed_before_it_goes_on() -> None:
    """Term 2 may have begun before the window, over records that the store still has."""
    edge = KeptEdge()
    edge.apply(TermBegan(TOPIC, 0, START, 2))
    edge.ingest(record(START, "b"))
    edge.flush()
    client = joining(edge)
    edge.answer(stored(50, "a", term=1, written=START))
    assert snapshot(client) == ({"b": START}, False)
    edge.later(ASK_AGAIN_MS)
    edge.answer(stored(50, "a", term=2, written=START + 1))
    assert snapshot(client) == ({"b": START, "a": 50}, True)


def test_a_state_that_the_store_knows_to_lack_keys_says_so() -> None:
    edge = KeptEdge()
    client = joining(edge)
    edge.answer(stored(50, "a", complete=False))
    assert snapshot(client) == ({"a": 50}, False)


def test_what_a_room_had_in_another_partition_yields_to_its_home() -> None:
    edge = KeptEdge()
    edge.apply(PartitionsAdded(TOPIC, {1: 0}))
    edge.ingest(record(START, "home"), record(START + 1, "gone", value=None))
    edge.flush()
    client = joining(edge)
    elsewhere = [record(7, key, value=b"7") for key in ("home", "gone", "old")]
    edge.answer(stored(50, "a", elsewhere=elsewhere, others=[OtherPartition(1, 8, newest=7, ts=1)]))
    state, is_complete = snapshot(client)
    assert (set(state), is_complete) == ({"home", "a", "old"}, True)
    # A producer that has not learned of the added partitions yet does not move the room back.
    edge.ingest(record(8, "old", room="1"), partition=1)
    edge.flush()
    assert edge.skips


def test_a_quiet_room_lives_where_the_store_has_its_records() -> None:
    """Its producers have another partitioner, or it had no event since partitions were added: nobody starts over."""
    edge = KeptEdge(START, START, START)
    fresh = joining(edge)
    back = joining(edge, epoch="e1-1-0", after=90)
    ago = [OtherPartition(1, START, newest=90, ts=7), OtherPartition(2, START, newest=95, ts=6)]
    edge.answer(stored(-1, elsewhere=[record(90, "a"), record(95, "b")], others=ago))
    (load,) = edge.asked()
    assert (load.key.partition, load.before) == (1, START)
    elsewhere = [OtherPartition(0, START), OtherPartition(2, START, newest=95, ts=6)]
    edge.answer(stored(90, "a", elsewhere=[record(95, "b")], others=elsewhere), load)
    assert snapshot(fresh) == ({"a": 90, "b": -1}, True)
    (joined,) = back.take()
    assert isinstance(joined, Subscribed)
    assert (joined.recovered, joined.epoch) == (True, "e1-1-0")
    edge.ingest(record(START, None), partition=1)
    edge.flush()
    for client in (fresh, back):
        (event,) = client.take()
        assert isinstance(event, Event)
        assert event.prev == 90
    assert edge.skips == []


def test_clients_that_were_let_into_a_room_elsewhere_start_over_where_its_records_are() -> None:
    edge = KeptEdge(START, START)
    client = joining(edge)
    edge.answer(BEHIND)
    assert snapshot(client) == ({}, False)
    edge.later(ASK_AGAIN_MS)
    edge.answer(stored(-1, others=[OtherPartition(1, START, newest=90)]))
    while asked := edge.asked():
        assert [load.key.partition for load in asked] == [1]
        edge.answer(stored(90, "a", others=[OtherPartition(0, START)]), asked[0])
    assert snapshot(client) == ({"a": 90}, True)
    assert edge.core.loads.unloaded == 0
    edge.ingest(record(START), partition=1)
    edge.flush()
    (event,) = client.take()
    assert isinstance(event, Event)


def test_a_room_that_moved_before_it_was_loaded_is_asked_for_as_of_its_new_partition() -> None:
    edge = KeptEdge(START, 5_000)
    client = joining(edge)
    edge.answer(BEHIND)
    assert snapshot(client) == ({}, False)
    edge.ingest(record(5_000, "b"), partition=1)
    edge.flush()
    edge.run()
    load = edge.asked()[0]
    assert (load.key.partition, load.before) == (1, 5_000)


@pytest.mark.parametrize(
    "other",
    [
        OtherPartition(1, 0),
        OtherPartition(1, START - 1, newest=7),
        OtherPartition(1, START + 1, newest=START, seen=Seen(START, START + 1, 0)),
    ],
    ids=["nobody keeps it", "it is behind", "it has lost records"],
)
def test_a_state_is_not_complete_before_every_partition_of_the_room_is(other: OtherPartition) -> None:
    edge = KeptEdge(START, START)
    edge.apply(TermBegan(TOPIC, 1, START, 1))
    client = joining(edge)
    edge.answer(stored(50, "a", elsewhere=[record(7, "b")], others=[other]))
    assert snapshot(client) == ({}, False)
    edge.later(ASK_AGAIN_MS)
    edge.answer(stored(50, "a", elsewhere=[record(8, "b")], others=[OtherPartition(1, START, newest=8)]))
    assert snapshot(client) == ({"a": 50, "b": -1}, True)


def test_a_partition_that_cannot_be_read_is_waited_for_if_the_room_has_records_there() -> None:
    edge = KeptEdge(START, START)
    edge.apply(TopicOpened(TOPIC, "e2", {0: START}, offline=[1]))
    edge.apply(CaughtUp(TOPIC))
    for room, newest, is_complete in (("score:1", 7, False), ("score:2", -1, True)):
        client = joining(edge, room)
        edge.answer(stored(50, others=[OtherPartition(1, 8, newest=newest)]))
        assert snapshot(client) == ({}, is_complete)


def test_a_key_that_was_removed_elsewhere_does_not_come_back_with_an_older_answer() -> None:
    edge = KeptEdge(START, START)
    edge.ingest(record(START, "home")._replace(timestamp=10))
    edge.flush()
    client = joining(edge)
    edge.answer(BEHIND)
    assert snapshot(client) == ({"home": START}, False)
    for offset, key in enumerate(("gone", "back"), START):
        edge.ingest(record(offset, key, value=None), partition=1)
    edge.ingest(record(START + 2, "back"), partition=1)
    edge.flush()
    client.take()
    edge.later(ASK_AGAIN_MS)
    elsewhere = [record(7, key) for key in ("gone", "back", "old")]
    edge.answer(stored(-1, elsewhere=elsewhere, others=[OtherPartition(1, START, newest=7)]))
    assert snapshot(client) == ({"home": START, "back": -1, "old": -1}, True)


def test_partitions_that_the_store_has_caught_up_with_do_not_wait_for_the_others() -> None:
    """The first partition stays behind with many rooms; all rooms of the second follow within one round."""
    edge = KeptEdge(START, START)
    clients = {}
    for n in range(30):
        edge.ingest(record(START + n, "k", room=str(n)), partition=n % 2)
        edge.flush()
        clients[n] = joining(edge, f"score:{n}")
        edge.answer(BEHIND)
        assert not snapshot(clients[n])[1]
    edge.later(ASK_AGAIN_MS)
    asked = edge.asked()
    while asked:
        load = asked.pop(0)
        edge.answer(stored(50, "a") if load.key.partition == 1 else BEHIND, load)
        asked += edge.asked()
    assert edge.core.loads.unloaded == 15
    assert all(snapshot(clients[n])[1] for n in range(1, 30, 2))


def test_new_clients_of_a_store_that_is_behind_do_not_put_off_those_who_wait() -> None:
    edge = KeptEdge()
    first = joining(edge, "score:first")
    edge.answer(BEHIND)
    assert not snapshot(first)[1]
    for n in range(ASK_AGAIN_MS // 100):
        edge.later(100)
        asked = edge.asked()
        joining(edge, f"score:{n}")
        asked += edge.asked()
        for load in asked:
            edge.answer(BEHIND if load.key.room_id != "first" else stored(50, "a"), load)
    assert snapshot(first) == ({"a": 50}, True)


OTHER_KEYS = BuiltWith("type", 100_000, "keeper-1")
SAME_KEYS = BuiltWith(None, 50_000, "keeper-2")
"""It keeps less of a room than the edge would, which makes its states incomplete at most, and not wrong."""


@pytest.mark.parametrize(
    "other",
    [
        {"built_with": OTHER_KEYS},
        {"built_with": SAME_KEYS, "others": [OtherPartition(1, START, newest=5, ts=1, built_with=OTHER_KEYS)]},
    ],
    ids=["home", "elsewhere"],
)
def test_state_that_a_keeper_built_with_other_keys_is_not_used_until_it_is_built_again(other: dict[str, Any]) -> None:
    edge = KeptEdge(START, START)
    client = joining(edge)
    edge.answer(stored(50, "a", **other))
    assert snapshot(client) == ({}, False)
    edge.later(ASK_AGAIN_MS)
    edge.answer(stored(50, "b", built_with=SAME_KEYS, others=[OtherPartition(1, START, built_with=OTHER_KEYS)]))
    assert snapshot(client) == ({"b": 50}, True)
