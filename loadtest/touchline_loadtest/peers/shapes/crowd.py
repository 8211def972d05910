"""The clients of one peer, over all of their connections: they are cut, come back with their positions, and note what
they receive.

Rules:

1. A client that the server drops comes back by itself, as the peers' client libraries do. So does one that could not
   join: after `RETRY_S`, again and again.
2. A client presents the positions that the peer's protocol gave it, and nothing else: what it misses is the peer's.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

from touchline_loadtest.peers.client import PeerClient, join
from touchline_loadtest.peers.peer import Dialect, PeerFailed, Received, RoomStart

from .ledger import ClientLedger

RETRY_S = 0.5
"""Before a client tries again to join."""
JOINING_MAX = 200
"""Clients that join at the same time when the crowd gathers: the storms come later."""


class Viewer:
    """One client. ``gaps_reported`` counts the rooms that the peer said it could not bring up to date."""

    def __init__(self, dialect: Dialect, rooms: Sequence[str]) -> None:
        self.ledger = ClientLedger(dict.fromkeys(rooms, 0))
        self.gaps_reported = 0
        self.dropped = 0
        self.refused = 0
        self._dialect = dialect
        self._positions: dict[str, str] = {}
        self._resumed: list[str] = []
        self._client: PeerClient | None = None

    def begin(self, published: Mapping[str, int]) -> None:
        """A phase begins: forget what was found so far."""
        self.ledger.begin(published)
        self.gaps_reported = self.dropped = self.refused = 0

    async def join(self, port: int) -> None:
        """Connect, with its positions if it has been here before.

        Raises:
            PeerFailed: the server refused it.
        """
        starts = [RoomStart(room, self._positions.get(room)) for room in self.ledger.rooms]
        client = await join(self._dialect, port, starts, self._arrived)
        self._client = client
        self._resumed = [start.room for start in starts if start.after is not None]

    def cut(self) -> None:
        """Lose the connection, as if the network had."""
        self.note_gaps()
        client, self._client = self._client, None
        if client is not None:
            self._positions |= client.reader.positions
            client.close()

    def note_gaps(self) -> None:
        """Count what the peer said about this return. Some say it only after what was missed, so this is asked late."""
        if self._client is not None:
            recovered = self._client.reader.recovered
            self.gaps_reported += sum(not recovered.get(room, True) for room in self._resumed)
            self._resumed = []

    def forget_dropped(self) -> bool:
        """Whether the server has ended the connection; if so, it is counted and forgotten."""
        if self._client is None or not self._client.gone.is_set():
            return False
        self.dropped += 1
        self.cut()
        return True

    def _arrived(self, events: Sequence[Received], now_ns: int) -> None:
        self.ledger.note(((event.room, event.number) for event in events), now_ns)


class Crowd:
    """All clients of one peer, which follow ``published``: the newest number of each room.

    ``port`` changes when the server is started again. Clients on their way back are tasks of ``tasks``.
    """

    def __init__(self, dialect: Dialect, port: int, published: Mapping[str, int], tasks: asyncio.TaskGroup) -> None:
        self.port = port
        self.viewers: list[Viewer] = []
        self._dialect = dialect
        self._published = published
        self._tasks = tasks
        self._returning: dict[Viewer, asyncio.Task[None]] = {}

    async def gather(self, clients: int) -> None:
        """Connect ``clients``, each to one of the rooms in turn.

        Raises:
            PeerFailed: the server refused one.
        """
        rooms = list(self._published)
        self.viewers = [Viewer(self._dialect, [rooms[number % len(rooms)]]) for number in range(clients)]
        for begin in range(0, clients, JOINING_MAX):
            await asyncio.gather(*(viewer.join(self.port) for viewer in self.viewers[begin : begin + JOINING_MAX]))

    def cut(self, viewers: Sequence[Viewer]) -> None:
        """Cut some clients. Those that are on their way back stay away."""
        for viewer in viewers:
            if (task := self._returning.pop(viewer, None)) is not None:
                task.cancel()
            viewer.cut()

    def bring_back(self, viewers: Sequence[Viewer]) -> None:
        """Let some clients reconnect at once. It goes on after this returns."""
        for viewer in viewers:
            self._returning[viewer] = self._tasks.create_task(self._bring_back(viewer))

    @property
    def arrived(self) -> int:
        """The events that all clients have received."""
        return sum(viewer.ledger.arrived for viewer in self.viewers)

    @property
    def returning(self) -> int:
        """The clients that have not joined again yet."""
        return len(self._returning)

    def bring_back_dropped(self) -> None:
        """Call this periodically: clients that the server dropped come back."""
        dropped = [viewer for viewer in self.viewers if viewer.forget_dropped()]
        self.bring_back(dropped)

    def close(self) -> None:
        """End all connections."""
        self.cut(self.viewers)

    async def _bring_back(self, viewer: Viewer) -> None:
        viewer.ledger.came_back(self._published, time.monotonic_ns())
        while True:
            try:
                await viewer.join(self.port)
            except PeerFailed:
                viewer.refused += 1
                await asyncio.sleep(RETRY_S)
            else:
                del self._returning[viewer]
                return
