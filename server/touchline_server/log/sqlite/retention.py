"""Removes records from the embedded log: those that are too old, and the oldest ones of a topic that is too large.

Rules: the state of rooms stays. One transaction removes a bounded number of records, so that nobody waits for it long.
"""

from touchline_server.config.values import milliseconds

from .records import RECORD_BYTES, Partition, Topic
from .store import Store

TRIM_RECORDS_MAX = 2_000
"""Removed in one transaction: about 10 ms, during which nobody can append."""
TRIM_FACTOR = 2
"""Records removed for each one appended while the log is too large, so that it shrinks even under a flood."""

_SIZE = f"{RECORD_BYTES} + coalesce(length(key), 0) + coalesce(length(headers), 0) + coalesce(length(value), 0)"
"""A record's size in SQL, as `Store` counts it. SQLite knows the lengths without reading the values."""


def trim(store: Store, partition: Partition, before: int) -> None:
    """Remove all records of a partition below offset ``before``. The state of rooms stays."""
    where = (partition.row_id, before)
    with store.transaction():
        freed_bytes = store.connection.execute(
            f"SELECT coalesce(sum({_SIZE}), 0) FROM records "  # noqa: S608  # a constant
            "WHERE partition_id = ? AND offset < ?",
            where,
        ).fetchone()[0]
        store.connection.execute("DELETE FROM records WHERE partition_id = ? AND offset < ?", where)
        store.connection.execute(
            "UPDATE partitions SET first_offset = ?, size_bytes = size_bytes - ? WHERE id = ?",
            (before, freed_bytes, partition.row_id),
        )
    partition.first = before
    partition.size_bytes -= freed_bytes


def enforce_retention(store: Store, records_max: int) -> bool:
    """Remove up to about ``records_max`` records that retention does not keep. Returns whether there may be more."""
    before_ms = store.now_ms() - milliseconds(store.settings.retention_s)
    for topic in store.topics.values():
        excess_bytes = sum(partition.size_bytes for partition in topic.partitions) - store.settings.retention_bytes_max
        oldest = _oldest(store, topic)
        if oldest is not None and _trim_oldest(store, oldest, records_max, before_ms, excess_bytes):
            return True
    return False


def _oldest(store: Store, topic: Topic) -> Partition | None:
    """The partition that holds the topic's oldest record; None if the topic is empty."""
    firsts = [
        (timestamp, partition.number)
        for partition in topic.partitions
        for (timestamp,) in store.connection.execute(
            # Not "offset = ?": a file that was recovered after damage has holes, and may have one here.
            "SELECT timestamp FROM records WHERE partition_id = ? AND offset >= ? ORDER BY offset LIMIT 1",
            (partition.row_id, partition.first),
        )
    ]
    return topic.partitions[min(firsts)[1]] if firsts else None


def _trim_oldest(store: Store, partition: Partition, records_max: int, before_ms: int, excess_bytes: int) -> bool:
    """Remove the partition's oldest records that are too old or too many. Returns whether it removed any."""
    keep_from = partition.first
    for offset, timestamp, size_bytes in store.connection.execute(
        f"SELECT offset, timestamp, {_SIZE} FROM records "  # noqa: S608  # a constant
        "WHERE partition_id = ? ORDER BY offset LIMIT ?",
        (partition.row_id, records_max),
    ):
        if timestamp >= before_ms and excess_bytes <= 0:
            break
        excess_bytes -= size_bytes
        keep_from = offset + 1
    if keep_from == partition.first:
        return False
    trim(store, partition, keep_from)
    return True
