"""Reads what Kafka holds, after a run and before a fault destroys a part of it."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

from cluster.producers import Publisher, Sent
from cluster.scene import Feed, rooms_of
from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.room_log import RoomLog, Starts, TopicFacts
from touchline_loadtest.clock import now_ms

POLL_MS = 200
RETRY_S = 0.5
READ_TIMEOUT_S = 120.0


class Record(NamedTuple):
    """An event as Kafka has it. Its number is its timestamp."""

    number: int
    room: str
    key: str | None
    removal: bool


class Truth:
    """Collects the records of all feeds. It keeps what it has read, even if Kafka has deleted it since."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._records: dict[LogId, dict[int, Record]] = {}
        self._starts: defaultdict[str, Starts] = defaultdict(Starts)

    async def read(self, feed: Feed, generation: int) -> dict[int, int]:
        """Read all partitions of a topic whole, and return the offsets behind their ends."""
        async with asyncio.timeout(READ_TIMEOUT_S):
            while True:
                try:
                    return await self._read(feed, generation)
                except (KafkaError, OSError):
                    await asyncio.sleep(RETRY_S)

    def rooms(self, feed: Feed, sent: Mapping[int, Sent]) -> list[RoomLog]:
        """What is known of each room of a feed. ``sent`` has what was sent to it, by number."""
        facts = TopicFacts(lossy=feed.lossy, restarts=feed.restarts, timed=False)
        rooms = {room: RoomLog(room, facts, self._starts[feed.topic]) for room in rooms_of(feed)}
        for log, records in self._records.items():
            if log.topic == feed.topic:
                for offset, record in sorted(records.items()):
                    entry = Entry(offset, record.number, record.key, record.removal, sent[record.number].order)
                    rooms[record.room].append(log, entry)
        for event in sent.values():
            rooms[event.room].sent.add((event.number, event.key, event.removal))
        return [*rooms.values()]

    def lost(self, publisher: Publisher) -> list[Sent]:
        """Acknowledged events that the log does not have."""
        return [
            publisher.sent[number]
            for number, (log, offset) in publisher.acked.items()
            if (record := self._records.get(log, {}).get(offset)) is None or record.number != number
        ]

    async def _read(self, feed: Feed, generation: int) -> dict[int, int]:
        consumer = AIOKafkaConsumer(
            feed.topic,
            bootstrap_servers=self._address,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        try:
            await consumer.start()
            partitions = consumer.assignment()
            starts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
            found: dict[LogId, dict[int, Record]] = {
                LogId(feed.topic, generation, partition.partition): {} for partition in partitions
            }
            while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
                for partition, records in (await consumer.getmany(timeout_ms=POLL_MS)).items():
                    log = found[LogId(feed.topic, generation, partition.partition)]
                    log.update({record.offset: _record(feed, record) for record in records})
        finally:
            await consumer.stop()
        self._merge(found, {LogId(feed.topic, generation, each.partition): start for each, start in starts.items()})
        return {each.partition: end for each, end in ends.items()}

    def _merge(self, found: dict[LogId, dict[int, Record]], starts: dict[LogId, int]) -> None:
        """Keep what was deleted since the last time, but not what an unclean election has replaced."""
        for log, records in found.items():
            known = self._records.setdefault(log, {})
            kept = {offset: record for offset, record in known.items() if offset < starts[log]}
            self._records[log] = kept | records
            self._starts[log.topic].add(log, now_ms(), starts[log])


def _record(feed: Feed, record: ConsumerRecord[bytes | None, bytes | None]) -> Record:
    headers = dict(record.headers)
    return Record(
        record.timestamp,
        f"{feed.name}:{(record.key or b'').decode()}",
        headers["key"].decode() if "key" in headers else None,
        record.value is None,
    )
