"""Finds damage in the embedded log's file, so that it is not acknowledged into any further.

Rules: `verify` reads the whole file, so it is for a start after which nobody knows what happened to the file. `Scrub`
reads the same pages in the background, a bounded number at a time.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from touchline_protocol.printable import counted

from .records import RECORD_COLUMNS, STATE_COLUMNS, record_of

FINDINGS_MAX = 3
"""Findings to report: the first ones say where the damage is, and thousands may follow from one damaged page."""
SCRUB_ROWS_MAX = 5_000
SCRUB_BYTES_MAX = 4 << 20
"""Limits of one step: a few milliseconds, during which nobody can append. One step every 5 s reads four million records
in about an hour."""

_INDEXES = ("records_by_time", "sqlite_autoindex_records_1")


def verify(connection: sqlite3.Connection) -> list[str]:
    """Read every page, and compare the indexes of the records with their table. Takes about a second per GiB.

    Returns the first findings; none if the file is sound.

    Raises:
        sqlite3.Error: the damage is so bad that the check itself fails.
    """
    findings = [row[0] for row in connection.execute(f"PRAGMA quick_check({FINDINGS_MAX})")]
    if findings != ["ok"]:
        return findings
    records = _count(connection, "NOT INDEXED")
    return [
        f"{counted(records, 'record')}, but {counted(entries, 'entry', 'entries')} in the index {index}"
        for index in _INDEXES
        if (entries := _count(connection, f"INDEXED BY {index}")) != records
    ]


def _count(connection: sqlite3.Connection, how: str) -> int:
    row: tuple[int] = connection.execute(f"SELECT count(*) FROM records {how}").fetchone()  # noqa: S608  # constants
    return row[0]


class _Walk(NamedTuple):
    """A query over one table or index in its order. The first ``len(start)`` columns are the position reached.

    With ``records``, the others are a record, whose checksum is compared.
    """

    query: str
    start: Sequence[object]
    records: bool = False


_WALKS = (
    _Walk("SELECT rowid, name, epoch FROM topics WHERE rowid > ? ORDER BY rowid", (0,)),
    _Walk("SELECT id, topic, number FROM partitions WHERE id > ? ORDER BY id", (0,)),
    _Walk(
        f"SELECT rowid, {RECORD_COLUMNS} FROM records NOT INDEXED WHERE rowid > ? ORDER BY rowid",  # noqa: S608
        (0,),
        records=True,
    ),
    _Walk(
        "SELECT partition_id, offset FROM records INDEXED BY sqlite_autoindex_records_1 "
        "WHERE (partition_id, offset) > (?, ?) ORDER BY partition_id, offset",
        (0, 0),
    ),
    _Walk(
        "SELECT partition_id, timestamp, offset FROM records INDEXED BY records_by_time "
        "WHERE (partition_id, timestamp, offset) > (?, ?, ?) ORDER BY partition_id, timestamp, offset",
        (0, 0, 0),
    ),
    _Walk(
        "SELECT partition_id, room_id FROM rooms WHERE (partition_id, room_id) > (?, ?) ORDER BY partition_id, room_id",
        (0, ""),
    ),
    _Walk(
        f"SELECT rowid, {STATE_COLUMNS} FROM state NOT INDEXED WHERE rowid > ? ORDER BY rowid",  # noqa: S608
        (0,),
        records=True,
    ),
    _Walk(
        "SELECT partition_id, room_id, event_key FROM state INDEXED BY sqlite_autoindex_state_1 "
        "WHERE (partition_id, room_id, event_key) > (?, ?, ?) ORDER BY partition_id, room_id, event_key",
        (0, "", ""),
    ),
)


class Scrub:
    """Reads everything in the file again and again, a step at a time."""

    def __init__(self) -> None:
        self._walk = 0
        self._reached = _WALKS[0].start

    def step(self, connection: sqlite3.Connection) -> None:
        """Read the next rows.

        Raises:
            sqlite3.Error: they cannot be read, or are not what was written.
        """
        connection.execute("PRAGMA shrink_memory")  # read from the file, not from the cache
        query, start, records = _WALKS[self._walk]
        size_bytes = 0
        for count, row in enumerate(connection.execute(query, self._reached), 1):
            if records:
                size_bytes += len(record_of(row[len(start) :]).value or b"")
            if count == SCRUB_ROWS_MAX or size_bytes >= SCRUB_BYTES_MAX:
                self._reached = row[: len(start)]
                return
        self._walk = (self._walk + 1) % len(_WALKS)
        self._reached = _WALKS[self._walk].start
