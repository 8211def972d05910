"""A real Kafka cluster of three brokers in three racks, and a count of what each of them hands out."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka.protocol.fetch import FetchRequest

from support.kafka_broker import KafkaCluster, demand_kafka
from touchline_kafka import wire
from touchline_kafka.client import Client

RACKS = "abc"
SETTINGS: dict[str, object] = {
    "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector",
    # One batch at a time, so that a throttled replica falls behind at once.
    "replica.fetch.max.bytes": 4_000,
    "replica.fetch.response.max.bytes": 4_000,
    "replica.lag.time.max.ms": 3_000,
}


@contextmanager
def kafka_in_racks(folder: Path) -> Iterator[KafkaCluster]:
    """A cluster whose brokers choose replicas by their racks, which are `RACKS` in the order of the brokers."""
    demand_kafka()
    made = KafkaCluster(folder)
    for broker, rack in zip(made.brokers, RACKS, strict=True):
        broker.settings = SETTINGS | {"broker.rack": rack}
    try:
        made.start()
        yield made
    finally:
        made.stop()


def count_fetched(client: Client, bytes_by_node: Counter[int]) -> None:
    """Count the bytes of records that this client fetches from now on, by the broker that hands them out."""
    send = client.send

    async def counted(node: int, request: Any, **options: Any) -> Any:
        answer = await send(node, request, **options)
        if isinstance(request, FetchRequest | wire.FetchRequest):
            parts = [part for _, partitions, *_ in answer.topics for one in partitions for part in one]
            if size := sum(len(part) for part in parts if isinstance(part, bytes)):
                bytes_by_node[node] += size
        return answer

    client.send = counted  # type: ignore[method-assign,assignment]
