"""Generated histories of the core: records, joins, leaves, pauses, slow flushes, small windows, new logs, moves, loss.

Producers' clocks differ, and they may use a partitioner that the edge does not know.

The machine is the log and the shell: it takes turns with small budgets, and answers what the core asks of the log. Each
client checks every message as `client_model.RoomView` does; at the end all must have everything, and nothing else: a
client that did not start over has not seen an event that the log does not hold.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from support.client_model import RoomView
from support.core_edge import CLIENT, HUB, TOPIC, CoreClient, CoreEdge
from support.thoroughness import examples
from touchline_protocol import codes
from touchline_protocol.codecs import Codec
from touchline_protocol.messages import Error, RoomRequest, Subscribe, Unsubscribe, Unsubscribed
from touchline_protocol.server_codecs import ALL_CODECS
from touchline_server.core.effects import ReadLog
from touchline_server.core.log import Chunk, OffsetsLost, PartitionsAdded, Records, TermBegan, Truncated
from touchline_server.core.rooms.partition_window import PartitionWindow
from touchline_server.core.subscription import Phase
from touchline_server.core.write_scheduler import Budget

ROOMS = ("a", "b", "c", "d")
KEYS = (None, "score", "clock")
REPLAY_RECORDS_MAX = 12
RECORDS_OF_A_READ = 3
AHEAD_MS = st.sampled_from((0, 3_600_000))
"""How far the clock of a record's producer is ahead of the others'."""
RARELY = st.integers(0, 7).map(lambda number: number == 7)
SMALL_BUDGETS = st.builds(
    Budget,
    small_writes=st.integers(0, 2),
    slice_min=st.integers(1, 2),
    slice_max=st.integers(1, 2),
    catch_up_bytes=st.sampled_from([1, 1000]),
    catch_up_steps=st.integers(0, 2),
)


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    term: int


class Client(CoreClient):
    """A client that checks what it is sent."""

    def __init__(self, machine: "FanOut", codec: Codec) -> None:
        super().__init__(machine.edge, codec)
        self.machine = machine
        self.views: dict[str, RoomView] = {}
        self.deliver: dict[str, str] = {}
        self.pause_after_next_write = False
        self.greet()

    def write(self, data: bytes) -> None:
        super().write(data)
        for message in self.take():
            assert not isinstance(message, Error), message
            room = getattr(message, "room", None)
            if isinstance(message, Unsubscribed):
                del self.views[message.room]
            elif room is not None:
                self.views[room].take(message)
        if self.pause_after_next_write:
            self.pause_after_next_write = False
            self.pause()

    def closed(self, code: codes.CloseCode) -> None:
        super().closed(code)
        assert code is codes.TOO_SLOW
        assert "all" in self.deliver.values()
        self.machine.come_back_later.append(self)

    def follow(self, name: str, view: RoomView, deliver: str) -> None:
        self.views[name] = view
        self.deliver[name] = deliver
        request = RoomRequest(room=name, epoch=view.epoch, after=view.last, deliver=deliver)  # type: ignore[arg-type]
        self.send(Subscribe(rooms=[request]))


class FanOut(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.edge = CoreEdge(
            hub=HUB._replace(window_bytes_max=2_500, room_idle_ms=10**9),
            client=CLIENT._replace(replay_records_max=REPLAY_RECORDS_MAX),
            replay_concurrency=2,
            partitioner=lambda key, partitions: key[0] % partitions,
        )
        self.hub = self.edge.hub
        self.epoch_number = 1
        self.log: list[list[Record]] = []
        self.lost: list[list[Record]] = []
        self.term = 0
        self.was_read: list[list[Record]] = []
        self.told_term: list[int | None] = []
        self.read_up_to: list[int] = []
        self.holds_from: list[int] = []
        self.clients: list[Client] = []
        self.come_back_later: list[Client] = []
        self.compacted: list[set[int]] = []
        self.now = 1
        self.knows_partitioner = True

    @initialize(codecs=st.tuples(*[st.sampled_from(ALL_CODECS)] * 3), knows_partitioner=st.booleans())
    def begin(self, codecs: tuple[Codec, ...], knows_partitioner: bool) -> None:
        self.knows_partitioner = knows_partitioner
        self._open_again(partitions=2)
        for codec in codecs:
            client = Client(self, codec)
            self.clients.append(client)
            client.follow("score:a", RoomView(), "all")
        self.turn(Budget())

    @rule(partitions=st.integers(1, 3), rarely=RARELY)
    def open_again(self, partitions: int, rarely: bool) -> None:
        """The topic is deleted and created again; what the edge had not read is gone."""
        if rarely:
            self._open_again(partitions)

    def _open_again(self, partitions: int) -> None:
        self.epoch_number += 1
        self.log = [[] for _ in range(partitions)]
        self.lost = [[] for _ in range(partitions)]
        self.was_read = [[] for _ in range(partitions)]
        self.told_term = [None] * partitions
        self.read_up_to = [0] * partitions
        self.holds_from = [0] * partitions
        self.compacted = [set() for _ in range(partitions)]
        self.edge.open(f"epoch{self.epoch_number}", partitions)

    @precondition(lambda self: len(self.log) < 4)
    @rule(rarely=RARELY)
    def add_partition(self, rarely: bool) -> None:
        if not rarely:
            return
        for partition in range(len(self.log)):
            self._read(partition, 10**6)
        self.log.append([])
        self.lost.append([])
        self.was_read.append([])
        self.told_term.append(None)
        self.read_up_to.append(0)
        self.holds_from.append(0)
        self.compacted.append(set())
        self.edge.apply(PartitionsAdded(TOPIC, {len(self.log) - 1: 0}))

    @rule(
        room=st.sampled_from(ROOMS),
        key=st.sampled_from(KEYS),
        remove=st.booleans(),
        hole=st.integers(0, 2),
        ahead_ms=AHEAD_MS,
    )
    def produce(self, room: str, key: str | None, remove: bool, hole: int, ahead_ms: int) -> None:
        self._produce(self._partition_of(room, len(self.log)), room, key, remove=remove, hole=hole, ahead_ms=ahead_ms)

    @precondition(lambda self: self.knows_partitioner and len(self.log) > 1)
    @rule(room=st.sampled_from(ROOMS), key=st.sampled_from(KEYS), ahead_ms=AHEAD_MS)
    def produce_late(self, room: str, key: str | None, ahead_ms: int) -> None:
        """A producer has not noticed yet that a partition was added."""
        self._produce(self._partition_of(room, len(self.log) - 1), room, key, ahead_ms=ahead_ms)

    @rule(room=st.sampled_from(ROOMS), keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4), ahead_ms=AHEAD_MS)
    def produce_and_read(self, room: str, keys: list[str | None], ahead_ms: int) -> None:
        partition = self._partition_of(room, len(self.log))
        for key in keys:
            self._produce(partition, room, key, ahead_ms=ahead_ms)
        self._read(partition, 100)

    def _partition_of(self, room: str, partitions: int) -> int:
        return room.encode()[0] % partitions if self.knows_partitioner else partitions - 1

    def _produce(
        self, partition: int, room: str, key: str | None, *, remove: bool = False, hole: int = 0, ahead_ms: int
    ) -> None:
        self.now += 1
        self.edge.loop_ms = self.now
        records = self.log[partition]
        offset = (records[-1].offset + 1 + hole) if records else hole
        value = None if remove and key is not None else str(self.now).encode()
        headers = [("key", key.encode())] if key is not None else []
        records.append(Record(offset, self.now + ahead_ms, room.encode(), value, headers, self.term))

    @rule(data=st.data(), count=st.integers(1, 5))
    def read(self, data: st.DataObject, count: int) -> None:
        self._read(data.draw(st.integers(0, len(self.log) - 1)), count)

    @rule()
    def elect(self) -> None:
        """New leaders, which have all records."""
        self.term += 1

    @rule(data=st.data(), rarely=RARELY, back=st.integers(1, 6))
    def cut_back(self, data: st.DataObject, rarely: bool, back: int) -> None:
        """A leader takes over that does not have the last records."""
        if rarely:
            partition = data.draw(st.integers(0, len(self.log) - 1))
            self.lost[partition] = list(self.log[partition])
            self._replace(partition, self.log[partition][:-back])

    @rule(data=st.data(), rarely=RARELY)
    def bring_back(self, data: st.DataObject, rarely: bool) -> None:
        """The leader from before takes over again, and does not have what was written since."""
        partition = data.draw(st.integers(0, len(self.log) - 1))
        if rarely and self.lost[partition]:
            lost, self.lost[partition] = self.lost[partition], list(self.log[partition])
            self._replace(partition, lost)

    def _replace(self, partition: int, records: list[Record]) -> None:
        self.log[partition] = records
        self.term += 1
        self.holds_from[partition] = min(self.holds_from[partition], self._end(partition))
        held = {record.offset for record in records}
        self.compacted[partition] &= held

    @rule(data=st.data(), rarely=RARELY)
    def lose_unread_records(self, data: st.DataObject, rarely: bool) -> None:
        """Retention overtakes the edge: what it had not read is gone."""
        if not rarely:
            return
        partition = data.draw(st.integers(0, len(self.log) - 1))
        self._notice_loss(partition)
        start = self._end(partition)
        if start > self.read_up_to[partition]:
            self.was_read[partition] = list(self.log[partition])
            self.told_term[partition] = None
            self.read_up_to[partition] = self.holds_from[partition] = start
            self.edge.apply(OffsetsLost(TOPIC, partition, start))

    @rule(data=st.data())
    def forget_old_records(self, data: st.DataObject) -> None:
        """Retention takes what the edge has read already: only deep catch-ups notice."""
        partition = data.draw(st.integers(0, len(self.log) - 1))
        self._notice_loss(partition)
        self.holds_from[partition] = self.read_up_to[partition]

    @rule(data=st.data())
    def compact(self, data: st.DataObject) -> None:
        """Compaction removes what the edge has read, as long as a newer record of its key is there."""
        partition = data.draw(st.integers(0, len(self.log) - 1))
        self._notice_loss(partition)
        newest: dict[tuple[bytes, Any], int] = {}
        for record in self.log[partition][: self.read_up_to[partition]]:
            key = (record.key, tuple(record.headers))
            if record.headers and record.offset < self.read_up_to[partition] and key in newest:
                self.compacted[partition].add(newest[key])
            newest[key] = record.offset

    @rule(codec=st.sampled_from(ALL_CODECS))
    def connect(self, codec: Codec) -> None:
        if len(self.clients) < 6:
            self.clients.append(Client(self, codec))

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
            client.follow(f"score:{room}", RoomView(), deliver)
            if at_once:
                self.turn(Budget(small_writes=0, slice_min=1, slice_max=1))

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), back=st.integers(0, 8), codec=st.sampled_from(ALL_CODECS))
    def reconnect(self, data: st.DataObject, back: int, codec: Codec) -> None:
        """A client comes back with the cursors it had, or older ones, as if the last events had not reached it."""
        self._come_back(data.draw(st.sampled_from(self.clients)), back, codec)

    def _come_back(self, old: Client, back: int, codec: Codec) -> None:
        old.leave()
        self.clients.remove(old)
        client = Client(self, codec)
        self.clients.append(client)
        for name, view in old.views.items():
            seen = view.starts[-1:] + [event.offset for event in view.events] if view.joined else []
            if seen:
                after = seen[max(0, len(seen) - 1 - back)]
                client.follow(name, view.resumed(after), "all")

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), room=st.sampled_from(ROOMS), ahead=st.integers(-3, 6), is_newer=st.booleans())
    def come_from_another_edge(self, data: st.DataObject, room: str, ahead: int, is_newer: bool) -> None:
        """A client comes with a cursor beyond what this edge has read, or beyond the log: a wrong one."""
        client = data.draw(st.sampled_from(self.clients))
        window = self._window_of(room)
        if f"score:{room}" not in client.views:
            after = max(-1, self.read_up_to[window.partition] - 1 + ahead)
            records = self.log[window.partition]
            epoch = window.epoch_of(records[-1].term) if is_newer and records else window.epoch
            client.follow(f"score:{room}", RoomView(after, epoch), "all")

    @precondition(lambda self: self.clients)
    @rule(data=st.data(), room=st.sampled_from(ROOMS))
    def leave(self, data: st.DataObject, room: str) -> None:
        client = data.draw(st.sampled_from(self.clients))
        if f"score:{room}" in client.views:
            client.send(Unsubscribe(rooms=[f"score:{room}"]))

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.clients)).pause()

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def pause_in_the_next_write(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.clients)).pause_after_next_write = True

    @precondition(lambda self: self.clients)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.clients)).resume()

    @rule(budget=SMALL_BUDGETS)
    def turn(self, budget: Budget) -> None:
        self.edge.turn(budget)
        self._let_come_back()

    @rule()
    def flush(self) -> None:
        self.edge.flush()

    @precondition(lambda self: self.edge.requests)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        self._answer(data.draw(st.integers(0, len(self.edge.requests) - 1)))

    def _answer(self, position: int) -> None:
        request: Any = self.edge.requests.pop(position)
        core, now = self.edge.core, self.edge.now
        if isinstance(request, ReadLog):
            self.edge.perform(core.log_read(request.number, self._read_again(request), now))
        else:
            is_current = request.window.topic_epoch == f"epoch{self.epoch_number}"
            end = self._end_of(request.window.partition, request.term) if is_current else None
            self.edge.perform(core.log_end(request.number, end, now))
        self._let_come_back()

    def _read_again(self, request: ReadLog) -> Chunk | None:
        window, after, up_to, term, is_proven = request.range
        if window.topic_epoch != f"epoch{self.epoch_number}" or after + 1 < self.holds_from[window.partition]:
            return None
        if after >= self._end(window.partition) or not (is_proven or after < self._end_of(window.partition, term)):
            return None
        gone = self.compacted[window.partition]
        kept = (r for r in self.log[window.partition] if after < r.offset <= up_to and r.offset not in gone)
        found = list(itertools.islice(kept, RECORDS_OF_A_READ))
        terms = [(record.offset, record.term) for record in found]
        return Chunk(found, found[-1].offset if len(found) == RECORDS_OF_A_READ else up_to, terms)

    @invariant()
    def windows_count_their_bytes(self) -> None:
        for feed in self.hub.feeds.values():
            for window in feed.windows.values():
                assert window.bytes == sum(event.size for event in window.events)
        pending = [event for room in self.hub.rooms.values() for event in room.contents.pending]
        assert self.hub.pending_bytes == sum(event.size for event in pending)

    def teardown(self) -> None:
        """Let everything run dry: then every client has everything, and knows the state."""
        for partition in range(len(self.log)):
            self._read(partition, 10**6)
        for client in self.clients:
            client.pause_after_next_write = False
            client.resume()
        for _ in range(2_000):
            if not (self.edge.core.wants_turn or self.edge.requests):
                break
            self.turn(Budget(slice_min=1, slice_max=3))
            if self.edge.requests:
                self._answer(0)
        else:
            raise AssertionError("it never comes to rest")
        for client in self.clients:
            for name, view in client.views.items():
                self._check(client, name, view)

    def _check(self, client: Client, name: str, view: RoomView) -> None:
        subscription = client.client.subscriptions[name]
        assert view.joined
        contents = subscription.room.contents
        if subscription.phase is Phase.AHEAD:  # all is read, and its cursor is the room's position or another room's
            assert subscription.cursor < contents.window.next_offset
            assert not any(event.offset > subscription.cursor for event in contents.events)
        else:
            assert subscription.phase is Phase.LIVE
        records = [r for r in self.log[contents.window.partition] if f"score:{r.key.decode()}" == name]
        if client.deliver[name] == "all":
            start = view.starts[-1] if view.starts else view.first
            got = {event.offset for event in view.events}
            gone = self.compacted[contents.window.partition] - got
            expected = [(r.offset, int(r.value or 0)) for r in records if r.offset > start and r.offset not in gone]
            assert [(event.offset, event.data or 0) for event in view.events] == expected
            held = {(r.offset, int(r.value or 0)) for r in records}
            assert {(event.offset, event.data or 0) for event in view.before} <= held
        if view.starts:
            assert view.state == {key: int(event.value) for key, event in contents.state.items()}

    def _let_come_back(self) -> None:
        while self.come_back_later:
            client = self.come_back_later.pop()
            if client in self.clients:
                self._come_back(client, 0, client.codec)

    def _window_of(self, room: str) -> PartitionWindow:
        found = self.hub.room(f"score:{room}")
        assert found is not None
        return found.contents.window

    def _end(self, partition: int) -> int:
        return self.log[partition][-1].offset + 1 if self.log[partition] else 0

    def _end_of(self, partition: int, term: int) -> int:
        """Where a term ends, as Kafka answers it; 0 if the log has nothing of it but has older terms."""
        records = self.log[partition]
        newer = next((r.offset for r in records if r.term > term), self._end(partition))
        older = [r.term for r in records if r.term <= term]
        return newer if not older or older[-1] == term else 0

    def _notice_loss(self, partition: int) -> None:
        """Report it if what the edge has read is not in the log any more."""
        was_read, log = self.was_read[partition], self.log[partition]
        common = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(was_read, log, strict=False)))
        if common < len(was_read):
            self.was_read[partition] = was_read[:common]
            start = was_read[common - 1].offset + 1 if common else 0
            self.read_up_to[partition] = start
            term = self.told_term[partition] = was_read[common - 1].term if common else 0
            self.edge.apply(Truncated(TOPIC, partition, start, term))

    def _read(self, partition: int, count: int) -> None:
        self._notice_loss(partition)
        records = [r for r in self.log[partition] if r.offset >= self.read_up_to[partition]][:count]
        for term, group in itertools.groupby(records, key=lambda record: record.term):
            batch = list(group)
            if self.told_term[partition] != term:
                self.told_term[partition] = term
                self.edge.apply(TermBegan(TOPIC, partition, batch[0].offset, term))
            self.was_read[partition] = [*self.was_read[partition], *batch]
            self.read_up_to[partition] = batch[-1].offset + 1
            self.edge.apply(Records(TOPIC, partition, batch, batch[-1].offset + 1))
            assert all(skip.reason == "misplaced" for skip in self.edge.skips)


FanOut.TestCase.settings = settings(max_examples=examples(4), stateful_step_count=50)
TestFanOut = FanOut.TestCase
