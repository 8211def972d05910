"""What is read from a real broker for clients that were away for longer than the window: once for all their rooms."""

import time
from collections.abc import Sequence
from typing import Any

from support.kafka_broker import KafkaBroker
from support.kafka_log_harness import KafkaHarness
from support.kafka_truth import read_log
from support.log_harness import Raw
from support.node_fixture import Client, running_node
from touchline_kafka.address import servers_of
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.checks.room_follower import RoomFollower
from touchline_loadtest.checks.trace import Settled, Trace
from touchline_protocol.messages import Event, Subscribe, Subscribed
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


class Returned:
    """A client that comes back to some rooms, with a cursor of one partition."""

    def __init__(self, name: str, client: Client, rooms: Sequence[str], cursor: tuple[str, int]) -> None:
        self.traces = {room: Trace(name, room) for room in rooms}
        self._client = client
        self._followers = {room: RoomFollower(trace, after=cursor) for room, trace in self.traces.items()}
        self._missing = sum(ROOMS[number % len(ROOMS)] in self.traces for number in range(cursor[1] + 1, EVENTS))

    async def ask(self) -> None:
        """Subscribe to all rooms."""
        await self._client.send(Subscribe([follower.request() for follower in self._followers.values()]))

    async def take_all(self) -> None:
        """Receive the answers for all rooms, and as many events as there were since the cursor."""
        while self._missing or not all(follower.live.joined for follower in self._followers.values()):
            message = await self._client.next()
            assert isinstance(message, Subscribed | Event)
            assert self._followers[message.room].receive(message) is None
            self._missing -= isinstance(message, Event)
        for trace in self.traces.values():
            trace.add(Settled())


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
        node.client() as hogging,
    ):
        epoch = (await first.join("score:other")).epoch
        hog = Returned("the hog", hogging, NOBODYS, (epoch, 0))
        await hog.ask()
        await hog.take_all()
        assert log.reads == 0
        some, every = Returned("second", second, ROOMS[:20], (epoch, 10)), Returned("first", first, ROOMS, (epoch, 0))
        for client in (some, every):
            await client.ask()
        for client in (some, every):
            await client.take_all()
    held = await read_log(kafka.address, {"score": topic})
    for room in ROOMS:
        traces = [client.traces[room] for client in (some, every) if room in client.traces]
        assert check_room(held.room(room), traces) == []
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
