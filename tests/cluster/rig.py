"""The servers of a run: a cluster of three brokers, two edges, and a relay that clients connect to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

from aiokafka.admin import NewTopic

from cluster.admin import Admin
from cluster.scene import ACTIONS_PARTITIONS, ACTIONS_TOPIC, FEEDS, SECRET, VERDICTS_TOPIC, Feed
from support.kafka_broker import KafkaBroker
from support.kafka_split import SplitCluster
from support.processes import EdgeProcess
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.rig.relay import Relay

EDGES = 2

CONFIG = """
drain_s = 0.5
heartbeat_s = 3.0
[auth]
hs256_secret = "{secret}"
[actions]
topic = "{actions}"
[verdicts]
topic = "{verdicts}"
[kafka]
connect_timeout_s = 30.0
"""


class Edge(EdgeProcess):
    """An edge with a lock, so that it suffers one fault at a time."""

    def __init__(self, name: str, log: str, config: Path, ports: tuple[int, int]) -> None:
        super().__init__(name, log, config, ports, config.with_name(f"{name}.log"))
        self.name = name
        self.lock = asyncio.Lock()


class Rig:
    """Everything that a run starts."""

    def __init__(self, folder: Path, random: Random) -> None:
        self.cluster = SplitCluster(folder / "kafka")
        self.address = ",".join(broker.address for broker in self.cluster.brokers)
        """All brokers, including those that are stopped at the moment."""
        self.admin = Admin(lambda: self.cluster.address)
        self.united = asyncio.Lock()
        """Held while a broker is cut off, and while something reads or changes topics that must not see the past."""
        config = folder / "touchline.toml"
        config.write_text(_config())
        ports = free_ports(2 * EDGES)
        self.edges = [
            Edge(f"edge-{number}", f"kafka://{self.address}", config, (ports[2 * number], ports[2 * number + 1]))
            for number in range(EDGES)
        ]
        self.relay = Relay([edge.port for edge in self.edges], random)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start everything, and stop it at the end of the block."""
        try:
            self.cluster.start()
            for feed in FEEDS:
                await self.create(feed)
                await self.admin.until_in_sync(feed.topic)
            await self.cluster.create(ACTIONS_TOPIC, ACTIONS_PARTITIONS)
            await self.cluster.create(VERDICTS_TOPIC, 1, {"cleanup.policy": "compact"})
            await asyncio.gather(*(edge.start() for edge in self.edges))
            async with self.relay.running():
                yield
        finally:
            await asyncio.gather(*(edge.stop() for edge in self.edges), return_exceptions=True)
            self.cluster.stop()

    async def create(self, feed: Feed) -> None:
        """Create a feed's topic."""
        everywhere = [broker.node_id for broker in self.cluster.brokers]
        if feed.copies < len(everywhere):
            replicas = dict.fromkeys(range(feed.partitions), everywhere[: feed.copies])
            new = NewTopic(feed.topic, -1, -1, replica_assignments=replicas, topic_configs=dict(feed.configs))
        else:
            new = NewTopic(feed.topic, feed.partitions, feed.copies, topic_configs=dict(feed.configs))
        await self.admin.create(new)

    async def leader(self, topic: str, partition: int = 0) -> KafkaBroker:
        """The broker that leads a partition."""
        while (number := (await self.admin.describe(topic))[partition].leader) < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        return self.cluster.brokers[number - 1]


async def start_broker(broker: KafkaBroker) -> None:
    """Start a broker without stopping the event loop. Brokers end with the thread that starts them: this one."""
    broker.launch()
    await asyncio.to_thread(broker.wait_started)


async def stop_broker(broker: KafkaBroker, *, kill: bool) -> None:
    """Stop a broker without stopping the event loop."""
    await asyncio.to_thread(broker.stop, kill=kill)


async def start_edge(edge: Edge) -> None:
    """Start an edge, again if it gives up because Kafka is away, as a supervisor would."""
    while True:
        try:
            await edge.start()
        except AssertionError:
            await asyncio.sleep(0.5)
        else:
            return


def _config() -> str:
    feeds = "".join(f'[feeds.{feed.name}]\ntopic = "{feed.topic}"\n' for feed in FEEDS)
    return CONFIG.format(secret=SECRET, actions=ACTIONS_TOPIC, verdicts=VERDICTS_TOPIC) + feeds
