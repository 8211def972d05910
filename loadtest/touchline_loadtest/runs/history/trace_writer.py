"""Writes what the clients of one process see.

It neither waits nor uses a timer, a thread or a loop, so it serves gevent and asyncio alike. An item costs less than a
microsecond or two, and each write, once a second or after 8,192 items, a few milliseconds.
"""

from collections.abc import Callable
from pathlib import Path

from touchline_loadtest.checks.actions import Acted, ActionEntry
from touchline_loadtest.checks.closes import Cause, Close, Opening
from touchline_loadtest.checks.trace import Item, TraceSink
from touchline_loadtest.clock import now_ms
from touchline_loadtest.runs.files import TRACES
from touchline_protocol.messages import Deliver

from .block_file import BlockWriter
from .blocks import TraceBlock, TraceHead


class TraceWriter(BlockWriter):
    """Appends to ``traces/`` of a run folder. Create it in the process that uses it, after any fork."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / TRACES)
        self._items: dict[int, list[Item]] = {}
        self._block = TraceBlock(now_ms())

    def trace(self, client: str, room: str, deliver: Deliver = "all", *, shows_skips: bool = True) -> TraceSink:
        """Begin a trace: what ``client`` sees of ``room``, over all of its connections.

        ``shows_skips`` is False for a client that cannot tell which events the server has left out.
        """
        number = len(self._items)
        items = self._items[number] = []
        self._block.traces.append(TraceHead(number, client, room, deliver, shows_skips))
        self._count()
        return _WrittenTrace(client, room, deliver, items, self._count)

    def closed(self, close: Close) -> None:
        """A connection has ended."""
        self._block.closes.append(close)
        self._count()

    def opened(self, opening: Opening) -> None:
        """A connection has begun."""
        self._block.openings.append(opening)
        self._count()

    def cause(self, cause: Cause) -> None:
        """Something happened that may end connections."""
        self._block.causes.append(cause)
        self._count()

    def acted(self, acted: Acted) -> None:
        """A player has acted, or learned what became of it."""
        self._block.acted.append(acted)
        self._count()

    def handed_out(self, reader: str, action: ActionEntry) -> None:
        """A reader of the log of actions has received one."""
        self._block.handed_out.setdefault(reader, []).append(action)
        self._count()

    def _take_block(self) -> TraceBlock:
        block, self._block = self._block, TraceBlock(now_ms())
        for number, items in self._items.items():
            if items:
                block.items[number] = items.copy()
                items.clear()
        return block


class _WrittenTrace:
    """Keeps the items of a trace until they are written."""

    __slots__ = ("_append", "_note", "client", "deliver", "room")

    def __init__(self, client: str, room: str, deliver: Deliver, items: list[Item], note: Callable[[], None]) -> None:
        self.client = client
        self.room = room
        self.deliver: Deliver = deliver
        self._append = items.append
        self._note = note

    def add(self, item: Item) -> None:
        self._append(item)
        self._note()
