"""One room as a keeper has it in memory: what records up to its head made of it, and what of that Redis lacks.

Pure. The rule of a state (which key is kept, in how many bytes) is the edge's own: `KeyedState`.
"""

from collections.abc import Iterable

from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record, parse_event
from touchline_server.core.room_keeping import NULL, KeptEntry, KeptRoom, RoomChange
from touchline_server.core.rooms.keyed_state import KeyedState
from touchline_server.core.rooms.partition_window import EVENT_OVERHEAD_BYTES, PartitionWindow, RoomEvent, room_event

ROOM_OVERHEAD_BYTES = 1_500
"""What a room costs beside its events, as measured with tracemalloc."""
REMOVALS_MAX = 1_000
"""Removed keys that a room keeps as such, where it may have them in another partition too. The oldest are forgotten."""
NO_HEAD = -1


class KeptContents(KeyedState):
    """A room of ``window``'s partition. ``head`` is its newest offset, `NO_HEAD` if it has no records.

    ``keeps_removals``: the room may have records in several partitions, and a removal here outweighs a value there.
    """

    __slots__ = ("_changed", "_removals", "_window", "head", "keeps_removals", "name", "ts")

    def __init__(self, name: str, window: PartitionWindow, state_bytes_max: int, *, keeps_removals: bool) -> None:
        super().__init__(state_bytes_max, loaded=True, history_read=True)
        self.name = name
        self.head = NO_HEAD
        self.ts = 0
        self.keeps_removals = keeps_removals
        self._window = window
        self._changed: set[str] = set()
        self._removals: dict[str, KeptEntry] = {}

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        events = len(self.state) + len(self._removals)
        return ROOM_OVERHEAD_BYTES + self._state_bytes + EVENT_OVERHEAD_BYTES * events

    def restore(self, kept: KeptRoom) -> None:
        """Take over what is kept of the room."""
        self.head, self.ts, self.state_full = kept.head, kept.ts, kept.full
        for key, entry in sorted(kept.entries.items(), key=lambda item: item[1].offset):
            if entry.value == NULL:
                self._removals[key] = entry
            else:
                self._keep(key, self._event(entry.offset, key, entry.ts, entry.value))

    def take(self, records: Iterable[Record], key_field: str | None) -> None:
        """Take in the records above the head. Those that make no event are passed over: edges report them."""
        for record in records:
            if record.offset <= self.head:
                continue
            try:
                key, value = parse_event(record, key_field)
            except BadRecord:
                continue
            self.head = record.offset
            self.ts = record.timestamp
            if key is not None:
                self._take_keyed(key, self._event(record.offset, key, record.timestamp, value))

    def change(self, room_id: str, follows: int) -> RoomChange:
        """What Redis lacks, where the room has the head ``follows``. From now on it is taken to have it."""
        changed, self._changed = self._changed, set()
        entries: dict[str, KeptEntry] = {}
        removed: list[str] = []
        for key in changed:
            if (event := self.state.get(key)) is not None:
                entries[key] = KeptEntry(event.offset, event.ts, event.value)
            elif (removal := self._removals.get(key)) is not None:
                entries[key] = removal
            else:
                removed.append(key)
        return RoomChange(room_id, follows, self.head, self.ts, self.state_full, entries, removed)

    def forget_oldest(self, event: RoomEvent) -> None:
        """See `EventHolder.forget_oldest`. No event is ever put into the window."""

    def _event(self, offset: int, key: str, ts: int, value: bytes) -> RoomEvent:
        return room_event(self, self._window, offset, key, ts, value)

    def _take_keyed(self, key: str, event: RoomEvent) -> None:
        self._changed.add(key)
        self._keep(key, event)
        self._removals.pop(key, None)
        if self.keeps_removals and key not in self.state:
            self._removals[key] = KeptEntry(event.offset, event.ts, NULL)
            if len(self._removals) > REMOVALS_MAX:
                oldest = next(iter(self._removals))
                del self._removals[oldest]
                self._changed.add(oldest)
