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
from support.client_model import RoomView
from support.kafka_broker import KafkaCluster
from support.node_fixture import RunningNode, running_node
from support.waiting import eventually
from touchline_protocol.codecs import JSON, MSGPACK, Codec
from touchline_protocol.messages import Event, RoomRequest, ServerMessage, Skipped, Subscribe, Subscribed
from touchline_server.config.tables import FeedSettings

TOPIC = "made-again"
PARTITIONS = 3
ROOMS = [str(number) for number in range(6)]
EVENTS = 20
"""Events of each room in each topic: while it is created, and after that."""

WAIT_S = 60.0


class Watcher:
    """A client of one edge: what it knows of each room, and when it got the last event of the present round."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.round = 0
        self.views = {f"score:{room}": RoomView() for room in ROOMS}
        self.done_s: dict[str, float] = {}

    def take(self, message: ServerMessage) -> None:
        if isinstance(message, Subscribed | Event | Skipped):
            view = self.views[message.room]
            view.take(message)
            if view.state.get("last") == self.round:
                self.done_s.setdefault(message.room, time.monotonic())

    @property
    def is_done(self) -> bool:
        """Whether it has the last event of the round in all rooms."""
        return len(self.done_s) == len(self.views)

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

    async def watch(self, edge: RunningNode, codec: Codec, deliver: Any) -> None:
        watcher = self._add(f"{edge.node.settings.edge_name} {codec.name} {deliver}")
        client = await self._stack.enter_async_context(edge.client(codec))
        rooms = [RoomRequest(room=room, deliver=deliver) for room in watcher.views]
        await client.send(Subscribe(rooms=rooms))
        self._tasks.append(self._readers.create_task(watcher.read(lambda: client.next(3600))))

    async def watch_streams(self, edge: RunningNode) -> None:
        watcher = self._add(f"{edge.node.settings.edge_name} sse")
        for room in watcher.views:
            watching = await self._stack.enter_async_context(stream(edge, room))
            self._tasks.append(self._readers.create_task(_read_stream(watcher, watching)))

    def leave(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _add(self, name: str) -> Watcher:
        watcher = Watcher(name)
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
    async with crowd_of(kafka_cluster) as crowd:
        for round_ in range(1, 6):
            behind_s = await make_again(kafka_cluster, crowd, round_)
            assert max(behind_s.values()) < 10, behind_s
            for room in ROOMS:
                views = [watcher.views[f"score:{room}"] for watcher in crowd.watchers]
                assert len({view.epoch for view in views}) == 1
                assert len({view.last for view in views}) == 1
