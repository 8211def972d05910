"""One measurement: publish a number of events, wait until every client has all of them, and report what that took.

CPU time counts from before the first event is published until after the last one has arrived. It therefore includes
everything that the server did for them, such as accepting them and reading them from its log.
"""

import os
import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol, Self

from touchline_loadtest.counters import commands
from touchline_loadtest.publish.pace import publish_steadily
from touchline_loadtest.publish.publisher import Publish

from . import machine
from .audience import Audience
from .counter_link import CounterLink
from .processes import ChildProcess

ARRIVE_TIMEOUT_S = 30.0


class Load(NamedTuple):
    """What is published: ``seconds`` of ``rate_hz`` events a second to each of ``rooms``."""

    rooms: Sequence[str]
    rate_hz: float
    seconds: float
    event_bytes: int

    @property
    def events(self) -> int:
        """The number of events in one room."""
        return max(1, round(self.rate_hz * self.seconds))


class Measurement(NamedTuple):
    """What a load took.

    ``cpu_s`` is the server's CPU time, ``waited_s`` how long it waited for its core while others used it. Of the
    generator's two processes, ``measuring_busy`` and ``counters_busy`` are the shares of their core that they used, and
    ``measuring_waited_s`` and ``counters_waited_s`` how long they waited for it. ``stolen_s`` is what a virtual
    machine's host took from all cores together. ``reads`` are those of all clients: fewer than deliveries if the
    server, or the kernel because a client was late to read, joined several events.
    """

    deliveries: int
    reads: int
    bytes: int
    wall_s: float
    cpu_s: float
    waited_s: float
    measuring_busy: float
    counters_busy: float
    measuring_waited_s: float
    counters_waited_s: float
    stolen_s: float
    publisher_late_s: float

    @property
    def cpu_us(self) -> float:
        """The server's CPU time per delivery."""
        return self.cpu_s / self.deliveries * 1e6

    @property
    def core_percent(self) -> float:
        """The part of its core that the server used."""
        return self.cpu_s / self.wall_s * 100

    @property
    def busy(self) -> float:
        """The share of their core that both of the generator's processes used."""
        return self.measuring_busy + self.counters_busy


async def measure(
    process: ChildProcess, audience: Audience, publish: Publish, load: Load, *, counter_rest_s: float = 0.0
) -> Measurement:
    """Publish ``load`` and measure the server in ``process``.

    With ``counter_rest_s`` the counters read at that interval only, several events at once. That lets one core hold
    more of them, but the times at which events reached them mean nothing then.

    Raises:
        ClientsFailed: not everything arrived.
    """
    for check in audience.checks:
        check.latencies_ns.clear()
    await audience.counters.do(commands.SetPace(counter_rest_s))
    start = await Start.now(process, audience)
    late_s = await publish_steadily(
        publish, load.rooms, rate_hz=load.rate_hz, count=load.events, size_bytes=load.event_bytes
    )
    deliveries = audience.expect(load.events, load.rooms)
    await audience.until_arrived(ARRIVE_TIMEOUT_S)
    return await start.finish(deliveries, late_s)


async def measure_baseline(
    process: ChildProcess, audience: Audience, *, rate_hz: float, count: int, frame_bytes: int
) -> Measurement:
    """Let a baseline send ``count`` events to all of ``audience``, and measure it."""
    start = await Start.now(process, audience)
    process.send_numbers(rate_hz, count)
    for group in audience.groups:
        group.bytes += count * frame_bytes
    await audience.until_arrived(count / rate_hz + ARRIVE_TIMEOUT_S)
    return await start.finish(count * len(audience))


class Clients(Protocol):
    """What a measurement needs of clients that live in other processes too."""

    counters: CounterLink

    async def reads_and_bytes(self) -> tuple[int, int]:
        """The number of reads of all clients until now, and the bytes that they brought."""


class Start(NamedTuple):
    """All counts at the beginning of a measurement."""

    process: ChildProcess
    audience: Clients | None
    reads: int
    bytes: int
    waited_s: float
    measuring_s: float
    counters_s: float
    measuring_waited_s: float
    counters_waited_s: float
    stolen_s: float
    wall_s: float
    cpu_s: float

    @classmethod
    async def now(cls, process: ChildProcess, audience: Clients | None = None) -> Self:
        """Begin to measure ``process``. Without an ``audience`` all clients live in this process."""
        reads, size = await _reads_and_bytes(audience)
        counters_s, counters_waited_s = _counters_used(audience)
        return cls(
            process,
            audience,
            reads,
            size,
            process.waited_s(),
            time.process_time(),
            counters_s,
            machine.waited_s(os.getpid()),
            counters_waited_s,
            machine.stolen_s(),
            time.monotonic(),
            process.cpu_s(),
        )

    async def finish(self, deliveries: int, late_s: float = 0.0) -> Measurement:
        """Everything that has happened since the start."""
        cpu_s = self.process.cpu_s() - self.cpu_s
        wall_s = time.monotonic() - self.wall_s
        waited_s = self.process.waited_s() - self.waited_s
        measuring_s = time.process_time() - self.measuring_s
        measuring_waited_s = machine.waited_s(os.getpid()) - self.measuring_waited_s
        counters_s, counters_waited_s = _counters_used(self.audience)
        reads, size = await _reads_and_bytes(self.audience)
        return Measurement(
            deliveries=deliveries,
            reads=reads - self.reads,
            bytes=size - self.bytes,
            wall_s=wall_s,
            cpu_s=cpu_s,
            waited_s=waited_s,
            measuring_busy=measuring_s / wall_s,
            counters_busy=(counters_s - self.counters_s) / wall_s,
            measuring_waited_s=measuring_waited_s,
            counters_waited_s=counters_waited_s - self.counters_waited_s,
            stolen_s=machine.stolen_s() - self.stolen_s,
            publisher_late_s=late_s,
        )


async def _reads_and_bytes(audience: Clients | None) -> tuple[int, int]:
    return await audience.reads_and_bytes() if audience is not None else (0, 0)


def _counters_used(audience: Clients | None) -> tuple[float, float]:
    """The CPU seconds of the counters' process, and the seconds that it waited for its core."""
    return (audience.counters.cpu_s(), audience.counters.waited_s()) if audience is not None else (0.0, 0.0)
