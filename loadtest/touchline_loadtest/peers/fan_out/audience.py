"""All clients of one peer, in one room: thousands that count events in another process, ten here that read them.

The counters prove that nobody lacks an event or has one twice; the readers prove the order, and measure latency.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Sequence

from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.counters import commands
from touchline_loadtest.measure.counter_link import CounterLink, counter_process
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.peers.client import JOIN_TIMEOUT_S, PeerClient, join
from touchline_loadtest.peers.peer import Dialect, Received, RoomStart
from touchline_loadtest.wire.event_values import MARK

READERS = 10
CONNECTING_MAX = 500
"""Concurrent connection attempts: fewer than a listener's backlog."""
POLL_S = 0.002


class EventCheck:
    """What one reader has had since `begin`. Events have the numbers 0, 1, 2 and so on."""

    def __init__(self) -> None:
        self.events = 0
        self.out_of_order = 0
        self.latencies_ns: list[int] = []
        self._next = 0

    def begin(self) -> None:
        """A measurement begins: its first event has the number 0."""
        self.latencies_ns.clear()
        self._next = 0

    def receive(self, events: Sequence[Received], now_ns: int) -> None:
        """Check events that arrived."""
        for event in events:
            self.events += 1
            self.out_of_order += event.number != self._next
            self._next = event.number + 1
            self.latencies_ns.append(now_ns - event.due_ns)


class PeerAudience:
    """The clients of one server."""

    def __init__(self, counters: CounterLink, dialect: Dialect, port: int, room: str) -> None:
        self.counters = counters
        self.checks: list[EventCheck] = []
        self.events = 0
        self._dialect = dialect
        self._port = port
        self._start = [RoomStart(room)]
        self._readers: list[PeerClient] = []
        self._counting = 0

    def __len__(self) -> int:
        """The number of clients."""
        return len(self._readers) + self._counting

    async def connect(self, count: int, *, readers: int = 0) -> None:
        """Connect ``count`` more clients; returns when all are in the room. ``readers`` of them read.

        Raises:
            ClientsFailed, PeerFailed: some could not connect or join.
        """
        command = commands.ConnectBySteps(
            port=self._port,
            count=count - readers,
            at_once=CONNECTING_MAX,
            timeout_s=JOIN_TIMEOUT_S,
            steps=self._dialect.opening(self._port, self._start),
            mark=MARK,
        )
        await _all(self.counters.do(command), *(self._connect_reader() for _ in range(readers)))
        self._counting += count - readers

    def begin(self) -> None:
        """A measurement begins."""
        for check in self.checks:
            check.begin()

    async def until_arrived(self, events: int, timeout_s: float) -> None:
        """Wait until all clients have had ``events`` more.

        Raises:
            ClientsFailed: some did not in time, or were lost.
        """
        self.events += events
        await _all(self._until_read(timeout_s), self.counters.do(commands.AwaitEvents(self.events, timeout_s)))

    async def wrong(self) -> int:
        """How many events readers had out of order; plus 1 for readers, and 1 for counters, with a wrong number."""
        counted = await self.counters.ask(commands.GetEvents(), commands.Events)
        read_wrong = any(check.events != self.events for check in self.checks)
        counted_wrong = self._counting > 0 and (counted.least, counted.most) != (self.events, self.events)
        return sum(check.out_of_order for check in self.checks) + read_wrong + counted_wrong

    async def reads_and_bytes(self) -> tuple[int, int]:
        """The number of reads of the counters until now, and the bytes that they brought."""
        totals = await self.counters.ask(commands.GetTotals(), commands.Totals)
        return totals.reads, totals.bytes

    def close(self) -> None:
        """Disconnect the readers. The counters disconnect when their process ends."""
        for reader in self._readers:
            reader.close()

    async def _connect_reader(self) -> None:
        check = EventCheck()
        self._readers.append(await join(self._dialect, self._port, self._start, check.receive))
        self.checks.append(check)

    async def _until_read(self, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while any(check.events < self.events for check in self.checks):
            if lost := [reader.lost for reader in self._readers if reader.lost]:
                raise ClientsFailed(f"{len(lost)} clients were lost; the first one: {lost[0]}")
            if time.monotonic() > deadline_s:
                raise ClientsFailed(f"after {timeout_s:g} s clients lack events")
            await asyncio.sleep(POLL_S)


async def _all(*waits: Awaitable[None]) -> None:
    """Wait for all, even if one fails: the counters take no other command before they have answered.

    Raises:
        ClientsFailed, PeerFailed: one failed; the first one in order is raised.
    """
    for result in await asyncio.gather(*waits, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


@contextlib.asynccontextmanager
async def open_audience(dialect: Dialect, port: int, cores: Cores, room: str) -> AsyncIterator[PeerAudience]:
    """An audience, still without clients; it has a counters' process of its own."""
    async with counter_process(cores.clients) as counters:
        audience = PeerAudience(counters, dialect, port, room)
        try:
            yield audience
        finally:
            audience.close()
