"""Reading old records of one partition, beside the live reader: its requests wait at the broker for nothing.

Rules: each answer comes by topic id, so it is of the epoch that was asked for. Offsets need not be dense, so how far a
read came is told by the batches, not by the last record.
"""

import asyncio
import contextlib

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, LeaderNotAvailableError

from touchline_protocol.errors import LogUnavailable
from touchline_protocol.records import Record
from touchline_server.core.log import Chunk, OffsetOutOfRange

from .client import OUTAGES, RETRY_FIRST_S, in_words
from .fetch import LATEST, MOVED_ERRORS, OFFSET_OUT_OF_RANGE, Fetched, fetch, list_offsets
from .topics import NO_LEADER, Topic, Topics, error_of

READ_BYTES_MAX = 256 * 1024
"""Of one fetch: about as much as a chunk of some hundred events takes; the rest of it would be decoded for nothing."""
TRIES_MAX = 5
"""A partition whose leader moves is asked again so often, each time after `RETRY_FIRST_S`."""
EMPTY_WAITS_MS = (0, 100, 600)
"""Waits of the fetches that must find nothing before a hole up to the last stable offset is believed: a broker that
has to get old segments from remote storage (KIP-405) answers with nothing after 500 ms of trying."""
TOPIC_AGE_S_MAX = 60.0
"""What is known of leaders is used for so long; a broker that leads no more says so."""


class ReplayReader:
    """Reads by `Log.read` and `Log.end`; needs no state of its own."""

    def __init__(self, client: AIOKafkaClient, topics: Topics) -> None:
        self._client = client
        self._topics = topics

    async def read(self, name: str, epoch: str, partition: int, *, after: int, up_to: int, records_max: int) -> Chunk:
        """See `core.log.Log.read`."""
        records: list[Record] = []
        offset = after + 1
        empty = 0
        while offset <= up_to:
            answer = await self._fetch(name, epoch, partition, offset, wait_ms=EMPTY_WAITS_MS[empty])
            try:
                with contextlib.closing(answer.records(name, offset)) as iterator:
                    for record in iterator:
                        if record.offset > up_to:
                            return Chunk(records, up_to)
                        records.append(record)
                        if len(records) == records_max:
                            return Chunk(records, record.offset)
            except Exception as error:  # each decompressor has errors of its own
                raise LogUnavailable(f"records of {name}/{partition} cannot be decoded: {in_words(error)}") from error
            if iterator.next_fetch_offset > offset:
                offset, empty = iterator.next_fetch_offset, 0
            elif offset >= answer.last_stable_offset or empty == len(EMPTY_WAITS_MS) - 1:
                break
            else:
                empty += 1
        return Chunk(records, max(after, up_to))

    async def end(self, name: str, epoch: str, partition: int) -> int:
        """See `core.log.Log.end`. Asked by name first, which may be another topic's by now, then made sure by id."""
        try:
            topic = await self._topics.topic(name, age_s_max=TOPIC_AGE_S_MAX)
            listed = (await list_offsets(self._client, topic, [partition], LATEST))[partition]
        except OUTAGES as error:
            self._topics.forget(name)
            await self._check_epoch(name, epoch, error)
            raise LogUnavailable(f"Kafka did not tell the end of {name}/{partition}: {in_words(error)}") from error
        return (await self._fetch(name, epoch, partition, listed, wait_ms=0)).last_stable_offset

    async def _fetch(self, name: str, epoch: str, partition: int, offset: int, *, wait_ms: int) -> Fetched:
        """One fetch that succeeded, wherever the partition's leader is by now."""
        why: BaseException = KafkaError()
        for tried in range(TRIES_MAX):
            if tried:
                self._topics.forget(name)
                await asyncio.sleep(RETRY_FIRST_S)
            try:
                topic = await self._topics.topic(name, age_s_max=TOPIC_AGE_S_MAX)
                if topic.epoch != epoch:  # what is remembered may be old: believe only an answer of now
                    topic = (await self._topics.describe([name]))[name]
                    if topic.epoch != epoch:
                        raise OffsetOutOfRange(f"{epoch} is no epoch of {name} now")
                answer = await self._fetch_at_leader(topic, partition, offset, wait_ms)
            except OUTAGES as error:
                why = error
                continue
            if not answer.error:
                return answer
            if answer.error == OFFSET_OUT_OF_RANGE:
                raise OffsetOutOfRange(f"{name}/{partition} has no offset {offset}")
            why = error_of(answer.error)
            if answer.error not in MOVED_ERRORS:
                break
        raise LogUnavailable(f"Kafka did not hand out {name}/{partition}: {in_words(why)}") from why

    async def _fetch_at_leader(self, topic: Topic, partition: int, offset: int, wait_ms: int) -> Fetched:
        if partition not in topic.leaders:
            raise OffsetOutOfRange(f"{topic.name} has no partition {partition}")
        node = topic.leaders[partition]
        if node == NO_LEADER:
            raise LeaderNotAvailableError(f"partition {partition} of {topic.name} has no leader")
        place = {(topic.topic_id, partition): offset}
        answers = await fetch(
            self._client, node, place, wait_ms=wait_ms, bytes_max=READ_BYTES_MAX, partition_bytes_max=READ_BYTES_MAX
        )
        return answers[0]

    async def _check_epoch(self, name: str, epoch: str, error: BaseException) -> None:
        """Raise `OffsetOutOfRange` if what failed did so because the topic is another or no more."""
        try:
            topic = (await self._topics.describe([name]))[name]
        except OUTAGES:
            return
        if topic.epoch != epoch:
            raise OffsetOutOfRange(f"{epoch} is no epoch of {name} now") from error
