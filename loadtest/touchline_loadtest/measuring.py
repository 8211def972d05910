"""One measurement: publish a number of events, wait until every client has each of them, and say what that took.

CPU time is taken from before the first event is published until after the last one has arrived, so it holds all that
the server did for them, taking them in and reading them from its log included.
"""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

from . import crowd_words as words
from . import machine
from .audience import Audience, Group
from .crowd import NICENESS
from .processes import Server
from .publishing import Publish, publish_steadily

ARRIVE_TIMEOUT_S = 30.0
GENERATOR_BUSY_MAX = 0.9
"""With their core busier than this the generator's processes may be what is slow."""
WAITED_MAX = 0.05
"""With more of its time spent waiting for its core than this a server was not measured alone."""
STOLEN_MAX = 0.02
"""The same for what a virtual machine's host takes: it comes in pieces of milliseconds, which are latencies here."""
MS = 1e-6
"""Milliseconds of a nanosecond."""


class Bench(NamedTuple):
    """What a scenario is run with. ``kafka`` is a broker's address, ``say`` tells how far it is."""

    cores: machine.Cores
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

    ``cpu_s`` is the server's, ``waited_s`` how long it waited for its core while others used it. ``measuring_busy`` and
    ``crowd_busy`` are the shares of their core that the generator's two processes used, and ``measuring_waited_s`` and
    ``crowd_waited_s`` how long they waited for it. ``stolen_s`` is what a virtual machine's host kept from it, of all
    cores together. ``reads`` are those of all clients: fewer than deliveries where the server, or the kernel because a
    client was late to read, put several events together.
    """

    deliveries: int
    reads: int
    bytes: int
    wall_s: float
    cpu_s: float
    waited_s: float
    measuring_busy: float
    crowd_busy: float
    measuring_waited_s: float
    crowd_waited_s: float
    stolen_s: float
    publisher_late_s: float

    @property
    def cpu_us(self) -> float:
        """The server's CPU time per delivery."""
        return self.cpu_s / self.deliveries * 1e6

    @property
    def busy(self) -> float:
        """The share of their core that both of the generator's processes used."""
        return self.measuring_busy + self.crowd_busy


async def measure(
    server: Server, audience: Audience, publish: Publish, load: Load, *, crowd_rest_s: float = 0.0
) -> Measured:
    """Publish ``load`` and measure.

    With ``crowd_rest_s`` the clients that count read only so often, several events at once: so one core can hold more
    of them, but when an event reached them is no measure of time.

    Raises:
        CrowdFailed: not everything arrived.
    """
    for check in audience.checks:
        check.latencies_ns.clear()
    await audience.crowd.do(words.Pace(crowd_rest_s))
    start = await Start.now(server, audience)
    late_s = await publish_steadily(
        publish, load.rooms, rate_hz=load.rate_hz, count=load.events, size_bytes=load.event_bytes
    )
    deliveries = audience.expect(load.events, load.rooms)
    await audience.until_arrived(ARRIVE_TIMEOUT_S)
    return await start.measured(deliveries, late_s)


async def measure_baseline(
    server: Server, audience: Audience, *, rate_hz: float, count: int, frame_bytes: int
) -> Measured:
    """Let a baseline send ``count`` events to all of ``audience``, and measure."""
    start = await Start.now(server, audience)
    server.tell(rate_hz, count)
    for group in audience.groups:
        group.bytes += count * frame_bytes
    await audience.until_arrived(count / rate_hz + ARRIVE_TIMEOUT_S)
    return await start.measured(count * len(audience))


class Start(NamedTuple):
    """How things stood when a measurement began."""

    server: Server
    audience: Audience | None
    reads: int
    bytes: int
    waited_s: float
    measuring_s: float
    crowd_s: float
    measuring_waited_s: float
    crowd_waited_s: float
    stolen_s: float
    wall_s: float
    cpu_s: float

    @classmethod
    async def now(cls, server: Server, audience: Audience | None = None) -> Self:
        """How things stand. Without an ``audience`` all clients are in this process."""
        reads, size = await _reads_and_bytes(audience)
        crowd_s, crowd_waited_s = _crowd_used(audience)
        return cls(
            server,
            audience,
            reads,
            size,
            server.waited_s(),
            time.process_time(),
            crowd_s,
            machine.waited_s(os.getpid()),
            crowd_waited_s,
            machine.stolen_s(),
            time.monotonic(),
            server.cpu_s(),
        )

    async def measured(self, deliveries: int, late_s: float = 0.0) -> Measured:
        """What happened since."""
        cpu_s = self.server.cpu_s() - self.cpu_s
        wall_s = time.monotonic() - self.wall_s
        waited_s = self.server.waited_s() - self.waited_s
        measuring_s = time.process_time() - self.measuring_s
        measuring_waited_s = machine.waited_s(os.getpid()) - self.measuring_waited_s
        crowd_s, crowd_waited_s = _crowd_used(self.audience)
        reads, size = await _reads_and_bytes(self.audience)
        return Measured(
            deliveries=deliveries,
            reads=reads - self.reads,
            bytes=size - self.bytes,
            wall_s=wall_s,
            cpu_s=cpu_s,
            waited_s=waited_s,
            measuring_busy=measuring_s / wall_s,
            crowd_busy=(crowd_s - self.crowd_s) / wall_s,
            measuring_waited_s=measuring_waited_s,
            crowd_waited_s=crowd_waited_s - self.crowd_waited_s,
            stolen_s=machine.stolen_s() - self.stolen_s,
            publisher_late_s=late_s,
        )


async def _reads_and_bytes(audience: Audience | None) -> tuple[int, int]:
    return await audience.reads_and_bytes() if audience is not None else (0, 0)


def _crowd_used(audience: Audience | None) -> tuple[float, float]:
    """The CPU seconds of the crowd's process, and those that it waited for its core."""
    return (audience.crowd.cpu_s(), audience.crowd.waited_s()) if audience is not None else (0.0, 0.0)


def percentile_ms(times_ns: Sequence[int], percent: int) -> float:
    """A percentile of times."""
    if len(times_ns) == 1:
        return times_ns[0] * MS
    return statistics.quantiles(times_ns, n=100, method="inclusive")[percent - 1] * MS


def latencies(clients: Group | Audience) -> list[int]:
    """How late events were at those that are checked."""
    return [latency for check in clients.checks for latency in check.latencies_ns]


def gaps(audience: Audience) -> int:
    """Gaps and repeats that the checked clients found."""
    return sum(check.gaps + check.repeats for check in audience.checks)


def how_checked(audience: Audience) -> str:
    """A sentence on what is known of the frames."""
    return (
        f"order and prev of every frame were checked on {len(audience.checks)} of {len(audience)} clients; each other "
        "one had, to the byte, what the checked ones of its room had"
    )


def trust_notes(*measured: Measured) -> list[str]:
    """Whether the generator kept up, and whether the server had its core for itself."""
    busiest = max(measured, key=lambda one: one.busy)
    waited = max(one.waited_s / one.wall_s for one in measured)
    shares = f"used {busiest.busy:.0%} of a core{_crowd_share(busiest)}"
    if busiest.busy > GENERATOR_BUSY_MAX:
        notes = [f"THE GENERATOR MAY BE THE BOTTLENECK: the clients' processes {shares}"]
    else:
        notes = [f"the clients' processes {shares} at most, so they kept up"]
    notes.append(_clients_waited(measured))
    if waited > WAITED_MAX:
        notes.append(
            f"THE MACHINE WAS NOT QUIET: a server waited {waited:.0%} of the time for its core, which other programs "
            "used; the numbers are not to be relied on"
        )
    stolen = max(one.stolen_s / one.wall_s for one in measured)
    if stolen > STOLEN_MAX:
        notes.append(
            f"THE HOST WAS NOT QUIET: it kept {stolen:.0%} of a core from this machine; the numbers are not to be "
            "relied on"
        )
    return notes


def _crowd_share(measured: Measured) -> str:
    if not measured.crowd_busy:
        return ""
    crowd = f"{measured.crowd_busy:.0%} to count, at nice {NICENESS}"
    return f" ({measured.measuring_busy:.0%} to publish and measure, {crowd})"


def _clients_waited(measured: Sequence[Measured]) -> str:
    measuring = max(one.measuring_waited_s / one.wall_s for one in measured)
    crowd = max(one.crowd_waited_s / one.wall_s for one in measured)
    if not any(one.crowd_busy for one in measured):
        return f"the clients' process waited {measuring:.1%} of the time for its core, at most; lateness has that in it"
    return (
        f"for the core that they share the measuring process waited {measuring:.1%} of the time, the counting "
        f"one {crowd:.1%}, at most; lateness and spread have that in them"
    )
