"""The core of an edge: decides everything that an edge does, and does nothing itself.

A shell (sockets, `touchline tail --log`, a test, a simulation) tells it what happened and when, and performs the
effects that come back: in order, at once, before it reports anything else. Only two things may happen in between: while
the shell performs a `Delivery`, transports may report `paused`; while it performs a `ServeInput`, it reports messages.

    log event ──► log_event ─┐                              ┌─► Delivery      to clients' transports
    accepted, opened,        │                              ├─► Close, Abort
    received, paused,        ├─► EdgeCore ──► effects ──────┼─► ServeInput    to go on with a client's messages
    resumed, ended, lost ────┤      │                       ├─► ReadLog       ──► log_read
    turn, step, tick ────────┘      ├─► `actions`           ├─► AskLogEnd     ──► log_end
                                    └─► `input`             ├─► FindOffset    ──► offset_found
                                                            └─► LoadRoom      ──► room_loaded

Rules:

1. Effects come from generators or lists. Each is performed before the next is asked for, so that the core knows of the
   flow control that a write set off before it decides anything else.
2. ``wants_turn`` says whether `turn` has something to do. A shell takes turns as long as it has, and serves its sockets
   and its log in between. `input` says how much of what clients have sent is served between two turns. ``wants_step``
   and `step` are the same for work that nobody has to wait for: `STEP_MS` pass between two of them.
3. The time is passed in, and names of sessions are injected. The same inputs have the same effects.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Generic

from touchline_protocol import codes
from touchline_protocol.codecs import Codec
from touchline_protocol.errors import RecordRefusal
from touchline_protocol.messages import RoomRequest

from .admission.admission import Admission
from .catch_up import CatchUpQueue
from .clients.arrivals import Arrivals
from .clients.client import Client, ClientHub, ClientState, ClientSubscription
from .clients.conversation import receive, receive_control_frame
from .clients.room_requests import watch
from .clients.verdict_events import take_verdict_event
from .clocks import Now
from .counters.edge import EdgeCounters
from .drain import Drain
from .edge_limits import EdgeLimits
from .effects import Close, Effect, LogOutcome, Owner, Unreachable
from .input_scheduler import InputScheduler
from .liveness import REFUSED_CONNECTIONS_MAX, Liveness
from .log import (
    CaughtUp,
    Chunk,
    History,
    LogEvent,
    ReadRefused,
    Records,
    TopicMissing,
)
from .players.access import Access
from .players.action_queue import PendingAction
from .players.grants import Grant, Refusal
from .presence.board import PresenceBoard
from .replays.replay_queue import ReplayQueue
from .replays.room_loads import RoomLoads
from .room_store import NotYet, StoredRoom
from .rooms.room import Write
from .subscription import NextStep
from .write_scheduler import Budget, WriteScheduler


class EdgeCore(Generic[Owner]):
    """One edge. ``make_name`` gives a session its name. ``clock`` is a fine one, in seconds: it tells how long the
    shell was away between two turns. ``verdicts_topic`` is None if no verdicts are enforced; all other topics are
    feeds'.
    """

    def __init__(
        self,
        hub: ClientHub[Owner],
        access: "Access[Client[Owner]]",
        limits: EdgeLimits,
        *,
        make_name: Callable[[], str],
        clock: Callable[[], float],
        verdicts_topic: str | None = None,
    ) -> None:
        self.hub = hub
        self.access = access
        self.actions = access.actions
        self.limits = limits
        self.presence: PresenceBoard[ClientSubscription[Owner]] = PresenceBoard(limits.presence)
        self.input: InputScheduler[Owner] = InputScheduler(limits.input_budget)
        self.arrivals = None if access.fleet is None else Arrivals(access.fleet, self.input, self._greeted)
        self.is_draining = False
        self._drain: Drain[Owner] = Drain()
        self._make_name = make_name
        self.verdicts_topic = verdicts_topic
        self._topics_behind = {opened.feed.topic for opened in hub.feeds.values()}
        if verdicts_topic is not None:
            self._topics_behind.add(verdicts_topic)
        self.counters = EdgeCounters(access.counters, access.actions.counters)
        self._scheduler = WriteScheduler(hub, clock, self.counters.flushes)
        self._catch_up: CatchUpQueue[Owner] = CatchUpQueue(access.counters)
        self.replays = ReplayQueue(hub, self._catch_up, limits.replay_concurrency, limits.move_margin_ms)
        self.loads = RoomLoads(hub, self._catch_up)
        self._liveness: Liveness[Owner] = Liveness(limits.liveness)
        self.admission: Admission[Owner] = Admission(limits.admission)

    def reload(self, limits: EdgeLimits) -> None:
        """Use other limits from now on. Clients keep those in their welcome; the rates hold for all of them."""
        self.limits = limits
        self._liveness.reload(limits.liveness)
        self.admission.limits = limits.admission
        for client in self.clients:
            client.rates.limits = limits.client.rates

    # The log.

    @property
    def has_read_log(self) -> bool:
        """Whether each topic was read to its end of the start, as far as it can be, or is known not to exist."""
        return not self._topics_behind

    def log_event(self, event: LogEvent, now: Now) -> LogOutcome[Owner]:
        """Take in what the log reports of a feed's topic or the verdicts'; call `flush` after the last of a poll."""
        if isinstance(event, CaughtUp | TopicMissing | ReadRefused):
            self._topics_behind.discard(event.topic)
        if isinstance(event, Records) and not self._topics_behind:
            self.counters.records.take(event.topic, event.records, now.unix_ms)
        outcome = self._apply(event, now)
        for skip in outcome.skips:
            self.counters.records.skipped[skip.reason] += 1
        return outcome

    def _apply(self, event: LogEvent, now: Now) -> LogOutcome[Owner]:
        if event.topic == self.verdicts_topic:
            return take_verdict_event(self.access, event, now)
        skips = self.hub.apply(event, now.loop_ms)
        if not isinstance(event, Records | History):
            return LogOutcome(skips, self.loads.read_back(now))
        if self.loads.waits_for_records:
            more_skips, effects = self.loads.records_read(now)
            return LogOutcome([*skips, *more_skips], effects)
        return LogOutcome(skips)

    # Connections.

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._liveness.clients)

    @property
    def lagging(self) -> list[Client[Owner]]:
        """The clients that take nothing, or are not live in all rooms where they were."""
        return self._liveness.lagging()

    @property
    def owners(self) -> list[Owner]:
        """All connections."""
        return list(self._liveness.clients)

    @property
    def clients(self) -> list[Client[Owner]]:
        """The clients of all connections whose handshake is done."""
        return [client for client in self._liveness.clients.values() if client is not None]

    @property
    def takes_clients(self) -> bool:
        """Whether a client that asks now is let in; False once the clients are being sent away."""
        return not self._drain.has_begun

    @property
    def is_full(self) -> bool:
        """Whether there are more connections than this edge takes, that of the asker included."""
        return self.connections > self.limits.connections_max

    def accepted(self, owner: Owner, now: Now) -> bool:
        """A connection was accepted. Its first message has to come within the handshake time.

        Returns whether to keep it. If not, there are too many even to refuse it by an answer, so it has to be cut.
        """
        self._liveness.accepted(owner, now.loop_ms)
        self.input.accepted(owner)
        return self.connections <= self.limits.connections_max + REFUSED_CONNECTIONS_MAX

    def opened(self, owner: Owner, codec: Codec, write: Write, presented: Grant | None = None) -> Client[Owner]:
        """A connection's handshake is done. ``presented`` is what the token in it grants, if there was one."""
        client = Client(
            owner, self.hub, self.access, self.presence, codec, self.limits.client, write, self._make_name(), presented
        )
        self._liveness.clients[owner] = client
        return client

    def watch(self, client: Client[Owner], request: RoomRequest, now: Now) -> Refusal | None:
        """Open a client that sends no messages with its one room; returns why that cannot be, or None.

        Raises:
            TokenRefused: a token is required, and none was presented.
        """
        refusal = watch(client, request, now)
        if refusal is None:
            self._liveness.heard(client.owner)
            self._catch_up.add(client)
        return refusal

    def received(self, client: Client[Owner], payload: bytes, now: Now) -> list[Effect[Owner]]:
        """A client sent a message."""
        self._liveness.heard(client.owner)
        was_open = client.state is ClientState.OPEN
        replaced = receive(client, payload, now)
        if client.state is ClientState.ENTERING:
            self.input.hold(client.owner)
        elif not was_open:
            self._greeted(client, now)
        if client.work:
            self.input.spend(client.owner, client.work)
            client.work = 0
        effects = client.take_effects(now)
        if replaced is not None:
            effects += replaced.take_effects(now)
        self._catch_up.add(client)
        return effects

    def _greeted(self, client: Client[Owner], now: Now) -> None:
        if self._drain.has_begun and client.state is ClientState.OPEN and client.closing is None:
            self._drain.greeted(client, now)

    def control_frame_received(self, client: Client[Owner], now: Now) -> list[Effect[Owner]]:
        """A client sent a ping, which the shell has answered, or a pong."""
        receive_control_frame(client, now)
        return client.take_effects(now) if client.closing is not None else []

    def paused(self, client: Client[Owner], now: Now) -> None:
        """A client takes no more: it becomes a cursor."""
        client.pause(now.loop_ms)
        self._liveness.paused(client)

    def resumed(self, client: Client[Owner]) -> None:
        """A client takes again, and catches up."""
        client.resume()
        self._catch_up.add(client)

    def left(self, client: Client[Owner], now: Now) -> None:
        """A client is going: its connection was closed by the peer, or broke the protocol."""
        client.leave_edge(now)

    def ending(self, owner: Owner, now: Now) -> None:
        """Nothing more is written to a connection; it is cut if it does not end soon."""
        self.input.release(owner)
        self._liveness.ending(owner, now.loop_ms)

    def last_ack(self, owner: Owner, since_ms: int | None) -> Iterator[Effect[Owner]]:
        """The answer to an `AskLastAck`: how long ago it was; None if the peer owes none."""
        return self._liveness.last_ack(owner, since_ms)

    def lost(self, owner: Owner, now: Now) -> None:
        """A connection is gone. Its client, if it had one, has left."""
        self.admission.lost(owner, now.loop_ms)
        self._liveness.lost(owner)
        self.input.lost(owner)

    # Time and turns.

    @property
    def wants_turn(self) -> bool:
        """Whether `turn` has something to do."""
        catches_up = self._catch_up.has_work or self.replays.has_work
        rooms = self.hub.has_ready or self._scheduler.has_large
        return catches_up or rooms or self.input.has_waiting or self._drain.has_work

    @property
    def wants_step(self) -> bool:
        """Whether `step` has something to do, once `STEP_MS` have passed."""
        return self.input.wants_step or self._liveness.has_late

    @property
    def pending_bytes(self) -> int:
        """Events that were read and whose flush has not begun yet."""
        return self.hub.pending_bytes

    def flush(self, now: Now) -> Iterator[Effect[Owner]]:
        """Events came in: those of small rooms go out at once, not after a slice of a large one; the rest in turns."""
        if self.hub.has_ready:
            yield from self._scheduler.flush_small(self.limits.budget, now)
        if self._scheduler.woken:
            self._wake()

    def turn(self, now: Now, budget: Budget | None = None) -> Iterator[Effect[Owner]]:
        """Take a turn, each part of it within a budget.

        Small flushes, a slice of a large one, steps of clients that catch up, and input that had to wait.
        """
        budget = budget or self.limits.budget
        # A turn is short, so a generator is made only for what there is to do.
        if self.hub.has_ready:
            yield from self._scheduler.flush_small(budget, now)
        if self._scheduler.has_large:
            yield from self._scheduler.next_slice(budget, now)
        if self._scheduler.woken:
            self._wake()
        if self._catch_up.has_work:
            yield from self._catch_up.take_steps(budget, now)
        if self.replays.has_work:
            yield from self.replays.take_steps(budget, now)
        if self._catch_up.wanting:
            yield from self._start_wanting(now)
        if self._drain.has_work:
            yield from self._drain.take_turn(now)
        yield from self.input.take_turn(beside_flush=self._scheduler.has_large)
        self._scheduler.end_turn()

    def step(self, now: Now) -> Iterator[Effect[Owner]]:
        """Do a little of the work that floods, slow requests and late connections make."""
        yield from self._liveness.end_late(now)
        yield from self.input.take_step(beside_flush=self._scheduler.has_large)

    def tick(self, now: Now) -> Iterator[Effect[Owner]]:
        """What the time has brought; to be called every `liveness.TICK_MS`."""
        yield from self._liveness.tick(now)
        for client in self.access.take_expired(now.loop_ms):
            yield client.close(codes.CLOSE_TOKEN_EXPIRED, now)
        yield from self._drain.tick(now)
        yield from self.replays.tick(now)
        yield from self.loads.tick(now)
        self.input.tick(now.loop_ms)
        self.admission.tick(now.loop_ms)
        self.counters.tick()
        self.hub.evict_idle(now.loop_ms)
        self.access.evict_idle(now.loop_ms)
        for room in self.presence.announce(self.hub.rooms, now.loop_ms):
            self.hub.mark(room, now.loop_ms)

    def announce_drain(self) -> None:
        """This edge is about to drain: load balancers should send clients elsewhere, and those that come are served."""
        self.is_draining = True

    def drain(self, drain_ms: int, now: Now) -> Iterator[Effect[Owner]]:
        """Send all clients elsewhere, each at its own share of ``drain_ms``; 0 tells nobody."""
        self.announce_drain()
        if drain_ms:
            clients = [client for client in self.clients if client.state is ClientState.OPEN]
            self._drain.begin(clients, drain_ms, now)
            yield from self._drain.take_turn(now)

    def close_all(self, now: Now) -> Iterator[Effect[Owner]]:
        """Close all connections: this edge stops."""
        for owner, client in list(self._liveness.clients.items()):
            yield Close(owner, codes.GOING_AWAY) if client is None else client.close(codes.GOING_AWAY, now)

    # Answers to effects.

    def log_read(self, number: int, answer: Chunk | Unreachable | None, now: Now) -> Iterator[Effect[Owner]]:
        """The answer to a `ReadLog`; None if the log does not hold what was asked for any more."""
        yield from self.replays.log_read(number, answer, now)
        yield from self._start_wanting(now)

    def log_end(self, number: int, end: int | None, now: Now) -> Iterator[Effect[Owner]]:
        """The answer to an `AskLogEnd`: where the term ends, 0 if the log has none of it; None if it did not answer."""
        yield from self.replays.log_end(number, end, now)
        yield from self._start_wanting(now)

    def offset_found(self, number: int, answer: int | Unreachable | None, now: Now) -> Iterator[Effect[Owner]]:
        """The answer to a `FindOffset`; None if the log does not reach back that far."""
        yield from self.replays.offset_found(number, answer, now)
        yield from self._start_wanting(now)

    def room_loaded(self, number: int, answer: StoredRoom | NotYet | Unreachable | None, now: Now) -> LogOutcome[Owner]:
        """The answer to a `LoadRoom`; None if the store does not know the room."""
        return LogOutcome(*self.loads.loaded(number, answer, now))

    def appended(
        self,
        batch: "Sequence[PendingAction[Client[Owner]]]",
        written: int,
        now: Now,
        refused: Mapping[int, RecordRefusal] = MappingProxyType({}),
    ) -> Iterator[Effect[Owner]]:
        """The log has the first ``written`` of a batch of `actions`, except those that it ``refused`` for good."""
        if self.access.fleet is not None:
            for pending in batch[:written]:
                self.access.fleet.progressed(pending.session)
        answered: dict[Client[Owner], None] = {}
        for client, message in self.actions.resolve(batch, written, now.loop_ms, refused):
            client.send(message)
            answered[client] = None
        for client in answered:
            yield from client.take_effects(now)

    def _wake(self) -> None:
        for subscription in self._scheduler.take_woken():
            self._catch_up.wake(subscription)

    def _start_wanting(self, now: Now) -> Iterator[Effect[Owner]]:
        """Ask the store and the log for what steps of catch-ups need."""
        for subscription, need in self._catch_up.take_wanting():
            if need is NextStep.STORE:
                self.loads.add(subscription)
            else:
                self.replays.add(subscription, need)
        yield from self.loads.start_queued(now)
        yield from self.replays.start_queued(now)
