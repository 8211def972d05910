"""Drives one edge's core in virtual time, as `touchline_server.edge` does in the event loop. It decides nothing.

A turn takes `TURN_US`, and sometimes others need the loop for longer; polls and the log's answers take some ms. The
log answers one request at a time.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from support.access import make_access
from support.core_edge import RATES
from touchline_protocol import codes
from touchline_protocol.codecs import Codec
from touchline_server.core.clients.client import Client
from touchline_server.core.clients.limits import ClientLimits
from touchline_server.core.edge import EdgeCore
from touchline_server.core.edge_limits import EdgeLimits
from touchline_server.core.effects import Abort, AskLogEnd, Close, Effect, FindOffset, LoadRoom, ReadLog, ServeInput
from touchline_server.core.input_scheduler import FRAME_WORK, STEP_MS, InputBudget
from touchline_server.core.liveness import LINGER_MS, TICK_MS, LivenessLimits
from touchline_server.core.players.action_queue import ActionLimits
from touchline_server.core.presence.board import PresenceLimits
from touchline_server.core.rooms.feed import Feed
from touchline_server.core.rooms.hub import Hub
from touchline_server.core.rooms.hub_limits import HubLimits
from touchline_server.core.rooms.room import Delivery
from touchline_server.core.write_scheduler import Budget

from .action_log import ActionLog
from .edge_knowledge import EdgeKnowledge
from .log import UNREACHABLE, Log, partition_of
from .log_reader import LogReader
from .network import Link
from .tokens import REFUSED_KIND, verify
from .world import MS_US, World

TURN_US = 30
BUSY_US = 20 * MS_US
"""How long others may need the loop between two turns, so that anything can happen within a flush."""
CHECK_US = 250 * MS_US
"""Between two checks whether the log takes actions again."""

HEARTBEAT_MS = 5_000
WINDOW_MS = 60_000
HUB = HubLimits(window_bytes_max=80_000, window_ms=WINDOW_MS, state_bytes_max=200_000, room_idle_ms=3_600_000)
CLIENT = ClientLimits("edge", HEARTBEAT_MS, 65_536, rooms_max=20, replay_records_max=400, rates=RATES)
PRESENCE = PresenceLimits(members_max=100, every_ms=1_000, grace_ms=5_000)
LIVENESS = LivenessLimits(handshake_ms=5_000, heartbeat_ms=HEARTBEAT_MS, lag_ms_max=15_000)
BUDGET = Budget(small_writes=8, slice_min=2, slice_max=8, catch_up_bytes=64 * 1024, catch_up_steps=8)
"""Small, so that the flushes of the larger rooms go out in slices."""
INPUT = InputBudget(calm=16, newcomers=16, busy=16, beside_flush=8, connection=4)
"""Small, so that messages wait for their turn."""
ACTIONS = ActionLimits(edge="edge", data_bytes_max=200, actions_window=16, waiting_max=64, retry_ms=500)

FEEDS = (Feed("score", "score-events"), Feed("match", "match-events"))


class EdgeOptions(NamedTuple):
    """What differs between edges.

    ``number`` is for names; no other edge of the run has it. ``stored`` says whether there is a room store, ``poll_us``
    how long after a change the edge reads the log at the latest.
    """

    number: int
    stored: bool
    poll_us: int


class Connection:
    """One client's connection, as the core's owner of it."""

    def __init__(self, edge: "EdgeShell", link: Link, codec: Codec) -> None:
        self.link = link
        self._unserved: deque[bytes] = deque()
        self._edge = edge
        self._world = edge.world
        link.edge = self
        core = edge.core
        core.accepted(self, edge.world.now)
        self.client: Client[Connection] = core.opened(self, codec, link.write)

    def received(self, payload: bytes) -> None:
        self._unserved.append(payload)
        self.serve_turn()

    def serve_turn(self) -> None:
        """Serve what has come, as far as the core allows."""
        core = self._edge.core
        while self._unserved and not self.link.is_closing:
            if not core.input.may_serve(self):
                self._edge.count("waited for its turn")
                core.input.wait(self)
                self._edge.wake()
                return
            payload = self._unserved.popleft()
            core.input.spend(self, FRAME_WORK)
            self._edge.perform(core.received(self.client, payload, self._world.now))

    def paused(self) -> None:
        self._edge.count("paused")
        self._edge.core.paused(self.client, self._world.now)

    def resumed(self) -> None:
        self._edge.core.resumed(self.client)
        self._edge.wake()

    def lost(self) -> None:
        self._edge.core.left(self.client, self._world.now)
        self._edge.core.lost(self, self._edge.world.now)

    def close(self, code: codes.CloseCode) -> None:
        core, now = self._edge.core, self._world.now
        core.left(self.client, now)
        if not self.link.is_closing:
            self.link.close(code)
        core.ending(self, now)


class EdgeShell:
    """One edge's process, from its start to its end."""

    def __init__(
        self,
        world: World,
        log: Log,
        action_log: ActionLog,
        options: EdgeOptions,
        knowledge: EdgeKnowledge,
        counts: Counter[str],
    ) -> None:
        self.world = world
        self.knowledge = knowledge
        self.is_up = True
        names = iter(range(1_000_000))
        access = make_access(verify=verify, limits=ACTIONS, check=_check, per_second_max=5.0, burst=20)
        hub: Hub[Any] = Hub(FEEDS, HUB, partition_of, stored=options.stored)
        self.core: EdgeCore[Connection] = EdgeCore(
            hub,
            access,
            EdgeLimits(
                CLIENT,
                LIVENESS,
                BUDGET,
                INPUT,
                connections_max=1_000,
                replay_concurrency=2,
                presence=PRESENCE,
                move_margin_ms=5_000,
            ),
            make_name=lambda: f"edge{options.number}-{next(names)}",
            clock=lambda: world.now_s,
        )
        self._log = log
        self._action_log = action_log
        self._counts = counts
        self._poll_us = options.poll_us
        self._reader = LogReader(log, log.time_ms - WINDOW_MS)
        self._turn_scheduled = False
        self._step_scheduled = False
        self._poll_scheduled = False
        self._appending = False
        self._requests: deque[ReadLog | AskLogEnd | FindOffset] = deque()
        self._loads: deque[LoadRoom] = deque()
        log.watchers.append(self._poll_soon)
        self._poll_soon()
        self._later(TICK_MS * MS_US, self._tick)

    def accept(self, link: Link, codec: Codec) -> None:
        """A client has connected."""
        Connection(self, link, codec)

    def count(self, what: str) -> None:
        """Something that a run should have covered has happened."""
        self._counts[what] += 1

    def perform(self, effects: Iterable[Effect[Connection]]) -> None:
        """Perform effects, each before the next is asked for."""
        for effect in effects:
            if isinstance(effect, Delivery):
                data = effect.data
                for write in effect.writes:
                    write(data)
                continue
            self.count(type(effect).__name__)
            match effect:
                case Close(owner, code):
                    self.count(f"close {code.name}")
                    owner.close(code)
                case Abort(owner):
                    owner.link.abort()
                case ServeInput(owner):
                    owner.serve_turn()
                case LoadRoom():
                    self._ask_store(effect)
                case ReadLog() | AskLogEnd() | FindOffset():
                    self._ask_log(effect)
        self.wake()

    def wake(self) -> None:
        """See to it that what is left to do is done."""
        if self.core.wants_turn and not self._turn_scheduled:
            self._turn_scheduled = True
            busy_us = self.world.between(0, BUSY_US) if self.world.chance(0.1) else 0
            self._later(TURN_US + busy_us, self._turn)
        if self.core.wants_step and not self._step_scheduled:
            self._step_scheduled = True
            self._later(STEP_MS * MS_US, self._step)
        if self.core.actions.has_pending and not self._appending:
            self._append()

    # How it ends.

    def drain(self, drain_ms: int, stopped: Callable[[], object]) -> None:
        """Send the clients elsewhere, and stop."""
        self.perform(self.core.drain(drain_ms, self.world.now))
        self.core.actions.pause("this edge is stopping")
        self._later(drain_ms * MS_US, self._close_all, stopped)

    def _close_all(self, stopped: Callable[[], object]) -> None:
        self.perform(self.core.close_all(self.world.now))
        self._later(LINGER_MS * MS_US, self._stop, stopped)

    def _stop(self, stopped: Callable[[], object]) -> None:
        self.kill(silently=False)
        stopped()

    def kill(self, *, silently: bool) -> None:
        """The process is gone; ``silently``: with its machine, and nobody tells the clients."""
        self.is_up = False
        self._log.watchers.remove(self._poll_soon)
        for connection in self.core.owners:
            if silently:
                connection.link.edge = None
                connection.link.break_off(None)
            else:
                connection.link.edge_died()

    # Time.

    def _later(self, delay_us: int, callback: Callable[..., object], *args: object) -> None:
        self.world.after(delay_us, self._if_up, callback, args)

    def _if_up(self, callback: Callable[..., object], args: tuple[object, ...]) -> None:
        if self.is_up:
            callback(*args)

    def _turn(self) -> None:
        self._turn_scheduled = False
        self.perform(self.core.turn(self.world.now))

    def _step(self) -> None:
        self._step_scheduled = False
        self.perform(self.core.step(self.world.now))

    def _tick(self) -> None:
        self.perform(self.core.tick(self.world.now))
        self._later(TICK_MS * MS_US, self._tick)

    # The log.

    def _poll_soon(self) -> None:
        if not self._poll_scheduled:
            self._poll_scheduled = True
            self._later(self.world.between(2 * MS_US, self._poll_us), self._poll)

    def _poll(self) -> None:
        self._poll_scheduled = False
        if self._log.away:
            self._poll_scheduled = True
            self._later(CHECK_US, self._poll)
            return
        for event in self._reader.poll():
            self.count(type(event).__name__)
            self.knowledge.observe(event)
            outcome = self.core.log_event(event, self.world.now)
            assert not outcome.skips, outcome.skips
            self.perform(outcome.effects)
        self.perform(self.core.flush(self.world.now))
        if self._reader.is_behind:
            self._poll_soon()

    def _ask_log(self, request: ReadLog | AskLogEnd | FindOffset) -> None:
        self._requests.append(request)
        if len(self._requests) == 1:
            self._later(self.world.between(2 * MS_US, 30 * MS_US), self._answer)

    def _answer(self) -> None:
        request = self._requests.popleft()
        if self._requests:
            self._later(self.world.between(2 * MS_US, 30 * MS_US), self._answer)
        now = self.world.now
        if isinstance(request, ReadLog):
            answer = self._log.read(request.range, request.records_max)
            self.count(f"read {type(answer).__name__}")
            self.perform(self.core.log_read(request.number, answer, now))
        elif isinstance(request, FindOffset):
            found = self._log.find_offset(request.window, request.since_ms)
            self.perform(self.core.offset_found(request.number, found, now))
        else:
            self.perform(self.core.log_end(request.number, self._log.end(request.window), now))

    def _ask_store(self, request: LoadRoom) -> None:
        self._loads.append(request)
        self._later(self.world.between(1 * MS_US, 20 * MS_US), self._load)

    def _load(self) -> None:
        request = self._loads.popleft()
        topic = request.key.topic
        is_unreachable = self.world.chance(0.1)
        is_forgotten = self._log.topics[topic].epoch != request.key.epoch
        if is_unreachable or is_forgotten:
            self.knowledge.store_failures.add(f"{topic.removesuffix('-events')}:{request.key.room_id}")
        answer = UNREACHABLE if is_unreachable else self._log.load(request.key, request.before)
        outcome = self.core.room_loaded(request.number, answer, self.world.now)
        self.perform(outcome.effects)

    # Actions.

    def _append(self) -> None:
        self._appending = True
        batch = self.core.actions.next_batch()
        self._action_log.append([action.value for action in batch], self._later, self._appended, batch)

    def _appended(self, written: int, batch: Any) -> None:
        self._appending = False
        if written < len(batch):
            self._set_unavailable("the log did not take an action")
            self._later(CHECK_US, self._check_log)
        self.perform(self.core.appended(batch, written, self.world.now))

    def _check_log(self) -> None:
        if self._log.away:
            self._later(CHECK_US, self._check_log)
        else:
            self._set_unavailable(None)

    def _set_unavailable(self, problem: str | None) -> None:
        if self.core.is_draining:
            return
        if problem is None:
            self.core.actions.resume()
        else:
            self.core.actions.pause(problem)


def _check(_feed: str, kind: str, _data: bytes) -> tuple[codes.ErrorCode, str] | None:
    return (codes.ACTION_INVALID, "a kind that no feed has") if kind == REFUSED_KIND else None
