"""The node: one process's parts, put together. Everything that joins a log, a hub, an edge and a control plane is here.

Start order: both ports are taken, so that a mistake there is told before anything is opened; the log is opened; the
control plane answers (not ready yet); the log is read to where it ended at start; then the edge accepts clients, so
that the first of them already sees whole rooms. Stop order: the edge drains while events still flow, then the log is
read no more, the control plane ends, and the log closes last, since requests may still append to it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

from starlette.routing import BaseRoute

from touchline_protocol.errors import BadRecord, OperatorError
from touchline_protocol.records import Record
from touchline_protocol.rooms import split_room
from touchline_server.auth.verifier import Verifier, make_verifier
from touchline_server.config import Settings
from touchline_server.control.app import create_app
from touchline_server.control.backend import RoomState, StateEvent
from touchline_server.control.server import ControlServer
from touchline_server.core.actions import ActionLimits, Actions
from touchline_server.core.door import Door
from touchline_server.core.feed import Feed
from touchline_server.core.hub import Hub, HubLimits, Skip
from touchline_server.core.players import Players
from touchline_server.core.verdicts import Verdicts
from touchline_server.edge.listener import Edge
from touchline_server.listening import bind
from touchline_server.log.base import (
    CaughtUp,
    Extended,
    Gone,
    Jumped,
    Log,
    LogEvent,
    Opened,
    Records,
)
from touchline_server.log.open_log import make_log
from touchline_server.log.publish import append_events
from touchline_server.log_uses import LogActions, LogReplays
from touchline_server.publishing import NewEvent, Placed
from touchline_server.schemas import ActionSchemas

PENDING_BYTES_MAX = 16 << 20
"""Of events that were read and not yet written out. Beyond it the log is left to wait: it holds them for nothing."""

SKIPS_LOGGED_PER_SECOND = 20
"""Records that are left out are logged each, but a producer gone wrong must not fill the disk: the rest is counted."""

logger = logging.getLogger("touchline.node")


class Node:
    """One edge with its log and its control plane. It implements the control plane's `ControlBackend`.

    ``observers`` are handed all that the log tells, of ``extra_topics`` too, before anything is made of it.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        extra_routes: Sequence[BaseRoute] = (),
        extra_topics: Sequence[str] = (),
        observers: Sequence[Callable[[LogEvent], None]] = (),
    ) -> None:
        self.settings = settings
        self.feeds = [Feed(name, feed.topic, feed.key_field) for name, feed in settings.feeds.items()]
        self.log: Log = make_log(settings)
        self.skipped_records = 0
        self.edge_port = 0
        self.control_port = 0
        self.hub = Hub(self.feeds, _hub_limits(settings), self.log.partition_of)
        self.verifier = make_verifier(settings.auth)
        self.door = make_door(settings, self.verifier)
        self._app = create_app(self, settings, extra_routes=extra_routes)
        self._edge: Edge | None = None
        self._control: ControlServer | None = None
        self._pump: asyncio.Task[None] | None = None
        self._topics = [feed.topic for feed in self.feeds]
        self._feed_topics = frozenset(self._topics)
        if self.verifier is not None:  # else nobody can act, and there is nobody to judge
            self._topics.append(settings.verdicts.topic)
        self._waiting = set(self._topics)
        self._topics += extra_topics
        self._observers = observers
        self._caught_up = asyncio.Event()
        self._skips_this_second = (0, 0)

    async def start(self) -> None:
        """Start everything; returns when clients are accepted.

        Raises:
            OperatorError: a port is taken, or the log cannot be opened.
        """
        settings = self.settings
        listener = bind("the WebSocket", settings.host, settings.port)
        self.edge_port = listener.getsockname()[1]
        try:
            control = bind("the control plane", settings.control_host, settings.control_port)
            self._control = ControlServer(self._app, control)
            self.control_port = self._control.port
            since_ms = time.time_ns() // 1_000_000 - int(settings.window_seconds * 1000)
            await self.log.open(self._topics, since_ms=since_ms, whole=[settings.verdicts.topic])
            if self.verifier is not None:
                await self.verifier.start()
            await self._control.start()
            actions = LogActions(self.log, settings.actions.topic)
            self._edge = Edge(settings, self.hub, self.door, LogReplays(self.log), actions)
            self._pump = asyncio.create_task(self._read(self._edge), name="pump")
            await self._until_caught_up()
        except BaseException:
            listener.close()
            raise
        await self._edge.start(listener)

    async def stop(self) -> None:
        """Drain and stop everything. May be called after a start that failed."""
        if self._edge is not None:
            await self._edge.stop()
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
        if self._control is not None:
            await self._control.stop()
        if self.verifier is not None:
            await self.verifier.stop()
        await self.log.close()

    async def failed(self) -> None:
        """Wait until a part fails that should run for ever, and raise what it failed with: a mistake of ours."""
        assert self._pump is not None  # noqa: S101 - to be called after `start`
        assert self._edge is not None  # noqa: S101
        parts = (self._pump, self._edge.failure)
        await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        for part in parts:
            if part.done():
                part.result()

    def problems(self) -> Mapping[str, str]:
        """Why the server is not ready, by what it concerns."""
        problems = {**self.log.problems, **(self.verifier.problems if self.verifier else {})}
        for opened in self.hub.feeds.values():
            if not opened.ready:
                problems.setdefault(opened.feed.topic, "the topic has not been read to its end yet")
        return problems

    async def publish(self, room: str, events: Sequence[NewEvent]) -> Sequence[Placed]:
        """Append events to a room."""
        feed_name, room_id = split_room(room)
        return await append_events(self.log, self.settings.feeds[feed_name].topic, room_id, events)

    def room_state(self, room: str) -> RoomState | None:
        """What is known of a room; None where nothing is.

        Raises:
            OperatorError: its log has not been read yet.
        """
        feed_name, _ = split_room(room)
        if not self.hub.feeds[feed_name].ready:
            raise OperatorError("the room's log has not been read yet; try again in a moment")
        known = self.hub.rooms.get(room)
        if known is None:
            return None
        state = [StateEvent(key, event.offset, event.ts, event.value) for key, event in known.state.items()]
        return RoomState(known.stream.epoch, known.place, state, known.members)

    async def _until_caught_up(self) -> None:
        assert self._pump is not None  # noqa: S101
        caught_up = asyncio.create_task(self._caught_up.wait())
        try:
            await asyncio.wait([self._pump, caught_up], return_when=asyncio.FIRST_COMPLETED)
        finally:
            caught_up.cancel()
        if self._pump.done():
            self._pump.result()

    async def _read(self, edge: Edge) -> None:
        """Pump what the log tells into the hub."""
        while True:
            for event in await self.log.poll():
                for observe in self._observers:
                    observe(event)
                if event.topic == self.settings.verdicts.topic:
                    await self._take_verdicts(event, edge)
                elif event.topic in self._feed_topics:
                    await self._take(event, edge)
            edge.turns.flush()
            # The edge's turns, one each time the loop goes around, take it down: there is nothing to be told of sooner.
            while self.hub.pending_bytes > PENDING_BYTES_MAX:  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def _take(self, event: LogEvent, edge: Edge) -> None:
        match event:
            case Records(topic, partition, records, next_offset):
                self._report(self.hub.ingest(topic, partition, records, next_offset, edge.now_ms()))
            case Opened(topic, epoch, starts):
                self.hub.opened(topic, epoch, starts)
                await self._load(topic, starts, edge.now_ms())
            case CaughtUp(topic):
                self.hub.caught_up(topic)
                self._need_not_wait(topic)
            case Gone(topic):
                logger.warning("the topic %s does not exist; touchline topics --create makes it", topic)
                self._need_not_wait(topic)
            case Extended(topic, starts):
                self.hub.extended(topic, starts)
            case Jumped(topic, partition, start):
                logger.warning("%s[%d]: records before %d were gone before they were read", topic, partition, start)
                self.hub.jumped(topic, partition, start)

    async def _take_verdicts(self, event: LogEvent, edge: Edge) -> None:
        match event:
            case Records(topic, partition, records, _):
                for record in records:
                    self._judge(topic, partition, record, edge)
            case Opened(topic, _, starts):
                self.door.players.verdicts.clear()
                for partition, start in starts.items():
                    for player in await self.log.snapshot(topic, partition, start) or ():
                        for record in player.state:
                            self._judge(topic, partition, record, edge)
            case CaughtUp(topic):
                self._need_not_wait(topic)
            case Gone(topic):
                logger.warning("the topic %s does not exist, so no verdict counts: touchline topics --create", topic)
                self.door.players.verdicts.clear()
                self._need_not_wait(topic)

    def _judge(self, topic: str, partition: int, record: Record, edge: Edge) -> None:
        try:
            judged = self.door.players.verdicts.take(record, edge.wall_ms())
        except BadRecord as error:
            self._report([Skip(topic, partition, record.offset, error.reason, str(error))])
            return
        if judged is not None:
            edge.judge(*judged)

    async def _load(self, topic: str, starts: Mapping[int, int], now_ms: int) -> None:
        """Take over the rooms' state from before the window, where the log keeps it."""
        for partition, start in starts.items():
            for room in await self.log.snapshot(topic, partition, start) or ():
                self._report(self.hub.load(topic, partition, room.room_id, room.head, room.state, now_ms))

    def _need_not_wait(self, topic: str) -> None:
        self._waiting.discard(topic)
        if not self._waiting:
            self._caught_up.set()

    def _report(self, skips: Sequence[Skip]) -> None:
        """Count and log records that were left out."""
        for skip in skips:
            self.skipped_records += 1
            second = int(time.monotonic())
            logged = self._skips_this_second[1] if self._skips_this_second[0] == second else 0
            self._skips_this_second = (second, logged + 1)
            if logged < SKIPS_LOGGED_PER_SECOND:
                place = f"{skip.topic}[{skip.partition}]@{skip.offset}"
                logger.warning(
                    "%s left out, %s: %s (%d so far)", place, skip.reason, skip.message, self.skipped_records
                )


def _hub_limits(settings: Settings) -> HubLimits:
    return HubLimits(
        window_bytes_max=settings.window_bytes_max,
        window_ms=int(settings.window_seconds * 1000),
        state_bytes_max=settings.state_bytes_max,
        room_idle_ms=int(settings.room_idle_seconds * 1000),
    )


def make_door(settings: Settings, verifier: Verifier | None) -> Door:
    """What all sessions of an edge share, as the settings want it.

    Raises:
        OperatorError: a JSON Schema cannot be used.
    """
    acting = settings.actions
    verdicts = Verdicts(settings.verdicts.players_max)
    players = Players(verdicts, per_second_max=acting.per_second_max, burst=acting.burst)
    limits = ActionLimits(
        edge=settings.edge,
        data_bytes_max=acting.data_bytes_max,
        span_max=acting.unacked_max,
        waiting_max=acting.waiting_max,
        retry_ms=acting.retry_ms,
    )
    actions = Actions(players, settings.feeds.keys(), limits, ActionSchemas(settings.feeds).check)
    verify = None if verifier is None else verifier.verify
    return Door(verify, players, actions, token_needed=settings.auth.mode == "token")
