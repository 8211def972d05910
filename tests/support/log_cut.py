"""Cuts a broker's log back, as a power cut does that lost what was not on the disk yet, and lets it grow again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.kafka_broker import KafkaBroker
from touchline_kafka.salvage import batch_at


@asynccontextmanager
async def cut_back(broker: KafkaBroker, topic: str, offset: int, partition: int = 0) -> AsyncIterator[None]:
    """Kill the broker, remove its batches from ``offset`` on, and start it again.

    Within the ``async with`` the broker has another address: those that it had cannot see how the log grows again.
    """
    await asyncio.to_thread(broker.stop, kill=True)
    remove_from(broker.segment(topic, partition), offset)
    with broker.elsewhere():
        await started(broker)
        yield
        await asyncio.to_thread(broker.stop)
    await started(broker)


async def started(broker: KafkaBroker) -> None:
    """Start a broker from within a loop."""
    broker.launch()
    await asyncio.to_thread(broker.wait_started)


def remove_from(segment: Path, offset: int) -> None:
    """Remove the batches from ``offset`` on from a segment of a broker that does not run."""
    data = segment.read_bytes()
    kept = 0
    while (batch := batch_at(data[kept:], 0)) is not None and batch.next_offset <= offset:
        kept += batch.end
    segment.write_bytes(data[:kept])
