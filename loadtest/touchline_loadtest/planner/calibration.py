"""Measures the costs that plans are made from, on this machine, with a real broker.

Each run is a load of its own shape on a fresh server: many records that nobody watches, many small rooms, a large one,
large events, many connections. `fit` needs runs that differ in what they have much of. The runs in `CHECKED` are of
shapes in between, and the costs are not derived from them: they tell how far predictions are off.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from touchline_loadtest.measure import machine
from touchline_loadtest.measure.audience import open_audience
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.measurement import Load, measure
from touchline_loadtest.measure.observation import slab_kib
from touchline_loadtest.measure.server_under_test import server_under_test
from touchline_loadtest.publish.publisher import FEED
from touchline_loadtest.scenarios import joins
from touchline_loadtest.scenarios.players import actions
from touchline_protocol.messages import RoomRequest
from touchline_protocol.version import __version__

from .costs import Costs, CpuCosts, Run
from .fit import fit

PARTITIONS = 8
WARM_UP_S = 1.0
IDLE_CONNECTIONS = 100
"""Connected before the first look at the memory, so that one-time allocations are not attributed to the others."""
SETTLE_S = 2.0
"""How long the memory is left alone before a look at it."""


class Shape(NamedTuple):
    """A load: ``rooms`` with ``per_room`` clients each. ``unwatched`` rooms have as many events, and no client."""

    name: str
    rooms: int
    per_room: int
    rate_hz: float
    event_bytes: int
    unwatched: int = 0


FITTED = (
    Shape("nobody watches, seldom", 1, 1, 1, 200, unwatched=50),
    Shape("nobody watches", 1, 1, 1, 200, unwatched=400),
    Shape("nobody watches, often", 1, 1, 10, 200, unwatched=400),
    Shape("nobody watches, very often", 1, 1, 40, 200, unwatched=400),
    Shape("nobody watches large events", 1, 1, 2, 4000, unwatched=400),
    Shape("few rooms of one client", 50, 1, 4, 200),
    Shape("rooms of one client", 400, 1, 10, 200),
    Shape("rooms of four clients", 400, 4, 10, 200),
    Shape("one room", 1, 2000, 20, 200),
    Shape("one room, small events", 1, 1000, 40, 100),
    Shape("one room, large events", 1, 1000, 10, 4000),
    Shape("one room, many clients", 1, 8000, 4, 200),
    Shape("rooms of 50 clients, larger events", 40, 50, 10, 1000),
    Shape("almost idle", 1, 500, 1, 200),
)
CHECKED = (
    Shape("rooms of 100 clients", 30, 100, 5, 400),
    Shape("rooms of ten clients", 200, 10, 10, 300),
    Shape("one room of 5,000", 1, 5000, 6, 300),
    Shape("500 clients, often", 1, 500, 80, 100),
    Shape("rooms beside many that nobody watches", 20, 100, 5, 600, unwatched=200),
)


class Sizes(msgspec.Struct, frozen=True):
    """``scale`` divides clients and rooms, for a trial."""

    seconds: float = 5.0
    scale: float = 1.0
    join_clients: int = 5000
    memory_clients: int = 8000
    players: int = 500

    def scaled(self, count: int) -> int:
        """A count at this scale."""
        return max(1, round(count * self.scale))


async def calibrate(bench: Bench, sizes: Sizes) -> Costs:
    """Measure everything; takes about four minutes.

    Raises:
        ClientsFailed, ProcessFailed: a measurement failed.
    """
    runs = [
        await _run(bench, sizes, shape, fitted=shape in FITTED, number=number)
        for number, shape in enumerate([*FITTED, *CHECKED], 1)
    ]
    bench.say("memory of connections")
    connection_kib, kernel_kib, base_mib = await _memory(bench, sizes.scaled(sizes.memory_clients))
    joined = await joins.run(bench, joins.Sizes(clients=sizes.scaled(sizes.join_clients)))
    acting = actions.Sizes(seconds=sizes.seconds, runs=1, clients=sizes.scaled(sizes.players))
    acted = await actions.run(bench, acting)
    return Costs(
        machine=machine.describe(),
        touchline=__version__,
        measured=time.strftime("%Y-%m-%d", time.gmtime()),
        cpu=_costs([run for run, _ in runs]),
        join_us=round(joined.row("server's CPU per join").value, 1),
        action_us=round(acted.row("server's CPU per action").value, 1),
        connection_kib=round(connection_kib, 2),
        kernel_kib=round(kernel_kib, 2),
        base_mib=round(base_mib, 1),
        frame_bytes=round(runs[-1][1], 1),
        runs=[run for run, _ in runs],
    )


def _costs(runs: Sequence[Run]) -> CpuCosts:
    return fit([run for run in runs if run.fitted])


async def _run(bench: Bench, sizes: Sizes, shape: Shape, *, fitted: bool, number: int) -> tuple[Run, float]:
    """Returns the run, and the bytes that a message had besides its event's data."""
    bench.say(f"run {number} of {len(FITTED) + len(CHECKED)}: {shape.name}")
    rooms = sizes.scaled(shape.rooms)
    per_room = shape.per_room if shape.rooms > 1 else sizes.scaled(shape.per_room)
    unwatched = sizes.scaled(shape.unwatched) if shape.unwatched else 0
    watched = [f"{FEED}:{index}" for index in range(rooms)]
    others = [f"{FEED}:unwatched-{index}" for index in range(unwatched)]
    load = Load([*watched, *others], shape.rate_hz, sizes.seconds, shape.event_bytes)
    async with server_under_test(bench, PARTITIONS) as server, open_audience(server.port, bench.cores) as audience:
        for room in watched:
            await audience.connect(per_room, RoomRequest(room=room), checkers=1 if rooms > 1 else 2)
        await measure(server.process, audience, server.publish, load._replace(seconds=WARM_UP_S))
        measured = await measure(server.process, audience, server.publish, load)
    run = Run(
        name=shape.name,
        connections=len(audience),
        seconds=round(measured.wall_s, 3),
        records=load.events * len(load.rooms),
        watched=load.events * rooms,
        deliveries=measured.deliveries,
        bytes=shape.event_bytes,
        cpu_s=round(measured.cpu_s, 4),
        fitted=fitted,
    )
    return run, measured.bytes / measured.deliveries - shape.event_bytes


async def _memory(bench: Bench, clients: int) -> tuple[float, float, float]:
    """KiB of an idle connection in the process and in the kernel, and MiB of the process without connections.

    The kernel has the objects of both ends of a connection here, so half of them count.
    """
    async with server_under_test(bench, PARTITIONS) as server, open_audience(server.port, bench.cores) as audience:
        request = RoomRequest(room=f"{FEED}:1")
        await audience.connect(IDLE_CONNECTIONS, request, checkers=0)
        await asyncio.sleep(SETTLE_S)
        own_kib, kernel_kib = server.process.own_memory_kib(), slab_kib()
        await audience.connect(clients, request, checkers=0)
        await asyncio.sleep(SETTLE_S)
        own_more_kib, kernel_more_kib = server.process.own_memory_kib() - own_kib, slab_kib() - kernel_kib
    return own_more_kib / clients, max(0.0, kernel_more_kib / clients / 2), own_kib / 1024
