"""A client of the rig's own for each edge, which is in all rooms and does no more than note how far it is.

Locust's users come and go, and some rooms have none. The probe connects to the edge itself, not through the relay, so
it shows what the edge has delivered. Whether everything arrives, and in order, is for others to check.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from touchline_loadtest.checks.occupancy import Stay
from touchline_loadtest.clients.connection import ClientConnection
from touchline_loadtest.clock import now_ms
from touchline_loadtest.locust.behaviour.tokens import TokenSigner
from touchline_loadtest.wire.frames import masked
from touchline_loadtest.wire.greeting import hello
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Event, Goaway, Occupancy, RoomRequest, Subscribe, Subscribed

ROOMS_MAX = 50
"""Rooms of one connection: half of what a server allows by default."""
RETRY_S = 0.5


class _Visit(msgspec.Struct):
    """One connection, which lasts until ``left_ms``. ``joined_ms`` has the rooms that it is in."""

    rooms: Sequence[str]
    asked_ms: float
    joined_ms: Mapping[str, float]
    left_ms: float = float("inf")


class Probe:
    """All rooms of one edge. With ``occupancy`` it also asks for their numbers of viewers.

    ``viewers`` has the newest number of each room that it is in, and whether it is complete.
    """

    def __init__(self, port: int, rooms: Sequence[str], secret: str, *, occupancy: bool = False) -> None:
        self.viewers: dict[str, tuple[int, bool]] = {}
        self._port = port
        self._rooms = rooms
        self._occupancy = occupancy
        self._signer = TokenSigner(secret)
        self._offsets: dict[str, int] = {}
        self._visits: list[_Visit] = []

    def newest(self) -> Mapping[str, int] | None:
        """The offset that it has reached in each room; None as long as it has not been in all of them."""
        return self._offsets if len(self._offsets) == len(self._rooms) else None

    def stays(self) -> Iterator[Stay]:
        """When it was in which rooms: the probe is a viewer too."""
        for visit in self._visits:
            for room in visit.rooms:
                yield Stay(room, visit.asked_ms, visit.joined_ms.get(room, float("inf")), visit.left_ms)

    async def run(self) -> None:
        """Stay connected until cancelled. While the edge is down, the probe stays where it was."""
        shares = [self._rooms[begin : begin + ROOMS_MAX] for begin in range(0, len(self._rooms), ROOMS_MAX)]
        await asyncio.gather(*(self._stay(share) for share in shares))

    async def _stay(self, rooms: Sequence[str]) -> None:
        wanted = [RoomRequest(room=room, occupancy=self._occupancy) for room in rooms]
        requests = masked(JSON.encode(Subscribe(rooms=wanted)))
        while True:
            token = self._signer.sign("log-lag-probe", rooms=["*"], act=[], now_s=int(time.time()))
            connection = _Connection(self._port, hello(token) + requests, self._offsets, self.viewers)
            visit = _Visit(rooms, now_ms(), connection.joined_ms)
            self._visits.append(visit)
            try:
                await connection.open()
                await connection.gone.wait()
            except OSError:
                pass  # the edge is down
            finally:
                connection.drop()
                visit.left_ms = now_ms()
                for room in rooms:
                    self.viewers.pop(room, None)
            await asyncio.sleep(RETRY_S)


class _Connection(ClientConnection):
    """One connection. It joins without cursors, because it needs no event twice. ``joined_ms`` has its rooms."""

    def __init__(
        self, port: int, greeting: bytes, offsets: dict[str, int], viewers: dict[str, tuple[int, bool]]
    ) -> None:
        super().__init__(port, greeting)
        self.joined_ms: dict[str, float] = {}
        self._offsets = offsets
        self._viewers = viewers

    def message_received(self, payload: bytes, now_ns: int) -> None:
        """Note how far it is in the room, and how many are in it."""
        match JSON.decode_server(payload):
            case Event(room=room, offset=offset):
                self._offsets[room] = offset
            case Subscribed(room=room, head=head):
                self._offsets[room] = head
                self.joined_ms.setdefault(room, now_ms())
            case Occupancy(room=room, viewers=viewers, complete=complete):
                self._viewers[room] = (viewers, complete)
            case Goaway():
                self.vanish()  # an edge that drains waits for its clients to leave

    def read_finished(self) -> None:
        """Nothing is left to do."""

    def drop(self) -> None:
        """Close it if it is open."""
        if hasattr(self, "transport"):
            self.vanish()
