"""Copies everything readable from a damaged file of the embedded log into a new one.

Rules:

1. The damaged file is only read.
2. Rows are read by their row ids, so that a damaged page costs no more than the rows on it.
3. The state of rooms outlives their records, and may be readable where a record is not. It is copied as records, in the
   order of the old offsets. No key gets a value that is older than the one it had, if the state can be read.
4. The new file is another log, with epochs of its own, so its offsets need not be the old ones.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from touchline_protocol.errors import OperatorError
from touchline_server.core.log import Entry

from .look import read_only
from .records import RECORD_COLUMNS, STATE_COLUMNS, Append, Partition, StoredRecord, record_of
from .schema import cannot_open, is_damage
from .store import Store

ROWS = 512
"""Rows of one query. If it fails, its halves are queried, down to single rows."""
BATCH_RECORDS = 1_000

_PARTITIONS = "SELECT topic, id, number, first_offset, next_offset, size_bytes FROM partitions ORDER BY id"
_RECORDS = f"SELECT partition_id, {RECORD_COLUMNS} FROM records NOT INDEXED WHERE rowid BETWEEN ? AND ?"  # noqa: S608
_STATE = f"SELECT partition_id, {STATE_COLUMNS} FROM state NOT INDEXED WHERE rowid BETWEEN ? AND ?"  # noqa: S608
_STATE_KEYS = "SELECT room_id, event_key FROM state JOIN partitions ON id = partition_id WHERE topic = ?"


class Salvaged(NamedTuple):
    """What became of a topic's records."""

    topic: str
    saved: int
    lost: int


def salvage(damaged: Path, open_store: Callable[[], Store]) -> list[Salvaged]:
    """Copy what can be read from ``damaged`` into a new store, which is opened once the topics are known.

    Raises:
        OperatorError: the topics cannot be read, or another process has the file open.
    """
    if not damaged.is_file():
        raise OperatorError(f"there is no file {damaged}")
    with read_only(damaged) as connection:
        partitions = _partitions(connection, damaged)
        with closing(open_store()) as store:
            return _Salvage(connection, partitions, store).run()


def _partitions(connection: sqlite3.Connection, damaged: Path) -> dict[int, Partition]:
    try:
        connection.execute("PRAGMA writable_schema = ON")  # without it, SQLite refuses a file that was cut off
        rows = connection.execute(_PARTITIONS).fetchall()
    except sqlite3.Error as error:
        if is_damage(error):
            raise OperatorError(
                f"{damaged} is so damaged that its topics cannot be read ({error}): "
                "restore a backup, or try the .recover command of sqlite3"
            ) from error
        raise cannot_open(damaged, error) from error
    return {row_id: Partition(topic, row_id, *rest) for topic, row_id, *rest in rows}


class _Salvage:
    def __init__(self, connection: sqlite3.Connection, partitions: Mapping[int, Partition], store: Store) -> None:
        self._connection = connection
        self._partitions = partitions
        self._store = store
        # Version 1 had no checksums.
        (self._version,) = connection.execute("PRAGMA user_version").fetchone()
        self._row_id_max = sum(partition.next for partition in self._partitions.values())
        self._saved: dict[str, int] = defaultdict(int)
        self._pending: list[tuple[str, Entry]] = []

    def run(self) -> list[Salvaged]:
        counts: dict[str, int] = defaultdict(int)
        for partition in self._partitions.values():
            counts[partition.topic] += 1
        for topic, count in counts.items():
            self._store.create_topics([topic], count)
        state = self._state()
        for partition, record in self._readable(_RECORDS):
            self._add_state_before(partition, record.offset, state)
            state[partition.row_id].pop(record.offset, None)
            self._saved[partition.topic] += 1
            self._add(partition, record)
        for partition in self._partitions.values():
            self._add_state_before(partition, partition.next, state)
        self._append()
        for topic in counts:
            self._remove_outdated_keys(topic)
        return [Salvaged(topic, self._saved[topic], self._expected(topic) - self._saved[topic]) for topic in counts]

    def _expected(self, topic: str) -> int:
        return sum(each.next - each.first for each in self._partitions.values() if each.topic == topic)

    def _state(self) -> Mapping[int, dict[int, StoredRecord]]:
        """The records that state consists of, by the ids of their partitions and by offset, in order."""
        found: dict[int, dict[int, StoredRecord]] = defaultdict(dict)
        for partition, record in sorted(self._readable(_STATE), key=lambda pair: pair[1].offset):
            found[partition.row_id][record.offset] = record
        return found

    def _add_state_before(
        self, partition: Partition, offset: int, state: Mapping[int, dict[int, StoredRecord]]
    ) -> None:
        left = state[partition.row_id]
        while left and (first := next(iter(left))) < offset:
            self._add(partition, left.pop(first))

    def _add(self, partition: Partition, record: StoredRecord) -> None:
        entry = Entry(record.key or b"", record.value, record.headers, record.timestamp)
        self._pending.append((partition.topic, entry))
        if len(self._pending) == BATCH_RECORDS:
            self._append()

    def _append(self) -> None:
        entries: dict[str, list[Entry]] = defaultdict(list)
        for topic, entry in self._pending:
            entries[topic].append(entry)
        self._pending.clear()
        self._store.append([Append(topic, added) for topic, added in entries.items()])

    def _remove_outdated_keys(self, topic: str) -> None:
        """Remove the keys that had been removed by records which cannot be read."""
        try:
            kept = set(self._connection.execute(_STATE_KEYS, (topic,)).fetchall())
        except sqlite3.Error:  # then nobody knows
            return
        found = set(self._store.connection.execute(_STATE_KEYS, (topic,)).fetchall())
        removals = [Entry(room.encode(), b"null", [("key", key.encode())]) for room, key in sorted(found - kept)]
        self._store.append([Append(topic, removals)])

    def _readable(self, query: str) -> Iterator[tuple[Partition, StoredRecord]]:
        if self._version == 1:
            query = query.replace("crc", "NULL")
        for first in range(0, self._row_id_max + 1, ROWS):
            for partition_id, *columns in self._rows(query, first, first + ROWS - 1):
                if partition_id not in self._partitions:
                    continue
                partition = self._partitions[partition_id]
                if (record := _valid(columns)) is not None:
                    yield partition, record

    def _rows(self, query: str, first: int, last: int) -> Iterator[Sequence[Any]]:
        try:
            yield from self._connection.execute(query, (first, last)).fetchall()
        except sqlite3.Error:
            if first < last:
                middle = (first + last) // 2
                yield from self._rows(query, first, middle)
                yield from self._rows(query, middle + 1, last)


def _valid(columns: Sequence[object]) -> StoredRecord | None:
    """The record in a row; None if damage has left something else there."""
    offset, timestamp, key, value, headers, _ = columns
    if not isinstance(offset, int) or not isinstance(timestamp, int) or not isinstance(key, bytes):
        return None
    if not isinstance(value, bytes | None) or not isinstance(headers, bytes | None):
        return None
    try:
        return record_of(columns)
    except (sqlite3.DatabaseError, msgspec.MsgspecError):
        return None
