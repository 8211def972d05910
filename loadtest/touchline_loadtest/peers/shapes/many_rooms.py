"""Very many small rooms: 10,000 of them with one event a second each, and as many clients as the limit of files allows.

Each event costs a server the work that is done once per event, and few clients share it. The events of all rooms are
spread evenly over each second. Clients and producer share a core, and the server has the other.
"""

import asyncio
import gc
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.machine import busy_s
from touchline_loadtest.measure.processes import ProcessFailed
from touchline_loadtest.peers.peer import Peer, PeerFailed, PeerMissing, PeerServer
from touchline_loadtest.publish.publisher import FEED
from touchline_loadtest.wire.event_values import event_value

from .entries import Entry
from .outcome import Delays, delays
from .scanner import Scanner, Tally, open_scanner

JOINING_MAX = 200
"""Clients that join at the same time."""
TICK_S = 0.005
"""Events that are due within one tick are published together, as a producer with some traffic does. The wait is part of
the latency, for all peers alike."""
QUIET_S = 2.0
"""When nothing has arrived for this long after the last event, nothing more is expected."""
SETTLE_MAX_S = 60.0


class Sizes(msgspec.Struct, frozen=True):
    """19,000 clients in 10,000 rooms. Each client has one connection, and is in ``rooms_each`` of the rooms."""

    rooms: int = 10_000
    clients: int = 19_000
    rooms_each: int = 1
    rate_hz: float = 1.0
    event_bytes: int = 512
    warm_up_s: float = 3.0
    seconds: float = 15.0


class Found(msgspec.Struct, frozen=True):
    """The result for one peer.

    ``late_ms`` is from when an event was due to when a client read it. ``server_cores`` is the share of its core that
    the server used, and ``per_core_hz`` the deliveries a second that a whole one would make at that cost.
    ``publish_late_ms_max`` is the producer's worst delay, which is part of ``late_ms``; ``clients_core`` is the share
    of the clients' core that was in use: above 0.9 the times are rather the clients' than the server's.
    """

    due: int
    arrived: int
    late_ms: Delays | None
    deliveries_hz: float
    server_cores: float
    per_core_hz: float
    publish_late_ms_max: float
    clients_core: float
    dropped: int

    @property
    def lost(self) -> int:
        """Events times the clients that did not receive them."""
        return self.due - self.arrived


class Standing(msgspec.Struct, frozen=True):
    """One row: a peer and what was found, or why it could not be measured."""

    name: str
    version: str
    found: Found | None
    missing: str = ""


async def run(bench: Bench, entries: Sequence[Entry], sizes: Sizes) -> list[Standing]:
    """Measure all of them, one after the other."""
    standings = []
    for entry in entries:
        bench.say(f"{entry.name}: {sizes.clients:,} clients in {sizes.rooms:,} rooms")
        version = ""
        try:
            version = entry.peer.version()
            if entry.one_room and sizes.rooms_each > 1:
                raise PeerMissing("its clients here are in one room each")
            found = await run_one(bench if entry.from_kafka else bench._replace(kafka=None), entry.peer, sizes)
        except (PeerMissing, PeerFailed, ProcessFailed, OSError) as error:
            bench.say(f"{entry.name} was not measured: {error}")
            standings.append(Standing(entry.name, version, None, str(error) or type(error).__name__))
        else:
            standings.append(Standing(entry.name, version, found))
    return standings


async def run_one(bench: Bench, peer: Peer, sizes: Sizes) -> Found:
    """Measure one peer.

    Raises:
        PeerMissing: it is not installed.
        PeerFailed, ProcessFailed: it did not start, refused a client or an event.
    """
    with tempfile.TemporaryDirectory() as folder:
        async with peer.serve(bench, Path(folder)) as server:
            tally = Tally()
            async with _clients(server, sizes, tally):
                return await _measure(bench, server, sizes, tally)


@asynccontextmanager
async def _clients(server: PeerServer, sizes: Sizes, tally: Tally) -> AsyncIterator[None]:
    scanners: list[Scanner] = []
    try:
        for begin in range(0, sizes.clients, JOINING_MAX):
            numbers = range(begin, min(begin + JOINING_MAX, sizes.clients))
            scanners += await asyncio.gather(
                *(open_scanner(server.dialect, server.port, _rooms_of(number, sizes), tally) for number in numbers)
            )
        yield
    finally:
        for scanner in scanners:
            scanner.close()


def _rooms_of(client: int, sizes: Sizes) -> list[str]:
    """The rooms of a client, spread so that their events do not come together, and could not share a write."""
    distance = max(1, sizes.rooms // sizes.rooms_each)
    return [f"{FEED}:{(client + number * distance) % sizes.rooms}" for number in range(sizes.rooms_each)]


async def _measure(bench: Bench, server: PeerServer, sizes: Sizes, tally: Tally) -> Found:
    events = _count(sizes, sizes.warm_up_s) + _count(sizes, sizes.seconds)
    gc.collect()
    gc.freeze()  # thousands of clients: a collection of all of them would be measured as their server's delay
    try:
        await _publish(server, sizes, sizes.warm_up_s)
        began_ns = time.monotonic_ns()
        cpu_s, core_s = server.process.cpu_s(), busy_s(bench.cores.clients)
        publish_late_ns = await _publish(server, sizes, sizes.seconds)
        clients_core = (busy_s(bench.cores.clients) - core_s) / (time.monotonic_ns() - began_ns) * 1e9
        await _settle(tally, events * sizes.clients * sizes.rooms_each)
        cpu_s = server.process.cpu_s() - cpu_s
    finally:
        gc.unfreeze()
    elapsed_s = (tally.due_ns[-1] + tally.late_ns[-1] - began_ns) / 1e9
    late_ns = [late for due, late in zip(tally.due_ns, tally.late_ns, strict=True) if due >= began_ns]
    return Found(
        due=_count(sizes, sizes.seconds) * sizes.clients * sizes.rooms_each,
        arrived=len(late_ns),
        late_ms=delays(late_ns),
        deliveries_hz=len(late_ns) / elapsed_s,
        server_cores=cpu_s / elapsed_s,
        per_core_hz=len(late_ns) / cpu_s,
        publish_late_ms_max=publish_late_ns / 1e6,
        clients_core=clients_core,
        dropped=len(tally.lost),
    )


async def _publish(server: PeerServer, sizes: Sizes, seconds: float) -> int:
    """Publish to all rooms for ``seconds``, all that is due at a tick together; returns the worst delay in nanoseconds.

    The rooms take turns, so that their events are spread evenly over the interval between two events of one room. Each
    event carries the time at which it was due.
    """
    interval_ns = 1e9 / (sizes.rate_hz * sizes.rooms)
    total = _count(sizes, seconds) * sizes.rooms
    began_ns = time.monotonic_ns()
    sent, late_ns = 0, 0
    while sent < total:
        due = min(total, 1 + int((time.monotonic_ns() - began_ns) / interval_ns))
        events = []
        for number in range(sent, due):
            turn, room = divmod(number, sizes.rooms)
            due_ns = began_ns + int(number * interval_ns)
            events.append((f"{FEED}:{room}", event_value(due_ns, sizes.event_bytes, turn)))
        if events:
            await server.publish_all(events)
            late_ns = max(late_ns, time.monotonic_ns() - began_ns - int(sent * interval_ns))
            sent = due
        await asyncio.sleep(max(0.0, (began_ns + sent * interval_ns - time.monotonic_ns()) / 1e9, TICK_S))
    return late_ns


def _count(sizes: Sizes, seconds: float) -> int:
    """How many events each room gets in ``seconds``."""
    return max(1, round(seconds * sizes.rate_hz))


async def _settle(tally: Tally, expected: int) -> None:
    """Wait until that many have arrived, or nothing arrives any more."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + SETTLE_MAX_S
    arrived, since_s = -1, loop.time()
    while len(tally.due_ns) < expected and loop.time() < min(deadline_s, since_s + QUIET_S):
        if len(tally.due_ns) != arrived:
            arrived, since_s = len(tally.due_ns), loop.time()
        await asyncio.sleep(TICK_S)
