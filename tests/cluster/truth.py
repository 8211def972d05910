"""Reads what Kafka holds, after a run and before a fault destroys a part of it."""

import asyncio
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaError

from cluster.producers import Publisher
from cluster.scene import Feed, rooms_of
from touchline_loadtest.checks.room_log import Entry, LogId, RoomLog, Sent

POLL_MS = 200
RETRY_S = 0.5
READ_TIMEOUT_S = 120.0


class Truth:
    """Collects the records of all feeds. It keeps what it has read, even if Kafka has deleted it since."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._entries: dict[LogId, dict[int, Entry]] = {}
        self._starts: dict[LogId, int] = {}

    async def read(self, feed: Feed, generation: int) -> dict[int, int]:
        """Read all partitions of a topic whole, and return the offsets behind their ends."""
        async with asyncio.timeout(READ_TIMEOUT_S):
            while True:
                try:
                    return await self._read(feed, generation)
                except (KafkaError, OSError):
                    await asyncio.sleep(RETRY_S)

    def rooms(self, feed: Feed, sent: Iterable[Sent]) -> list[RoomLog]:
        """What is known of each room of a feed."""
        by_room: dict[str, dict[int, Sent]] = {room: {} for room in rooms_of(feed)}
        for each in sent:
            by_room[each.room][each.number] = each
        logs = {log: found for log, found in self._entries.items() if log.topic == feed.topic}
        return [
            RoomLog(
                room,
                of_room,
                {
                    log: [entry for _, entry in sorted(found.items()) if entry.room == room]
                    for log, found in logs.items()
                },
                self._starts,
                lossy=feed.lossy,
                restarts=feed.restarts,
            )
            for room, of_room in by_room.items()
        ]

    def lost(self, publisher: Publisher) -> list[Sent]:
        """Acknowledged events that the log does not have."""
        return [
            publisher.sent[number]
            for number, (log, offset) in publisher.acked.items()
            if (entry := self._entries.get(log, {}).get(offset)) is None or entry.number != number
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
            found: dict[LogId, dict[int, Entry]] = {
                LogId(feed.topic, generation, partition.partition): {} for partition in partitions
            }
            while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
                for partition, records in (await consumer.getmany(timeout_ms=POLL_MS)).items():
                    log = found[LogId(feed.topic, generation, partition.partition)]
                    log.update({record.offset: _entry(feed, record) for record in records})
        finally:
            await consumer.stop()
        self._merge(found, {LogId(feed.topic, generation, each.partition): start for each, start in starts.items()})
        return {each.partition: end for each, end in ends.items()}

    def _merge(self, found: dict[LogId, dict[int, Entry]], starts: dict[LogId, int]) -> None:
        """Keep what was deleted since the last time, but not what an unclean election has replaced."""
        for log, entries in found.items():
            known = self._entries.setdefault(log, {})
            kept = {offset: entry for offset, entry in known.items() if offset < starts[log]}
            self._entries[log] = kept | entries
        self._starts.update(starts)


def _entry(feed: Feed, record: ConsumerRecord[bytes | None, bytes | None]) -> Entry:
    headers = dict(record.headers)
    return Entry(
        record.offset,
        record.timestamp,
        f"{feed.name}:{(record.key or b'').decode()}",
        headers["key"].decode() if "key" in headers else None,
        record.value is None,
    )
