"""Turns fetched bytes into committed records: aiokafka's iterator, which goes on where aiokafka's own would end.

Rules:

1. aiokafka decodes, and leaves aborted transactions out. Only what it refuses is looked at in Python (`salvage`).
2. A batch that is intact never ends the iteration. A damaged one does, with a `CorruptRecordException`: the records
   before it were handed out, and ``next_fetch_offset`` is where to fetch again.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from touchline_protocol.records import Record

from .leader_epochs import EpochEntry
from .salvage import Batch, batch_at, damage_end, is_cut_short, is_intact, leader_epochs, read_batch

_MAGIC, _ATTRIBUTES = 16, 22
"""Where a record batch has the version of its format, and the lower byte of its attributes."""
_MAGIC_WITH_HEADERS = 2
_APPEND_TIME = 0x08


class CommittedRecords(PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    """An iterator of the committed records in ``data`` from ``offset`` on; ``next_fetch_offset`` is how far it came.

    ``aborted`` are the producers of aborted transactions, each with its first offset. Call `close` if you do not read
    it to its end.

    Raises:
        CorruptRecordException: here or while iterated: the data is damaged.
        UnsupportedCodecError: while iterated: the library that decompresses a batch is not installed.
    """

    next_fetch_offset: int
    _records_iterator: Iterator[Record]

    def __init__(self, partition: TopicPartition, data: bytes, aborted: Sequence[tuple[int, int]], offset: int) -> None:
        check_whole(data)
        super().__init__(partition, MemoryRecords(data), aborted, offset, None, None, True, READ_COMMITTED)
        self.offset = offset
        self._data = data

    def __next__(self) -> Record:
        try:
            record: Record = next(self._records_iterator)
        except StopIteration:
            self._records_iterator = iter(())  # it and this object hold each other
            raise
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - each decompressor has errors of its own
            self._records_iterator = self._go_on(error)
            return next(self)
        return record

    @property
    def damage_end(self) -> int | None:
        """Where to go on if what follows ``next_fetch_offset`` is given up as damaged; None if that cannot be told."""
        return damage_end(self._data, self.next_fetch_offset)

    def close(self) -> None:
        """No more records are wanted. Its iterator and it hold each other, and with them all that was fetched."""
        self._records_iterator = iter(())

    def _consumer_record(self, _partition: TopicPartition, record: Record) -> Record:
        """A `ConsumerRecord` of each would cost as much as the decoding."""
        return record

    def _go_on(self, error: Exception) -> Iterator[Record]:
        """An iterator that begins with what ``error`` kept from being decoded.

        Raises:
            CorruptRecordException: it may be decoded after another fetch.
        """
        batch = batch_at(self._data, self.next_fetch_offset)
        if batch is None or not is_intact(batch):
            self.close()
            raise _damaged(error) from error
        return self._salvage(batch)

    def _salvage(self, batch: Batch) -> Iterator[Record]:
        if not _is_control(batch):
            for record in read_batch(batch, self.next_fetch_offset):
                self.next_fetch_offset = record.offset + 1
                yield record
        self.next_fetch_offset = max(batch.next_offset, self.next_fetch_offset)
        self._data = self._data[batch.end :]
        self._records = MemoryRecords(self._data)
        yield from self._unpack_records()


def check_whole(data: bytes) -> None:
    """Check that there is a whole batch in what a broker sent, unless it sent nothing.

    Raises:
        CorruptRecordException: the answer was cut short.
    """
    if is_cut_short(data):
        raise CorruptRecordException("the answer holds no whole batch")


def next_offset(data: bytes, offset: int) -> int:
    """Where to continue after an answer to a fetch at ``offset``; found in the batches' headers alone.

    Raises:
        CorruptRecordException: the data is damaged.
    """
    check_whole(data)
    try:
        batches = MemoryRecords(data)
        while batches.has_next():
            offset = max(offset, batches.next_batch().next_offset)
    except Exception as error:
        raise _damaged(error) from error
    return offset


def epochs_in(data: bytes, offset: int) -> Iterator[EpochEntry]:
    """The leader epochs of batches that were fetched from ``offset`` on: one entry for the first batch of each.

    The first batch may begin earlier. Of its records before ``offset`` nothing is said: others may have been read.
    """
    newest = None
    for base_offset, epoch in leader_epochs(data):
        if epoch != newest:
            newest = epoch
            yield EpochEntry(epoch, max(base_offset, offset))


def has_append_times(data: bytes) -> bool:
    """Whether the broker set the time of the first batch (LogAppendTime), rather than its producer (CreateTime)."""
    return len(data) > _ATTRIBUTES and data[_MAGIC] >= _MAGIC_WITH_HEADERS and bool(data[_ATTRIBUTES] & _APPEND_TIME)


def _is_control(batch: Batch) -> bool:
    return bool(batch.magic >= 2 and DefaultRecordBatch(batch.data).is_control_batch)  # noqa: PLR2004


def _damaged(error: Any) -> CorruptRecordException:
    return error if isinstance(error, CorruptRecordException) else CorruptRecordException(str(error))
