"""A topic on three brokers is deleted and created again while two edges serve it, over and over."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from edge.streams import stream
from support.kafka_broker import KafkaCluster
from support.kafka_truth import add_log
from support.node_fixture import RunningNode, running_node
from support.waiting import eventually
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.checks.room_follower import RoomFollower
from touchline_loadtest.checks.run_log import RunLog
from touchline_loadtest.checks.trace import Settled, Trace
from touchline_protocol.codecs import JSON, MSGPACK, Codec
from touchline_protocol.messages import Deliver, Event, ServerMessage, Skipped, Subscribe, Subscribed
from touchline_server.config.tables import FeedSettings

TOPIC = "made-again"
PARTITIONS = 3
ROOMS = [str(number) for number in range(6)]
EVENTS = 20
"""Events of each room in each topic: while it is created, and after that."""

WAIT_S = 60.0


class Watcher:
    """A client of one edge: what it sees of each room, and when it got the last event of the present round."""

    def __init__(self, name: str, deliver: Deliver) -> None:
        self.name = name
        self.round = 0
        self.traces = {f"score:{room}": Trace(name, f"score:{room}", deliver) for room in ROOMS}
        self.rooms = {
            room: RoomFollower(trace, restarts=True, now_ms=lambda: time.time() * 1000)
            for room, trace in self.traces.items()
        }
        self.done_s: dict[str, float] = {}

    def take(self, message: ServerMessage) -> None:
        if isinstance(message, Subscribed | Event | Skipped):
            breach = self.rooms[message.room].receive(message)
            assert breach is None, breach
        events = message.state if isinstance(message, Subscribed) else [message] if isinstance(message, Event) else []
        for event in events:
            if (event.key, event.data) == ("last", self.round):
                self.done_s.setdefault(event.room, time.monotonic())

    @property
    def is_done(self) -> bool:
        """Whether it has the last event of the round in all rooms."""
        return len(self.done_s) == len(self.rooms)

    async def read(self, next_message: Callable[[], Awaitable[ServerMessage]]) -> None:
        while True:
            self.take(await next_message())


class Crowd:
    """All clients of all edges. Their readers run until the end of the block."""

    def __init__(self, stack: contextlib.AsyncExitStack, readers: asyncio.TaskGroup) -> None:
        self.watchers: list[Watcher] = []
        self._stack = stack
        self._readers = readers
        self._tasks: list[asyncio.Task[None]] = []

    async def watch(self, edge: RunningNode, codec: Codec, deliver: Deliver) -> None:
        watcher = self._add(f"{edge.node.settings.edge_name} {codec.name} {deliver}", deliver)
        client = await self._stack.enter_async_context(edge.client(codec))
        await client.send(Subscribe(rooms=[room.request() for room in watcher.rooms.values()]))
        self._tasks.append(self._readers.create_task(watcher.read(lambda: client.next(3600))))

    async def watch_streams(self, edge: RunningNode) -> None:
        watcher = self._add(f"{edge.node.settings.edge_name} sse", "all")
        for room in watcher.rooms:
            watching = await self._stack.enter_async_context(stream(edge, room))
            self._tasks.append(self._readers.create_task(_read_stream(watcher, watching)))

    def leave(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _add(self, name: str, deliver: Deliver) -> Watcher:
        watcher = Watcher(name, deliver)
        self.watchers.append(watcher)
        return watcher


async def _read_stream(watcher: Watcher, watching: Any) -> None:
    while True:
        try:
            watcher.take(await watching.next())
        except TimeoutError:
            continue


@contextlib.asynccontextmanager
async def crowd_of(cluster: KafkaCluster) -> AsyncIterator[Crowd]:
    await cluster.create(TOPIC, PARTITIONS)
    async with contextlib.AsyncExitStack() as stack:
        edges = [
            await stack.enter_async_context(
                running_node(
                    url=f"kafka://{cluster.address}", edge_name=name, feeds={"score": FeedSettings(topic=TOPIC)}
                )
            )
            for name in ("one", "two")
        ]
        crowd = Crowd(stack, await stack.enter_async_context(asyncio.TaskGroup()))
        for edge in edges:
            await crowd.watch(edge, JSON, "all")
            await crowd.watch(edge, MSGPACK, "latest")
            await crowd.watch_streams(edge)
        yield crowd
        crowd.leave()


async def publish(cluster: KafkaCluster, round_: int) -> None:
    """Publish happenings in all rooms, and at the end the state ``last``; begin while the topic is not there."""
    async with AIOKafkaProducer(bootstrap_servers=cluster.address, acks="all") as producer:
        for number in range(EVENTS):
            for room in ROOMS:
                last = number == EVENTS - 1
                headers = [("key", b"last")] if last else []
                value = b"%d" % (round_ if last else number)
                await _send(producer, room.encode(), value, headers)


async def _send(producer: AIOKafkaProducer, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> None:
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                await producer.send_and_wait(TOPIC, value, key, headers=headers)
            except KafkaError:
                await asyncio.sleep(0.05)
            else:
                return


async def make_again(cluster: KafkaCluster, crowd: Crowd, round_: int) -> dict[str, float]:
    """Delete and create the topic; returns how long after the first client each got a room's last event, in seconds."""
    for watcher in crowd.watchers:
        watcher.round = round_
        watcher.done_s.clear()
    await cluster.delete(TOPIC)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(cluster.create(TOPIC, PARTITIONS))
        tasks.create_task(publish(cluster, round_))
    await eventually(lambda: all(watcher.is_done for watcher in crowd.watchers), WAIT_S)
    first = {room: min(watcher.done_s[room] for watcher in crowd.watchers) for room in crowd.watchers[0].done_s}
    return {
        watcher.name: max(done_s - first[room] for room, done_s in watcher.done_s.items()) for watcher in crowd.watchers
    }


@pytest.mark.long
async def test_all_clients_of_a_topic_that_is_made_again_have_its_events_at_the_same_time(
    kafka_cluster: KafkaCluster,
) -> None:
    log = RunLog()
    async with crowd_of(kafka_cluster) as crowd:
        for round_ in range(1, 6):
            behind_s = await make_again(kafka_cluster, crowd, round_)
            assert max(behind_s.values()) < 10, behind_s
            await add_log(log, kafka_cluster.address, {"score": TOPIC}, generation=round_)
            for room in crowd.watchers[0].rooms:
                assert len({watcher.rooms[room].live.cursor for watcher in crowd.watchers}) == 1
        for room in crowd.watchers[0].rooms:
            traces = [watcher.traces[room] for watcher in crowd.watchers]
            for trace in traces:
                trace.add(Settled())
            assert check_room(log.room(room), traces) == []
