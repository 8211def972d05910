"""Records the log lag of a run, once a second, into its folder.

The broker is asked by a client that is not ours, as the witness asks it. The clients are looked at when its answer is
there, so that what they have received since then does not count.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from touchline_kafka.errors import REQUEST_ERRORS, describe
from touchline_kafka.partitioner import partition_of
from touchline_loadtest.clock import now_ms
from touchline_loadtest.rig.topics import PARTITIONS
from touchline_loadtest.runs.series import LOG_LAG, sample
from touchline_loadtest.runs.writer import RunWriter
from touchline_protocol.errors import OperatorError

from .lag import Partition, lag

INTERVAL_S = 1.0
REQUEST_TIMEOUT_S = 5.0
EDGE = "edge"
"""The label with the name of an edge, where each has a client that is looked at."""

Newest = Callable[[], Mapping[str, int] | None]
"""The offset of the newest event that a client has of each room; None as long as it is not in all of its rooms."""


async def record_log_lag(
    run: RunWriter, kafka: str, topics: Mapping[str, str], rooms: Sequence[str], clients: Mapping[str, Newest]
) -> None:
    """Sample until cancelled. ``topics`` are those of feeds; ``clients`` are by their edges, or one without a name.

    A second in which the broker does not answer has no sample.

    Raises:
        OperatorError: the broker cannot be reached at first.
    """
    places = {room: _place(room, topics) for room in rooms}
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    try:
        await _start(consumer, kafka)
        while True:
            with contextlib.suppress(*REQUEST_ERRORS):
                ends = await _ends(consumer, set(places.values()))
                positions = {edge: newest() for edge, newest in clients.items()}
                run.samples(
                    sample(now_ms(), LOG_LAG, lag(ends, places, newest), **({EDGE: edge} if edge else {}))
                    for edge, newest in positions.items()
                    if newest is not None
                )
            await asyncio.sleep(INTERVAL_S)
    finally:
        await consumer.stop()


def _place(room: str, topics: Mapping[str, str]) -> Partition:
    feed, _, room_id = room.partition(":")
    return Partition(topics[feed], partition_of(room_id.encode(), PARTITIONS))


async def _start(consumer: AIOKafkaConsumer, kafka: str) -> None:
    try:
        await consumer.start()
    except REQUEST_ERRORS as error:
        raise OperatorError(f"cannot read the ends of topics at {kafka}: {describe(error)}") from error


async def _ends(consumer: AIOKafkaConsumer, partitions: Iterable[Partition]) -> Mapping[Partition, int]:
    async with asyncio.timeout(REQUEST_TIMEOUT_S):
        found = await consumer.end_offsets([TopicPartition(*partition) for partition in partitions])
    return {Partition(*partition): end for partition, end in found.items()}
