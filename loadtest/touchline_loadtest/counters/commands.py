"""The commands that the measuring process sends to the counters' process, and the answers: one JSON object a line.

Each command has exactly one answer: `Failed`, or the one that its docstring names. Groups are numbered in the order in
which they are created.
"""

import msgspec

from touchline_loadtest.wire.opening import Step
from touchline_protocol.messages import RoomRequest

NICENESS = 5
"""The counters' process shares a core with the measuring process. This gives it a third of that one's weight, so that
measuring does not wait for counting."""


class Connect(msgspec.Struct, tag="connect", frozen=True):
    """Add ``count`` clients to a group, which is created if its number is new. Answer: `Done` once all have joined.

    Without a ``handshake`` the server does not speak WebSocket; without a ``request`` there is no room to join. In both
    cases every byte after the last step counts. A ``receive_buffer_bytes`` above 0 is set on the sockets. They connect
    from the address ``source``: of each, the system has some 28,000 ports for connections to one server.
    """

    group: int
    port: int
    count: int
    at_once: int
    timeout_s: float
    handshake: bool = True
    request: RoomRequest | None = None
    receive_buffer_bytes: int = 0
    source: str = "127.0.0.1"


class ConnectBySteps(msgspec.Struct, tag="connect_by_steps", frozen=True):
    """Add ``count`` clients of any server, which join by ``steps``. Answer: `Done` once all have.

    Their events are counted as well as their bytes: each has the same ``mark`` once. They are in no group.
    """

    port: int
    count: int
    at_once: int
    timeout_s: float
    steps: list[Step]
    mark: bytes


class AwaitEvents(msgspec.Struct, tag="await_events", frozen=True):
    """Answer: `Done` once each client of `ConnectBySteps` has had ``events`` events since it joined."""

    events: int
    timeout_s: float


class GetEvents(msgspec.Struct, tag="get_events", frozen=True):
    """Answer: `Events`."""


class Await(msgspec.Struct, tag="await", frozen=True):
    """Answer: `Done` once each client that is not paused has its group's number of bytes in ``targets_bytes``."""

    targets_bytes: list[int]
    timeout_s: float


class GetTotals(msgspec.Struct, tag="get_totals", frozen=True):
    """Answer: `Totals`, which compares with ``targets_bytes``, by group, where they are given."""

    targets_bytes: list[int] = []


class SetPace(msgspec.Struct, tag="set_pace", frozen=True):
    """Rest for ``rest_s`` after each round of reads; with 0, read as soon as anything arrives. Answer: `Done`."""

    rest_s: float


class Pause(msgspec.Struct, tag="pause", frozen=True):
    """Stop reading from the first ``count`` clients of a group that are not paused. Answer: `Done`."""

    group: int
    count: int


class Resume(msgspec.Struct, tag="resume", frozen=True):
    """Read again from all paused clients. Answer: `Done`."""


class Record(msgspec.Struct, tag="record", frozen=True):
    """Note the time of each read from now on. Answer: `Done`."""


class GetTimes(msgspec.Struct, tag="get_times", frozen=True):
    """Answer: `Times`, when the clients passed each of ``ends_bytes`` since `Record`. For the clients of one room."""

    ends_bytes: list[int]


Command = (
    Connect
    | ConnectBySteps
    | Await
    | AwaitEvents
    | GetTotals
    | GetEvents
    | SetPace
    | Pause
    | Resume
    | Record
    | GetTimes
)


class Done(msgspec.Struct, tag="done", frozen=True):
    """The command has been carried out."""


class Failed(msgspec.Struct, tag="failed", frozen=True):
    """The command could not be carried out in time, or a client was lost."""

    reason: str


class Totals(msgspec.Struct, tag="totals", frozen=True):
    """Sums over all clients; ``off_target`` is how many have more or fewer bytes than their group's target."""

    reads: int
    bytes: int
    off_target: int


class Times(msgspec.Struct, tag="times", frozen=True):
    """When the first and the last client reached each number of bytes, and how many clients did.

    Times are nanoseconds of the monotonic clock, 0 where no client reached it.
    """

    first_ns: list[int]
    last_ns: list[int]
    clients: list[int]


class Events(msgspec.Struct, tag="events", frozen=True):
    """The least and the most events that a client of `ConnectBySteps` has had; 0 without clients."""

    least: int
    most: int


Answer = Done | Failed | Totals | Times | Events
