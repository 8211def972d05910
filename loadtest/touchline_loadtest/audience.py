"""All clients of one server: a few that are checked, in this process, and the crowd that counts, in its own.

A group is the clients that joined a room with one request. All of them are sent the same frames, so what a counting
client must have had, to the byte, is what the checked clients of its group had.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterator
from typing import NamedTuple

import msgspec

from touchline_protocol.messages import RoomRequest

from . import crowd_words as words
from .checking import OrderCheck
from .clients import CheckedClient, CheckedClients
from .crowd_link import CrowdLink, crowd_process
from .machine import Cores

CHECKED_CLIENTS = 10
"""Of a group: reading a frame costs many times as much as dropping it."""
CONNECTING_MAX = 500
"""Connections under way at once where a scenario does not ask for a storm: fewer than a listener's backlog."""
CONNECT_TIMEOUT_S = 60.0


class EventTimes(NamedTuple):
    """When the first and the last client had an event, of the monotonic clock, and how many had it."""

    first_ns: int
    last_ns: int
    clients: int


class Group:
    """``checked`` and ``counted`` clients with one request, None at a baseline.

    ``events`` is how many each of them must have had since it joined; at a baseline, which no checked client can read,
    ``bytes`` says it.
    """

    def __init__(self, request: RoomRequest | None) -> None:
        self.request = request
        self.checked: list[CheckedClient] = []
        self.counted = 0
        self.events = 0
        self.bytes = 0

    @property
    def size(self) -> int:
        """How many clients."""
        return len(self.checked) + self.counted

    @property
    def checks(self) -> list[OrderCheck]:
        """What its checked clients found."""
        return [client.check for client in self.checked]

    @property
    def target_bytes(self) -> int:
        """What each must have had."""
        return self.checked[0].event_bytes if self.checked else self.bytes

    @property
    def lacking(self) -> int:
        """How many of the checked clients have not exactly what they must have."""
        return sum((c.check.events, c.event_bytes) != (self.events, self.target_bytes) for c in self.checked)


class Audience:
    """All groups of one server. Without a ``handshake`` the server speaks no WebSocket."""

    def __init__(self, crowd: CrowdLink, port: int, *, handshake: bool = True) -> None:
        self.crowd = crowd
        self.groups: list[Group] = []
        self._port = port
        self._handshake = handshake
        self._here = CheckedClients(port)

    def __len__(self) -> int:
        """How many clients."""
        return sum(group.size for group in self.groups)

    @property
    def checks(self) -> list[OrderCheck]:
        """What the checked clients found."""
        return [client.check for client in self._here.clients]

    async def connect(
        self,
        count: int,
        request: RoomRequest | None = None,
        *,
        checked: int = CHECKED_CLIENTS,
        at_once: int = CONNECTING_MAX,
        receive_buffer_bytes: int = 0,
    ) -> Group:
        """Connect a group; returns it when all have joined the room of ``request``.

        A group that is to be sent events needs a checked client. Where not all connect at once, the checked ones are
        spread over the others: who joined first is written to first.

        Raises:
            CrowdFailed: not all of them could.
        """
        group = Group(request)
        self.groups.append(group)
        checked = min(checked, count) if request is not None else 0
        command = words.Connect(
            group=len(self.groups) - 1,
            port=self._port,
            count=count - checked,
            at_once=at_once,
            timeout_s=CONNECT_TIMEOUT_S,
            handshake=self._handshake,
            request=request,
            receive_buffer_bytes=receive_buffer_bytes,
        )
        parts = 1 if at_once >= count else max(1, checked)
        for counted_part, checked_part in zip(_shares(count - checked, parts), _shares(checked, parts), strict=True):
            await asyncio.gather(
                self._connect_counted(group, msgspec.structs.replace(command, count=counted_part)),
                self._connect_checked(group, checked_part),
            )
        return group

    def expect(self, events: int, rooms: Collection[str]) -> int:
        """So many more events were, or will be, published to each of ``rooms``; returns how many deliveries these are.

        A baseline has no rooms.
        """
        deliveries = 0
        for group in self.groups:
            if group.request is not None and group.request.room in rooms:
                group.events += events
                deliveries += events * group.size
        return deliveries

    async def until_arrived(self, timeout_s: float) -> None:
        """Wait until all clients have what they must have.

        Raises:
            CrowdFailed: they did not in time.
        """
        checked = [(group, client.check) for group in self.groups for client in group.checked]
        await self._here.until(
            lambda: all(check.events >= group.events for group, check in checked),
            timeout_s,
            lambda: f"got all events: {sum(check.events < group.events for group, check in checked)} lack some",
        )
        await self.crowd.do(words.Await(self._targets_bytes(), timeout_s))

    async def lacking(self) -> int:
        """How many clients have not exactly what was published, to the byte."""
        self._here.raise_if_lost()
        looked = await self.crowd.ask(words.Look(self._targets_bytes()), words.Looked)
        return looked.unlike + sum(group.lacking for group in self.groups)

    async def reads_and_bytes(self) -> tuple[int, int]:
        """What all clients have read of events until now, and in how many reads."""
        looked = await self.crowd.ask(words.Look(), words.Looked)
        here = self._here.clients
        return looked.reads + sum(c.reads for c in here), looked.bytes + sum(c.event_bytes for c in here)

    async def record(self) -> None:
        """Note from now on when each client has each event, for `recorded`. There should be one group."""
        for client in self._here.clients:
            client.arrivals.clear()
        await self.crowd.do(words.Record())

    async def recorded(self, group: Group) -> list[EventTimes]:
        """When the clients of ``group`` had each event that came since `record`."""
        ends_bytes = [arrival.end_bytes for arrival in group.checked[0].arrivals]
        times = await self.crowd.ask(words.When(ends_bytes), words.Times)
        events = []
        for place, counted in enumerate(times.clients):
            here_ns = [client.arrivals[place].now_ns for client in group.checked]
            first_ns, last_ns = ([times.first_ns[place]], [times.last_ns[place]]) if counted else ([], [])
            events.append(EventTimes(min(here_ns + first_ns), max(here_ns + last_ns), len(here_ns) + counted))
        return events

    async def pause(self, group: Group, count: int) -> None:
        """Read no more from so many counting clients of a group: nothing that they lack is waited for."""
        await self.crowd.do(words.Pause(self.groups.index(group), count))

    async def resume(self) -> None:
        """Read again from all that were paused."""
        await self.crowd.do(words.Resume())

    async def close(self) -> None:
        """The checked clients leave; the others do when their process ends."""
        await self._here.close()

    def _targets_bytes(self) -> list[int]:
        return [group.target_bytes for group in self.groups]

    async def _connect_counted(self, group: Group, command: words.Connect) -> None:
        await self.crowd.do(command)
        group.counted += command.count

    async def _connect_checked(self, group: Group, count: int) -> None:
        if count and group.request is not None:
            group.checked += await self._here.connect(count, group.request, CONNECT_TIMEOUT_S)


@contextlib.asynccontextmanager
async def audience_of(port: int, cores: Cores, *, handshake: bool = True) -> AsyncIterator[Audience]:
    """The audience of the server at ``port``, with a crowd's process of its own."""
    async with crowd_process(cores.clients) as crowd:
        audience = Audience(crowd, port, handshake=handshake)
        try:
            yield audience
        finally:
            await audience.close()


def _shares(count: int, parts: int) -> Iterator[int]:
    """``count`` in ``parts`` that are as equal as can be."""
    return (count * (part + 1) // parts - count * part // parts for part in range(parts))
