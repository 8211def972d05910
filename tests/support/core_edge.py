"""An edge core with a shell for tests: no socket, no loop, no clock. Its effects are performed at once, and recorded.

The test is the log: it hands in log events, and answers what the core asks for (`CoreEdge.requests`).
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from support.access import make_access
from support.client_model import messages_in
from touchline_protocol import codes
from touchline_protocol.codecs import JSON, Codec
from touchline_protocol.messages import Hello, Message, RoomRequest, ServerMessage, Subscribe, Subscribed
from touchline_server.core.clients.client import Client
from touchline_server.core.clients.limits import ClientLimits, RateLimits
from touchline_server.core.clocks import LoopMs, Now, UnixMs
from touchline_server.core.edge import EdgeCore
from touchline_server.core.edge_limits import EdgeLimits
from touchline_server.core.effects import (
    Abort,
    AskLastAck,
    AskLogEnd,
    Close,
    Effect,
    FindOffset,
    LoadRoom,
    Notice,
    ReadLog,
    ServeInput,
)
from touchline_server.core.input_scheduler import FRAME_WORK, UNIT_BYTES, InputBudget
from touchline_server.core.liveness import LivenessLimits
from touchline_server.core.log import CaughtUp, LogEvent, Records, TopicOpened
from touchline_server.core.players.access import Access
from touchline_server.core.presence.board import PresenceLimits
from touchline_server.core.rate import Rate
from touchline_server.core.rooms.feed import Feed
from touchline_server.core.rooms.hub import Hub
from touchline_server.core.rooms.hub_limits import HubLimits
from touchline_server.core.rooms.moves import Partitioner
from touchline_server.core.rooms.old_records import Skip
from touchline_server.core.rooms.room import Delivery, FlushTrace
from touchline_server.core.write_scheduler import Budget

TOPIC = "score-events"
VERDICTS = "cheat-verdicts"
FEED = Feed("score", TOPIC)
HUB = HubLimits(window_bytes_max=1_000_000, window_ms=1_000_000, state_bytes_max=100_000, room_idle_ms=1_000)
RATES = RateLimits(
    subscribes=Rate(per_second_max=50, burst=1_000),
    refreshes=Rate(per_second_max=1, burst=1_000),
    pings=Rate(per_second_max=1, burst=100),
    refusals=Rate(per_second_max=1, burst=1_000),
    messages=Rate(per_second_max=1_000_000, burst=1_000_000),
    payload_bytes=Rate(per_second_max=1e9, burst=1_000_000_000),
)
CLIENT = ClientLimits("edge", 25_000, 65_536, rooms_max=20, replay_records_max=100, rates=RATES)
PRESENCE = PresenceLimits(members_max=3, every_ms=1_000, grace_ms=5_000)
LIVENESS = LivenessLimits(handshake_ms=5_000, heartbeat_ms=25_000, lag_ms_max=60_000)

MOVE_MARGIN_MS = 1_000

Request: TypeAlias = ReadLog | AskLogEnd | FindOffset | LoadRoom


class LogRecord(NamedTuple):
    """A record of the log, as the core is handed it."""

    offset: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    key: bytes | None = b"1"
    timestamp: int = 1


def record(offset: int, key: str | None = None, *, value: bytes | None = b"0", room: str = "1") -> LogRecord:
    headers = [("key", key.encode())] if key is not None else []
    return LogRecord(offset, value, headers, room.encode())


class CoreEdge:
    """An edge with the feed ``score``, whose topic is open, empty, and of one partition."""

    def __init__(
        self,
        *,
        access: Access[Any] | None = None,
        hub: HubLimits = HUB,
        client: ClientLimits = CLIENT,
        liveness: LivenessLimits = LIVENESS,
        budget: Budget | None = None,
        input_budget: InputBudget = InputBudget(),  # noqa: B008 - a tuple
        replay_concurrency: int = 4,
        partitioner: Partitioner = lambda _key, _partitions: 0,
        stored: bool = False,
        traces: bool = False,
        feed: Feed = FEED,
        presence: PresenceLimits = PRESENCE,
        make_name: Callable[[], str] | None = None,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        names = iter(range(1_000_000))
        self.core: EdgeCore[CoreClient] = EdgeCore(
            Hub([feed], hub, partitioner, stored=stored, traces=traces),
            make_access() if access is None else access,
            EdgeLimits(
                client,
                liveness,
                budget or Budget(),
                input_budget,
                connections_max=1_000,
                replay_concurrency=replay_concurrency,
                presence=presence,
                move_margin_ms=MOVE_MARGIN_MS,
            ),
            make_name=make_name or (lambda: f"session-{next(names)}"),
            clock=clock,
            verdicts_topic=VERDICTS,
        )
        self.hub = self.core.hub
        self.loop_ms = 0
        self.unix_ms = 0
        self.requests: list[Request] = []
        self.skips: list[Skip] = []
        self.flush_traces: list[FlushTrace] = []
        self.log: list[Any] = []
        """The actions that were appended."""
        self.open()

    @property
    def now(self) -> Now:
        return Now(LoopMs(self.loop_ms), UnixMs(self.unix_ms))

    def perform(self, effects: Iterable[Effect["CoreClient"]]) -> None:
        for effect in effects:
            match effect:
                case Delivery():
                    for write in effect.writes:
                        write(effect.data)
                case Close(owner, code):
                    owner.closed(code)
                case Abort(owner):
                    owner.aborted = True
                case ServeInput(owner):
                    owner.serve_turn()
                case AskLastAck():
                    pass  # there is no kernel
                case Notice():
                    pass  # for operators
                case FlushTrace():
                    self.flush_traces.append(effect)
                case _:
                    self.requests.append(effect)

    def open(self, epoch: str = "e1", partitions: int = 1) -> None:
        """The topic is there, empty."""
        self.apply(TopicOpened(TOPIC, epoch, dict.fromkeys(range(partitions), 0)))
        self.apply(CaughtUp(TOPIC))

    def apply(self, event: LogEvent) -> None:
        outcome = self.core.log_event(event, self.now)
        self.skips += outcome.skips
        self.perform(outcome.effects)

    def ingest(self, *records: LogRecord, partition: int = 0) -> None:
        """Hand in records; they are written by the next `flush` or `run`."""
        self.apply(Records(TOPIC, partition, records, records[-1].offset + 1))

    def flush(self) -> None:
        self.perform(self.core.flush(self.now))

    def turn(self, budget: Budget | None = None) -> None:
        self.perform(self.core.turn(self.now, budget))

    def run(self) -> None:
        """Take turns and steps until there is nothing left to do."""
        while self.core.wants_turn or self.core.wants_step:
            self.turn()
            self.step()

    def step(self) -> None:
        self.perform(self.core.step(self.now))

    def tick(self) -> None:
        self.perform(self.core.tick(self.now))

    def append(self, written: int | None = None) -> None:
        """Append the actions that wait; the log takes ``written`` of each batch, or all."""
        while batch := self.core.actions.next_batch():
            count = len(batch) if written is None else written
            self.log += batch[:count]
            self.perform(self.core.appended(batch, count, self.now))

    def client(self, codec: Codec = JSON, **hello: Any) -> "CoreClient":
        """A client that has said hello."""
        client = CoreClient(self, codec)
        client.greet(**hello)
        return client


class CoreClient:
    """A client of a core: what is written to it is decoded at once. It is its own connection."""

    def __init__(self, edge: CoreEdge, codec: Codec = JSON) -> None:
        self.edge = edge
        self.codec = codec
        self.received: list[ServerMessage] = []
        self.close_code: codes.CloseCode | None = None
        self.aborted = False
        self.unserved: deque[bytes] = deque()
        edge.core.accepted(self, edge.now)
        self.client: Client[CoreClient] = edge.core.opened(self, codec, self.write)

    def write(self, data: bytes) -> None:
        self.received += messages_in(data, self.codec)

    def closed(self, code: codes.CloseCode) -> None:
        self.close_code = code

    def greet(self, **hello: Any) -> None:
        self.send(Hello(**hello))

    def send(self, *messages: Message) -> None:
        for message in messages:
            self.send_bytes(self.codec.encode(message))

    def send_bytes(self, payload: bytes) -> None:
        self.edge.perform(self.edge.core.received(self.client, payload, self.edge.now))

    def flood(self, *messages: Message) -> None:
        """Send messages at once, as one read from a socket, which are served as the core allows."""
        self.unserved += [self.codec.encode(message) for message in messages]
        self.serve_turn()

    def serve_turn(self) -> None:
        """Serve what was sent, as a shell does."""
        turns = self.edge.core.input
        while self.unserved and self.close_code is None:
            if not turns.may_serve(self):
                turns.wait(self)
                return
            payload = self.unserved.popleft()
            turns.spend(self, FRAME_WORK + len(payload) // UNIT_BYTES)
            self.send_bytes(payload)

    def take(self) -> list[ServerMessage]:
        """What was written since the last call."""
        received, self.received = self.received, []
        return received

    def pause(self) -> None:
        self.edge.core.paused(self.client, self.edge.now)

    def resume(self) -> None:
        self.edge.core.resumed(self.client)

    def leave(self) -> None:
        """The connection is gone."""
        self.edge.core.left(self.client, self.edge.now)
        self.edge.core.lost(self, self.edge.now)

    def subscribe(self, room: str = "score:1", **cursor: Any) -> None:
        """Join a room, as far as that can be done without the log."""
        self.send(Subscribe(rooms=[RoomRequest(room=room, **cursor)]))
        self.edge.run()

    def join(self, room: str = "score:1", **cursor: Any) -> Subscribed:
        """Join a room, and return the answer."""
        self.take()
        self.subscribe(room, **cursor)
        joined = self.take()[0]
        assert isinstance(joined, Subscribed), joined
        return joined
