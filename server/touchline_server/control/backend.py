"""What the control plane needs from the server, and the types it gets. The node implements it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

from touchline_server.core.log import Position
from touchline_server.metrics.snapshot import Snapshot
from touchline_server.new_events import NewEvent

from .status import WorkerDetails

CONTROL = "control"
"""What the control plane is called among workers, in metrics: a part of the only process, or the supervisor's."""


PLAYERS_UNKNOWN = "players_unknown"
VERDICT_STANDS = "verdict_stands"
SINGLE_PROCESS = "single_process"
WORKER_UNKNOWN = "worker_unknown"
WORKER_NOT_SERVING = "worker_not_serving"
LAST_WORKER = "last_worker"
"""Why a player cannot be kicked, or a worker drained: `refusals` says what each of them means."""


class ImpossibleRequest(Exception):
    """The server cannot do what an operator asks for. ``code`` is one of those above."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class StateEvent(NamedTuple):
    """The newest event of a key. ``ts`` is in Unix milliseconds, ``value`` is the JSON as it was published."""

    key: str
    offset: int
    ts: int
    value: bytes
    traceparent: str | None = None


class RoomState(NamedTuple):
    """A room as it is now: how far it was read, the newest event of every key, and the number of connections in it.

    ``head`` means the same as in `Subscribed`. Unless ``state_complete``, keys may be missing from the state. Unless
    ``viewers_complete``, ``viewers`` may lack connections to other workers of the fleet.
    """

    epoch: str
    head: int
    state: Sequence[StateEvent]
    viewers: int
    state_complete: bool
    viewers_complete: bool = True


class Readiness(NamedTuple):
    """Whether clients should be sent to this server: only if there are no ``problems``.

    With what is ``degraded``, the server serves what it has. ``lowered`` are limits that are lower than the operator
    asked for. All three have a sentence for each part, by its name.
    """

    problems: Mapping[str, str]
    degraded: Mapping[str, str]
    lowered: Mapping[str, str] = MappingProxyType({})


class ControlBackend(Protocol):
    """The server as the control plane sees it. Every room that is passed in belongs to a feed of the server."""

    def readiness(self) -> Readiness:
        """Whether clients should be sent to this server, and what is wrong with it."""

    async def metrics(self) -> Mapping[str, Snapshot]:
        """The metrics of each worker, by its name; a supervisor's own are called `CONTROL`."""

    async def details(self) -> Mapping[str, WorkerDetails]:
        """What metrics do not have of each worker that answers, by its name."""

    async def publish(self, room: str, events: Sequence[NewEvent]) -> Sequence[Position]:
        """Append events to a room in order; returns their positions once they are durable.

        Raises:
            RecordsRefused: the log refuses one of them for good; those after it are not in the log.
            TopicRefused: the log takes no events for the room's feed until an operator acts.
            AppendFailed: not all of them are known to be in the log; ``written`` is how many are.
            OperatorError: none of them is in the log, for example because the feed's topic does not exist.
        """

    async def kick(self, player: str, seconds: int, reason: str) -> int:
        """Close a player's connections to all edges, and keep the player out for that long: a verdict in the log.

        Returns when that ends, in Unix milliseconds, once the verdict is durable.

        Raises:
            ImpossibleRequest: the server knows no players, or a mute or a ban stands that ends later.
            RecordsRefused, TopicRefused, AppendFailed, OperatorError: as for `publish`.
        """

    def drain(self, worker: str) -> None:
        """Have a worker send its clients away and end, and another process take its place.

        Raises:
            ImpossibleRequest: there is no such worker, or its clients would have nowhere to go.
        """

    async def room_state(self, room: str) -> RoomState | None:
        """The state of a room; None if the room is unknown.

        Raises:
            OperatorError: the state is not known now, for example because the log has not been read yet.
        """
