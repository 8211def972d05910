"""The state of a room: the newest event of each key, within a bound, and the removals that must not be undone.

Rule: keys that newer events removed are remembered for as long as older events may come, so that an older value cannot
bring them back. Older events come until a `RoomStore` has answered (``loaded``), until the topic has been read for the
first time and read back (``history_read``), and always in a room with records in several partitions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Event

from .partition_window import RoomEvent

_LARGEST = (1 << 63) - 1
_EMPTY = Event(room="", offset=_LARGEST, prev=_LARGEST, ts=-_LARGEST - 1, data=msgspec.Raw(b""), key="", epoch="")
STATE_ENTRY_BYTES = len(JSON.encode(_EMPTY)) + 1
"""What an event of the state takes in a message beside its texts and its value, with the comma behind it."""

FLOAT_BYTES = 5
"""How many bytes more a number with a fraction or an exponent takes in MessagePack than in JSON: at most 9 in the place
of 3 and a comma. Nothing else takes more there."""

_DIGIT, _FLOAT_MARK, _OTHER = b"\0\1\2"
_CLASSES = bytes(_DIGIT if char in b"0123456789" else _FLOAT_MARK if char in b".eE" else _OTHER for char in range(256))

REMOVED_KEYS_MAX = 10_000
"""Removed keys remembered until a room is loaded, some 100 bytes each. Only a store that lags behind this edge could
bring a removed key back, so the oldest can be forgotten then. While the log is read back none can: beyond this many,
the room takes in no more keys, and its state is incomplete."""


_FLOAT = bytes([_DIGIT, _FLOAT_MARK])
_encode = msgspec.json.Encoder().encode


class StoredEvents(NamedTuple):
    """The events of a `StoredRoom`; see there."""

    head: int | None
    state: Sequence[RoomEvent]
    elsewhere: Sequence[RoomEvent] = ()
    partitions: int = 0
    complete: bool = True


class KeyedState:
    """The keyed events of one room, and what is remembered while older ones may come.

    ``partitions`` is a bit mask of those that the room has had records in; 0 if it never had any outside of its home.
    ``reading_back``: older events are being read from the log.
    """

    __slots__ = (
        "_cut",
        "_is_partial",
        "_overtaken",
        "_removed",
        "_state_bytes",
        "history_read",
        "loaded",
        "partitions",
        "reading_back",
        "state",
        "state_bytes_max",
        "state_full",
    )

    def __init__(self, state_bytes_max: int, *, loaded: bool, history_read: bool) -> None:
        self.state_bytes_max = state_bytes_max
        self.state: dict[str, RoomEvent] = {}
        self.state_full = False
        self.loaded = loaded
        self.history_read = history_read
        self.reading_back = False
        self.partitions = 0
        self._cut = False  # keys are missing from the state, whatever was read
        self._is_partial = False  # state from a partition that is not the home is lost, and not read again
        self._overtaken = False  # lost records may have changed what older ones say
        self._state_bytes = 0
        self._removed: dict[str, int] | None = None

    @property
    def state_bytes(self) -> int:
        """How many bytes the state takes in a message."""
        return self._state_bytes

    def had_records_in(self, partition: int) -> bool:
        """Whether records of the room were read from a partition other than its home."""
        return bool(self.partitions >> partition & 1)

    def is_obsolete(self, event: RoomEvent) -> bool:
        """Whether the state has a newer event of the same key, so that ``deliver: latest`` can do without this one."""
        if event.key is None:
            return False
        newest = self.state.get(event.key)
        return newest is not None and newest.window is event.window and newest.offset > event.offset

    @property
    def _lacks_keys(self) -> bool:
        return self.state_full or self._cut or self._is_partial or self._overtaken

    def _keep(self, key: str, event: RoomEvent) -> None:
        """Let a keyed event take the place of the one before it in the state."""
        before = self.state.get(key)
        size = self._state_bytes - (0 if before is None else _state_size(before))
        if event.removes:
            self.state.pop(key, None)
            self._remember_removal(key, event.offset)
        elif size + (entry := _state_size(event)) <= self.state_bytes_max:
            size += entry
            self.state[key] = event
        else:
            # An old value that no longer holds must not stay: no value is better than a wrong one.
            self.state.pop(key, None)
            self.state_full = True
            self._remember_removal(key, event.offset)
        self._state_bytes = size

    def _add_stored(self, stored: StoredEvents, from_elsewhere: int) -> None:
        """Add what a store knew. Keys that are known here are newer, unless its offset is ``from_elsewhere`` or below:
        then it is from another partition, and the home partition wins."""
        self.loaded = True
        self._cut = self._cut or not stored.complete
        removed = self._removed or {}
        self._forget_removals()
        for event in stored.state:
            known = None if event.key is None else self.state.get(event.key)
            is_newest = known is None or known.offset <= from_elsewhere
            if event.key is not None and is_newest and removed.get(event.key, -1) < event.offset:
                self._keep(event.key, event)
        for event in stored.elsewhere:
            if event.key is not None and event.key not in self.state and event.key not in removed:
                self._keep(event.key, event)

    def _forget_key(self, key: str) -> None:
        known = self.state.pop(key, None)
        self._state_bytes -= 0 if known is None else _state_size(known)

    def _clear(self) -> None:
        """Forget the state, removals included."""
        self.state.clear()
        self._state_bytes = 0
        self._removed = None

    def _end_reading_back(self) -> None:
        if self.reading_back:
            self.reading_back = False
            self.loaded = True

    def _remember_removal(self, key: str, offset: int) -> None:
        if not self._remembers_removals:
            return
        if self._removed is None:
            self._removed = {}
        elif len(self._removed) >= REMOVED_KEYS_MAX and key not in self._removed:
            if self.reading_back:
                self._cut = True
                return
            del self._removed[next(iter(self._removed))]
        self._removed[key] = offset

    def _forget_removals(self) -> None:
        if not self._remembers_removals:
            self._removed = None

    @property
    def _remembers_removals(self) -> bool:
        return not (self.loaded and self.history_read) or bool(self.partitions)


def _state_size(event: RoomEvent) -> int:
    """The most that an event takes in a state, in whichever codec: the same for all clients, on all edges."""
    value = event.value
    floats = value.translate(_CLASSES).count(_FLOAT)
    texts = len(_encode(event.room.name)) + len(_encode(event.key)) + (len(event.epoch) if event.announces else 0)
    return STATE_ENTRY_BYTES + texts + len(value) + FLOAT_BYTES * floats
