"""Retention: removes records that are too old, and the oldest ones of a topic that is too large.

Rules: the rooms' state stays; one transaction removes a bounded number of records, so that nobody waits long for it.
"""

from touchline_server.config.values import milliseconds

from .records import RECORD_BYTES, Partition, Topic
from .store import Store

TRIM_RECORDS_MAX = 2_000
"""Records that one transaction removes: about 10 ms, during which nobody can append."""
TRIM_FACTOR = 2
"""Records removed for each one appended while a topic is too large, so that it shrinks even under a flood."""

_SIZE = f"{RECORD_BYTES} + coalesce(length(key), 0) + coalesce(length(headers), 0) + coalesce(length(value), 0)"
"""A record's size, as `Store` counts it, in SQL. Lengths are known without reading the values."""


def trim(store: Store, partition: Partition, before: int) -> None:
    """Remove the records before an offset, but not the rooms' state."""
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


def retain(store: Store, records_max: int) -> bool:
    """Remove what retention does not keep, about ``records_max`` records at most. Returns whether there are more."""
    before_ms = store.now_ms() - milliseconds(store.settings.retention_s)
    for topic in store.topics.values():
        excess = sum(partition.size_bytes for partition in topic.partitions) - store.settings.retention_bytes_max
        oldest = _oldest(store, topic)
        if oldest is not None and _retain(store, oldest, records_max, before_ms, excess):
            return True
    return False


def _oldest(store: Store, topic: Topic) -> Partition | None:
    """The partition that holds the topic's oldest record."""
    firsts = [
        (timestamp, partition.number)
        for partition in topic.partitions
        for (timestamp,) in store.connection.execute(
            "SELECT timestamp FROM records WHERE partition_id = ? AND offset = ?",
            (partition.row_id, partition.first),
        )
    ]
    return topic.partitions[min(firsts)[1]] if firsts else None


def _retain(store: Store, partition: Partition, records_max: int, before_ms: int, excess: int) -> bool:
    """Remove the oldest records, by age or by the ``excess``. Returns whether there were any."""
    keep_from = partition.first
    for offset, timestamp, size_bytes in store.connection.execute(
        f"SELECT offset, timestamp, {_SIZE} FROM records "  # noqa: S608  # a constant
        "WHERE partition_id = ? ORDER BY offset LIMIT ?",
        (partition.row_id, records_max),
    ):
        if timestamp >= before_ms and excess <= 0:
            break
        excess -= size_bytes
        keep_from = offset + 1
    if keep_from == partition.first:
        return False
    trim(store, partition, keep_from)
    return True
