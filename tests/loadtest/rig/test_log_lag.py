"""The log lag: events that are in Kafka, and not with a client."""

import asyncio
import contextlib
from pathlib import Path

from aiokafka import AIOKafkaProducer
from hypothesis import given
from hypothesis import strategies as st

from support.kafka_broker import KafkaBroker
from support.waiting import eventually
from touchline_kafka.partitioner import partition_of
from touchline_loadtest.rig.log_lag.lag import Partition, lag
from touchline_loadtest.rig.log_lag.record import record_log_lag
from touchline_loadtest.rig.topics import PARTITIONS
from touchline_loadtest.runs.reader import RunReader
from touchline_loadtest.runs.records import RunInfo
from touchline_loadtest.runs.writer import RunWriter

ROOMS = [f"score:{number}" for number in range(1, 9)]
PLACES = {room: Partition(room, number % 3) for number, room in enumerate(ROOMS)}


@given(st.lists(st.tuples(st.sampled_from(ROOMS), st.booleans())))
def test_the_lag_is_what_was_published_after_the_newest_event_of_each_partition(
    published: list[tuple[str, bool]],
) -> None:
    ends = dict.fromkeys(PLACES.values(), 0)
    newest = dict.fromkeys(ROOMS, -1)
    behind = dict.fromkeys(PLACES.values(), 0)
    for room, received in published:
        place = PLACES[room]
        behind[place] = 0 if received else behind[place] + 1
        if received:
            newest[room] = ends[place]
        ends[place] += 1
    assert lag(ends, PLACES, newest) == sum(behind.values())


async def test_the_lag_of_a_client_that_stands_still_grows_with_the_log(kafka: KafkaBroker, tmp_path: Path) -> None:
    topic = f"lag-{tmp_path.name}"
    await kafka.create(topic, PARTITIONS)
    still: dict[str, int] = {}

    def lags(edge: str) -> list[float]:
        return [each.value for each in RunReader(tmp_path).samples() if each.labels == {"edge": edge}]

    with RunWriter.create(tmp_path, RunInfo("a run", "locust", 0.0)) as run:
        clients = {"edge-1": lambda: still or None, "edge-2": lambda: dict.fromkeys(ROOMS, 1_000)}
        task = asyncio.create_task(record_log_lag(run, kafka.address, {"score": topic}, ROOMS, clients))
        try:
            await eventually(lambda: lags("edge-2") or task.done())
            assert lags("edge-1") == []  # its client is not in all rooms yet
            still.update(dict.fromkeys(ROOMS, -1))
            await publish(kafka.address, topic)
            await eventually(lambda: lags("edge-1")[-1:] == [len(ROOMS)] or task.done())
            assert set(lags("edge-2")) == {0}
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def publish(address: str, topic: str) -> None:
    """An event to each room."""
    async with AIOKafkaProducer(bootstrap_servers=address) as producer:
        for room in ROOMS:
            key = room.partition(":")[2].encode()
            await producer.send_and_wait(topic, b"1", key=key, partition=partition_of(key, PARTITIONS))
