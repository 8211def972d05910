"""The session against a model of a server, over generated histories: nothing lost, nothing twice, all in order."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sdk.model_server import ModelServer, RoomLog
from support.thoroughness import examples
from touchline.session.items import Event, Gap, Item, Joined
from touchline.session.reconnect import Backoff
from touchline.session.room import Phase, Room
from touchline.session.session import Session
from touchline.session.states import CONNECTED, State
from touchline.session.view import View
from touchline_protocol.codecs import CODECS
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Deliver

ROOMS = ["score:1", "match:1"]
KEYS = st.sampled_from([None, None, "score", "clock"])
EVENT = st.tuples(st.integers(0, 2), KEYS, st.integers(0, 9))
DELIVER: st.SearchStrategy[Deliver] = st.sampled_from(["all", "latest"])
COUNT = st.integers(min_value=1, max_value=4)


@dataclass
class Reader:
    """A subscription's reader, which checks every item as it arrives."""

    room: Room
    view: View
    from_cursor: bool
    state_is_whole: bool = True
    events: list[Event] = field(default_factory=list)
    recent_left: int = 0

    def take(self, item: Item, server: ModelServer) -> None:
        before = self.view.cursor
        self.view.apply(item)
        if isinstance(item, Joined):
            assert self.recent_left == 0
            self.recent_left = item.recent
            if self.view.recovered and self.from_cursor and not self.events:
                self.state_is_whole = False
            if not item.recovered:
                self.state_is_whole = True
        if isinstance(item, Event):
            self._event(item, before, server)

    def _event(self, event: Event, before: Cursor | None, server: ModelServer) -> None:
        assert before is not None
        assert event.epoch == before.epoch
        assert event.offset > before.offset
        entry = next(entry for entry in server.history[event.epoch].entries if entry.offset == event.offset)
        assert (event.key, event.data, event.ts) == (entry.key, entry.data, entry.offset)
        for between in server.history[event.epoch].after(before.offset):
            if between.offset < event.offset:
                assert (event.epoch, between.offset) in server.reported_skipped, f"{between} was lost"
        self.recent_left = max(0, self.recent_left - 1)
        self.events.append(event)

    def check_settled(self, log: RoomLog, server: ModelServer) -> None:
        """Everything in the log was seen, or reported as skipped."""
        assert self.view.cursor is not None
        assert self.view.cursor.epoch == log.epoch
        assert all((log.epoch, entry.offset) in server.reported_skipped for entry in log.after(self.view.cursor.offset))
        expected = {key: (entry.offset, entry.data) for key, entry in log.state(log.head).items()}
        seen = {key: (event.offset, event.data) for key, event in self.view.state.items()}
        if self.state_is_whole:
            assert seen == expected
        else:
            assert seen.items() <= expected.items()


class SessionAgainstModel(RuleBasedStateMachine):
    """A client, a network that breaks anywhere, and an unreliable server."""

    @initialize(codec=st.sampled_from(CODECS), random=st.floats(min_value=0, max_value=1), deliver=DELIVER)
    def begin(self, codec: object, random: float, deliver: Deliver) -> None:
        found = next(known for known in CODECS if known is codec)
        self.server = ModelServer(found, ROOMS)
        self.session = Session(
            found,
            agent="test",
            backoff=Backoff(),
            random=lambda: random,
            retry_first=True,
            actions_max=1,
            can_renew_token=False,
        )
        self.readers: dict[str, Reader] = {}
        self.now_s = 0.0
        self.gaps = 0
        self.session.connected(self.now_s)
        for room in ROOMS:
            self.subscribe(room, None, 0, deliver)
        self.deliver_all_messages()

    @rule(room=st.sampled_from(ROOMS), events=st.lists(EVENT, min_size=1, max_size=5))
    def append(self, room: str, events: list[tuple[int, str | None, int]]) -> None:
        for hole, key, data in events:
            self.server.logs[room].append(hole, key, None if key is not None and data == 0 else data)

    @rule(
        room=st.sampled_from(ROOMS),
        after=st.none() | st.integers(min_value=-1, max_value=12),
        last=st.integers(0, 3),
        deliver=DELIVER,
    )
    def subscribe(self, room: str, after: int | None, last: int, deliver: Deliver) -> None:
        if room in self.readers:
            return
        cursor = None if after is None else Cursor(self.server.logs[room].epoch, after)
        followed = self.session.subscribe(room, after=cursor, last=last, deliver=deliver)
        self.readers[room] = Reader(followed, View(cursor), from_cursor=cursor is not None)

    @rule(room=st.sampled_from(ROOMS), comes_back=st.booleans())
    def unsubscribe(self, room: str, comes_back: bool) -> None:
        if room in self.readers:
            self.session.unsubscribe(self.readers.pop(room).room)
        if comes_back:
            self.subscribe(room, None, 0, "all")

    @rule()
    def send(self) -> None:
        output = self.session.take_output()
        assert all(len(payload) <= 400 for payload in output)
        if self.session.state in CONNECTED:
            self.server.to_server.extend(output)
        else:
            assert not output

    @rule(count=COUNT)
    def server_reads(self, count: int) -> None:
        for _ in range(min(count, len(self.server.to_server))):
            self.server.read()

    @rule()
    def deliver_all_messages(self) -> None:
        """Without this, few histories would get as far as events."""
        for _ in range(3):
            self.send()
            self.server_reads(count=100)
            self.receive(count=1000)

    @rule(room=st.sampled_from(ROOMS), count=COUNT, again=st.integers(0, 3), arrive=st.booleans())
    def server_sends(self, room: str, count: int, again: int, arrive: bool) -> None:
        """The next events, and some that were sent before."""
        if room in self.server.joined:
            if self.server.joined[room].request.deliver == "all":
                self.server.send_again(room, again)
            self.server.bring(room, count)
        if arrive:
            self.deliver_all_messages()

    @rule(room=st.sampled_from(ROOMS))
    def server_loses_an_event(self, room: str) -> None:
        for data in (1, 2, 3):
            self.server.logs[room].append(0, None, data)
        if room in self.server.joined:
            self.server.lose_next(room)
            self.server.bring(room, 2)

    @rule(room=st.sampled_from(ROOMS))
    def topic_is_recreated(self, room: str) -> None:
        self.server.restart(room)

    @rule(room=st.sampled_from(ROOMS))
    def retention_removes_old_events(self, room: str) -> None:
        self.server.logs[room].floor = self.server.logs[room].head

    @rule()
    def next_subscribe_is_unavailable(self) -> None:
        self.server.unavailable += 1

    @precondition(lambda self: self.session.state in (State.OPEN, State.LEAVING))
    @rule(reconnect_ms=st.integers(0, 3000))
    def goaway(self, reconnect_ms: int) -> None:
        self.server.goaway(reconnect_ms)

    @rule(count=COUNT)
    def receive(self, count: int) -> None:
        for _ in range(min(count, len(self.server.to_client))):
            if self.session.state not in CONNECTED:
                return
            self.session.receive(self.server.to_client.popleft(), self.now_s)
            for room, item in self.session.take_items():
                self.gaps += isinstance(item, Gap)
                reader = self.readers.get(room.name)
                assert reader is not None
                assert reader.room is room
                reader.take(item, self.server)

    @precondition(lambda self: self.session.state in CONNECTED)
    @rule(code=st.sampled_from([1000, 1001, 1006, 1011, 4000, 4001, 4321]), at_once=st.booleans())
    def disconnect(self, code: int, at_once: bool) -> None:
        self.server.disconnect()
        self.session.disconnected(self.now_s, code, "")
        if at_once:
            self.time_passes()

    @rule()
    def time_passes(self) -> None:
        """Until something is due. A connection that the session left is a new one after that."""
        deadline = self.session.deadline
        while deadline is not None and self.session.state is not State.CONNECTING:
            self.now_s = max(self.now_s, deadline)
            self.session.tick(self.now_s)
            deadline = self.session.deadline if self.session.state is State.WAITING else None
        if self.session.state is State.CONNECTING:
            self.server.disconnect()
            self.session.connected(self.now_s)
            self.deliver_all_messages()

    @invariant()
    def no_false_alarm(self) -> None:
        if hasattr(self, "session"):
            assert self.gaps <= self.server.lost
            assert self.session.state is not State.CLOSED

    def teardown(self) -> None:
        """After the trouble, every reader has everything."""
        if not hasattr(self, "session"):
            return
        for _ in range(200):
            self.send()
            self.server_reads(count=100)
            for room in list(self.server.joined):
                self.server.bring(room, 100)
            self.receive(count=1000)
            self.no_false_alarm()
            resting = any(reader.room.phase is Phase.WAITING for reader in self.readers.values())
            if resting or self.session.state in (State.WAITING, State.LEAVING):
                self.time_passes()
            elif all(reader.room.phase is Phase.JOINED for reader in self.readers.values()):
                break
        for room in self.readers:
            # A loss shows only at the room's next event.
            self.server.logs[room].append(0, None, 1)
            self.server.logs[room].append(0, None, 2)
        for _ in range(20):
            for room in list(self.server.joined):
                self.server.bring(room, 100)
            self.receive(count=1000)
            self.send()
            self.server_reads(count=100)
        for room, reader in self.readers.items():
            reader.check_settled(self.server.logs[room], self.server)


TestSessionAgainstModel = SessionAgainstModel.TestCase
TestSessionAgainstModel.settings = settings(max_examples=examples(2), stateful_step_count=50)
