"""Generated histories of the core: records, joins, leaves, pauses, slow flushes, small windows, new logs.

The machine is the shell: it writes what the core says, in slices, and reads the log for catch-ups. Each client checks
every message as `client_model.RoomView` does; at the end all must have everything.
"""

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from support.client_model import RoomView, messages_in
from support.doors import a_door
from touchline_protocol import codes
from touchline_protocol.codecs import Codec
from touchline_protocol.messages import Error, Hello, Message, RoomRequest, Subscribe, Unsubscribe, Unsubscribed
from touchline_protocol.server_codecs import ALL_CODECS
from touchline_server.core.client import Session, SessionLimits
from touchline_server.core.feed import Feed
from touchline_server.core.hub import Hub, HubLimits
from touchline_server.core.partition_window import Stream
from touchline_server.core.room import Flush
from touchline_server.core.subscription import Next, Phase, Step, Subscription

TOPIC = "score-events"
ROOMS = ("a", "b")
KEYS = (None, "score", "clock")
REPLAY_RECORDS_MAX = 12
RARELY = st.integers(0, 7).map(lambda number: number == 7)


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]

    @property
    def event_key(self) -> str | None:
        return self.headers[0][1].decode() if self.headers else None


class Client:
    """A client and its connection."""

    def __init__(self, hub: Hub, codec: Codec) -> None:
        limits = SessionLimits("edge", 25_000, 65_536, 10, 100, REPLAY_RECORDS_MAX)
        self.session = Session(hub, a_door(), codec, limits, self.write, self, "s")
        self.views: dict[str, RoomView] = {}
        self.deliver: dict[str, str] = {}
        self.pause_after_next_write = False
        self.send(Hello())

    def write(self, data: bytes) -> None:
        for message in messages_in(data, self.session.codec):
            assert not isinstance(message, Error), message
            room = getattr(message, "room", None)
            if isinstance(message, Unsubscribed):
                del self.views[message.room]
            elif room is not None:
                self.views[room].take(message)
        if self.pause_after_next_write:
            self.pause_after_next_write = False
            self.session.pause(0)

    def send(self, message: Message) -> None:
        self.session.receive(self.session.codec.encode(message), now_ms=0)
        output = self.session.take_output()
        if output:
            self.write(output)


class FanOut(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.hub = Hub(
            [Feed("score", TOPIC)],
            HubLimits(window_bytes_max=2_500, window_ms=1_000_000, state_bytes_max=100_000, room_idle_ms=10**9),
            lambda key, partitions: key[0] % partitions,
        )
        self.epoch_number = 0
        self.log: list[list[Record]] = []
        self.read_up_to: list[int] = []
        self.holds_from: list[int] = []
        self.clients: list[Client] = []
        self.writing: list[tuple[Flush, int, int]] = []
        self.wanting: list[tuple[Subscription, Next]] = []
        self.now = 1

    @initialize(codecs=st.tuples(*[st.sampled_from(ALL_CODECS)] * 3))
    def open(self, codecs: tuple[Codec, ...]) -> None:
        self._open_anew(partitions=2)
        for codec in codecs:
            client = Client(self.hub, codec)
            self.clients.append(client)
            self._subscribe(client, "score:a", RoomView(), "all")
            self._step(client)

    @rule(partitions=st.integers(1, 3), rarely=RARELY)
    def open_anew(self, partitions: int, rarely: bool) -> None:
        """The topic is deleted and created anew; what the edge had not read is gone."""
        if rarely:
            self._open_anew(partitions)

    def _open_anew(self, partitions: int) -> None:
        self.epoch_number += 1
        self.log = [[] for _ in range(partitions)]
        self.read_up_to = [0] * partitions
        self.holds_from = [0] * partitions
        self.hub.opened(TOPIC, f"epoch{self.epoch_number}", dict.fromkeys(range(partitions), 0))
        self.hub.caught_up(TOPIC)

    @precondition(lambda self: len(self.log) < 4)
    @rule(rarely=RARELY)
    def add_partition(self, rarely: bool) -> None:
        if not rarely:
            return
        for partition in range(len(self.log)):
            self._read(partition, 10**6)
        self.log.append([])
        self.read_up_to.append(0)
        self.holds_from.append(0)
        self.hub.extended(TOPIC, {len(self.log) - 1: 0})

    @rule(room=st.sampled_from(ROOMS), key=st.sampled_from(KEYS), remove=st.booleans(), hole=st.integers(0, 2))
    def produce(self, room: str, key: str | None, remove: bool, hole: int) -> None:
        self.now += 1
        partition = room.encode()[0] % len(self.log)
        records = self.log[partition]
        offset = (records[-1].offset + 1 + hole) if records else hole
        value = None if remove and key is not None else str(self.now).encode()
        headers = [("key", key.encode())] if key is not None else []
        records.append(Record(offset, self.now, room.encode(), value, headers))

    @rule(room=st.sampled_from(ROOMS), keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4))
    def produce_and_read(self, room: str, keys: list[str | None]) -> None:
        for key in keys:
            self.produce(room=room, key=key, remove=False, hole=0)
        self._read(room.encode()[0] % len(self.log), 100)

    @rule(data=st.data(), count=st.integers(1, 5))
    def read(self, data: st.DataObject, count: int) -> None:
        self._read(data.draw(st.integers(0, len(self.log) - 1)), count)

    @rule(data=st.data(), rarely=RARELY)
    def lose_and_jump(self, data: st.DataObject, rarely: bool) -> None:
        """Retention overtakes the edge: what it had not read is gone."""
        if not rarely:
            return
        partition = data.draw(st.integers(0, len(self.log) - 1))
        start = self._end(partition)
        if start > self.read_up_to[partition]:
            self.read_up_to[partition] = self.holds_from[partition] = start
            self.hub.jumped(TOPIC, partition, start)

    @rule(data=st.data())
    def forget_old_records(self, data: st.DataObject) -> None:
        """Retention takes what the edge has read already: only deep catch-ups notice."""
        partition = data.draw(st.integers(0, len(self.log) - 1))
        self.holds_from[partition] = self.read_up_to[partition]

    @rule(codec=st.sampled_from(ALL_CODECS))
    def connect(self, codec: Codec) -> None:
        if len(self.clients) < 6:
            self.clients.append(Client(self.hub, codec))

    @precondition(lambda self: self.clients)
    @rule(
        data=st.data(),
        room=st.sampled_from(ROOMS),
        deliver=st.sampled_from(("all", "latest")),
        at_once=st.booleans(),
    )
    def join(self, data: st.DataObject, room: str, deliver: str, at_once: bool) -> None:
        client = data.draw(st.sampled_from(self.clients))
        if f"score:{room}" not in client.views:
            self._subscribe(client, f"score:{room}", RoomView(), deliver)
            if at_once:
                self._step(client)

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), back=st.integers(0, 8), codec=st.sampled_from(ALL_CODECS))
    def reconnect(self, data: st.DataObject, back: int, codec: Codec) -> None:
        """A client comes back with the cursors it had, or older ones, as if the last events had not reached it."""
        self._come_back(data.draw(st.sampled_from(self.clients)), back, codec)

    def _come_back(self, old: Client, back: int, codec: Codec) -> None:
        old.session.close(0)
        self.clients.remove(old)
        client = Client(self.hub, codec)
        self.clients.append(client)
        for name, view in old.views.items():
            seen = view.starts[-1:] + [event.offset for event in view.events] if view.joined else []
            if seen:
                after = seen[max(0, len(seen) - 1 - back)]
                self._subscribe(client, name, RoomView(after, view.epoch), "all")

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), room=st.sampled_from(ROOMS), ahead=st.integers(0, 6))
    def come_from_another_edge(self, data: st.DataObject, room: str, ahead: int) -> None:
        """A client comes with a cursor beyond what this edge has read, or beyond the log: a wrong one."""
        client = data.draw(st.sampled_from(self.clients))
        stream = self._stream_of(room)
        if f"score:{room}" not in client.views:
            after = self.read_up_to[stream.partition] - 1 + ahead
            self._subscribe(client, f"score:{room}", RoomView(after, stream.epoch), "all")

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), room=st.sampled_from(ROOMS))
    def leave(self, data: st.DataObject, room: str) -> None:
        client = data.draw(st.sampled_from(self.clients))
        if f"score:{room}" in client.views:
            client.send(Unsubscribe(rooms=[f"score:{room}"]))

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.clients)).session.pause(0)

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def pause_in_the_next_write(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.clients)).pause_after_next_write = True

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.clients)).session.resume()

    @rule()
    def begin_flush(self) -> None:
        flush = self.hub.next_flush(self.now)
        if flush is not None:
            self.writing.append((flush, 0, 0))

    @precondition(lambda self: self.writing)
    @rule(count=st.integers(1, 3))
    def write_some(self, count: int) -> None:
        flush, part, position = self.writing.pop(0)
        if part < len(flush.parts):
            data, clients, writes = flush.parts[part].data, flush.parts[part].clients, flush.parts[part].writes
            for place in range(position, min(position + count, len(clients))):
                if clients[place] not in flush.gone:
                    writes[place](data)
            position += count
            if position >= len(clients):
                part, position = part + 1, 0
        if part < len(flush.parts):
            self.writing.append((flush, part, position))
            return
        self.hub.end_flush(flush, self.now)
        for subscription in flush.woken:
            subscription.session.woken(subscription)

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        self._step(data.draw(st.sampled_from(self.clients)))

    @precondition(lambda self: self.wanting)
    @rule()
    def read_log(self) -> None:
        subscription, need = self.wanting.pop(0)
        if subscription.phase is Phase.LEFT:
            return
        if subscription.generation != subscription.room.generation or subscription.session.paused:
            subscription.session.stepped(subscription, Step(b"", Next.STEP))
            return
        stream = subscription.room.stream
        if need is Next.END:
            step = subscription.ended(self._end(stream.partition))
        else:
            wanted = subscription.wanted
            if wanted.after + 1 < self.holds_from[stream.partition]:
                step = subscription.out_of_reach()
            else:
                found = [r for r in self.log[stream.partition] if wanted.after < r.offset <= wanted.up_to][:3]
                reached = found[-1].offset if len(found) == 3 else wanted.up_to
                events = self.hub.replayed(subscription.room, stream, found, subscription.replayed)
                step = subscription.replay(events, reached)
        client = subscription.session.client
        assert isinstance(client, Client)
        if step.data:
            client.write(step.data)
        self._stepped(client, subscription, step)

    @invariant()
    def streams_count_their_bytes(self) -> None:
        for feed in self.hub.feeds.values():
            for stream in feed.streams.values():
                assert stream.bytes == sum(event.size for event in stream.events)
        pending = [event for room in self.hub.rooms.values() for event in room.pending]
        assert self.hub.pending_bytes == sum(event.size for event in pending)

    def teardown(self) -> None:
        """Let everything run dry: then every client has everything, and knows the state."""
        for partition in range(len(self.log)):
            self._read(partition, 10**6)
        for client in self.clients:
            client.pause_after_next_write = False
            client.session.resume()
        for _ in range(2_000):
            if not self._work():
                break
        else:
            raise AssertionError("it never comes to rest")
        for client in self.clients:
            for name, view in client.views.items():
                self._check(client, name, view)

    def _work(self) -> bool:
        self.begin_flush()
        under_way = bool(self.writing or self.wanting)
        if self.writing:
            self.write_some(3)
        if self.wanting:
            self.read_log()
        stepped = [self._step(client) for client in list(self.clients)]
        return any(stepped) or under_way

    def _check(self, client: Client, name: str, view: RoomView) -> None:
        subscription = client.session.subscriptions[name]
        assert view.joined
        room = subscription.room
        if subscription.phase is Phase.AHEAD:  # all is read, and its cursor is the room's place or another room's
            assert subscription.cursor < room.stream.next_offset
            assert not any(event.offset > subscription.cursor for event in room.events)
        else:
            assert subscription.phase is Phase.LIVE
        records = [r for r in self.log[room.stream.partition] if f"score:{r.key.decode()}" == name]
        if client.deliver[name] == "all":
            start = view.starts[-1] if view.starts else view.first
            expected = [r.offset for r in records if r.offset > start]
            assert [event.offset for event in view.events] == expected
        if view.starts:
            assert view.state == {key: int(event.value) for key, event in room.state.items()}

    def _subscribe(self, client: Client, name: str, view: RoomView, deliver: str) -> None:
        client.views[name] = view
        client.deliver[name] = deliver
        request = RoomRequest(room=name, epoch=view.epoch, after=view.last, deliver=deliver)  # type: ignore[arg-type]
        client.send(Subscribe(rooms=[request]))

    def _step(self, client: Client) -> bool:
        subscription = client.session.next_behind()
        if subscription is None:
            return False
        step = subscription.catch_up()
        if step.data:
            client.write(step.data)
        if step.next in (Next.LOG, Next.END):
            self.wanting.append((subscription, step.next))
        else:
            self._stepped(client, subscription, step)
        return True

    def _stepped(self, client: Client, subscription: Subscription, step: Step) -> None:
        client.session.stepped(subscription, step)
        if client.session.closing is not None:
            assert client.session.closing is codes.TOO_SLOW
            assert client.deliver[subscription.room.name] == "all"
            self._come_back(client, 0, client.session.codec)

    def _stream_of(self, room: str) -> Stream:
        found = self.hub.room(f"score:{room}")
        assert found is not None
        return found.stream

    def _end(self, partition: int) -> int:
        return self.log[partition][-1].offset + 1 if self.log[partition] else 0

    def _read(self, partition: int, count: int) -> None:
        records = [r for r in self.log[partition] if r.offset >= self.read_up_to[partition]][:count]
        if records:
            self.read_up_to[partition] = records[-1].offset + 1
            skips = self.hub.ingest(TOPIC, partition, records, records[-1].offset + 1, self.now)
            assert not skips


FanOut.TestCase.settings = settings(max_examples=400, stateful_step_count=50, deadline=None)
TestFanOut = FanOut.TestCase
