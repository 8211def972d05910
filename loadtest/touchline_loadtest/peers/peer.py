"""What a peer is: a server that can be started, published to, and joined by clients over WebSocket.

Rules:

1. A `Dialect` is pure. It is all that a client needs to know, so thousands of clients that only count events can be
   driven by its bytes from another process.
2. A peer that cannot be had raises `PeerMissing` with the reason. Nobody is compared with a stand-in.
3. Each peer has its best reasonable configuration for the task, in a file beside its module.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.processes import ChildProcess
from touchline_loadtest.wire.opening import Step


class PeerMissing(Exception):
    """The peer is not installed, or cannot be installed here. The message says why."""


class PeerFailed(Exception):
    """The peer did not start, refused an event, or sent something that it should not have."""


class RoomStart(NamedTuple):
    """A room to join. With ``after``, a position that a `Reader` reported, all events that follow it are wanted."""

    room: str
    after: str | None = None


class Received(NamedTuple):
    """An event as it reached a client: its room, its number, and when it was due (nanoseconds, monotonic clock)."""

    room: str
    number: int
    due_ns: int


class Reader(Protocol):
    """Reads the messages that one client receives, from its first frame on.

    ``positions`` has each room's last position, to come back with; a room is missing if the peer reports none.
    ``recovered`` says for each room that was joined with a position whether the peer claims to have sent all that
    followed. ``replies`` are whole frames that the client owes the server, such as
    pongs; the client clears the list when it sends them.
    """

    positions: dict[str, str]
    recovered: dict[str, bool]
    replies: list[bytes]

    def read(self, payload: bytes) -> list[Received]:
        """The events in the payload of one frame.

        Raises:
            PeerFailed: the server reported an error.
        """


class Dialect(Protocol):
    """How clients speak with a server."""

    def opening(self, port: int, rooms: Sequence[RoomStart]) -> list[Step]:
        """What a client sends to join, and how it knows that it has. Empty if it only has to connect."""

    def reader(self, rooms: Sequence[RoomStart], /) -> Reader:
        """A reader for one client, which joins those rooms."""


PublishAll = Callable[[Sequence[tuple[str, bytes]]], Awaitable[None]]
"""Publish JSON values, each to its room, by the peer's fastest way. It keeps their order within a room."""


class PeerServer(NamedTuple):
    """A running server, and how to publish to it."""

    process: ChildProcess
    port: int
    publish_all: PublishAll
    dialect: Dialect

    async def publish(self, room: str, values: Sequence[bytes]) -> None:
        """Publish to a single room."""
        await self.publish_all([(room, value) for value in values])


class Peer(Protocol):
    """One server to compare with.

    ``package`` is where it comes from, ``note`` says in one sentence how it is configured and published to.
    ``recovers`` is whether it can send a client that comes back what it has missed.
    """

    name: str
    package: str
    note: str
    recovers: bool

    def version(self) -> str:
        """The version that is installed.

        Raises:
            PeerMissing: it is not installed.
        """

    def serve(self, bench: Bench, folder: Path, *, recovery: bool = False) -> AbstractAsyncContextManager[PeerServer]:
        """Run it on a free port of 127.0.0.1, on the core of ``bench`` that is meant for servers.

        ``folder`` is for its files; with ``recovery`` its recovery feature is on, and a server that is started again
        with the same folder has what its kind of log or cache keeps over a restart.

        Raises:
            PeerMissing: it is not installed.
            PeerFailed, ProcessFailed: it did not start.
        """
