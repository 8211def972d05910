"""What is read from a real broker for clients that were away for longer than the window: once for all their rooms."""

import time
from collections.abc import Sequence
from typing import Any

from support.kafka_broker import KafkaBroker
from support.kafka_log_harness import KafkaHarness
from support.log_harness import Raw
from support.node_fixture import Client, running_node
from touchline_kafka.address import servers_of
from touchline_protocol.messages import Event, RoomRequest, Subscribe, Subscribed
from touchline_server.config.settings import Settings
from touchline_server.config.tables import FeedSettings
from touchline_server.core.log import Chunk
from touchline_server.core.replays.partition_reads import CHUNK_RECORDS
from touchline_server.log.kafka.log import KafkaLog

ROOMS = [f"score:{number}" for number in range(40)]
NOBODYS = [f"score:never{number}" for number in range(40)]
EVENTS = 2_000
MINUTE_MS = 60_000


class CountingLog(KafkaLog):
    """A log in Kafka that counts what is read from it for catch-ups."""

    reads = 0
    records_read = 0

    async def read(self, *place: Any, **what: Any) -> Chunk:
        chunk = await super().read(*place, **what)
        self.reads += 1
        self.records_read += len(chunk.records)
        return chunk


async def come_back(client: Client, rooms: Sequence[str], epoch: str, after: int) -> None:
    await client.send(Subscribe(rooms=[RoomRequest(room=room, epoch=epoch, after=after) for room in rooms]))


async def take_all(client: Client, rooms: Sequence[str], after: int) -> None:
    """Receive the answers for all rooms, and each event since the cursor."""
    missing = {room: [n for n in range(after + 1, EVENTS) if ROOMS[n % len(ROOMS)] == room] for room in rooms}
    joined: set[str] = set()
    while len(joined) < len(rooms) or any(missing.values()):
        match await client.next():
            case Subscribed() as subscribed:
                assert subscribed.recovered
                joined.add(subscribed.room)
            case Event() as event:
                assert event.offset == missing[event.room].pop(0)


async def test_a_partition_is_read_once_for_all_rooms_of_all_clients(kafka: KafkaBroker) -> None:
    harness = KafkaHarness(kafka)
    topic = await harness.create_topic()
    old = int(time.time() * 1000) - 10 * MINUTE_MS
    await harness.append(
        topic, [Raw(ROOMS[n % len(ROOMS)].removeprefix("score:").encode(), b"%d" % n, (), old) for n in range(EVENTS)]
    )
    url = f"kafka://{kafka.address}"
    log = CountingLog(servers_of(url), Settings(log=url).kafka)
    feeds = {"score": FeedSettings(topic=topic)}
    async with (
        running_node(log, url=url, feeds=feeds, window_s=60.0) as node,
        node.client() as first,
        node.client() as second,
        node.client() as hog,
    ):
        epoch = (await first.join("score:other")).epoch
        await come_back(hog, NOBODYS, epoch, 0)
        await take_all(hog, NOBODYS, EVENTS)
        assert log.reads == 0
        await come_back(second, ROOMS[:20], epoch, 10)
        await come_back(first, ROOMS, epoch, 0)
        await take_all(second, ROOMS[:20], 10)
        await take_all(first, ROOMS, 0)
    assert log.records_read <= EVENTS + 2 * CHUNK_RECORDS
    assert log.reads <= EVENTS / CHUNK_RECORDS + 3


async def test_one_answer_is_bounded_in_bytes(kafka: KafkaBroker) -> None:
    harness = KafkaHarness(kafka)
    topic = await harness.create_topic()
    await harness.append(topic, [Raw(b"1", b'"%s"' % (b"x" * 200_000)) for _ in range(9)])
    async with running_node(url=f"kafka://{kafka.address}", feeds={"score": FeedSettings(topic=topic)}) as node:
        async with node.client() as client:
            epoch = (await client.join("score:1")).epoch.rsplit("-", 2)[0]
        chunk = await node.node.log.read(topic, epoch, 0, after=-1, up_to=8, records_max=500)
        assert [len(chunk.records), chunk.reached] == [6, 5]
