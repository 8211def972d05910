"""Examples of the core at work that generated histories hardly reach: what has to happen in an exact order."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from support.client_model import messages_in
from support.doors import a_door
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import (
    Event,
    Hello,
    Message,
    RoomRequest,
    ServerMessage,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
)
from touchline_server.core.client import Session, SessionLimits
from touchline_server.core.feed import Feed
from touchline_server.core.hub import FORGET_EVERY_MS, Hub, HubLimits
from touchline_server.core.room import Flush
from touchline_server.core.subscription import Next

TOPIC = "score-events"
LIMITS = HubLimits(window_bytes_max=1_000_000, window_ms=1_000_000, state_bytes_max=100_000, room_idle_ms=1_000)


class Record(NamedTuple):
    offset: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    key: bytes = b"1"
    timestamp: int = 1


def record(offset: int, key: str | None = None, *, value: bytes = b"0", room: str = "1") -> Record:
    headers = [("key", key.encode())] if key is not None else []
    return Record(offset, value, headers, room.encode())


def make_hub(limits: HubLimits = LIMITS) -> Hub:
    hub = Hub([Feed("score", TOPIC)], limits, lambda key, partitions: 0)
    hub.opened(TOPIC, "e1", {0: 0})
    hub.caught_up(TOPIC)
    return hub


class Client:
    """A client and its shell: what is written to it is read at once."""

    def __init__(self, hub: Hub, rooms_max: int = 10) -> None:
        limits = SessionLimits("edge", 25_000, 65_536, rooms_max, 100, replay_records_max=100)
        self.read: list[ServerMessage] = []
        self.session = Session(hub, a_door(), JSON, limits, self.write, self, "s")
        self.send(Hello())
        assert isinstance(self.take()[0], Welcome)

    def write(self, data: bytes) -> None:
        self.read += messages_in(data, JSON)

    def send(self, message: Message) -> None:
        self.session.receive(JSON.encode(message), now_ms=0)
        self.write(self.session.take_output())

    def take(self) -> list[ServerMessage]:
        read, self.read = self.read, []
        return read

    def catch_up(self) -> Next | None:
        """Take steps until there is nothing more to do, or the log is needed."""
        need = None
        while (subscription := self.session.next_behind()) is not None:
            step = subscription.catch_up()
            self.write(step.data)
            self.session.stepped(subscription, step)
            need = step.next
        return need

    def join(self, room: str = "score:1", **cursor: Any) -> Next | None:
        self.send(Subscribe(rooms=[RoomRequest(room=room, **cursor)]))
        return self.catch_up()

    def joined(self, room: str = "score:1", **cursor: Any) -> Subscribed:
        self.join(room, **cursor)
        (subscribed,) = self.take()
        assert isinstance(subscribed, Subscribed)
        return subscribed


def write_out(hub: Hub, flush: Flush) -> None:
    for part in flush.parts:
        for subscription, write in zip(part.clients, part.writes, strict=True):
            if subscription not in flush.gone:
                write(part.data)
    hub.end_flush(flush, 0)
    for subscription in flush.woken:
        subscription.session.woken(subscription)


def flush_all(hub: Hub) -> None:
    while (flush := hub.next_flush(0)) is not None:
        write_out(hub, flush)


def ingest(hub: Hub, *records: Record, now_ms: int = 0) -> None:
    assert not hub.ingest(TOPIC, 0, records, records[-1].offset + 1, now_ms)


def offsets(messages: Iterable[ServerMessage]) -> list[int]:
    return [message.offset for message in messages if isinstance(message, Event)]


def test_a_client_that_starts_over_is_written_nothing_of_the_flush_from_before() -> None:
    hub = make_hub()
    client = Client(hub)
    client.joined()
    ingest(hub, record(0), record(1))
    flush = hub.next_flush(0)
    assert flush is not None
    hub.opened(TOPIC, "e2", {0: 0})
    hub.caught_up(TOPIC)
    client.session.pause(0)
    client.session.resume()
    client.catch_up()
    (told,) = client.take()
    assert isinstance(told, Subscribed)
    assert (told.epoch, told.recovered, told.head) == ("e2-0", False, -1)
    write_out(hub, flush)
    flush_all(hub)
    assert client.take() == []
    ingest(hub, record(0))
    flush_all(hub)
    assert offsets(client.take()) == [0]


def test_a_live_client_is_written_the_flush_from_before_and_then_starts_over_once() -> None:
    hub = make_hub()
    client = Client(hub)
    client.joined()
    ingest(hub, record(0))
    flush = hub.next_flush(0)
    assert flush is not None
    hub.opened(TOPIC, "e2", {0: 0})
    write_out(hub, flush)
    flush_all(hub)
    event, told = client.take()
    assert isinstance(event, Event)
    assert isinstance(told, Subscribed)
    assert told.epoch == "e2-0"


def test_who_waits_ahead_of_a_room_that_starts_over_is_told_at_once() -> None:
    hub = make_hub()
    ingest(hub, record(0))
    client = Client(hub)
    assert client.join(epoch="e1-0", after=7) is Next.END
    subscription = client.session.subscriptions["score:1"]
    client.write(subscription.ended(10).data)
    assert [message.recovered for message in client.take() if isinstance(message, Subscribed)] == [True]
    hub.opened(TOPIC, "e2", {0: 0})
    flush_all(hub)
    client.catch_up()
    (told,) = client.take()
    assert isinstance(told, Subscribed)
    assert (told.epoch, told.recovered) == ("e2-0", False)
    ingest(hub, record(0))
    flush_all(hub)
    assert offsets(client.take()) == [0]


def test_a_cursor_that_the_room_reached_while_the_log_was_asked_is_caught_up_at_once() -> None:
    hub = make_hub()
    ingest(hub, record(0))
    client = Client(hub)
    assert client.join(epoch="e1-0", after=2) is Next.END
    subscription = client.session.subscriptions["score:1"]
    ingest(hub, record(1), record(2), record(3))
    step = subscription.ended(3)  # the log's answer from before offset 3 was written
    client.write(step.data)
    client.session.stepped(subscription, step)
    client.catch_up()
    told, event = client.take()
    assert isinstance(told, Subscribed)
    assert told.recovered
    assert offsets([event]) == [3]


def test_state_that_does_not_fit_is_delivered_and_its_key_not_kept() -> None:
    hub = make_hub(LIMITS._replace(state_bytes_max=4_096))
    large = b'"' + b"x" * 3_000 + b'"'
    client = Client(hub)
    client.joined()
    room = hub.rooms["score:1"]
    ingest(hub, record(0, "a", value=large), record(1, "b", value=b"1"), record(2, "b", value=large))
    flush_all(hub)
    assert offsets(client.take()) == [0, 1, 2]
    assert room.state_full
    state = Client(hub).joined().state
    assert [event.key for event in state] == ["a"]  # and not the old value of b, which holds no more
    ingest(hub, record(3, "a", value=b"null"), record(4, "b", value=large))
    flush_all(hub)
    assert [event.key for event in Client(hub).joined().state] == ["b"]
    ingest(hub, record(5, "b", value=b"2"), *[record(6 + n, f"k{n}", value=b"3") for n in range(30)])
    flush_all(hub)
    state = Client(hub).joined().state
    assert sum(len(JSON.encode(event)) for event in state) < 4_096
    assert len(state) == 4_096 // 201


def test_an_idle_room_is_forgotten_and_comes_back_right() -> None:
    hub = make_hub(LIMITS._replace(window_ms=100))
    client = Client(hub)
    ingest(hub, record(0, "k"), record(1), now_ms=1)
    before = client.joined()
    hub.tidy(5_000)
    assert "score:1" in hub.rooms  # somebody is in it
    client.send(Unsubscribe(rooms=["score:1"]))
    client.take()
    hub.tidy(5_000 + FORGET_EVERY_MS)
    assert "score:1" not in hub.rooms
    after = client.joined(epoch=before.epoch, after=before.head)
    assert (after.recovered, after.head) == (True, 1)
    ingest(hub, record(2, room="2"), record(3))
    flush_all(hub)
    (event,) = client.take()
    assert isinstance(event, Event)
    assert (event.offset, event.prev) == (3, None)


def test_a_room_with_events_in_the_window_is_not_idle() -> None:
    hub = make_hub(LIMITS._replace(window_ms=10_000))
    ingest(hub, record(0), now_ms=1)
    hub.tidy(5_000)
    assert "score:1" in hub.rooms
    hub.tidy(50_000)
    assert not hub.rooms


def test_the_window_lets_go_of_the_oldest_of_all_rooms_beyond_its_bytes() -> None:
    hub = make_hub(LIMITS._replace(window_bytes_max=5_000))
    for offset in range(20):
        ingest(hub, record(offset, value=b"1" * 600, room=str(offset % 2)))
    stream = hub.feeds["score"].streams[0]
    assert stream.bytes <= 5_000
    assert [event.offset for event in stream.events] == [15, 16, 17, 18, 19]
    assert [event.offset for event in hub.rooms["score:0"].events] == [16, 18]
    assert hub.rooms["score:0"].floor == 14
    client = Client(hub)
    assert client.join("score:0", epoch="e1-0", after=14) is Next.LIVE
    assert offsets(client.take()) == [16, 18]
    assert client.join("score:1", epoch="e1-0", after=12) is Next.LOG


def test_frames_count_as_bytes_of_the_window() -> None:
    hub = make_hub()
    ingest(hub, record(0, value=b"1" * 600))
    stream = hub.feeds["score"].streams[0]
    before = stream.bytes
    Client(hub).joined(last=1)
    assert stream.bytes > before + 600


def test_the_window_lets_go_of_what_was_read_long_ago() -> None:
    hub = make_hub(LIMITS._replace(window_ms=100))
    ingest(hub, record(0), now_ms=1_000)
    ingest(hub, record(1), now_ms=1_090)
    hub.tidy(1_100)
    assert [event.offset for event in hub.rooms["score:1"].events] == [0, 1]
    hub.tidy(1_101)
    assert [event.offset for event in hub.rooms["score:1"].events] == [1]
    ingest(hub, record(2), now_ms=1_500)
    assert [event.offset for event in hub.rooms["score:1"].events] == [2]
