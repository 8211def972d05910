"""Keeps one partition: its records, batch by batch, become changes of its rooms.

It is given log events and a `RoomKeeping`, and knows no loop, clock or log client. Rules:

1. A batch is written as a whole before the next one: rooms first, then the progress. After a failure in between, the
   next keeper goes on from the progress that is kept; a room that has a record already passes over it.
2. A room that Redis has in another version than this keeper is read again, and takes the newer ones of the batch's
   records.
3. Records that the log lost again were never written (then they are dropped here), or their build is given up.
4. After an error, a keeper of a partition is of no use any more: make another one.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from touchline_kafka.leader_epochs import UNKNOWN_EPOCH, EpochEntry, LeaderEpochs
from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record, parse_room_id
from touchline_server.core.room_keeping import KeptPartition, Moved, Progress, RoomChange, RoomKeeping
from touchline_server.core.room_store import BuiltWith
from touchline_server.core.rooms.partition_window import PartitionWindow

from .kept_contents import NO_HEAD, KeptContents
from .room_cache import RoomCache

CONFLICTS_MAX = 5
"""How often rooms are read again that somebody else goes on writing. Only another keeper of the partition does that."""


class KeptFeed(NamedTuple):
    """What a keeper needs to know of a feed: see `Feed`. ``expected`` is the partition that producers are expected to
    choose for a key, out of so many. ``keeper`` is the keeper's name."""

    name: str
    key_field: str | None
    state_bytes_max: int
    expected: Callable[[bytes, int], int]
    keeper: str

    @property
    def built_with(self) -> BuiltWith:
        """How this keeper builds the feed's states."""
        return BuiltWith(self.key_field, self.state_bytes_max, self.keeper)


class PartitionKeeper:
    """Keeps ``partition``, of ``partitions``, from ``progress`` on."""

    def __init__(
        self,
        partition: KeptPartition,
        partitions: int,
        feed: KeptFeed,
        keeping: RoomKeeping,
        cache: RoomCache,
        progress: Progress,
        *,
        scattered: bool,
    ) -> None:
        self.partition = partition
        self.progress = progress
        self.next_offset = progress.next_offset
        self.scattered = scattered
        """Whether rooms of the topic may have records in several partitions."""
        self._partitions = partitions
        self._feed = feed
        self._keeping = keeping
        self._cache = cache
        self._records: list[Record] = []
        self._window = PartitionWindow(partition.topic, partition.epoch, partition.partition, progress.next_offset)
        self._epochs = LeaderEpochs()
        if progress.term != UNKNOWN_EPOCH:
            self._epochs.add(EpochEntry(progress.term, progress.term_start))

    @property
    def waiting(self) -> int:
        """How many records wait to be written."""
        return len(self._records)

    @property
    def has_news(self) -> bool:
        """Whether anything is to be written."""
        return self.next_offset > self.progress.next_offset

    def take(self, records: Sequence[Record], next_offset: int) -> None:
        """Take in records; the next ones continue at ``next_offset``."""
        self._records += records
        self.next_offset = next_offset

    def begin_term(self, start: int, term: int) -> None:
        """The records from ``start`` on are of ``term``."""
        self._epochs.add(EpochEntry(term, start))

    def cut_back(self, start: int) -> bool:
        """The log has lost what followed ``start``; returns whether any of that may have been written."""
        self._records = [record for record in self._records if record.offset < start]
        self.next_offset = min(self.next_offset, start)
        self._epochs.cut(start)
        return start < self.progress.written

    async def write(self) -> None:
        """Write what has come in.

        Raises:
            Moved: the partition is kept from another place now.
            StoreUnavailable, StoreRefused: the store did not take it.
        """
        records, self._records = self._records, []
        next_offset, written = self.next_offset, self._written()
        rooms: dict[str, list[Record]] = {}
        for record in records:
            with contextlib.suppress(BadRecord):  # edges report it
                rooms.setdefault(parse_room_id(record.key), []).append(record)
        for _ in range(CONFLICTS_MAX):
            rooms = await self._write_rooms(rooms, written)
            if not rooms:
                break
        else:
            raise Moved
        after = written._replace(next_offset=next_offset)
        await self._keeping.advance(self.partition, after)
        self.progress = after

    def _written(self) -> Progress:
        """The progress that says how far the next batch goes, and of which term its end is."""
        progress = self.progress
        if self.next_offset <= progress.written:
            return progress
        entry = self._epochs.before(self.next_offset) or EpochEntry(UNKNOWN_EPOCH, UNKNOWN_EPOCH)
        return progress._replace(written=self.next_offset, term=entry.epoch, term_start=entry.start_offset)

    async def _write_rooms(self, records: dict[str, list[Record]], written: Progress) -> dict[str, list[Record]]:
        """Write rooms; returns the records of those that somebody else has written meanwhile."""
        rooms = await self._rooms(list(records))
        changes: list[RoomChange] = []
        for room_id, room in rooms.items():
            follows = room.head
            room.take(records[room_id], self._feed.key_field)
            if room.head > follows:
                changes.append(room.change(room_id, follows))
        conflicts = await self._keeping.write(self.partition, self.progress, written, changes)
        for room_id in conflicts:
            del rooms[room_id]
        for room_id, room in rooms.items():
            if room.head != NO_HEAD:
                self._cache.put(self.partition, room_id, room)
        return {room_id: records[room_id] for room_id in conflicts}

    async def _rooms(self, room_ids: Sequence[str]) -> dict[str, KeptContents]:
        found = {room_id: self._cache.take(self.partition, room_id) for room_id in room_ids}
        unknown = [room_id for room_id, room in found.items() if room is None]
        if unknown:
            await self._note_scattered(unknown)
        kept = await self._keeping.rooms(self.partition, self.progress.build, unknown)
        rooms = {room_id: room for room_id, room in found.items() if room is not None}
        for room in rooms.values():
            room.keeps_removals = self.scattered
        for room_id, known in zip(unknown, kept, strict=True):
            name = f"{self._feed.name}:{room_id}"
            limit = self._feed.state_bytes_max
            made = rooms[room_id] = KeptContents(name, self._window, limit, keeps_removals=self.scattered)
            if known is not None:
                made.restore(known)
        return rooms

    async def _note_scattered(self, room_ids: Sequence[str]) -> None:
        """Let everybody know if producers put rooms into other partitions than expected."""
        here, count = self.partition.partition, self._partitions
        if not self.scattered and any(self._feed.expected(one.encode(), count) != here for one in room_ids):
            topic, epoch, _ = self.partition
            self.scattered = await self._keeping.note_layout(topic, epoch, partitions=count, scattered=True)
