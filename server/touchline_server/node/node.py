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

from touchline_protocol.errors import OperatorError
from touchline_protocol.rooms import split_room
from touchline_server.auth.verifier import Verifier, make_verifier
from touchline_server.config.settings import Settings
from touchline_server.config.values import milliseconds
from touchline_server.control.app import create_app
from touchline_server.control.backend import RoomState, StateEvent
from touchline_server.control.server import ControlServer
from touchline_server.core.access import Door
from touchline_server.core.action_queue import ActionLimits, Actions
from touchline_server.core.feed import Feed
from touchline_server.core.hub import Hub, HubLimits
from touchline_server.core.log import NOT_COMPACTED, Log, LogEvent, Position
from touchline_server.core.players import Players
from touchline_server.core.verdicts import Verdicts
from touchline_server.edge.server import Edge
from touchline_server.log.append_events import append_events
from touchline_server.log.open import make_log
from touchline_server.new_events import NewEvent

from .action_schemas import ActionSchemas
from .edge_log import LogActions, LogReplays
from .ingest import Pump
from .sockets import bind

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
        self.edge_port = 0
        self.control_port = 0
        self.hub = Hub(self.feeds, _hub_limits(settings), self.log.partition_of)
        self.verifier = make_verifier(settings.auth)
        self.door = _door(settings, self.verifier)
        self._app = create_app(self, settings, extra_routes=extra_routes)
        self._edge: Edge | None = None
        self._control: ControlServer | None = None
        self._pump: Pump | None = None
        self._pumping: asyncio.Task[None] | None = None
        # Without keys nobody can act, and there is nobody to judge.
        self._verdicts_topic = settings.verdicts.topic if self.verifier is not None else None
        self._extra_topics = extra_topics
        self._observers = observers
        self._draining = False

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
            since_ms = time.time_ns() // 1_000_000 - milliseconds(settings.window_s)
            await self.log.open(self._topics(), since_ms=since_ms, from_start=[settings.verdicts.topic])
            await self._warn_of_forgetting()
            if self.verifier is not None:
                await self.verifier.start()
            await self._control.start()
            actions = LogActions(self.log, settings.actions.topic)
            self._edge = Edge(settings, self.hub, self.door, LogReplays(self.log), actions)
            self._pump = Pump(
                self.log,
                self.hub,
                self.door.players.verdicts,
                self._edge,
                verdicts_topic=self._verdicts_topic,
                observers=self._observers,
            )
            self._pumping = asyncio.create_task(self._pump.run(), name="pump")
            await _until_caught_up(self._pump, self._pumping)
        except BaseException:
            listener.close()
            raise
        await self._edge.start(listener)

    async def stop(self) -> None:
        """Drain and stop everything. May be called after a start that failed."""
        self._draining = True
        if self._edge is not None:
            await self._edge.stop()
        if self._pumping is not None:
            self._pumping.cancel()
            await asyncio.wait([self._pumping])
        if self._control is not None:
            await self._control.stop()
        if self.verifier is not None:
            await self.verifier.stop()
        await self.log.close()

    async def failed(self) -> None:
        """Wait until a part fails that should run for ever, and raise what it failed with: a mistake of ours."""
        assert self._pumping is not None  # noqa: S101 - to be called after `start`
        assert self._edge is not None  # noqa: S101
        parts = (self._pumping, self._edge.failure)
        await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        for part in parts:
            if part.done():
                part.result()

    @property
    def skipped_records(self) -> int:
        """Records that were left out, since no event and no verdict can be made of them."""
        return 0 if self._pump is None else self._pump.skipped_records

    def problems(self) -> Mapping[str, str]:
        """Why the server is not ready, by what it concerns."""
        problems = {**self.log.problems, **(self.verifier.problems if self.verifier else {})}
        if self._draining:
            problems[self.settings.edge_name] = "the edge is draining: it sends its clients to other edges"
        if self.verifier is not None and (away := self.door.actions.away) is not None:
            problems.setdefault(self.settings.actions.topic, away)
        for opened in self.hub.feeds.values():
            if not opened.ready:
                problems.setdefault(opened.feed.topic, "the topic has not been read to its end yet")
        return problems

    async def publish(self, room: str, events: Sequence[NewEvent]) -> Sequence[Position]:
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

    async def _warn_of_forgetting(self) -> None:
        topic = self._verdicts_topic
        if topic is not None and await self.log.deletes_old(topic):
            logger.warning("the topic %s is %s", topic, NOT_COMPACTED)

    def _topics(self) -> list[str]:
        """All that is read of the log."""
        topics = [feed.topic for feed in self.feeds]
        if self._verdicts_topic is not None:
            topics.append(self._verdicts_topic)
        return [*topics, *self._extra_topics]


async def _until_caught_up(pump: Pump, pumping: asyncio.Task[None]) -> None:
    caught_up = asyncio.create_task(pump.caught_up.wait())
    try:
        await asyncio.wait([pumping, caught_up], return_when=asyncio.FIRST_COMPLETED)
    finally:
        caught_up.cancel()
    if pumping.done():
        pumping.result()


def _hub_limits(settings: Settings) -> HubLimits:
    return HubLimits(
        window_bytes_max=settings.window_bytes_max,
        window_ms=milliseconds(settings.window_s),
        state_bytes_max=settings.state_bytes_max,
        room_idle_ms=milliseconds(settings.room_idle_s),
    )


def _door(settings: Settings, verifier: Verifier | None) -> Door:
    """What all sessions of an edge share, as the settings want it.

    Raises:
        OperatorError: a JSON Schema cannot be used.
    """
    acting = settings.actions
    verdicts = Verdicts(settings.verdicts.players_max)
    players = Players(verdicts, per_second_max=acting.per_second_max, burst=acting.burst)
    limits = ActionLimits(
        edge=settings.edge_name,
        data_bytes_max=acting.data_bytes_max,
        actions_window=acting.window,
        waiting_max=acting.waiting_max,
        retry_ms=milliseconds(acting.retry_s),
    )
    actions = Actions(players, settings.feeds.keys(), limits, ActionSchemas(settings.feeds).check)
    verify = None if verifier is None else verifier.verify
    return Door(verify, players, actions, token_needed=settings.auth.mode == "token")
