"""Rooms in memory: the twin of the stores in Redis. Tests use it.

It is held to the same contract (`tests/store/test_room_contract.py`). A step is one method without an await, as a
script is in Redis.
"""

from collections.abc import Sequence

from touchline_server.core.room_keeping import KeptPartition, KeptRoom, Moved, Progress, RoomChange
from touchline_server.core.room_store import NotYet, RoomKey, StoredRoom
from touchline_server.store.kept_answers import KeptAnswer, stored_room


class MemoryRooms:
    """See `core.room_store.RoomStore` and `core.room_keeping.RoomKeeping`."""

    def __init__(self) -> None:
        self.partitions: dict[KeptPartition, Progress] = {}
        self._rooms: dict[tuple[KeptPartition, str], tuple[str, KeptRoom]] = {}
        self._layouts: dict[tuple[str, str], tuple[int, bool]] = {}

    async def load(self, key: RoomKey, *, before: int) -> StoredRoom | NotYet | None:
        """See `core.room_store.RoomStore.load`."""
        count, is_scattered = self._layouts.get((key.topic, key.epoch), (0, False))
        others = [index for index in range(count) if index != key.partition] if is_scattered else []
        return stored_room(
            key, count, self._answer(key, key.partition), {n: self._answer(key, n) for n in others}, before
        )

    def _answer(self, key: RoomKey, index: int) -> KeptAnswer | None:
        partition = KeptPartition(key.topic, key.epoch, index)
        progress = self.partitions.get(partition)
        if progress is None:
            return None
        room = self._room(partition, progress.build, key.room_id) or KeptRoom(-1, 0, False, {})
        return KeptAnswer(
            progress.build,
            progress.next_offset,
            progress.written,
            progress.term,
            progress.complete,
            *room,
            built_with=progress.built_with,
        )

    def _room(self, partition: KeptPartition, build: str, room_id: str) -> KeptRoom | None:
        its_build, room = self._rooms.get((partition, room_id), ("", None))
        return room if its_build == build else None

    async def progress(self, partition: KeptPartition) -> Progress | None:
        """See `core.room_keeping.RoomKeeping.progress`."""
        return self.partitions.get(partition)

    async def begin(self, partition: KeptPartition, progress: Progress) -> Progress:
        """See `core.room_keeping.RoomKeeping.begin`."""
        return self.partitions.setdefault(partition, progress)

    async def discard(self, partition: KeptPartition, build: str) -> None:
        """See `core.room_keeping.RoomKeeping.discard`."""
        progress = self.partitions.get(partition)
        if progress is not None and progress.build == build:
            del self.partitions[partition]

    async def rooms(self, partition: KeptPartition, build: str, room_ids: Sequence[str]) -> list[KeptRoom | None]:
        """See `core.room_keeping.RoomKeeping.rooms`."""
        self._guard(partition, build, 0)
        return [self._room(partition, build, room_id) for room_id in room_ids]

    async def write(
        self, partition: KeptPartition, expected: Progress, written: Progress, changes: Sequence[RoomChange]
    ) -> list[str]:
        """See `core.room_keeping.RoomKeeping.write`."""
        self.intend(partition, expected, written)
        return [change.room_id for change in changes if not self.write_room(partition, expected, written, change)]

    def intend(self, partition: KeptPartition, expected: Progress, written: Progress) -> None:
        """The first step of `write`."""
        now = self._guard(partition, written.build, expected.next_offset)
        is_again = (now.written, now.term) == (written.written, written.term)
        if now.written != expected.written and not is_again:
            raise Moved
        if written.written > now.written:
            self.partitions[partition] = now._replace(
                written=written.written, term=written.term, term_start=written.term_start
            )

    def write_room(self, partition: KeptPartition, expected: Progress, written: Progress, change: RoomChange) -> bool:
        """The other steps of `write`; returns whether the room's head was the one that the change follows."""
        now = self._guard(partition, written.build, expected.next_offset)
        if now.written <= change.head:
            raise Moved
        room = self._room(partition, now.build, change.room_id) or KeptRoom(-1, 0, False, {})
        if room.head != change.follows:
            return False
        entries = {key: entry for key, entry in room.entries.items() if key not in change.removed}
        kept = KeptRoom(change.head, change.ts, change.full, {**entries, **change.entries})
        self._rooms[partition, change.room_id] = now.build, kept
        return True

    async def advance(self, partition: KeptPartition, progress: Progress) -> None:
        """See `core.room_keeping.RoomKeeping.advance`."""
        now = self._guard(partition, progress.build, 0)
        self.partitions[partition] = now._replace(next_offset=max(now.next_offset, progress.next_offset))

    async def note_layout(self, topic: str, epoch: str, *, partitions: int, scattered: bool) -> bool:
        """See `core.room_keeping.RoomKeeping.note_layout`."""
        count, was_scattered = self._layouts.get((topic, epoch), (partitions, False))
        is_scattered = scattered or was_scattered or count != partitions
        self._layouts[topic, epoch] = max(count, partitions), is_scattered
        return is_scattered

    def _guard(self, partition: KeptPartition, build: str, first: int) -> Progress:
        now = self.partitions.get(partition)
        if now is None or now.build != build or now.next_offset < first:
            raise Moved
        return now
