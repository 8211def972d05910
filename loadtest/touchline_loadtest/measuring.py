"""One measurement: publish a number of events, wait until every client has each of them, and say what that took.

CPU time is taken from before the first event is published until after the last one has arrived, so it holds all that
the server did for them, taking them in and reading them from its log included.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .clients import Crowd
from .machine import Cores
from .processes import Server
from .publishing import Publish, publish_steadily

CHECKED_CLIENTS = 20
"""Of a crowd: parsing a frame costs ten times as much as counting it."""
ARRIVE_TIMEOUT_S = 30.0
GENERATOR_BUSY_MAX = 0.9
"""With its core busier than this the generator may be what is slow."""
WAITED_MAX = 0.05
"""With more of its time spent waiting for its core than this a server was not measured alone."""
MS = 1e-6
"""Milliseconds of a nanosecond."""


class Bench(NamedTuple):
    """What a scenario is run with. ``kafka`` is a broker's address, ``say`` tells how far it is."""

    cores: Cores
    kafka: str | None = None
    say: Callable[[str], None] = lambda _: None


class Load(NamedTuple):
    """What is published: ``seconds`` of it to each room."""

    rooms: Sequence[str]
    rate_hz: float
    seconds: float
    event_bytes: int

    @property
    def events(self) -> int:
        """Events of one room."""
        return max(1, round(self.rate_hz * self.seconds))


class Measured(NamedTuple):
    """What a load took.

    ``cpu_s`` is the server's, ``waited_s`` how long it waited for its core while others used it, and ``busy`` the share
    of its core that the generator used. ``reads`` are those of all clients: fewer than deliveries where the server, or
    the kernel because a client was late to read, put several events together.
    """

    deliveries: int
    reads: int
    bytes: int
    wall_s: float
    cpu_s: float
    waited_s: float
    busy: float
    publisher_late_s: float

    @property
    def cpu_us(self) -> float:
        """The server's CPU time per delivery."""
        return self.cpu_s / self.deliveries * 1e6


async def measure(
    server: Server, crowd: Crowd, publish: Publish, load: Load, *, deliveries: int, low_water_bytes: int = 1
) -> Measured:
    """Publish ``load``, of which there are ``deliveries`` to clients, and measure.

    With ``low_water_bytes`` the clients that count read only when there is so much to read: so one core can hold more
    of them, but what reaches them is no measure of time.

    Raises:
        CrowdFailed: not everything arrived.
    """
    for check in crowd.checked:
        check.latencies_ns.clear()
    crowd.read_lazily(low_water_bytes)
    start = Start(server, crowd)
    late_s = await publish_steadily(
        publish, load.rooms, rate_hz=load.rate_hz, count=load.events, size_bytes=load.event_bytes
    )
    crowd.read_lazily(1)
    await crowd.until_events(start.events + deliveries, ARRIVE_TIMEOUT_S)
    return start.measured(late_s)


async def measure_baseline(server: Server, crowd: Crowd, rate_hz: float, count: int) -> Measured:
    """Let a baseline send ``count`` events to all of ``crowd``, and measure."""
    start = Start(server, crowd)
    server.tell(rate_hz, count)
    await crowd.until_events(start.events + count * len(crowd.clients), count / rate_hz + ARRIVE_TIMEOUT_S)
    return start.measured()


class Start:
    """How things stood when a measurement began."""

    def __init__(self, server: Server, crowd: Crowd) -> None:
        self._server = server
        self._crowd = crowd
        self.events = crowd.events
        self._reads = crowd.reads
        self._bytes = crowd.bytes
        self._waited_s = server.waited_s()
        self._generator_s = time.process_time()
        self._wall_s = time.monotonic()
        self._cpu_s = server.cpu_s()

    def measured(self, late_s: float = 0.0) -> Measured:
        """What happened since."""
        cpu_s = self._server.cpu_s() - self._cpu_s
        wall_s = time.monotonic() - self._wall_s
        busy = (time.process_time() - self._generator_s) / wall_s
        crowd = self._crowd
        return Measured(
            deliveries=crowd.events - self.events,
            reads=crowd.reads - self._reads,
            bytes=crowd.bytes - self._bytes,
            wall_s=wall_s,
            cpu_s=cpu_s,
            waited_s=self._server.waited_s() - self._waited_s,
            busy=busy,
            publisher_late_s=late_s,
        )


def latency_ms(latencies_ns: Sequence[int], percent: int) -> float:
    """A percentile of how late events were."""
    if len(latencies_ns) == 1:
        return latencies_ns[0] * MS
    return statistics.quantiles(latencies_ns, n=100, method="inclusive")[percent - 1] * MS


def latencies(crowd: Crowd) -> list[int]:
    """How late events were at the checked clients."""
    return [latency for check in crowd.checked for latency in check.latencies_ns]


def check_every(clients: int) -> int:
    """Which clients to check, so that there are `CHECKED_CLIENTS` of them, spread over the crowd."""
    return max(1, clients // CHECKED_CLIENTS)


def gaps(crowd: Crowd) -> int:
    """Gaps and repeats that the checked clients found."""
    return sum(check.gaps + check.repeats for check in crowd.checked)


def how_checked(crowd: Crowd) -> str:
    """A sentence on what is known of the frames."""
    return (
        f"order and prev of every frame were checked on {len(crowd.checked)} of {len(crowd.clients)} clients; "
        "on the others events and bytes were counted"
    )


def trust_notes(*measured: Measured) -> list[str]:
    """Whether the generator kept up, and whether the server had its core for itself."""
    busiest = max(one.busy for one in measured)
    waited = max(one.waited_s / one.wall_s for one in measured)
    notes = [f"the clients' process used at most {busiest:.0%} of a core, so it kept up"]
    if busiest > GENERATOR_BUSY_MAX:
        notes = [f"THE GENERATOR MAY BE THE BOTTLENECK: the clients' process used {busiest:.0%} of a core"]
    if waited > WAITED_MAX:
        notes.append(
            f"THE MACHINE WAS NOT QUIET: a server waited {waited:.0%} of the time for its core, which other programs "
            "used; the numbers are not to be relied on"
        )
    return notes
