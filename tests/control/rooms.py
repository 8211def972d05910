"""A backend for the control plane in memory. It keeps what is published, for tests to inspect."""

from collections.abc import Mapping, Sequence

from touchline_server.control.backend import Readiness, RoomState
from touchline_server.control.status import WorkerDetails
from touchline_server.core.log import Position
from touchline_server.metrics.snapshot import Snapshot
from touchline_server.new_events import NewEvent


class Rooms:
    """Behaves like a server with one partition."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self.degraded: dict[str, str] = {}
        self.published: list[tuple[str, NewEvent]] = []
        self.rooms: dict[str, RoomState] = {}
        self.failure: Exception | None = None
        self.snapshots: dict[str, Snapshot] = {}
        self.worker_details: dict[str, WorkerDetails] = {}
        self.kicks: list[tuple[str, int, str]] = []
        self.drained: list[str] = []

    def readiness(self) -> Readiness:
        return Readiness(self.problems, self.degraded)

    async def metrics(self) -> Mapping[str, Snapshot]:
        return self.snapshots

    async def details(self) -> Mapping[str, WorkerDetails]:
        return self.worker_details

    async def publish(self, room: str, events: Sequence[NewEvent]) -> list[Position]:
        if self.failure is not None:
            raise self.failure
        first = len(self.published)
        self.published += [(room, event) for event in events]
        return [Position(0, first + position) for position in range(len(events))]

    async def kick(self, player: str, seconds: int, reason: str) -> int:
        if self.failure is not None:
            raise self.failure
        self.kicks.append((player, seconds, reason))
        return 1_700_000_000_000

    def drain(self, worker: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.drained.append(worker)

    async def room_state(self, room: str) -> RoomState | None:
        if self.failure is not None:
            raise self.failure
        return self.rooms.get(room)
