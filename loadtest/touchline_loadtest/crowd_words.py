"""What the measuring process and the crowd's process say to each other, one JSON object on a line.

Each command has one answer: `Failed`, or the one that its text names, else `Done`. Groups have numbers, in the order in
which they were made.
"""

import msgspec

from touchline_protocol.messages import RoomRequest


class Connect(msgspec.Struct, tag="connect", frozen=True):
    """Add ``count`` clients to a group, a new one if there is none of that number yet. `Done` when all have joined.

    Without ``handshake`` the server speaks no WebSocket, without a ``request`` there is no room to join: every byte
    after the connect, or after the handshake, counts. ``receive_buffer_bytes`` above 0 is given to the kernel.
    """

    group: int
    port: int
    count: int
    at_once: int
    timeout_s: float
    handshake: bool = True
    request: RoomRequest | None = None
    receive_buffer_bytes: int = 0


class Await(msgspec.Struct, tag="await", frozen=True):
    """`Done` when each client, those that are paused aside, has the bytes of its group in ``targets_bytes``."""

    targets_bytes: list[int]
    timeout_s: float


class Look(msgspec.Struct, tag="look", frozen=True):
    """`Looked`: what all clients had until now, and how many have not exactly the bytes of their group."""

    targets_bytes: list[int] = []


class Pace(msgspec.Struct, tag="pace", frozen=True):
    """Read from all clients, then rest for ``rest_s``; 0 reads at once whatever comes."""

    rest_s: float


class Pause(msgspec.Struct, tag="pause", frozen=True):
    """Read no more from the first ``count`` clients of a group."""

    group: int
    count: int


class Resume(msgspec.Struct, tag="resume", frozen=True):
    """Read again from all that were paused."""


class Record(msgspec.Struct, tag="record", frozen=True):
    """Note from now on when each read was."""


class When(msgspec.Struct, tag="when", frozen=True):
    """`Times`: when the clients passed each of these numbers of bytes, since `Record`. For clients of one room."""

    ends_bytes: list[int]


Command = Connect | Await | Look | Pace | Pause | Resume | Record | When


class Done(msgspec.Struct, tag="done", frozen=True):
    """It is so."""


class Failed(msgspec.Struct, tag="failed", frozen=True):
    """It did not come to be so in time, or a client was lost."""

    reason: str


class Looked(msgspec.Struct, tag="looked", frozen=True):
    """Sums over all clients."""

    reads: int
    bytes: int
    unlike: int


class Times(msgspec.Struct, tag="times", frozen=True):
    """For each number of bytes: when the first and the last client had so many, and how many clients had them.

    Nanoseconds of the monotonic clock; 0 where no client had them.
    """

    first_ns: list[int]
    last_ns: list[int]
    clients: list[int]


Answer = Done | Failed | Looked | Times
