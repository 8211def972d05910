"""The rooms that a keeper remembers, so that it need not read each from Redis before it changes it. Pure.

Rule: the rooms that were used the longest ago are forgotten first, once all together take ``bytes_max``. A room that is
wrong here costs a read and no more: Redis refuses the write.
"""

from collections import OrderedDict

from touchline_server.core.room_keeping import KeptPartition

from .kept_contents import KeptContents


class RoomCache:
    """Rooms by their partition and id."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._rooms: OrderedDict[tuple[KeptPartition, str], tuple[KeptContents, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rooms)

    @property
    def size_bytes(self) -> int:
        """About how much memory the rooms take."""
        return self._bytes

    def take(self, partition: KeptPartition, room_id: str) -> KeptContents | None:
        """Take a room out, to change it; `put` it back once Redis has the change."""
        room, size = self._rooms.pop((partition, room_id), (None, 0))
        self._bytes -= size
        return room

    def put(self, partition: KeptPartition, room_id: str, room: KeptContents) -> None:
        """Remember a room as Redis has it."""
        size = room.size_bytes
        self._rooms[partition, room_id] = room, size
        self._bytes += size
        while self._bytes > self._bytes_max and self._rooms:
            _, (_, oldest_size) = self._rooms.popitem(last=False)
            self._bytes -= oldest_size

    def clear(self) -> None:
        """Forget all rooms."""
        self._rooms.clear()
        self._bytes = 0
