"""What can be read from the embedded log's tables. Writes nothing."""

import sqlite3

from touchline_protocol.records import Record
from touchline_server.core.log import Chunk, OffsetOutOfRange
from touchline_server.core.room_store import StoredRoom

from .records import RECORD_BYTES, RECORD_COLUMNS, STATE_COLUMNS, Partition, StoredRecord, record_of

READ_BYTES_MAX = 1 << 20
"""Returned by one read: larger ones would delay waiting appends by more than a few milliseconds."""

HEAD_SCAN_MAX = 5_000
"""Records searched for a room's head before an offset: a few milliseconds, during which nobody can append."""
NO_OFFSET = -1
"""The value of the column prev in the first record of a room."""


class Queries:
    """Reads from a connection. Each method raises `sqlite3.Error` if the file cannot be read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def read(self, partition: Partition, *, after: int, up_to: int, records_max: int) -> Chunk:
        """See `core.log.Log.read`."""
        if after >= up_to:
            return Chunk([], after)
        if not partition.first <= after + 1 <= partition.next:
            raise OffsetOutOfRange(
                f"{partition.topic}/{partition.number} has the offsets {partition.first} to {partition.next - 1}, "
                f"not {after + 1}"
            )
        records: list[Record] = []
        left_bytes = READ_BYTES_MAX
        for row in self._connection.execute(
            f"SELECT {RECORD_COLUMNS} FROM records "  # noqa: S608  # a constant
            "WHERE partition_id = ? AND offset > ? AND offset <= ? ORDER BY offset LIMIT ?",
            (partition.row_id, after, up_to, records_max),
        ):
            record = record_of(row)
            records.append(record)
            left_bytes -= RECORD_BYTES + len(record.value or b"")
            if left_bytes <= 0:
                return Chunk(records, record.offset)
        return Chunk(records, records[-1].offset if len(records) == records_max else up_to)

    def offset_since(self, partition: Partition, since_ms: int) -> int:
        """The offset of the first record from ``since_ms`` (Unix milliseconds) or later, or the partition's end."""
        offset = self._connection.execute(
            "SELECT min(offset) FROM records WHERE partition_id = ? AND timestamp >= ?", (partition.row_id, since_ms)
        ).fetchone()[0]
        return partition.next if offset is None else int(offset)

    def has_before(self, partition: Partition, offset: int) -> bool:
        """Whether the partition has a record below ``offset``."""
        found = self._connection.execute(
            "SELECT 1 FROM records WHERE partition_id = ? AND offset < ? LIMIT 1", (partition.row_id, offset)
        ).fetchone()
        return found is not None

    def room(self, partition: Partition, room_id: str, before: int) -> StoredRoom | None:
        """See `core.room_store.RoomStore.load`. Also finds rooms whose records retention has removed."""
        where = (partition.row_id, room_id)
        row = self._connection.execute(
            "SELECT head FROM rooms WHERE partition_id = ? AND room_id = ?", where
        ).fetchone()
        if row is None:
            return None
        head = row[0] if row[0] < before else self._head_before(partition, room_id, before)
        if head == NO_OFFSET:
            return None
        state = self._connection.execute(
            f"SELECT {STATE_COLUMNS} FROM state "  # noqa: S608  # a constant
            "WHERE partition_id = ? AND room_id = ? AND offset < ? ORDER BY offset",
            (*where, before),
        )
        return StoredRoom(head, [record_of(columns) for columns in state])

    def _head_before(self, partition: Partition, room_id: str, before: int) -> int | None:
        """The head, below ``before``, of a room that has moved on since: the prev of its first record from there on.

        None if that record is not within `HEAD_SCAN_MAX` offsets.
        """
        row = self._connection.execute(
            "SELECT prev FROM records WHERE partition_id = ? AND offset >= ? AND offset < ? AND key = ? "
            "AND prev IS NOT NULL ORDER BY offset LIMIT 1",
            (partition.row_id, before, before + HEAD_SCAN_MAX, room_id.encode()),
        ).fetchone()
        return None if row is None else min(row[0], before - 1)  # larger only if retention removed the first record

    def state_before(self, partition: Partition, before: int) -> list[StoredRecord]:
        """The newest record of each event key that is below an offset, as compaction would keep them."""
        rows = self._connection.execute(
            f"SELECT {STATE_COLUMNS} FROM state "  # noqa: S608  # a constant
            "WHERE partition_id = ? AND offset < ? ORDER BY offset",
            (partition.row_id, before),
        )
        return [record_of(columns) for columns in rows]
