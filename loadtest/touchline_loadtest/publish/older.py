"""Writes records that are stamped over the past, as fast as a broker takes them: batches, not one after the other."""

import asyncio
import itertools
from collections.abc import Iterator
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

BATCH_BYTES = 512 * 1024
IN_FLIGHT_MAX = 16
"""Batches that the broker has not confirmed yet."""


class OlderRecord(NamedTuple):
    """A record. ``timestamp`` is Unix milliseconds."""

    timestamp: int
    room_id: bytes
    key: bytes
    value: bytes


async def write_older(address: str, topic: str, partition: int, records: Iterator[OlderRecord]) -> None:
    """Append records to a partition in their order."""
    async with AIOKafkaProducer(
        bootstrap_servers=address, acks="all", max_batch_size=BATCH_BYTES, max_request_size=2 * BATCH_BYTES
    ) as producer:
        pending: list[asyncio.Future[object]] = []
        left = next(records, None)
        while left is not None:
            batch = producer.create_batch()
            for record in itertools.chain([left], records):
                headers = [("key", record.key)]
                left = record
                if (
                    batch.append(timestamp=record.timestamp, key=record.room_id, value=record.value, headers=headers)
                    is None
                ):
                    break
            else:
                left = None
            pending.append(await producer.send_batch(batch, topic, partition=partition))
            if len(pending) >= IN_FLIGHT_MAX:
                await pending.pop(0)
        await asyncio.gather(*pending)
