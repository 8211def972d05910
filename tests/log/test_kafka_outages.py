"""Producers through outages: a failed append is reported, and nothing is left of a producer that was released."""

import asyncio
import gc
import logging
from collections.abc import Callable

import pytest
from aiokafka.client import AIOKafkaClient

from support.kafka_broker import KafkaBroker
from touchline_protocol.errors import LogUnavailable
from touchline_server.config.tables import KafkaSettings
from touchline_server.core.log import Entry
from touchline_server.log.kafka.log import KafkaLog

PUBLISHERS = 4
OUTAGES = 2
DEADLINE_S = 90.0


async def test_an_outage_leaves_nothing_of_the_producer_that_it_ended(
    kafka_to_restart: KafkaBroker, caplog: pytest.LogCaptureFixture
) -> None:
    broker = kafka_to_restart
    await broker.create("outages", 2)
    log = KafkaLog([broker.address], KafkaSettings())
    await log.open([], since_ms=0)
    appended = failed = 0
    ended = False

    async def publish(key: bytes) -> None:
        nonlocal appended, failed
        while not ended:
            try:
                await log.append("outages", [Entry(key, b"1")])
                appended += 1
            except LogUnavailable:
                failed += 1
                await asyncio.sleep(0.01)

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - the counters have no event
                await asyncio.sleep(0.01)

    publishers = [asyncio.create_task(publish(bytes([65 + number]))) for number in range(PUBLISHERS)]
    clients_before = 0
    for _ in range(OUTAGES):
        goal = appended + 50
        await until(lambda goal=goal: appended > goal)  # type: ignore[misc]
        clients_before = clients_before or _clients()
        await asyncio.to_thread(broker.stop, kill=True)
        seen = failed
        await until(lambda seen=seen: failed > seen + PUBLISHERS)  # type: ignore[misc]
        broker.launch()
        await asyncio.to_thread(broker.wait_started)
    goal = appended + 50
    await until(lambda: appended > goal)
    ended = True
    await asyncio.gather(*publishers)
    await until(lambda: _clients() <= clients_before)
    await log.close()
    gc.collect()
    assert _clients() == 0
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
    assert not [record for record in caplog.records if record.levelno > logging.WARNING and record.exc_info]


def _clients() -> int:
    """aiokafka's clients that still look after their metadata."""
    tasks = [task.get_coro() for task in asyncio.all_tasks()]
    name = AIOKafkaClient._md_synchronizer.__qualname__
    return sum(1 for coroutine in tasks if getattr(coroutine, "__qualname__", "") == name)
