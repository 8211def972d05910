"""The keyed events of one room outside of its home partition, while its topic is read for the first time.

Partitions are read in any order, so what the state is can only be told at the end. Rules:

1. Within a partition the event with the greatest offset is a key's newest, whatever the timestamps.
2. The home partition's keys win, removals included. Among the others, the partition wins whose newest timestamp is the
   greatest: the order in which a room went through partitions is written nowhere else.
"""

from collections.abc import Mapping

from .partition_window import RoomEvent

KEYS_MAX = 20_000
"""Keys of a room in one partition: more than a room's state can hold, removals included."""


class Elsewhere:
    """The newest event of each key, by partition. Removals are kept: an older partition may have the key too."""

    __slots__ = ("_newest_ts", "_partitions")

    def __init__(self) -> None:
        self._partitions: dict[int, dict[str, RoomEvent]] = {}
        self._newest_ts: dict[int, int] = {}

    def knows(self, key: str, partition: int, offset: int) -> bool:
        """Whether an event of a key that is not older is known from a partition."""
        known = self._partitions.get(partition, {}).get(key)
        return known is not None and known.offset >= offset

    def take(self, event: RoomEvent) -> bool:
        """Take in an event; returns whether there was space for it. If not, only the home partition can be believed."""
        partition = event.window.partition
        self._newest_ts[partition] = max(self._newest_ts.get(partition, 0), event.ts)
        newest = self._partitions.setdefault(partition, {})
        if event.key is None or self.knows(event.key, partition, event.offset):
            return True
        if len(newest) >= KEYS_MAX and event.key not in newest:
            return False
        newest[event.key] = event
        return True

    def forget(self, partition: int) -> bool:
        """Forget a partition: records of it were lost, and may have changed anything. Returns whether it was known."""
        return self._partitions.pop(partition, None) is not None

    def forget_doubtful(self, home: int, unread: Mapping[int, int]) -> None:
        """Forget events of other partitions than ``home`` that records which were not read may have changed; see
        `Contents.forget_doubtful`."""
        for partition, newest in self._partitions.items():
            since_ms = max((since_ms for other, since_ms in unread.items() if other != partition), default=0)
            if partition != home:
                self._partitions[partition] = {key: event for key, event in newest.items() if event.ts >= since_ms}

    def merged(self, home: int, *, home_only: bool = False) -> dict[str, RoomEvent]:
        """The newest event of each key, some of them removals."""
        if home_only:
            return self._partitions.get(home, {})
        merged: dict[str, RoomEvent] = {}
        for partition in sorted(self._partitions, key=lambda each: (each == home, self._newest_ts[each], each)):
            merged |= self._partitions[partition]
        return merged
