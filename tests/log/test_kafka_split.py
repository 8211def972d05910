"""A broker that is cut off from its peers, while edges still reach it: it goes on answering as if it led."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest

from log.harness import Reader
from log.kafka_harness import CHECK_S
from support.kafka_split import SplitCluster
from support.waiting import DEADLINE_S
from touchline_protocol.errors import LogUnavailable
from touchline_server.config.tables import KafkaSettings
from touchline_server.core.log import Entry, Log
from touchline_server.log.kafka.log import KafkaLog

READERS = 6
"""So many that one of them would rely on the broker that is cut off, if each relied on one."""


@pytest.fixture
async def open_log(split_cluster: SplitCluster) -> AsyncIterator[Callable[..., Awaitable[KafkaLog]]]:
    """Opens logs that are closed after the test."""
    logs: list[KafkaLog] = []

    async def opened(*topics: str) -> KafkaLog:
        log = KafkaLog(split_cluster.address.split(","), KafkaSettings(epoch_check_s=CHECK_S))
        logs.append(log)
        await log.open(topics, since_ms=0)
        return log

    yield opened
    for log in logs:
        await log.close()


async def test_readers_and_producers_leave_a_broker_that_is_cut_off_from_its_peers(
    open_log: Callable[..., Awaitable[KafkaLog]], split_cluster: SplitCluster
) -> None:
    topic = f"topic-{uuid.uuid4()}"
    first = split_cluster.brokers[0]
    await split_cluster.create_led_by(first, topic)
    logs = [await open_log(topic) for _ in range(READERS)]
    readers = [Reader(log) for log in logs]
    await logs[0].append(topic, [Entry(b"room", b"before")])
    await asyncio.gather(*(reader.until_values(topic, [b"before"]) for reader in readers))
    split_cluster.cut_off(first)
    try:
        await asyncio.gather(*(_append(log, topic) for log in logs))
        await asyncio.gather(*(reader.until(partial(_has, reader, topic)) for reader in readers))
        assert [log.problems for log in logs] == [{}] * READERS
    finally:
        split_cluster.join(first)


async def _append(log: Log, topic: str) -> None:
    """Append a record, however many tries it takes: a failed one may be written as well."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                await log.append(topic, [Entry(b"room", b"after")])
            except LogUnavailable:
                await asyncio.sleep(0.1)
            else:
                return


def _has(reader: Reader, topic: str) -> bool:
    return sum(record.value == b"after" for record in reader.all(topic)) >= READERS
