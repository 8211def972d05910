"""All clients of one server: a few checkers in this process, and the counters in theirs.

A group is the clients that joined a room with the same request. All of them receive the same frames, so each counter
must have received, to the byte, what the checkers of its group received.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterator
from typing import NamedTuple

import msgspec

from touchline_loadtest.checks.room_check import RoomCheck
from touchline_loadtest.clients.checkers import Checker, CheckerPool
from touchline_loadtest.counters import commands
from touchline_protocol.messages import RoomRequest

from .counter_link import CounterLink, counter_process
from .machine import Cores

CHECKERS = 10
"""Checkers of a group: reading a frame costs many times as much as dropping it."""
CONNECTING_MAX = 500
"""Concurrent connection attempts, unless a scenario asks for a storm: fewer than a listener's backlog."""
CONNECT_TIMEOUT_S = 60.0


class EventTimes(NamedTuple):
    """When the first and the last client had an event (monotonic clock), and how many clients had it."""

    first_ns: int
    last_ns: int
    clients: int


class Group:
    """Checkers and counters with the same ``request``, which is None for a baseline.

    ``events`` is how many each client must have received since it joined. A baseline's frames cannot be read by
    checkers, so there ``bytes`` is given instead.
    """

    def __init__(self, request: RoomRequest | None) -> None:
        self.request = request
        self.checkers: list[Checker] = []
        self.counters = 0
        self.events = 0
        self.bytes = 0

    @property
    def size(self) -> int:
        """The number of clients."""
        return len(self.checkers) + self.counters

    @property
    def checks(self) -> list[RoomCheck]:
        """The findings of its checkers."""
        return [checker.check for checker in self.checkers]

    @property
    def target_bytes(self) -> int:
        """The bytes that each client must have received."""
        return self.checkers[0].event_bytes if self.checkers else self.bytes

    @property
    def lacking(self) -> int:
        """How many of the checkers do not have exactly what they must have."""
        return sum((c.check.events, c.event_bytes) != (self.events, self.target_bytes) for c in self.checkers)


class Audience:
    """All groups of one server. Without a ``handshake`` the server does not speak WebSocket."""

    def __init__(self, counters: CounterLink, port: int, *, handshake: bool = True) -> None:
        self.counters = counters
        self.groups: list[Group] = []
        self._port = port
        self._handshake = handshake
        self._checkers = CheckerPool(port)

    def __len__(self) -> int:
        """The number of clients."""
        return sum(group.size for group in self.groups)

    @property
    def checks(self) -> list[RoomCheck]:
        """The findings of all checkers."""
        return [checker.check for checker in self._checkers.checkers]

    async def connect(
        self,
        count: int,
        request: RoomRequest | None = None,
        *,
        checkers: int = CHECKERS,
        at_once: int = CONNECTING_MAX,
        receive_buffer_bytes: int = 0,
        source: str = "127.0.0.1",
    ) -> Group:
        """Connect ``count`` clients, ``checkers`` of them checkers; returns their group when all have joined.

        A group that is going to receive events needs a checker. Unless all clients connect at once, the checkers are
        spread among the others, because the clients that joined first are written to first. Counters connect from the
        address ``source``.

        Raises:
            ClientsFailed: some could not connect or join.
        """
        group = Group(request)
        self.groups.append(group)
        checkers = min(checkers, count) if request is not None else 0
        command = commands.Connect(
            group=len(self.groups) - 1,
            port=self._port,
            count=count - checkers,
            at_once=at_once,
            timeout_s=CONNECT_TIMEOUT_S,
            handshake=self._handshake,
            request=request,
            receive_buffer_bytes=receive_buffer_bytes,
            source=source,
        )
        parts = 1 if at_once >= count else max(1, checkers)
        for counter_part, checker_part in zip(_shares(count - checkers, parts), _shares(checkers, parts), strict=True):
            await asyncio.gather(
                self._connect_counters(group, msgspec.structs.replace(command, count=counter_part)),
                self._connect_checkers(group, checker_part),
            )
        return group

    def expect(self, events: int, rooms: Collection[str]) -> int:
        """Expect ``events`` more in each of ``rooms``; returns the number of deliveries. Not for baselines."""
        deliveries = 0
        for group in self.groups:
            if group.request is not None and group.request.room in rooms:
                group.events += events
                deliveries += events * group.size
        return deliveries

    async def until_arrived(self, timeout_s: float) -> None:
        """Wait until all clients have received what they must have.

        Raises:
            ClientsFailed: some did not in time, or were lost.
        """
        checks = [(group, checker.check) for group in self.groups for checker in group.checkers]
        await self._checkers.until(
            lambda: all(check.events >= group.events for group, check in checks),
            timeout_s,
            lambda: f"{sum(check.events < group.events for group, check in checks)} clients lack events",
        )
        await self.counters.do(commands.Await(self._targets_bytes(), timeout_s))

    async def lacking(self) -> int:
        """How many clients do not have exactly what was published, to the byte."""
        self._checkers.raise_if_lost()
        totals = await self.counters.ask(commands.GetTotals(self._targets_bytes()), commands.Totals)
        return totals.off_target + sum(group.lacking for group in self.groups)

    async def reads_and_bytes(self) -> tuple[int, int]:
        """The number of reads of all clients until now, and the bytes of events that they brought."""
        totals = await self.counters.ask(commands.GetTotals(), commands.Totals)
        checkers = self._checkers.checkers
        return totals.reads + sum(c.reads for c in checkers), totals.bytes + sum(c.event_bytes for c in checkers)

    async def record(self) -> None:
        """From now on note when each client has each event, for `event_times`. There should be a single group."""
        for checker in self._checkers.checkers:
            checker.arrivals.clear()
        await self.counters.do(commands.Record())

    async def event_times(self, group: Group) -> list[EventTimes]:
        """When the clients of ``group`` had each event since `record`."""
        ends_bytes = [arrival.end_bytes for arrival in group.checkers[0].arrivals]
        times = await self.counters.ask(commands.GetTimes(ends_bytes), commands.Times)
        events = []
        for index, counted in enumerate(times.clients):
            here_ns = [checker.arrivals[index].now_ns for checker in group.checkers]
            first_ns, last_ns = ([times.first_ns[index]], [times.last_ns[index]]) if counted else ([], [])
            events.append(EventTimes(min(here_ns + first_ns), max(here_ns + last_ns), len(here_ns) + counted))
        return events

    async def pause(self, group: Group, count: int) -> None:
        """Stop reading from ``count`` counters of a group; `until_arrived` does not wait for them."""
        await self.counters.do(commands.Pause(self.groups.index(group), count))

    async def resume(self) -> None:
        """Read again from all paused counters."""
        await self.counters.do(commands.Resume())

    async def close(self) -> None:
        """Disconnect the checkers. The counters disconnect when their process ends."""
        await self._checkers.close()

    def _targets_bytes(self) -> list[int]:
        return [group.target_bytes for group in self.groups]

    async def _connect_counters(self, group: Group, command: commands.Connect) -> None:
        await self.counters.do(command)
        group.counters += command.count

    async def _connect_checkers(self, group: Group, count: int) -> None:
        if count and group.request is not None:
            group.checkers += await self._checkers.connect(count, group.request, CONNECT_TIMEOUT_S)


@contextlib.asynccontextmanager
async def open_audience(port: int, cores: Cores, *, handshake: bool = True) -> AsyncIterator[Audience]:
    """An audience, still without clients, for the server at ``port``; it has a counters' process of its own."""
    async with counter_process(cores.clients) as counters:
        audience = Audience(counters, port, handshake=handshake)
        try:
            yield audience
        finally:
            await audience.close()


def _shares(count: int, parts: int) -> Iterator[int]:
    """``count`` divided into ``parts``, as evenly as possible."""
    return (count * (part + 1) // parts - count * part // parts for part in range(parts))
