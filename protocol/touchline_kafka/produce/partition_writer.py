"""Writes to one partition: one batch after the other, each until the broker has it or has refused it.

Partitions know nothing of each other, so whatever happens to one delays and fails no record of another.

Rules:

1. Records are appended in the order in which they were added. One batch is under way at a time.
2. The broker takes a batch or refuses it as a whole. A batch is taken apart until the refused records are known; these
   alone fail. Once a topic has refused a batch for its size, the next ones are smaller.
3. A record whose future is cancelled is withdrawn: it is not sent any more.
4. A batch is *unsure* while the broker may have it without our knowing. It is sent again unchanged, with its sequence
   numbers, so it is not appended twice. If it is given up, the numbers are given up too: they may be used. A batch that
   was refused leaves its numbers to the next one.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

from aiokafka.errors import LeaderNotAvailableError, NodeNotReadyError, NotLeaderForPartitionError

from touchline_kafka.client import Client
from touchline_kafka.error_codes import MESSAGE_TOO_LARGE, NOT_ENOUGH_REPLICAS, RECORD_LIST_TOO_LARGE, Remedy
from touchline_kafka.errors import REQUEST_ERRORS, classify, describe, error_of, is_retried
from touchline_kafka.retry import retrieve
from touchline_kafka.topics import NO_LEADER, NoSuchTopic, Topics
from touchline_protocol.errors import RecordRefusal

from .requests import BatchBuilder, Produced, SequenceNumbers, fetch_sequence_numbers, produce

BATCH_BYTES = 64 * 1024
"""Records that wait while a batch is out go into one batch of this size. A larger record has a batch of its own."""
BATCH_RECORDS_MAX = 1 << 16
"""More than `BATCH_BYTES` can hold: no limit, except while a refused batch is taken apart."""
SMALLER_S = 60.0
"""How long batches stay smaller after a topic refused one for its size; then its limit may have been raised."""
RETRY_S = 0.1
"""Between two tries of a batch: as in Kafka's Java client."""
LEADER_CHECK_S = 0.25
"""How often the topic is looked at while a batch has no answer: another broker may lead, or the topic may be gone."""
ACKS_TIMEOUT_MS = 5_000
"""How long the leader waits for the other replicas before it answers."""
NOT_ENOUGH_REPLICAS_S = 1.0
"""How long a batch is sent again while too few replicas are in sync. A replica that only has to catch up does so in
less; one that is gone takes longer than anybody waits."""
TOPIC_AGE_S_MAX = 5.0
"""Partitions that were added are used, and leaders that moved are looked for, after this time at the latest."""

_SEQUENCE_ERRORS = frozenset({45, 47, 59, 90})
"""The broker does not go on with our sequence numbers, since it has lost or forgotten records. It appended nothing."""
_NOT_APPENDED = _SEQUENCE_ERRORS | {0, NOT_ENOUGH_REPLICAS}
"""Besides refusals, the answers after which it is known what became of the batch."""
_SIZE_ERRORS = frozenset({MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE})


class NewRecord(Protocol):
    """A record to append. ``timestamp`` is Unix milliseconds; None is now."""

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...

    @property
    def timestamp(self) -> int | None: ...


class Written(NamedTuple):
    """Where a record was appended."""

    partition: int
    offset: int


Outcome: TypeAlias = Written | RecordRefusal
"""What became of a record that the broker has decided on."""


class Append:
    """What the records of one append have in common. If one is refused, those after it are withdrawn, unless the
    records are ``independent``."""

    def __init__(self, *, independent: bool) -> None:
        self.independent = independent
        self.is_stopped = False


class _Waiting(NamedTuple):
    record: NewRecord
    timestamp_ms: int
    append: Append
    future: asyncio.Future[Outcome]

    def withdraw_if_stopped(self) -> None:
        if self.append.is_stopped:
            self.future.cancel()


class _Batch:
    def __init__(self, records: list[_Waiting], builder: BatchBuilder) -> None:
        self.records = records
        self.builder = builder
        self.began = time.monotonic()
        self.data = b""
        self.is_unsure = False

    @property
    def has_withdrawn(self) -> bool:
        return any(one.future.done() for one in self.records)

    @property
    def lasts_s(self) -> float:
        return time.monotonic() - self.began


class PartitionWriter:
    """The writer of a partition. ``problem`` is why its newest try failed, None if it did not."""

    def __init__(self, client: Client, topics: Topics, topic: str, partition: int) -> None:
        self._client = client
        self._topics = topics
        self._topic = topic
        self._partition = partition
        self._waiting: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None
        self._numbers: SequenceNumbers | None = None
        self._bytes_max = BATCH_BYTES
        self._smaller_until = 0.0
        self._records_max = BATCH_RECORDS_MAX
        self.problem: Exception | None = None

    def add(self, record: NewRecord, append: Append) -> asyncio.Future[Outcome]:
        """Append a record after all that were added before it.

        The future raises KafkaError, OSError, TimeoutError or `NoSuchTopic` if the record was given up.
        """
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        future.add_done_callback(retrieve)
        timestamp_ms = int(time.time() * 1000) if record.timestamp is None else record.timestamp
        self._waiting.append(_Waiting(record, timestamp_ms, append, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"kafka-writer-{self._topic}-{self._partition}")
        return future

    async def stop(self) -> None:
        """Give up what waits."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        batch: _Batch | None = None
        try:
            while (batch := self._next_batch()) is not None:
                await self._deliver(batch)
        except BaseException as error:
            for one in [*(batch.records if batch else ()), *self._waiting]:
                if not one.future.done():
                    one.future.set_exception(error if isinstance(error, Exception) else TimeoutError())
            self._waiting.clear()
            self._numbers = None
            raise

    def _next_batch(self) -> _Batch | None:
        """Take the next records that were not withdrawn, as many as fit; None if there are none."""
        if time.monotonic() > self._smaller_until:
            self._bytes_max = BATCH_BYTES
        builder = BatchBuilder(self._bytes_max)
        records: list[_Waiting] = []
        while self._waiting and len(records) < self._records_max:
            one = self._waiting[0]
            one.withdraw_if_stopped()
            record = one.record
            if one.future.done():
                self._waiting.popleft()
            elif builder.add(record.key, record.value, record.headers, one.timestamp_ms):
                records.append(self._waiting.popleft())
            else:
                break
        return _Batch(records, builder) if records else None

    async def _deliver(self, batch: _Batch) -> None:
        """Send a batch until its records are decided on or are back in front of all that wait."""
        while not batch.has_withdrawn:
            try:
                produced = await self._attempt(batch)
            except NoSuchTopic as error:
                return self._give_up(batch, error)
            except REQUEST_ERRORS as error:
                self.problem = error
                if not is_retried(error):
                    return self._give_up(batch, error)
            else:
                if self._is_settled(batch, produced):
                    return None
            self._topics.forget(self._topic)
            await asyncio.sleep(RETRY_S)
        if batch.is_unsure:
            return self._give_up(batch, self.problem or TimeoutError())
        return self._put_back(batch.records)

    async def _attempt(self, batch: _Batch) -> Produced:
        leader = await self._leader()
        if self._numbers is None:
            self._numbers = await fetch_sequence_numbers(self._client, leader)
        batch.data = batch.data or batch.builder.build(self._numbers)
        was_unsure, batch.is_unsure = batch.is_unsure, True
        try:
            produced = await self._produce(leader, batch.data)
        except NodeNotReadyError:  # it was not sent
            batch.is_unsure = was_unsure
            raise
        if produced.error in _NOT_APPENDED or not is_retried(error_of(produced.error)):
            batch.is_unsure = was_unsure
        return produced

    async def _produce(self, leader: int, data: bytes) -> Produced:
        """Send a batch, and wait for the answer for as long as the broker leads the partition.

        A leader that is cut off from the other brokers answers only when its time is up.
        """
        sending = asyncio.create_task(
            produce(self._client, leader, self._topic, self._partition, data, ACKS_TIMEOUT_MS)
        )
        sending.add_done_callback(retrieve)
        try:
            while not (await asyncio.wait([sending], timeout=LEADER_CHECK_S))[0]:
                with contextlib.suppress(*REQUEST_ERRORS):
                    if await self._leader(age_s_max=0.0) != leader:
                        break
            if not sending.done():
                raise NotLeaderForPartitionError
            return sending.result()
        finally:
            sending.cancel()

    async def _leader(self, age_s_max: float = TOPIC_AGE_S_MAX) -> int:
        topic = (await self._topics.topic(self._topic, age_s_max=age_s_max)).usable()
        leader = topic.leaders.get(self._partition, NO_LEADER)
        if leader == NO_LEADER:
            raise LeaderNotAvailableError
        return leader

    def _is_settled(self, batch: _Batch, produced: Produced) -> bool:
        """Act on a broker's answer; returns False if the batch has to be sent again."""
        if not produced.error:
            self._confirm(batch, produced.offset)
            return True
        error = self.problem = error_of(produced.error)
        remedy = classify(error).remedy
        if remedy is Remedy.RETRY:
            return self._is_given_up(batch, produced.error)
        if remedy is Remedy.REFUSE_RECORD and not batch.is_unsure:
            self._sort_out(batch, produced)
        else:
            self._give_up(batch, error)
        return True

    def _is_given_up(self, batch: _Batch, code: int) -> bool:
        """Whether it is useless to send the same again, though the error passes."""
        if code in _SEQUENCE_ERRORS:
            if batch.is_unsure:
                self._give_up(batch, error_of(code))
            else:
                self._numbers = None
                self._put_back(batch.records)
            return True
        if code == NOT_ENOUGH_REPLICAS and batch.lasts_s > NOT_ENOUGH_REPLICAS_S:
            self._give_up(batch, error_of(code))
            return True
        return False

    def _confirm(self, batch: _Batch, offset: int) -> None:
        assert self._numbers is not None  # noqa: S101 - it was sent with them
        self._numbers.advance(len(batch.records))
        self._records_max = BATCH_RECORDS_MAX
        self.problem = None
        for number, one in enumerate(batch.records):
            if not one.future.done():
                one.future.set_result(Written(self._partition, offset + number))

    def _give_up(self, batch: _Batch, error: Exception) -> None:
        if batch.is_unsure:
            self._numbers = None
        for one in batch.records:
            if not one.future.done():
                one.future.set_exception(error)

    def _put_back(self, records: Sequence[_Waiting]) -> None:
        self._waiting.extendleft(reversed(records))

    def _sort_out(self, batch: _Batch, produced: Produced) -> None:
        """Refuse the records that the broker refused, or send smaller batches to find out which these are."""
        count = len(batch.records)
        whys = {index: why for index, why in produced.refused if index < count}
        if count == 1:
            whys.setdefault(0, None)
        for index, why in whys.items():
            self._refuse(batch.records[index], produced, why)
        if not whys and produced.error in _SIZE_ERRORS:
            self._bytes_max = min(self._bytes_max, len(batch.data)) // 2
            self._smaller_until = time.monotonic() + SMALLER_S
        elif not whys:
            self._records_max = (count + 1) // 2
        self._put_back([one for index, one in enumerate(batch.records) if index not in whys])

    def _refuse(self, refused: _Waiting, produced: Produced, why: str | None) -> None:
        self._records_max = BATCH_RECORDS_MAX
        refused.append.is_stopped = not refused.append.independent
        if not refused.future.done():
            text = describe(error_of(produced.error))
            detail = why or produced.message
            is_too_large = produced.error in _SIZE_ERRORS
            if detail and not is_too_large:  # of a size, Kafka's text says nothing more
                text = f"{text} ({detail})"
            refused.future.set_result(RecordRefusal(is_too_large, text))
