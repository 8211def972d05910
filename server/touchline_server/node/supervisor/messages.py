"""What a supervisor and its workers say to each other: small structs in msgpack, each behind its length.

Pure. Both ends are the same version of the same program, so there is nothing to negotiate. Every message is bounded: a
supervisor must not be brought down by a worker that has lost its mind.
"""

from collections.abc import Iterator
from typing import Generic, TypeAlias, TypeVar

import msgspec

from touchline_protocol.messages import Verdict
from touchline_server.control.backend import Readiness, RoomState
from touchline_server.control.status import CloseStatus, WorkerDetails
from touchline_server.metrics.snapshot import Snapshot

LENGTH_BYTES = 4
MESSAGE_BYTES_MAX = 32 << 20
"""The largest message is a room's state, which also has to fit in one message to a client: 16 MiB is common there."""


class MessageTooLarge(ValueError):
    """A message of more than `MESSAGE_BYTES_MAX` bytes."""


class Start(msgspec.Struct, tag=True):
    """The first message to a worker: which one it is, and what it serves. ``settings`` are pickled."""

    name: str
    host: str
    port: int
    settings: bytes
    lowered: dict[str, str]


class Reload(msgspec.Struct, tag=True):
    """Apply other settings; answered by `Reloaded` or `Refused`."""

    id: int
    settings: bytes
    lowered: dict[str, str]


class StopServing(msgspec.Struct, tag=True):
    """Drain, then end."""


class CountMembers(msgspec.Struct, tag=True):
    """Answered by `Members`."""

    id: int
    room: str


class ReadRoom(msgspec.Struct, tag=True):
    """Answered by `Room` or `Refused`."""

    id: int
    room: str


class ReadMetrics(msgspec.Struct, tag=True):
    """Answered by `Metrics`."""

    id: int


class ReadDetails(msgspec.Struct, tag=True):
    """Answered by `Details`."""

    id: int


class ReadVerdict(msgspec.Struct, tag=True):
    """Answered by `Standing` or `Refused`."""

    id: int
    player: str


Request: TypeAlias = Reload | CountMembers | ReadRoom | ReadMetrics | ReadDetails | ReadVerdict
"""An order with an id, which the worker answers."""
Order: TypeAlias = Start | StopServing | Request
"""A worker receives one of these."""


class Beat(msgspec.Struct, tag=True):
    """A sign of life, and whether clients should be sent to the worker. Its first one comes before it serves."""

    readiness: Readiness


class Serving(msgspec.Struct, tag=True):
    """The worker accepts clients from now on."""


class Closed(msgspec.Struct, tag=True):
    """The ends of connections since the last such message, oldest first: the newest `CLOSES_MAX` of them at most. They
    come without being asked for, so that the supervisor can show them after the worker's end."""

    closes: list[CloseStatus]


class Failed(msgspec.Struct, tag=True):
    """The worker ends, because of something that the operator can fix."""

    why: str


class Members(msgspec.Struct, tag=True):
    """How many of the worker's clients are in a room."""

    id: int
    members: int


class Room(msgspec.Struct, tag=True):
    """A room as the worker knows it; None if it does not."""

    id: int
    state: RoomState | None


class Metrics(msgspec.Struct, tag=True):
    """What the worker has counted since its process started, and how much there is of everything now."""

    id: int
    snapshot: Snapshot


class Details(msgspec.Struct, tag=True):
    """What metrics do not have of the worker."""

    id: int
    details: WorkerDetails


class Standing(msgspec.Struct, tag=True):
    """The mute or ban that stands against a player; None if there is none. Without tokens there are no players."""

    id: int
    knows_players: bool
    verdict: Verdict | None


class Reloaded(msgspec.Struct, tag=True):
    """The settings are in force."""

    id: int


class Refused(msgspec.Struct, tag=True):
    """A request that failed, and why, for an operator."""

    id: int
    why: str


Answer: TypeAlias = Members | Room | Metrics | Details | Standing | Reloaded | Refused
Report: TypeAlias = Beat | Serving | Closed | Failed | Answer
"""A worker sends one of these."""

M = TypeVar("M")

_ENCODER = msgspec.msgpack.Encoder(enc_hook=dict)  # mappings that are read-only, such as problems of a log


def encode(message: Order | Report) -> bytes:
    """A message as bytes, with its length.

    Raises:
        MessageTooLarge: it is.
    """
    payload = _ENCODER.encode(message)
    if len(payload) > MESSAGE_BYTES_MAX:
        raise MessageTooLarge(f"{len(payload)} bytes, at most {MESSAGE_BYTES_MAX}")
    return len(payload).to_bytes(LENGTH_BYTES, "big") + payload


class MessageReader(Generic[M]):
    """Cuts a stream of bytes into messages of one type. ``orders()`` and ``reports()`` make one."""

    def __init__(self, decoder: msgspec.msgpack.Decoder[M]) -> None:
        self._decoder = decoder
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[M]:
        """The messages that are complete with ``data``.

        Raises:
            MessageTooLarge: the next message is. Nothing after it can be read.
            msgspec.DecodeError: the bytes are not a message.
        """
        self._buffer += data
        while len(self._buffer) >= LENGTH_BYTES:
            length = int.from_bytes(self._buffer[:LENGTH_BYTES], "big")
            if length > MESSAGE_BYTES_MAX:
                raise MessageTooLarge(f"{length} bytes, at most {MESSAGE_BYTES_MAX}")
            end = LENGTH_BYTES + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[LENGTH_BYTES:end])
            del self._buffer[:end]
            yield self._decoder.decode(payload)


def orders() -> MessageReader[Order]:
    """Reads what a worker receives."""
    return MessageReader(msgspec.msgpack.Decoder(Order))


def reports() -> MessageReader[Report]:
    """Reads what a supervisor receives."""
    return MessageReader(msgspec.msgpack.Decoder(Report))
