"""Records of a partition that were read once, for all catch-ups of all its rooms that miss any of them."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Generic

from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record
from touchline_protocol.rooms import split_room
from touchline_server.core.clients.client import ClientHub, ClientRoom, ClientSubscription
from touchline_server.core.clocks import LoopMs
from touchline_server.core.effects import Owner
from touchline_server.core.log import Chunk
from touchline_server.core.rooms.encoding import STEP_BYTES
from touchline_server.core.rooms.partition_window import PartitionWindow, RoomEvent


class SharedChunk(Generic[Owner]):
    """All records with ``after < offset <= reached``, as of a generation of the window.

    A room's events are made and encoded once, when they are first asked for.
    """

    __slots__ = ("_by_key", "_rooms", "_terms", "after", "generation", "reached", "started_ms", "window")

    def __init__(self, window: PartitionWindow, after: int, chunk: Chunk, started_ms: LoopMs) -> None:
        self.window = window
        self.generation = window.generation
        self.after = after
        self.reached = chunk.reached
        self.started_ms = started_ms
        self._terms = chunk.terms
        self._by_key: defaultdict[bytes | None, list[Record]] = defaultdict(list)
        for record in chunk.records:
            try:
                self._by_key[record.key].append(record)
            except BadRecord:
                continue
        self._rooms: dict[tuple[ClientRoom[Owner], int], Sequence[RoomEvent]] = {}

    @property
    def size_bytes(self) -> int:
        """The size of its records' values."""
        return sum(len(record.value or b"") for records in self._by_key.values() for record in records)

    def covers(self, cursor: int) -> bool:
        """Whether what follows a cursor begins in it, and nothing of the partition was lost since it was read."""
        return self.after <= cursor < self.reached and self.generation == self.window.generation

    def parts(
        self, hub: ClientHub[Owner], subscription: ClientSubscription[Owner]
    ) -> Iterator[tuple[Sequence[RoomEvent], int]]:
        """What a subscription misses, in parts as large as a step, each with the offset that it brings the client to.

        Events above the room's floor are left to the window.
        """
        reached = min(self.reached, subscription.room.contents.floor)
        events = self._events(hub, subscription)
        begin = bisect_right(events, subscription.cursor, key=_offset)
        size = 0
        for position in range(begin, bisect_right(events, reached, key=_offset)):
            event = events[position]
            size += event.size
            if size >= STEP_BYTES:
                yield events[begin : position + 1], event.offset
                begin, size = position + 1, 0
        yield events[begin : bisect_right(events, reached, key=_offset)], reached

    def _events(self, hub: ClientHub[Owner], subscription: ClientSubscription[Owner]) -> Sequence[RoomEvent]:
        """A room's events for clients that know a term: it tells which event announces another one."""
        room, term = subscription.room, subscription.term
        events = self._rooms.get((room, term))
        if events is None:
            records = self._by_key.get(split_room(room.name)[1].encode(), ())
            prev = subscription.replayed if subscription.cursor == self.after else None
            chunk = Chunk(records, self.reached, self._terms)
            events = self._rooms[room, term] = (
                hub.replayed(room, self.window, chunk, prev=prev, term=term) if records else ()
            )
        return events


def _offset(event: RoomEvent) -> int:
    return event.offset
