"""Appending records: bounded in time, idempotent, and unable to create a topic.

Rules:

1. Each append ends within `APPEND_TIMEOUT_S`. A record that it reports as failed is not sent again. (Only a request
   that was out just then can have got through: no client can tell.)
2. An append fails or waits for its own partitions alone. Nothing that happens to it, or to its topic, reaches another.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from touchline_kafka.client import Client
from touchline_kafka.cluster import Cluster
from touchline_kafka.errors import REQUEST_ERRORS, describe, is_retried
from touchline_kafka.partitioner import partition_of
from touchline_kafka.retry import retrieve
from touchline_kafka.topics import NoSuchTopic, Topics
from touchline_protocol.errors import LogUnavailable, RecordRefusal, RecordsRefused, TopicRefused
from touchline_protocol.printable import counted

from .partition_writer import TOPIC_AGE_S_MAX, Append, NewRecord, Outcome, PartitionWriter, Written

APPEND_TIMEOUT_S = 5.0
"""The longest that a caller waits to hear that Kafka is away; a broker's restart takes about as long."""


class ProduceFailed(LogUnavailable):
    """Not all records could be appended. The first ``written`` of them are in the topic, in order, except those in
    ``refused``; the rest may be."""

    def __init__(self, message: str, written: int, refused: dict[int, RecordRefusal]) -> None:
        super().__init__(message)
        self.written = written
        self.refused = refused


class BoundedProducer:
    """Appends to any topic; connects when first used."""

    def __init__(self, cluster: Cluster, topics: Topics) -> None:
        self._cluster = cluster
        self._topics = topics
        self._connecting: asyncio.Task[Client] | None = None
        self._finding: asyncio.Task[None] | None = None
        self._writers: dict[tuple[str, int], PartitionWriter] = {}
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def append(self, topic: str, records: Sequence[NewRecord], *, independent: bool = False) -> list[Written]:
        """Append records in order; returns once they are durable. Java's default partitioner chooses the partitions.

        If one is refused, those after it are not appended, unless the records are ``independent``.

        Raises:
            NoSuchTopic: there is no such topic.
            RecordsRefused: Kafka refused some of the records for good.
            TopicRefused: Kafka takes no records for this topic until an operator acts.
            ProduceFailed: Kafka did not take them all.
        """
        self._under_way += 1
        self._idle.clear()
        try:
            return await self._append(topic, records, Append(independent=independent))
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def close(self) -> None:
        """Finish the appends under way, which takes at most `APPEND_TIMEOUT_S`, and close all connections."""
        await self._idle.wait()
        for writer in self._writers.values():
            await writer.stop()
        if self._connecting is not None and not self._connecting.done():
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if self._finding is not None:
            await asyncio.wait([self._finding])  # cancelled, aiokafka would leave its connection open
        if (client := self._connected_client) is not None:
            await client.close()
        self._connecting = None

    async def _append(self, topic: str, records: Sequence[NewRecord], append: Append) -> list[Written]:
        added: list[tuple[PartitionWriter, asyncio.Future[Outcome]]] = []
        reason: BaseException | None = None
        try:
            async with asyncio.timeout(APPEND_TIMEOUT_S):
                added = await self._add(topic, records, append)
                if added:
                    await asyncio.wait([future for _, future in added])
        except LogUnavailable as error:
            raise ProduceFailed(str(error), 0, {}) from error
        except REQUEST_ERRORS as error:
            problems = (writer.problem for writer, future in added if not future.done())
            reason = next((problem for problem in problems if problem is not None), error)
        except NoSuchTopic as error:
            reason = error
        finally:
            for _, future in added:
                future.cancel()
        outcomes = _Outcomes([future for _, future in added])
        failure = reason or outcomes.failure
        if failure is not None:
            self._find_brokers()
            raise _failure(topic, len(records), outcomes, failure) from failure
        if outcomes.refused:
            written = outcomes.decided if append.independent else min(outcomes.refused)
            raise RecordsRefused(topic, outcomes.refused, written)
        return outcomes.written

    async def _add(
        self, topic: str, records: Sequence[NewRecord], append: Append
    ) -> list[tuple[PartitionWriter, asyncio.Future[Outcome]]]:
        client = await self._connected()
        partitions = len((await self._topics.topic(topic, age_s_max=TOPIC_AGE_S_MAX)).usable().leaders)
        added = []
        for record in records:
            writer = self._writer(client, topic, partition_of(record.key or b"", partitions))
            added.append((writer, writer.add(record, append)))
        return added

    async def _connected(self) -> Client:
        """The client, which one append after the other may wait for: none of them ends the attempt to connect."""
        if self._connecting is None or (self._connecting.done() and self._connected_client is None):
            self._connecting = asyncio.create_task(self._cluster.connect(), name="kafka-producer-connect")
            self._connecting.add_done_callback(retrieve)
        return await asyncio.shield(self._connecting)

    @property
    def _connected_client(self) -> Client | None:
        task = self._connecting
        failed = task is None or not task.done() or task.cancelled() or task.exception() is not None
        return None if task is None or failed else task.result()

    def _writer(self, client: Client, topic: str, partition: int) -> PartitionWriter:
        writer = self._writers.get((topic, partition))
        if writer is None:
            writer = self._writers[topic, partition] = PartitionWriter(client, self._topics, topic, partition)
        return writer

    def _find_brokers(self) -> None:
        """Ask the configured addresses for the brokers, in the background: all of them may have moved."""
        client = self._connected_client
        if client is not None and (self._finding is None or self._finding.done()):
            self._finding = asyncio.create_task(_bootstrap(client), name="kafka-producer-bootstrap")


async def _bootstrap(client: Client) -> None:
    with contextlib.suppress(*REQUEST_ERRORS):
        await client.bootstrap()


class _Outcomes:
    """What became of the records of an append. The first ``decided`` of them are written or refused."""

    def __init__(self, futures: Sequence[asyncio.Future[Outcome]]) -> None:
        self.written: list[Written] = []
        self.refused: dict[int, RecordRefusal] = {}
        self.failure: BaseException | None = None
        self.decided = len(futures)
        for index, future in enumerate(futures):
            if future.cancelled() or future.exception() is not None:
                self.decided = min(self.decided, index)
                self.failure = self.failure or (None if future.cancelled() else future.exception())
            elif isinstance(outcome := future.result(), RecordRefusal):
                self.refused[index] = outcome
            else:
                self.written.append(outcome)


def _failure(topic: str, records: int, outcomes: _Outcomes, error: BaseException) -> BaseException:
    """What to raise when records were given up."""
    if not isinstance(error, REQUEST_ERRORS):
        return error  # `NoSuchTopic`, or a bug of ours
    written = outcomes.decided
    count = f"{written} of {counted(records, 'record')}" if written else "nothing"
    message = f"{count} could be appended to {topic}: {describe(error)}"
    if is_retried(error):
        return ProduceFailed(message, written, outcomes.refused)
    return TopicRefused(message, written, outcomes.refused)
