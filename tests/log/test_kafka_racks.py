"""Reading from the replica in one's own rack: three brokers in three racks, which choose replicas by them (KIP-392)."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.kafka_broker import KafkaCluster
from support.kafka_log_harness import CHECK_S, KafkaHarness
from support.kafka_racks import count_fetched, kafka_in_racks
from support.log_cut import started
from support.log_harness import Raw
from touchline_kafka.metadata import read_replicas
from touchline_server.config.tables import KafkaSettings
from touchline_server.core.log import LogEvent, OffsetsLost, Records, TopicOpened, Truncated
from touchline_server.log.kafka import stalled_replicas
from touchline_server.log.kafka.log import KafkaLog

DEADLINE_S = 120.0


class Reader:
    """A log in a rack, what it has read, and from which brokers the bytes came."""

    def __init__(self, cluster: KafkaCluster, rack: str) -> None:
        self.log = KafkaLog(cluster.address.split(","), KafkaSettings(rack=rack, epoch_check_s=CHECK_S))
        self.events: list[LogEvent] = []
        self.bytes_by_node: Counter[int] = Counter()

    async def open(self, topic: str) -> None:
        await self.log.open([topic], since_ms=0, from_start=[topic])
        for client in self.log._clients:
            count_fetched(client, self.bytes_by_node)

    @property
    def values(self) -> list[bytes | None]:
        return [record.value for event in self.events if isinstance(event, Records) for record in event.records]

    async def read(self, count: int) -> list[bytes | None]:
        """What was read, once there are so many records."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.values) < count:
                self.events += await self.log.poll()
        return self.values

    def read_node(self) -> int:
        """The broker that the partition is read from."""
        fetchers = self.log._live._fetchers  # type: ignore[union-attr]
        ((partition, leader),) = fetchers._topics.led()
        return fetchers._replicas.node(partition.place, leader, time.monotonic())

    async def read_from(self, node: int) -> None:
        """Read from this broker, as if the leader had named it."""
        fetchers = self.log._live._fetchers  # type: ignore[union-attr]
        while fetchers._client.cluster.broker_metadata(node) is None:
            await fetchers._client.force_metadata_update()
        ((partition, _),) = fetchers._topics.led()
        fetchers._replicas.choose(partition.place, node, time.monotonic())
        fetchers.start_missing()


@asynccontextmanager
async def reading(cluster: KafkaCluster, rack: str, topic: str) -> AsyncIterator[Reader]:
    reader = Reader(cluster, rack)
    try:
        await reader.open(topic)
        yield reader
    finally:
        await reader.log.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[KafkaCluster]:
    with kafka_in_racks(tmp_path) as made:
        yield made


class Topic:
    """A topic with one partition, led by the first broker, and what was written to it."""

    def __init__(self, cluster: KafkaCluster, name: str) -> None:
        self.name = name
        self.sent: list[bytes | None] = []
        self._cluster = cluster
        self._harness = KafkaHarness(cluster.brokers[0])

    async def create(self) -> None:
        await self._cluster.create_led_by(self._cluster.brokers[0], self.name)

    async def grow(self, count: int, *readers: Reader, size: int = 10) -> None:
        """Append records; each reader then has read all there are, in order, once."""
        more = [b"%0*d" % (size, number) for number in range(len(self.sent), len(self.sent) + count)]
        await self._harness.append(self.name, [Raw(b"7", value) for value in more])
        self.sent += more
        for reader in readers:
            assert await reader.read(len(self.sent)) == self.sent

    async def replay(self, reader: Reader) -> None:
        """A replay gets all of it too."""
        (opened,) = [event for event in reader.events if isinstance(event, TopicOpened)]
        up_to = len(self.sent) - 1
        chunk = await reader.log.read(self.name, opened.epoch, 0, after=-1, up_to=up_to, records_max=up_to + 1)
        assert [record.value for record in chunk.records] == self.sent

    async def until_read_from(self, reader: Reader, node: int) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while reader.read_node() != node:
                reader.events += await reader.log.poll()


@pytest.mark.long
async def test_reads_come_from_ones_own_rack_and_fall_back_to_the_leader(
    cluster: KafkaCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_replicas, "PAUSE_S", 1.0)
    monkeypatch.setattr(stalled_replicas, "CHECK_S", 0.5)
    leader, _, near = cluster.brokers
    topic = Topic(cluster, "racked")
    await topic.create()
    await topic.grow(20)
    async with reading(cluster, "c", topic.name) as reader:
        await reader.read(20)
        await topic.until_read_from(reader, near.node_id)
        reader.bytes_by_node.clear()
        await topic.grow(20, reader)
        await topic.replay(reader)
        assert reader.bytes_by_node.keys() == {near.node_id}, "what is new and what is replayed comes from there"

        await asyncio.to_thread(near.stop, kill=True)
        await topic.grow(40, reader, size=5_000)
        assert reader.bytes_by_node[leader.node_id] > 0

        # The replica is back, and answers, but has neither the reader's offset nor its epochs. That deletes nothing.
        await cluster.configure(topic.name, {"follower.replication.throttled.replicas": f"0:{near.node_id}"})
        await leader.configure_cluster({"follower.replication.throttled.rate": "1"})
        await started(near)
        await reader.read_from(near.node_id)
        await topic.grow(10, reader)
        async with reading(cluster, "c", topic.name) as late:
            await late.read_from(near.node_id)
            await topic.grow(10, reader, late)  # it ends in the middle of the log: that is not the end
            await topic.replay(late)

        await leader.configure_cluster({})
        await topic.until_read_from(reader, near.node_id)
        reader.bytes_by_node.clear()
        await topic.grow(10, reader)
        assert reader.bytes_by_node.keys() == {near.node_id}
        assert [event for event in reader.events if isinstance(event, OffsetsLost | Truncated)] == []
