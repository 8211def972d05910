"""The records of one room in one partition of the log, deleted ones too. Pure.

Kept in columns, some 40 bytes a record, since a large run has millions. Whatever is asked of it takes time that grows
with the logarithm of its length, or with the length of the answer.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Set
from typing import NamedTuple


class LogId(NamedTuple):
    """One partition of a topic. The ``generation`` counts how often the topic was created again."""

    topic: str
    generation: int
    partition: int


class Entry(NamedTuple):
    """A record that is, or was, in a partition. ``removal``: it removes its key.

    ``value`` is what clients know the event by: see `trace`. ``order`` is its place in the order in which the records
    of all partitions were appended, as near as that is known: a count, or milliseconds.
    """

    offset: int
    value: int
    key: str | None = None
    removal: bool = False
    order: int = 0


class PartitionLog:
    """One room in one partition. A record is named by its index: 0 for the first one."""

    __slots__ = ("_by_key", "_keys", "_offsets", "_orders", "_removals", "_values", "newest_order")

    def __init__(self) -> None:
        self._offsets = array("q")
        self._values = array("q")
        self._orders = array("q")
        self._removals = bytearray()
        self._keys: list[str | None] = []
        self._by_key: dict[str, array[int]] = {}
        self.newest_order = -1

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, index: int) -> Entry:
        return Entry(
            self._offsets[index],
            self._values[index],
            self._keys[index],
            bool(self._removals[index]),
            self._orders[index],
        )

    def __iter__(self) -> Iterator[Entry]:
        return (self[index] for index in range(len(self)))

    def append(self, entry: Entry) -> None:
        """Add the next record.

        Raises:
            ValueError: its offset is not above the last one.
        """
        if self._offsets and entry.offset <= self._offsets[-1]:
            raise ValueError(f"offset {entry.offset} follows {self._offsets[-1]}")
        index = len(self._offsets)
        self._offsets.append(entry.offset)
        self._values.append(entry.value)
        self._orders.append(entry.order)
        self._removals.append(entry.removal)
        self.newest_order = max(self.newest_order, entry.order)
        if entry.key is None:
            self._keys.append(None)
            return
        indices = self._by_key.get(entry.key)
        if indices is None:
            indices = self._by_key[entry.key] = array("q")
            self._keys.append(entry.key)
        else:
            self._keys.append(self._keys[indices[-1]])  # one string for all records of a key
        indices.append(index)

    def cut(self, offset: int) -> list[Entry]:
        """Remove the records from an offset on, and return them."""
        begin = bisect_left(self._offsets, offset)
        lost = [self[index] for index in range(begin, len(self))]
        for entry in reversed(lost):
            if entry.key is not None:
                self._by_key[entry.key].pop()
                if not self._by_key[entry.key]:
                    del self._by_key[entry.key]
        for column in (self._offsets, self._values, self._orders, self._removals, self._keys):
            del column[begin:]
        self.newest_order = max(self._orders, default=-1)
        return lost

    def find(self, offset: int) -> int | None:
        """The index of the record at an offset."""
        index = bisect_left(self._offsets, offset)
        return index if index < len(self._offsets) and self._offsets[index] == offset else None

    def behind(self, offset: int) -> int:
        """The index of the first record behind an offset, which is the length if there is none."""
        return bisect_right(self._offsets, offset)

    def offset_at(self, index: int) -> int:
        """The offset of a record."""
        return self._offsets[index]

    def value_at(self, index: int) -> int:
        """The value of a record."""
        return self._values[index]

    def matches(self, index: int, value: int, key: str | None, *, removal: bool) -> bool:
        """Whether a record has this value and this key."""
        return self._values[index] == value and self._keys[index] == key and self._removals[index] == removal

    def is_superseded(self, index: int, by: float) -> bool:
        """Whether a newer record has the record's key, and was there by a place in the order of all partitions."""
        key = self._keys[index]
        if key is None:
            return False
        indices = self._by_key[key]
        place = bisect_right(indices, index)
        return place < len(indices) and self._orders[indices[place]] <= by

    def has_newer(self, index: int, by: float) -> bool:
        """Whether the room had a newer record by a place in the order of all partitions."""
        return index + 1 < len(self) and self._orders[index + 1] <= by

    def order_at(self, index: int) -> int:
        """The place of a record in the order of all partitions."""
        return self._orders[index]

    def newest(self, head: int, among: Set[int] | None = None) -> Iterator[Entry]:
        """The newest record of each key up to an offset, removals too: of those ``among`` some offsets, if given."""
        end = self.behind(head)
        for indices in self._by_key.values():
            place = bisect_left(indices, end)
            while place and among is not None and self._offsets[indices[place - 1]] not in among:
                place -= 1
            if place:
                yield self[indices[place - 1]]

    def keys_since(self, order: int) -> set[str]:
        """The keys of the records behind a place in the order of all partitions."""
        return {key for key, placed in zip(self._keys, self._orders, strict=True) if placed > order and key is not None}
