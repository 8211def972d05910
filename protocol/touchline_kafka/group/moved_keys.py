"""After partitions were added: what keys have in the partitions that they belonged to before.

A key belongs to one partition, which follows from the number of partitions. If that number grows, most keys move. A
record that is sent again then comes to another partition than it first did, whose memory does not know it. So whoever
begins to read a partition also reads what its keys have in others. Rules:

1. Only the partition that a key belongs to now counts what it finds in others. A record in one that the key has left is
   handed out by that partition's own memory. So of two copies at least one is handed out, whoever reads what.
2. It is done only if some partition is so young that its first record is within the look-back.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

from aiokafka.structs import TopicPartition

from touchline_kafka.partitioner import partition_of
from touchline_kafka.repairs import Consumer
from touchline_kafka.topics import Topic
from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record

HOMES_MAX = 100_000
"""Keys whose partition is remembered: finding it out in Python takes longer than all else that is done for a record."""


_home_of = lru_cache(HOMES_MAX)(partition_of)


def is_misplaced(partition: int, records: Iterable[Record], partitions: int) -> bool:
    """Whether one of the records is not where its key belongs, so that partitions may have been added."""
    return any(_misplaced(partition, record, partitions) is not None for record in records)


async def read_moved(
    consumer: Consumer, topic: Topic, since_ms: int, remember: Callable[[int, int, Record], None]
) -> int:
    """Call ``remember`` with each record since a time that is not where its key belongs: (home, partition, record).

    Reads up to where the partitions end now. Returns how many there were; 0 if no partition is that young.

    Raises:
        KafkaError, OSError, TimeoutError: Kafka does not answer.
    """
    partitions = [TopicPartition(topic.name, index) for index in sorted(topic.leaders)]
    begins = await consumer.beginning_offsets(partitions)
    times = await consumer.offsets_for_times(dict.fromkeys(partitions, max(0, since_ms)))
    starts = {tp: place.offset for tp, place in times.items() if place is not None}
    if len(partitions) == 1 or not any(begins[tp] == 0 == offset for tp, offset in starts.items()):
        return 0
    ends = {tp: end for tp, end in (await consumer.end_offsets(list(starts))).items() if end > starts[tp]}
    consumer.assign(list(ends))
    for tp in ends:
        consumer.seek(tp, starts[tp])
    count = 0
    while ends:
        for tp, records in (await consumer.getmany(timeout_ms=50)).items():
            for record in records:
                if (home := _misplaced(tp.partition, record, len(partitions))) is not None:
                    remember(home, tp.partition, record)
                    count += 1
        for tp in [tp for tp, end in ends.items() if await consumer.position(tp) >= end]:
            del ends[tp]
            consumer.pause(tp)
    return count


def _misplaced(partition: int, record: Record, partitions: int) -> int | None:
    """Where a record's key belongs; None if that is here, or not known."""
    try:
        key = record.key
    except BadRecord:
        return None
    home = partition if key is None else _home_of(key, partitions)
    return None if home == partition else home
