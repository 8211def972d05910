"""The key field by which the states of a topic's rooms were built, and what follows when the setting changes.

States are built as records are appended, and outlive them. With another `Feed.key_field` the same records have other
keys, so the states are built again from all that the file has: its records, and the states of those that retention has
removed. If there are such records, keys of theirs may be missing for good, and the topic's states are incomplete.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping

import structlog

from touchline_protocol.errors import BadRecord
from touchline_protocol.records import parse_record

from .records import RECORD_COLUMNS, STATE_COLUMNS, Partition, StoredRecord, Topic, record_of, state_columns

TABLE = """
CREATE TABLE IF NOT EXISTS key_fields (topic TEXT PRIMARY KEY, key_field TEXT, complete INTEGER NOT NULL)
"""
"""Files of earlier versions lack it. Their states are taken to be built with the present setting."""

logger = structlog.get_logger("touchline.log")


def follow_key_fields(
    connection: sqlite3.Connection, topics: Iterable[Topic], key_fields: Mapping[str, str | None]
) -> frozenset[str]:
    """Build the states of topics again whose key field has changed, within the caller's transaction.

    Returns the topics whose states are incomplete. Raises `sqlite3.Error` if the file cannot be read or written.
    """
    connection.execute(TABLE)
    known = {row[0]: row[1:] for row in connection.execute("SELECT topic, key_field, complete FROM key_fields")}
    for topic in topics:
        key_field = key_fields.get(topic.name)
        before, was_complete = known.get(topic.name, (key_field, 1))
        if topic.name not in key_fields or (topic.name in known and before == key_field):
            continue
        complete = bool(was_complete)
        if before != key_field:
            complete = complete and all(partition.first == 0 for partition in topic.partitions)
            for partition in topic.partitions:
                _build_again(connection, partition, key_field)
            logger.warning(
                "log_state_rebuilt", topic=topic.name, key_field=key_field, key_field_before=before, complete=complete
            )
        known[topic.name] = key_field, int(complete)
        connection.execute("INSERT OR REPLACE INTO key_fields VALUES (?, ?, ?)", (topic.name, *known[topic.name]))
    return frozenset(name for name, (_, complete) in known.items() if not complete)


def _build_again(connection: sqlite3.Connection, partition: Partition, key_field: str | None) -> None:
    """Replace the states of a partition's rooms."""
    state: dict[tuple[str, str], StoredRecord] = {}
    for record in _all_records(connection, partition):
        try:
            parsed = parse_record(record, key_field)
        except BadRecord:
            continue
        if parsed.key is not None and parsed.value == b"null":
            state.pop((parsed.room_id, parsed.key), None)
        elif parsed.key is not None:
            state[parsed.room_id, parsed.key] = record
    connection.execute("DELETE FROM state WHERE partition_id = ?", (partition.row_id,))
    connection.executemany(
        "INSERT INTO state (partition_id, room_id, event_key, offset, timestamp, crc, headers, value) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        ((partition.row_id, *key, *state_columns(record)) for key, record in state.items()),
    )


def _all_records(connection: sqlite3.Connection, partition: Partition) -> Iterator[StoredRecord]:
    """All records of a partition that the file has, the oldest first."""
    removed = connection.execute(
        f"SELECT {STATE_COLUMNS} FROM state "  # noqa: S608  # a constant
        "WHERE partition_id = ? AND offset < ? ORDER BY offset",
        (partition.row_id, partition.first),
    ).fetchall()
    yield from map(record_of, removed)
    kept = connection.execute(
        f"SELECT {RECORD_COLUMNS} FROM records WHERE partition_id = ? ORDER BY offset",  # noqa: S608  # a constant
        (partition.row_id,),
    )
    yield from map(record_of, kept)
