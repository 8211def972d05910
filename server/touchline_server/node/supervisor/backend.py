"""The control plane's view of an edge with several workers: it appends by itself, and asks the workers about rooms."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from touchline_protocol.errors import OperatorError
from touchline_protocol.messages import Verdict
from touchline_protocol.rooms import split_room
from touchline_server.config.settings import Settings
from touchline_server.control.backend import Readiness, RoomState
from touchline_server.control.status import WorkerDetails
from touchline_server.core.log import Log, Position
from touchline_server.log.append_events import append_events
from touchline_server.metrics.snapshot import Snapshot
from touchline_server.new_events import NewEvent
from touchline_server.node.fleet.kicks import kick_player, no_players

from .messages import CountMembers, Members, ReadRoom, ReadVerdict, Room, Standing
from .worker_process import WorkerProcess

ROOM_TIMEOUT_S = 2.0
"""How long a worker may take to answer about a room: two turns of a very busy loop, or one query of an embedded log. A
worker that asks Redis waits for that as well, and then answers without it."""


class WorkersBackend:
    """A `ControlBackend`. ``serving`` gives the workers that accept clients, ``metrics`` and ``details`` those
    of all, and ``drain`` drains the one with a name."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        readiness: Callable[[], Readiness],
        serving: Callable[[], Sequence[WorkerProcess]],
        metrics: Callable[[], Awaitable[Mapping[str, Snapshot]]],
        details: Callable[[], Awaitable[Mapping[str, WorkerDetails]]],
        drain: Callable[[str], None],
    ) -> None:
        self._verdicts_topic = settings.verdicts.topic
        self._feeds = settings.feeds
        self._has_fleet = settings.redis.url is not None
        self._timeout_s = ROOM_TIMEOUT_S + (settings.redis.timeout_s if self._has_fleet else 0.0)
        self._log = log
        self._readiness = readiness
        self._serving = serving
        self._metrics = metrics
        self._details = details
        self._drain = drain

    def readiness(self) -> Readiness:
        """See `ControlBackend.readiness`."""
        return self._readiness()

    async def metrics(self) -> Mapping[str, Snapshot]:
        """See `ControlBackend.metrics`."""
        return await self._metrics()

    async def details(self) -> Mapping[str, WorkerDetails]:
        """See `ControlBackend.details`."""
        return await self._details()

    async def publish(self, room: str, events: Sequence[NewEvent]) -> Sequence[Position]:
        """See `ControlBackend.publish`."""
        feed_name, room_id = split_room(room)
        return await append_events(self._log, self._feeds[feed_name].topic, room_id, events)

    async def kick(self, player: str, seconds: int, reason: str) -> int:
        """See `ControlBackend.kick`."""
        return await kick_player(self._log, self._verdicts_topic, player, seconds, reason, self._standing)

    def drain(self, worker: str) -> None:
        """See `ControlBackend.drain`."""
        self._drain(worker)

    async def _standing(self, player: str) -> Verdict | None:
        """The verdict in force, as the first worker knows it that answers: all of them read the whole topic."""
        failure = OperatorError("no worker serves clients at the moment; try again in a moment")
        for worker in self._serving():
            try:
                answer = await worker.ask(lambda request: ReadVerdict(request, player), ROOM_TIMEOUT_S)
            except OperatorError as error:
                failure = error
                continue
            assert isinstance(answer, Standing)  # noqa: S101 - the only answer
            if not answer.knows_players:
                raise no_players()
            return answer.verdict
        raise failure

    async def room_state(self, room: str) -> RoomState | None:
        """The room as the worker with most of its clients knows it, which has certainly read it.

        The viewers are those of the fleet if that worker knows them by Redis, or else those of all workers.
        """
        workers = self._serving()
        counts = await asyncio.gather(*(_members(worker, room) for worker in workers))
        failure = OperatorError("no worker serves clients at the moment; try again in a moment")
        unknown = False
        for index in sorted(range(len(workers)), key=lambda index: -(counts[index] or 0)):
            try:
                state = await _state(workers[index], room, self._timeout_s)
            except OperatorError as error:
                failure = error
                continue
            if state is not None:
                return state if state.viewers_complete else self._with_viewers(state, counts)
            unknown = True
        if unknown:
            return None
        raise failure

    def _with_viewers(self, state: RoomState, counts: Sequence[int | None]) -> RoomState:
        viewers = sum(count for count in counts if count is not None)
        complete = not self._has_fleet and None not in counts
        return state._replace(viewers=max(viewers, state.viewers), viewers_complete=complete)


async def _members(worker: WorkerProcess, room: str) -> int | None:
    """How many of a worker's clients are in a room; None if it does not answer."""
    try:
        answer = await worker.ask(lambda request: CountMembers(request, room), ROOM_TIMEOUT_S)
    except OperatorError:
        return None
    return answer.members if isinstance(answer, Members) else None


async def _state(worker: WorkerProcess, room: str, timeout_s: float) -> RoomState | None:
    answer = await worker.ask(lambda request: ReadRoom(request, room), timeout_s)
    assert isinstance(answer, Room)  # noqa: S101 - the only answer
    return answer.state
