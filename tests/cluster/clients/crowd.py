"""The watchers: clients over json, msgpack, event streams and the Python SDK, two fifths of them with ``latest``."""

from collections.abc import Sequence
from random import Random
from typing import Protocol

from cluster.clients.sdk_watcher import SdkWatcher
from cluster.clients.socket_watcher import SocketWatcher
from cluster.clients.stream_watcher import StreamWatcher
from cluster.scene import FEEDS, ROOMS, rooms_of
from touchline_loadtest.checks.trace import Trace
from touchline_protocol.codecs import CodecName
from touchline_protocol.messages import Deliver

ROOMS_PER_SOCKET = 3


class Watcher(Protocol):
    """A client that runs until it is cancelled."""

    async def run(self) -> None: ...


class Crowd:
    """``watchers`` write ``traces``."""

    def __init__(self, port: int, count: int, random: Random) -> None:
        self.traces: list[Trace] = []
        self.watchers: list[Watcher] = []
        for number in range(count):
            self.watchers.append(self._watcher(port, number, random))

    def _watcher(self, port: int, number: int, random: Random) -> Watcher:
        codec: CodecName = "json" if number % 2 else "msgpack"
        deliver: Deliver = "latest" if number % 5 in (1, 2) else "all"
        room = ROOMS[number % len(ROOMS)]
        match number % 4:
            case 0 | 1:
                others = [each for each in random.sample(ROOMS, ROOMS_PER_SOCKET) if each != room]
                traces = [self._trace(f"socket {number} ({codec})", each, deliver) for each in [room, *others[:2]]]
                return SocketWatcher(port, codec, traces, random)
            case 2:
                return StreamWatcher(port, self._trace(f"stream {number}", room, deliver), random)
            case _:
                trace = self._trace(f"SDK {number} ({codec})", room, deliver, shows_skips=False)
                return SdkWatcher(port, codec, trace)

    def _trace(self, who: str, room: str, deliver: Deliver, *, shows_skips: bool = True) -> Trace:
        trace = Trace(f"{who}, {deliver}", room, deliver, shows_skips=shows_skips)
        self.traces.append(trace)
        return trace


def visitor(edge: str, port: int, random: Random) -> tuple[SocketWatcher, Sequence[Trace]]:
    """A client that joins every room on one edge, without a cursor."""
    traces = [Trace(f"visitor of {edge}", room) for feed in FEEDS for room in rooms_of(feed)]
    return SocketWatcher(port, "json", traces, random), traces
