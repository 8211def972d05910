"""The node: one process's parts, put together. Log, core, edge and control plane are joined here and nowhere else.

A node that is one of several workers has no control plane: their supervisor (`supervisor`) has one for all of them.

Start order: both ports are taken, so that a mistake there is reported before anything is opened; the log is opened; the
control plane answers (not ready yet); the log is read to where it ended at the start; then the edge accepts clients, so
that the first of them already sees complete rooms. Stop order: the edge drains while events still flow, then the log is
read no more, the control plane ends, and the log closes last, since requests may still append to it.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import structlog
from starlette.routing import BaseRoute

from touchline_protocol.errors import OperatorError
from touchline_protocol.messages import Verdict
from touchline_protocol.printable import counted
from touchline_protocol.rooms import split_room
from touchline_server.auth.verifier import make_verifier, started_verifier
from touchline_server.config.conflicts import topic_conflicts
from touchline_server.config.reload import reload_settings
from touchline_server.config.settings import Settings
from touchline_server.config.values import milliseconds
from touchline_server.control.app import ControlApp
from touchline_server.control.backend import SINGLE_PROCESS, ImpossibleRequest, Readiness, RoomState
from touchline_server.control.server import ControlServer
from touchline_server.control.status import CloseStatus, WorkerDetails
from touchline_server.core.edge import EdgeCore
from touchline_server.core.log import Log, LogEvent, Position, ReadBack
from touchline_server.core.room_store import RoomStore
from touchline_server.core.rooms.partition_window import PartitionWindow
from touchline_server.edge.driver import Peer
from touchline_server.edge.server import EdgeServer
from touchline_server.log.append_events import append_events
from touchline_server.log.open import make_log, open_log, room_store
from touchline_server.metrics.process_table import process_snapshot
from touchline_server.metrics.snapshot import Snapshot
from touchline_server.new_events import NewEvent
from touchline_server.tracing.open import open_tracer

from .action_schemas import ActionSchemas
from .core_factory import make_core, reload_core
from .fleet.kept_rooms import KeptRooms, watch_forever
from .fleet.kicks import kick_player, no_players
from .fleet.presence import PresenceExchange, presence_parts
from .fleet.presence_topic import PresenceTopic
from .fleet.shared_stores import shared_stores
from .fleet.store_problems import store_problems
from .ingest import Ingest
from .node_metrics import node_closes, node_details, node_snapshot
from .open_files import OpenFiles, control_connections_max
from .parts import until_failed
from .process_log import log_reload
from .readiness import CONNECTIONS, PLAYERS, judge
from .room_states import RoomStates
from .skip_log import SkipLog
from .sockets import WorkerPlace, bind, bind_shared

logger = structlog.get_logger("touchline.node")


class Node:
    """One edge with its log and its control plane. It implements the control plane's `ControlBackend`.

    ``log`` takes the place of the log that the settings name. ``observers`` are given everything that the log reports,
    of ``extra_topics`` too, before anything is made of it. ``lowered``: the limits in ``settings`` that are lower than
    the operator asked for, and why. ``place``: which worker the node is, if it is one of several.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        log: Log | None = None,
        extra_routes: Sequence[BaseRoute] = (),
        extra_topics: Sequence[str] = (),
        observers: Sequence[Callable[[LogEvent], None]] = (),
        lowered: Mapping[str, str] = MappingProxyType({}),
        place: WorkerPlace | None = None,
    ) -> None:
        self.settings = settings
        self.worker = settings.edge_name if place is None else place.name
        self.log: Log = log or make_log(settings)
        self.edge_port = 0
        self.control_port = 0
        self._tracer = open_tracer(self.worker, settings.log)
        self.verifier = make_verifier(settings.auth)
        self._store: RoomStore | None = room_store(self.log)
        self._shared = shared_stores(settings, self.worker)
        self._kept: KeptRooms | None = None
        if self._shared is not None and self._store is None:
            self._store = self._shared.rooms
            self._kept = KeptRooms(self._shared.rooms, settings)
        self._watching: asyncio.Task[None] | None = None
        self.core: EdgeCore[Peer] = make_core(
            settings,
            self.log.partition_of,
            stored=self._store is not None,
            verify=self.verifier.verify if self.verifier else None,
            traces=self._tracer.is_on,
        )
        self._skips = SkipLog()
        self._place = place
        self._app = None if place else ControlApp(self, settings, extra_routes=extra_routes, tracer=self._tracer)
        self._edge: EdgeServer | None = None
        self._control: ControlServer | None = None
        self._ingesting: asyncio.Task[None] | None = None
        self._accepting = False
        self._extra_topics = extra_topics
        self._observers = observers
        self._lowered = lowered
        self._open_files = OpenFiles()
        presence = presence_parts(settings, self.worker, self._shared, is_alone=place is None)
        self._presence = PresenceExchange(presence.store, settings.presence.interval_s)
        viewers = None if self._shared is None else self._presence.viewers
        self._room_states = RoomStates(self.core, self._store, self._skips.report, viewers, is_alone=place is None)
        self._presence_topic = (
            None if presence.outbox is None else PresenceTopic(presence.outbox, self.log, settings.presence)
        )

    async def start(self) -> None:
        """Start everything; returns when clients are accepted.

        Raises:
            OperatorError: a port is taken, or the log cannot be opened.
        """
        settings, began_s = self.settings, time.monotonic()
        listener = self._bind()
        self.edge_port = listener.getsockname()[1]
        try:
            self._control = self._bind_control()
            await self._open_log()
            await self._check_topics()
            if self.verifier is not None:
                await self.verifier.start()
            await self._start_control()
            # Without keys there are no players, and so no arrivals.
            players = None if self._shared is None or self.core.arrivals is None else self._shared.players()
            core, log, report = self.core, self.log, self._skips.report
            edge = self._edge = EdgeServer(settings, core, log, self._store, report, players, self._tracer)
            ingest = Ingest(
                log,
                edge,
                self._skips,
                topics=frozenset(self._topics()),
                observers=self._observers,
                problems=self._reported_problems,
            )
            self._ingesting = asyncio.create_task(ingest.run(), name="ingest")
            await until_failed([self._ingesting], or_set=ingest.caught_up)
        except BaseException:
            listener.close()
            raise
        if self._shared is not None:
            self._shared.start()
        if self._kept is not None:
            self._watching = asyncio.create_task(watch_forever(self._kept, self._windows), name="kept-rooms")
        await edge.start(listener)
        self._presence.start(edge.driver)
        if self._presence_topic is not None:
            self._presence_topic.start()
        self._accepting = True
        logger.info(
            "server_ready",
            websocket=f"{settings.host}:{self.edge_port}",
            **({"control": f"{settings.control_host}:{self.control_port}"} if self._control else {}),
            connections_max=settings.connections_max,
            took_s=round(time.monotonic() - began_s, 1),
        )

    async def stop(self) -> None:
        """Drain and stop everything. May be called after a start that failed."""
        if self._edge is not None:
            await self._edge.drain()  # the control plane answers meanwhile, so that load balancers see the drain
        await asyncio.gather(*(part.stop() for part in (self._edge, self._control) if part is not None))
        if self._app is not None:
            await self._app.stop()
        await self._presence.stop()
        if self._presence_topic is not None:
            await self._presence_topic.stop()
        for task in (self._ingesting, self._watching):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        if self._shared is not None:
            await self._shared.close()
        if self.verifier is not None:
            await self.verifier.stop()
        await self.log.close()
        await self._tracer.stop()

    async def failed(self) -> None:
        """Wait until a part fails that should run for ever, and raise what it failed with: a mistake of ours."""
        assert self._ingesting is not None  # noqa: S101 - to be called after `start`
        assert self._edge is not None  # noqa: S101
        recording = None if self._presence_topic is None else self._presence_topic.task
        every = (self._ingesting, self._edge.driver.failure, self._watching, recording)
        await until_failed([part for part in every if part is not None])

    async def reload(self, settings: Settings, *, lowered: Mapping[str, str] = MappingProxyType({})) -> None:
        """Take over from ``settings`` what can change at run time, and read the files of keys and schemas again.

        Nothing of it closes a connection: what a client was granted, or told in its welcome, stays. Options that have
        changed and need a restart are logged. ``lowered`` as for a new node.

        Raises:
            OperatorError: a key, a schema or a certificate cannot be read. Nothing has changed.
        """
        reload = reload_settings(self.settings, settings)
        schemas = ActionSchemas(reload.settings.feeds)
        verifier = await started_verifier(reload.settings.auth, self.verifier)
        try:
            if self._edge is not None:
                self._edge.reload(reload.settings)
        except BaseException:
            if verifier is not None:
                await verifier.stop()
            raise
        before, self.verifier = self.verifier, verifier
        self.settings, self._lowered = reload.settings, lowered
        reload_core(self.core, reload.settings, verifier.verify if verifier else None, schemas.check)
        if self._app is not None:
            self._app.reload(reload.settings)
        if before is not None:
            await before.stop()
        log_reload(reload)

    @property
    def skipped_records(self) -> int:
        """The number of records that were skipped because they are neither events nor verdicts."""
        return self._skips.count

    def problems(self) -> Mapping[str, str]:
        """What is wrong now, by what it concerns; `readiness` says which of it keeps clients away."""
        auth = self.verifier.problems if self.verifier else {}
        problems = {**self.log.progress, **self._reported_problems(), **auth}
        if self.verifier is not None and (why := self.core.actions.unavailable) is not None:
            problems.setdefault(self.settings.actions.topic, why)
        for opened in self.core.hub.feeds.values():
            if not opened.ready:
                problems.setdefault(opened.feed.topic, "the topic has not been read to its end yet")
        return problems

    def readiness(self) -> Readiness:
        """Whether clients should be sent to this node."""
        return judge(self.problems(), self._lowered, accepting=self._accepting, draining=self.core.is_draining)

    async def publish(self, room: str, events: Sequence[NewEvent]) -> Sequence[Position]:
        """Append events to a room."""
        feed_name, room_id = split_room(room)
        return await append_events(self.log, self.settings.feeds[feed_name].topic, room_id, events)

    async def kick(self, player: str, seconds: int, reason: str) -> int:
        """See `ControlBackend.kick`."""
        return await kick_player(self.log, self.settings.verdicts.topic, player, seconds, reason, self._standing)

    @property
    def knows_players(self) -> bool:
        """Whether clients sign in as players, whom verdicts are about."""
        return self.core.verdicts_topic is not None

    async def _standing(self, player: str) -> Verdict | None:
        if not self.knows_players:
            raise no_players()
        return self.standing(player)

    def standing(self, player: str) -> Verdict | None:
        """The mute or ban that stands against a player.

        Raises:
            OperatorError: verdicts have not been read.
        """
        verdicts = self.core.access.verdicts
        if verdicts.unread or self._edge is None:
            raise OperatorError("the verdicts have not been read yet")
        return verdicts.of(player, self._edge.driver.now().loop_ms)

    def drain(self, worker: str) -> None:
        """See `ControlBackend.drain`: nothing would start a process in this one's place."""
        raise ImpossibleRequest(SINGLE_PROCESS, f"{worker} is a server of one process: SIGTERM drains and ends it")

    async def room_state(self, room: str) -> RoomState | None:
        """What is known of a room; None if it has no events and no viewers.

        Raises:
            OperatorError: its log has not been read yet, or an embedded log does not answer.
        """
        return await self._room_states.state(room, None if self._edge is None else self._edge.driver)

    def snapshot(self) -> Snapshot:
        """The metrics of this node alone."""
        driver = None if self._edge is None else self._edge.driver
        return node_snapshot(self.core, self.log, driver, self._shared, self.readiness())

    async def metrics(self) -> Mapping[str, Snapshot]:
        """See `ControlBackend.metrics`."""
        return {self.worker: {**self.snapshot(), **process_snapshot()}}

    def own_details(self) -> WorkerDetails:
        """What metrics do not have of this node."""
        return node_details(self._edge, self.log, {} if self._kept is None else self._kept.next_offsets)

    def closes(self) -> list[CloseStatus]:
        """The newest ends of connections, oldest first."""
        return node_closes(self._edge)

    async def details(self) -> Mapping[str, WorkerDetails]:
        """See `ControlBackend.details`."""
        return {self.worker: self.own_details()}

    def viewers(self, room: str) -> int:
        """How many clients of this node are in a room."""
        return self._room_states.viewers(room)

    def _bind(self) -> socket.socket:
        """The socket for clients. A worker's listens only once the edge is ready: until then the others get them."""
        if self._place is not None:
            return bind_shared(self._place.host, self._place.port)
        return bind("the WebSocket", self.settings.host, self.settings.port)

    def _bind_control(self) -> ControlServer | None:
        if self._app is None:
            return None
        settings = self.settings
        listener = bind("the control plane", settings.control_host, settings.control_port)
        self.control_port = listener.getsockname()[1]
        return ControlServer(self._app, listener, connections_max=control_connections_max(settings.connections_max))

    async def _start_control(self) -> None:
        if self._control is not None and self._app is not None:
            await self._control.start()
            self._app.start()

    async def _open_log(self) -> None:
        settings = self.settings
        now_ms = time.time_ns() // 1_000_000
        await open_log(
            self.log,
            [*self._topics(), *self._extra_topics],
            since_ms=now_ms - milliseconds(settings.window_s),
            from_start=[settings.verdicts.topic],
            read_back=ReadBack(
                topics=[] if self._store else self._feed_topics(),
                since_ms=now_ms - milliseconds(settings.state_s),
                records_max=settings.state_records_max,
                s_max=settings.state_start_s_max,
            ),
            choice=None if self._kept is None else self._kept.places(self._feed_topics()),
        )

    def _reported_problems(self) -> Mapping[str, str]:
        """Problems that nobody else logs."""
        problems = {**self.log.problems, **self._open_files.problems(), **self._store_problems()}
        if self._kept is not None:
            problems |= self._kept.problems(self.core.loads.unloaded)
        connections, connections_max = self.core.connections, self.settings.connections_max
        if connections >= connections_max:
            problems[CONNECTIONS] = (
                f"the edge has {counted(connections_max, 'connection')} (connections_max), and refuses others"
            )
        if self.core.access.verdicts.has_forgotten:
            problems[PLAYERS] = (
                "more players are muted or banned than verdicts.players_max: the oldest verdicts are gone"
            )
        return problems

    def _store_problems(self) -> Mapping[str, str]:
        arrivals, topic = self.core.arrivals, self._presence_topic
        return store_problems(
            {} if self._shared is None else self._shared.problems,
            players=None if arrivals is None else arrivals.problem,
            presence=self._presence.problem,
            records=topic,
        )

    def _windows(self) -> list[PartitionWindow]:
        return [window for opened in self.core.hub.feeds.values() for window in opened.windows.values()]

    async def _check_topics(self) -> None:
        """Say what about the topics' own options does not go with ours."""
        verdicts = self.settings.verdicts.topic
        options = await self.log.topic_options([*self._topics(), self.settings.actions.topic])
        if verdicts in self._topics() and options[verdicts].deletes_old:
            why = "Kafka deletes old verdicts, even bans: set its cleanup.policy to compact only"
            logger.warning("verdicts_not_compacted", topic=verdicts, why=why)
        for conflict in topic_conflicts(self.settings, {name: one.record_bytes_max for name, one in options.items()}):
            logger.warning("settings_conflict", options=conflict.options, why=conflict.message)

    def _feed_topics(self) -> list[str]:
        return [opened.feed.topic for opened in self.core.hub.feeds.values()]

    def _topics(self) -> list[str]:
        """The topics that the core reads."""
        verdicts = self.core.verdicts_topic
        return [*self._feed_topics(), *([] if verdicts is None else [verdicts])]
